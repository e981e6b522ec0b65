//! What an IP address is to a server that fetches for strangers: everybody's, of a private network, or nobody's to ask.
//! Forms that carry an IPv4 address inside count as that address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Reach;

/// What an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Reached by everybody.
    Public,
    /// This machine's own, or of a network behind it.
    Private,
    /// Link-local, or where clouds keep the machine's own credentials: asked by no setting.
    Metadata,
    /// No host has it: multicast, documentation, unspecified, reserved.
    Nobody,
}

impl Kind {
    pub(super) fn is_within(self, reach: Reach) -> bool {
        match self {
            Self::Public => reach != Reach::Nowhere,
            Self::Private => reach == Reach::Private,
            Self::Metadata | Self::Nobody => false,
        }
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Public => "a public address",
            Self::Private => "an address of this machine or of a private network",
            Self::Metadata => "a link-local address or one of a cloud's metadata",
            Self::Nobody => "an address that no host has",
        }
    }
}

/// Addresses outside the link-local ranges at which clouds answer with credentials: Azure, Alibaba, Amazon.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// What this address is.
pub(super) fn kind(ip: IpAddr) -> Kind {
    let ip = plain(ip);
    if METADATA.contains(&ip) {
        return Kind::Metadata;
    }
    match ip {
        IpAddr::V4(ip) => of_v4(ip),
        IpAddr::V6(ip) => of_v6(ip),
    }
}

/// The IPv4 address inside an IPv6 one: mapped, translated (RFC 6052), or 6to4.
fn plain(ip: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = ip else { return ip };
    let inside = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => inside(high, low),
        _ => ip,
    }
}

/// By the registry of special-purpose addresses (RFC 6890 and its successors).
fn of_v4(ip: Ipv4Addr) -> Kind {
    match ip.octets() {
        [169, 254, ..] => Kind::Metadata,
        [10 | 127, ..] | [192, 168, ..] => Kind::Private,
        [172, second, ..] if (16..32).contains(&second) => Kind::Private,
        // Shared by a provider's customers.
        [100, second, ..] if (64..128).contains(&second) => Kind::Private,
        [0 | 224..=255, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => Kind::Nobody,
        _ => Kind::Public,
    }
}

fn of_v6(ip: Ipv6Addr) -> Kind {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Private,
        [first, ..] if first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0 => Kind::Private,
        [first, ..] if first & 0xffc0 == 0xfe80 => Kind::Metadata,
        // Teredo, benchmarks, ORCHID and documentation lie inside the range that is given out.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Nobody,
        [first, ..] if first & 0xe000 == 0x2000 => Kind::Public,
        _ => Kind::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_address_is_known() {
        for (text, expected) in [
            ("1.1.1.1", Kind::Public),
            ("172.15.0.1", Kind::Public),
            ("172.32.0.1", Kind::Public),
            ("100.63.0.1", Kind::Public),
            ("2606:4700::1111", Kind::Public),
            ("::ffff:1.1.1.1", Kind::Public),
            ("127.0.0.1", Kind::Private),
            ("127.9.9.9", Kind::Private),
            ("::1", Kind::Private),
            ("::ffff:127.0.0.1", Kind::Private),
            ("64:ff9b::7f00:1", Kind::Private),
            ("2002:7f00:1::", Kind::Private),
            ("10.1.2.3", Kind::Private),
            ("172.16.0.1", Kind::Private),
            ("172.31.255.255", Kind::Private),
            ("192.168.1.1", Kind::Private),
            ("100.64.0.1", Kind::Private),
            ("fd12::1", Kind::Private),
            ("fec0::1", Kind::Private),
            ("169.254.169.254", Kind::Metadata),
            ("::ffff:169.254.169.254", Kind::Metadata),
            ("64:ff9b::a9fe:a9fe", Kind::Metadata),
            ("168.63.129.16", Kind::Metadata),
            ("100.100.100.200", Kind::Metadata),
            ("fd00:ec2::254", Kind::Metadata),
            ("fe80::1", Kind::Metadata),
            ("0.0.0.0", Kind::Nobody),
            ("192.0.2.1", Kind::Nobody),
            ("198.18.0.1", Kind::Nobody),
            ("224.0.0.1", Kind::Nobody),
            ("255.255.255.255", Kind::Nobody),
            ("::", Kind::Nobody),
            ("::7f00:1", Kind::Nobody),
            ("ff02::1", Kind::Nobody),
            ("2001:db8::1", Kind::Nobody),
            ("2001::1", Kind::Nobody),
            ("64:ff9b:1::1", Kind::Nobody),
        ] {
            let ip = text.parse().unwrap_or_else(|_| panic!("{text} is an address"));
            assert_eq!(kind(ip), expected, "{text}");
        }
    }

    #[test]
    fn no_setting_reaches_metadata() {
        for reach in [Reach::Nowhere, Reach::Public, Reach::Private] {
            assert!(!Kind::Metadata.is_within(reach) && !Kind::Nobody.is_within(reach));
            assert_eq!(Kind::Private.is_within(reach), reach == Reach::Private);
            assert_eq!(Kind::Public.is_within(reach), reach != Reach::Nowhere);
        }
    }
}
