//! Changes to the sets of the packet filter by netlink: what differs between jobs. Each change is one transaction, all
//! or nothing; rules and chains are never touched after they were loaded.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::block::Ipv4Block;
use super::netlink::{Netlink, Request, text};

// Numbers of <linux/netfilter/nfnetlink.h> and nf_tables.h.
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
const NFTABLES: u16 = 10;
const DELETE_TABLE: u16 = NFTABLES * 256 + 2;
const NEW_ELEMENT: u16 = NFTABLES * 256 + 12;
const DELETE_ELEMENT: u16 = NFTABLES * 256 + 14;
const TABLE_NAME: u16 = 1;
const LIST_TABLE: u16 = 1;
const LIST_SET: u16 = 2;
const LIST_ELEMENTS: u16 = 3;
const LIST_ELEMENT: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_TIMEOUT: u16 = 4;
const ELEMENT_KEY_END: u16 = 10;
const DATA_VALUE: u16 = 1;
const NESTED: u16 = 0x8000;

/// Which of the two tables of a launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Inet,
    Bridge,
}

impl Family {
    const fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Bridge => 7,
        }
    }
}

/// One element of one set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Element {
    family: Family,
    set: &'static str,
    key: Vec<u8>,
    /// The upper end, in sets of ranges.
    end: Option<Vec<u8>>,
    /// How long it stays by itself, in sets of such.
    lives: Option<Duration>,
}

impl Element {
    /// Which address and hardware address speak through a port.
    pub(super) fn place(port: &str, hardware: [u8; 6], address: Ipv4Addr) -> Self {
        let mut key = port.as_bytes().to_vec();
        // A device name fills 16 bytes; each part of a joined key is filled up to 4.
        key.resize(16, 0);
        key.extend(hardware);
        key.extend([0; 2]);
        key.extend(address.octets());
        Self::keyed(Family::Bridge, "places", key)
    }

    /// A job that may reach whatever is not closed.
    pub(super) fn open(job: Ipv4Addr) -> Self {
        Self::keyed(Family::Inet, "open", job.octets().to_vec())
    }

    /// A block that a job on a list may reach.
    pub(super) fn listed(job: Ipv4Addr, block: Ipv4Block) -> Self {
        Self {
            end: Some(both(job, block.last())),
            ..Self::keyed(Family::Inet, "blocks", both(job, block.first()))
        }
    }

    /// An address that a job on a list was told of.
    pub(super) fn named(job: Ipv4Addr, address: Ipv4Addr, lives: Option<Duration>) -> Self {
        Self {
            lives,
            ..Self::keyed(Family::Inet, "named", both(job, address))
        }
    }

    fn keyed(family: Family, set: &'static str, key: Vec<u8>) -> Self {
        Self {
            family,
            set,
            key,
            end: None,
            lives: None,
        }
    }
}

fn both(job: Ipv4Addr, other: Ipv4Addr) -> Vec<u8> {
    [job.octets(), other.octets()].concat()
}

/// What is to become of an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// It is there afterwards.
    Add,
    /// It was there and is not any more.
    Delete,
}

/// The sets of one launcher's tables.
#[derive(Debug)]
pub(super) struct Filter {
    netlink: Netlink,
    table: String,
}

impl Filter {
    /// Opens a line to the packet filter of the calling thread's network namespace.
    pub(super) fn open(table: &str) -> io::Result<Self> {
        Ok(Self {
            netlink: Netlink::open_netfilter()?,
            table: table.to_owned(),
        })
    }

    /// Makes changes in this order, all or none.
    pub(super) fn apply(&mut self, changes: &[(Change, &Element)]) -> io::Result<()> {
        let messages = changes
            .iter()
            .map(|(change, element)| self.message(*change, element));
        let batch: Vec<Request> = messages.collect();
        self.transaction(batch)
    }

    /// Deletes both tables with everything in them; that there are none is fine.
    pub(super) fn delete_tables(&mut self) -> io::Result<()> {
        for family in [Family::Inet, Family::Bridge] {
            let request = Request::new(DELETE_TABLE, 0, &header(family.number(), 0))
                .attribute(TABLE_NAME, &text(&self.table));
            match self.transaction(vec![request]) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                // A kernel without a packet filter for bridges, or without one at all.
                Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
                other => other?,
            }
        }
        Ok(())
    }

    fn message(&self, change: Change, element: &Element) -> Request {
        let (kind, flags) = match change {
            Change::Add => (NEW_ELEMENT, libc::NLM_F_CREATE),
            Change::Delete => (DELETE_ELEMENT, 0),
        };
        let key = |list: Request, kind: u16, bytes: &[u8]| {
            list.nested(kind | NESTED, &[], |key| key.attribute(DATA_VALUE, bytes))
        };
        Request::new(kind, flags, &header(element.family.number(), 0))
            .attribute(LIST_TABLE, &text(&self.table))
            .attribute(LIST_SET, &text(element.set))
            .nested(LIST_ELEMENTS | NESTED, &[], |list| {
                list.nested(LIST_ELEMENT | NESTED, &[], |one| {
                    let mut one = key(one, ELEMENT_KEY, &element.key);
                    if let Some(end) = &element.end {
                        one = key(one, ELEMENT_KEY_END, end);
                    }
                    if let (Change::Add, Some(lives)) = (change, element.lives) {
                        let millis = u64::try_from(lives.as_millis()).unwrap_or(u64::MAX);
                        one = one.attribute(ELEMENT_TIMEOUT, &millis.to_be_bytes());
                    }
                    one
                })
            })
    }

    fn transaction(&mut self, messages: Vec<Request>) -> io::Result<()> {
        let frame = |kind| Request::unanswered(kind, &header(0, NFTABLES));
        let mut batch = vec![frame(BATCH_BEGIN)];
        batch.extend(messages);
        batch.push(frame(BATCH_END));
        self.netlink.batch(batch)
    }
}

/// `struct nfgenmsg`
pub(super) fn header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

#[cfg(test)]
mod tests {

    use super::Element;

    #[test]
    fn keys_are_laid_out_as_the_kernel_has_them() {
        let place = Element::place("eth0", [2, 0, 0, 0, 0, 1], [10, 0, 0, 1].into());
        assert_eq!(place.key.len(), 28);
        assert_eq!(&place.key[..5], b"eth0\0");
        assert_eq!(&place.key[16..], [2, 0, 0, 0, 0, 1, 0, 0, 10, 0, 0, 1]);
        let listed = Element::listed([10, 0, 0, 1].into(), "192.0.2.0/24".parse().expect("a block"));
        assert_eq!(listed.end.as_deref(), Some(&[10, 0, 0, 1, 192, 0, 2, 255][..]));
    }
}
