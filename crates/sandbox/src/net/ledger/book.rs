//! What is counted for one sandbox: connections by mark, name and place. Pure; it holds no more than its limits however
//! many places a job tries.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::sync::Arc;

use crate::limits::{LEDGER_CONNECTIONS, LEDGER_ENTRIES};
use crate::net::tracked::Connection;

pub(super) const UDP: u8 = 17;
pub(super) const NAMES_PORT: u16 = 53;

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was let through.
    Allowed,
    /// It was not.
    Refused,
}

/// Connections to one place, counted together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The mark that was set when they began.
    pub mark: u32,
    /// Number of the protocol as in an IPv4 header: 6 is TCP, 17 UDP, 1 ICMP; 0 where an answer of the name server was
    /// refused because of the address in it.
    pub protocol: u8,
    /// Where to; of a name that was not looked up, the job's name server.
    pub address: Ipv4Addr,
    /// Port there; 0 for protocols without.
    pub port: u16,
    /// The name that the sandbox had looked up last when they began, of those that led there.
    pub name: Option<String>,
    /// What became of them.
    pub verdict: Verdict,
    /// How many; for refused ones, packets.
    pub connections: u64,
    /// Bytes sent, headers included.
    pub bytes_out: u64,
    /// Bytes that came back.
    pub bytes_in: u64,
}

/// All that is known of one sandbox's connections.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flows {
    /// By mark, address, port and protocol.
    pub flows: Vec<Flow>,
    /// Connections that are not in the list, because it is full.
    pub beyond: u64,
    /// Whether some are missing: the kernel spoke faster than it was listened to, or this host cannot record them.
    pub incomplete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    mark: u32,
    address: Ipv4Addr,
    port: u16,
    protocol: u8,
    verdict: Verdict,
    name: Option<Arc<str>>,
}

/// What a connection is counted to: the mark and the name it began with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Began {
    mark: u32,
    name: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    connections: u64,
    bytes_out: u64,
    bytes_in: u64,
}

/// What is counted for one sandbox.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) mark: u32,
    entries: BTreeMap<Key, Counts>,
    /// How each connection that still exists began.
    live: HashMap<Connection, Began>,
    /// The name that last led to each address.
    names: HashMap<Ipv4Addr, Arc<str>>,
    beyond: u64,
    pub(super) incomplete: bool,
}

impl Book {
    fn entry(&mut self, connection: &Connection, began: &Began, verdict: Verdict) -> Option<&mut Counts> {
        self.at(Key {
            mark: began.mark,
            address: connection.destination,
            port: connection.port,
            protocol: connection.protocol,
            verdict,
            name: began.name.clone(),
        })
    }

    fn at(&mut self, key: Key) -> Option<&mut Counts> {
        if self.entries.len() >= LEDGER_ENTRIES && !self.entries.contains_key(&key) {
            return None;
        }
        Some(self.entries.entry(key).or_default())
    }

    /// Whether nobody was spoken to, as far as one can know.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.incomplete
    }

    pub(super) fn begins(&mut self, connection: Connection, verdict: Verdict) {
        let began = Began {
            mark: self.mark,
            name: self.names.get(&connection.destination).map(Arc::clone),
        };
        match self.entry(&connection, &began, verdict) {
            Some(counts) => counts.connections += 1,
            None => self.beyond += 1,
        }
        if verdict == Verdict::Allowed {
            if self.live.len() < LEDGER_CONNECTIONS {
                self.live.insert(connection, began);
            } else {
                // It is counted, and its bytes never will be.
                self.incomplete = true;
            }
        }
    }

    pub(super) fn named(&mut self, address: Ipv4Addr, name: &str) {
        if self.names.len() < LEDGER_ENTRIES || self.names.contains_key(&address) {
            self.names.insert(address, name.into());
        }
    }

    /// Something that the name server refused.
    pub(super) fn not_told(&mut self, address: Ipv4Addr, (protocol, port): (u8, u16), name: &str) {
        let counts = self.at(Key {
            mark: self.mark,
            address,
            port,
            protocol,
            verdict: Verdict::Refused,
            name: Some(name.into()),
        });
        match counts {
            Some(counts) => counts.connections += 1,
            None => self.beyond += 1,
        }
    }

    fn counted(&mut self, connection: &Connection, began: &Began, (sent, received): (u64, u64)) {
        if let Some(counts) = self.entry(connection, began, Verdict::Allowed) {
            counts.bytes_out += sent;
            counts.bytes_in += received;
        }
    }

    pub(super) fn ends(&mut self, connection: &Connection, bytes: (u64, u64)) {
        if let Some(began) = self.live.remove(connection) {
            self.counted(connection, &began, bytes);
        }
    }

    /// The counts, with those of connections that still exist.
    pub(super) fn snapshot(&self, existing: &[(Connection, (u64, u64))]) -> Flows {
        let mut book = Self {
            entries: self.entries.clone(),
            ..Self::default()
        };
        for (connection, bytes) in existing {
            if let Some(began) = self.live.get(connection) {
                book.counted(connection, began, *bytes);
            }
        }
        let flows = book.entries.into_iter().map(|(key, counts)| Flow {
            mark: key.mark,
            protocol: key.protocol,
            address: key.address,
            port: key.port,
            name: key.name.map(|name| name.to_string()),
            verdict: key.verdict,
            connections: counts.connections,
            bytes_out: counts.bytes_out,
            bytes_in: counts.bytes_in,
        });
        Flows {
            flows: flows.collect(),
            beyond: self.beyond,
            incomplete: self.incomplete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(source_port: u16, port: u16) -> Connection {
        Connection {
            source: [10, 0, 0, 2].into(),
            source_port,
            destination: [192, 0, 2, 1].into(),
            port,
            protocol: 6,
        }
    }

    #[test]
    fn bytes_count_to_the_mark_a_connection_began_at() {
        let mut book = Book::default();
        book.begins(connection(1, 443), Verdict::Allowed);
        book.mark = 1;
        book.begins(connection(2, 443), Verdict::Allowed);
        book.ends(&connection(1, 443), (10, 20));
        let flows = book.snapshot(&[(connection(2, 443), (1, 2))]).flows;
        let seen: Vec<_> = flows
            .iter()
            .map(|flow| (flow.mark, flow.connections, flow.bytes_out, flow.bytes_in))
            .collect();
        assert_eq!(seen, [(0, 1, 10, 20), (1, 1, 1, 2)]);
        // Looking does not count.
        assert_eq!(book.snapshot(&[]).flows[1].bytes_out, 0);
    }

    #[test]
    fn connections_have_the_name_that_led_to_them() {
        let mut book = Book::default();
        let there = connection(1, 443).destination;
        book.begins(connection(1, 443), Verdict::Allowed);
        book.named(there, "a.example");
        book.begins(connection(2, 443), Verdict::Allowed);
        book.named(there, "b.example");
        book.begins(connection(3, 443), Verdict::Allowed);
        book.ends(&connection(2, 443), (10, 20));
        book.not_told([10, 213, 0, 1].into(), (UDP, NAMES_PORT), "evil.example");
        let flows = book.snapshot(&[]).flows;
        let seen: Vec<_> = flows
            .iter()
            .map(|flow| (flow.name.as_deref().unwrap_or("-"), flow.verdict, flow.bytes_out))
            .collect();
        assert_eq!(
            seen,
            [
                ("evil.example", Verdict::Refused, 0),
                ("-", Verdict::Allowed, 0),
                ("a.example", Verdict::Allowed, 10),
                ("b.example", Verdict::Allowed, 0),
            ]
        );
    }

    #[test]
    fn names_cannot_fill_the_memory() {
        let mut book = Book::default();
        for each in 0..=u16::MAX {
            book.named(u32::from(each).into(), "a.example");
            book.not_told([10, 0, 0, 1].into(), (0, 0), &each.to_string());
        }
        assert_eq!(book.names.len(), LEDGER_ENTRIES);
        assert_eq!(book.entries.len(), LEDGER_ENTRIES);
    }

    #[test]
    fn a_scan_cannot_fill_the_memory() {
        let mut book = Book::default();
        for port in 0..=u16::MAX {
            book.begins(connection(1, port), Verdict::Refused);
        }
        let flows = book.snapshot(&[]);
        assert_eq!(flows.flows.len(), LEDGER_ENTRIES);
        assert_eq!(flows.beyond + LEDGER_ENTRIES as u64, 65_536);
    }
}
