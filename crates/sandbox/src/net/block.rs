//! Blocks of IPv4 addresses, and which of them are closed to every job: what is not the outside world. Pure text and
//! numbers; the rules in `rules` are made from it.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// An address block in CIDR form: `192.0.2.0/24`, or `192.0.2.7` for one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ipv4Block {
    base: u32,
    prefix: u8,
}

/// Why a text is not an address block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Not an address with an optional prefix length.
    #[error("'{0}' is not an IPv4 address or block; write 192.0.2.7 or 192.0.2.0/24")]
    Form(String),
    /// Bits are set to the right of the prefix.
    #[error("'{given}' has bits beyond its prefix length; the block that holds it is {meant}")]
    Bits {
        /// As it was given.
        given: String,
        /// The block it lies in.
        meant: Ipv4Block,
    },
}

impl Ipv4Block {
    /// One address.
    pub fn one(address: Ipv4Addr) -> Self {
        Self {
            base: address.into(),
            prefix: 32,
        }
    }

    pub(super) const fn of(base: Ipv4Addr, prefix: u8) -> Self {
        Self {
            base: base.to_bits(),
            prefix,
        }
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// Lowest address.
    pub fn first(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base)
    }

    /// Highest address.
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base | !self.mask())
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == self.base
    }

    /// Whether the two have an address in common.
    pub fn overlaps(self, other: Self) -> bool {
        self.contains(other.first()) || other.contains(self.first())
    }

    /// What two blocks have in common: of two that overlap one holds the other.
    #[must_use]
    pub fn common(self, other: Self) -> Option<Self> {
        self.overlaps(other)
            .then_some(if self.prefix >= other.prefix { self } else { other })
    }
}

/// The same addresses without blocks that lie in others: the packet filter refuses those.
pub(super) fn widest(blocks: &[Ipv4Block]) -> Vec<Ipv4Block> {
    let mut sorted = blocks.to_vec();
    // A block comes before those that lie in it.
    sorted.sort_unstable_by_key(|block| (block.base, block.prefix));
    let mut kept: Vec<Ipv4Block> = Vec::new();
    for block in sorted {
        if kept.last().is_none_or(|last| !last.overlaps(block)) {
            kept.push(block);
        }
    }
    kept
}

impl fmt::Display for Ipv4Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == 32 {
            write!(f, "{}", self.first())
        } else {
            write!(f, "{}/{}", self.first(), self.prefix)
        }
    }
}

impl FromStr for Ipv4Block {
    type Err = BlockError;

    fn from_str(text: &str) -> Result<Self, BlockError> {
        let form = || BlockError::Form(text.to_owned());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, prefix.parse().map_err(|_| form())?),
            None => (text, 32),
        };
        let address: Ipv4Addr = address.parse().map_err(|_| form())?;
        if prefix > 32 {
            return Err(form());
        }
        let given = Self::of(address, prefix);
        let meant = Self {
            base: given.base & given.mask(),
            prefix,
        };
        if meant == given {
            Ok(meant)
        } else {
            Err(BlockError::Bits {
                given: text.to_owned(),
                meant,
            })
        }
    }
}

/// Closed to every job unless the operator opens parts of it: networks that are not the outside world. Metadata
/// services of clouds are link-local (169.254.169.254, 169.254.170.2) or in shared address space (100.100.100.200).
pub(super) const PRIVATE: [Ipv4Block; 11] = [
    Ipv4Block::of(Ipv4Addr::UNSPECIFIED, 8),
    Ipv4Block::of(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Block::of(Ipv4Addr::new(100, 64, 0, 0), 10),
    Ipv4Block::of(Ipv4Addr::new(127, 0, 0, 0), 8),
    Ipv4Block::of(Ipv4Addr::new(169, 254, 0, 0), 16),
    Ipv4Block::of(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Block::of(Ipv4Addr::new(192, 0, 0, 0), 24),
    Ipv4Block::of(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Block::of(Ipv4Addr::new(198, 18, 0, 0), 15),
    // Multicast, and everything above it.
    Ipv4Block::of(Ipv4Addr::new(224, 0, 0, 0), 4),
    Ipv4Block::of(Ipv4Addr::new(240, 0, 0, 0), 4),
];

#[cfg(test)]
mod tests {
    use super::Ipv4Block;

    fn block(text: &str) -> Ipv4Block {
        text.parse().expect("a block")
    }

    #[test]
    fn text_survives_a_round() {
        for text in ["192.0.2.7", "192.0.2.0/24", "0.0.0.0/0", "10.0.0.0/8"] {
            assert_eq!(block(text).to_string(), text);
        }
        assert_eq!(block("192.0.2.7/32").to_string(), "192.0.2.7");
    }

    #[test]
    fn what_is_no_block_is_refused_with_a_way_out() {
        let said = |text: &str| text.parse::<Ipv4Block>().expect_err("no block").to_string();
        assert!(said("10.1.2.3/8").ends_with("the block that holds it is 10.0.0.0/8"));
        for text in [
            "",
            "10.0.0/8",
            "10.0.0.0/33",
            "fe80::1",
            "10.0.0.0/",
            "example.com",
        ] {
            assert!(said(text).contains("write 192.0.2.7"), "{text}");
        }
    }

    #[test]
    fn blocks_in_others_are_left_out() {
        let blocks = [
            "192.0.2.7",
            "192.0.2.0/24",
            "198.51.100.1",
            "192.0.2.0/25",
            "198.51.100.1",
            "203.0.113.0/24",
        ];
        let widest: Vec<String> = super::widest(&blocks.map(block))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(widest, ["192.0.2.0/24", "198.51.100.1", "203.0.113.0/24"]);
    }

    #[test]
    fn blocks_know_their_ends_and_each_other() {
        let wide = block("10.0.0.0/8");
        assert_eq!(wide.last().to_string(), "10.255.255.255");
        assert_eq!(block("0.0.0.0/0").last().to_string(), "255.255.255.255");
        assert_eq!(wide.common(block("10.1.0.0/16")), Some(block("10.1.0.0/16")));
        assert_eq!(wide.common(block("0.0.0.0/0")), Some(wide));
        assert_eq!(wide.common(block("11.0.0.0/8")), None);
    }
}
