//! Who jobs spoke to: connections as the kernel's connection tracking tells of them, and refused packets as the packet
//! filter logs them, counted by job and by the mark the job stood at when each began.
//!
//! One thread per launcher reads both; whoever sets a mark or wants the counts reads first what the kernel has said by
//! then, so that a count never depends on when that thread came to run. Called by `net`; it refuses nothing and
//! changes nothing but the tracking entries of an address that is about to be lent again.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::net::{RecvFlags, recv};

use super::netlink::{Netlink, messages};
use super::tracked::{self, Connection};
use crate::limits::{LEDGER_CONNECTIONS, LEDGER_ENTRIES, LEDGER_QUEUE_BYTES};

/// What became of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// It was let through.
    Allowed,
    /// It was not.
    Refused,
}

/// Connections to one place, counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The mark that was set when they began.
    pub mark: u32,
    /// Number of the protocol as in an IPv4 header: 6 is TCP, 17 UDP, 1 ICMP.
    pub protocol: u8,
    /// Where to.
    pub address: Ipv4Addr,
    /// Port there; 0 for protocols without.
    pub port: u16,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    mark: u32,
    address: Ipv4Addr,
    port: u16,
    protocol: u8,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    connections: u64,
    bytes_out: u64,
    bytes_in: u64,
}

/// What is counted for one sandbox.
#[derive(Debug, Default)]
struct Book {
    mark: u32,
    entries: BTreeMap<Key, Counts>,
    /// The mark each connection that still exists began at.
    live: HashMap<Connection, u32>,
    beyond: u64,
    incomplete: bool,
}

impl Book {
    fn entry(&mut self, connection: &Connection, mark: u32, verdict: Verdict) -> Option<&mut Counts> {
        let key = Key {
            mark,
            address: connection.destination,
            port: connection.port,
            protocol: connection.protocol,
            verdict,
        };
        if self.entries.len() >= LEDGER_ENTRIES && !self.entries.contains_key(&key) {
            return None;
        }
        Some(self.entries.entry(key).or_default())
    }

    fn begins(&mut self, connection: Connection, verdict: Verdict) {
        match self.entry(&connection, self.mark, verdict) {
            Some(counts) => counts.connections += 1,
            None => self.beyond += 1,
        }
        if verdict == Verdict::Allowed {
            if self.live.len() < LEDGER_CONNECTIONS {
                self.live.insert(connection, self.mark);
            } else {
                // It is counted, and its bytes never will be.
                self.incomplete = true;
            }
        }
    }

    fn counted(&mut self, connection: &Connection, mark: u32, (sent, received): (u64, u64)) {
        if let Some(counts) = self.entry(connection, mark, Verdict::Allowed) {
            counts.bytes_out += sent;
            counts.bytes_in += received;
        }
    }

    fn ends(&mut self, connection: &Connection, bytes: (u64, u64)) {
        if let Some(mark) = self.live.remove(connection) {
            self.counted(connection, mark, bytes);
        }
    }

    /// The counts, with those of connections that still exist.
    fn snapshot(&self, existing: &[(Connection, (u64, u64))]) -> Flows {
        let mut book = Self {
            entries: self.entries.clone(),
            ..Self::default()
        };
        for (connection, bytes) in existing {
            if let Some(mark) = self.live.get(connection) {
                book.counted(connection, *mark, *bytes);
            }
        }
        let flows = book.entries.into_iter().map(|(key, counts)| Flow {
            mark: key.mark,
            protocol: key.protocol,
            address: key.address,
            port: key.port,
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

/// The books of one launcher's sandboxes.
#[derive(Debug)]
pub(super) struct Ledger {
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    tracked: OwnedFd,
    refused: OwnedFd,
    books: Mutex<HashMap<Ipv4Addr, Book>>,
    /// For questions; taken after `books` is let go of.
    questions: Mutex<Netlink>,
}

impl Ledger {
    /// Begins to listen; also answers the log group that refused packets are to be sent to.
    pub(super) fn open() -> io::Result<(Self, u16)> {
        let (refused, group) = tracked::listen_to_refusals()?;
        let tracked = tracked::listen_to_connections()?;
        for socket in [&refused, &tracked] {
            rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, LEDGER_QUEUE_BYTES)?;
            rustix::io::ioctl_fionbio(socket, true)?;
        }
        let shared = Arc::new(Shared {
            tracked,
            refused,
            books: Mutex::default(),
            questions: Mutex::new(Netlink::open_netfilter()?),
        });
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let (reads, until) = (Arc::clone(&shared), Arc::clone(&stop));
        let reader = std::thread::Builder::new()
            .name("airlock-ledger".into())
            .spawn(move || read_until(&reads, &until))?;
        let this = Self {
            shared,
            stop,
            reader: Some(reader),
        };
        Ok((this, group))
    }

    /// A book for whoever has this address now.
    pub(super) fn begin(&self, address: Ipv4Addr) {
        self.shared.read().insert(address, Book::default());
    }

    /// What begins from now on is counted to `mark`.
    pub(super) fn mark(&self, address: Ipv4Addr, mark: u32) {
        if let Some(book) = self.shared.read().get_mut(&address) {
            book.mark = mark;
        }
    }

    /// What is known up to now.
    pub(super) fn flows(&self, address: Ipv4Addr) -> Flows {
        let existing = self.existing(address);
        let books = self.shared.read();
        let Some(book) = books.get(&address) else {
            return Flows::default();
        };
        match existing {
            Ok(existing) => {
                let existing: Vec<_> = existing
                    .into_iter()
                    .map(|one| (one.connection, one.bytes))
                    .collect();
                book.snapshot(&existing)
            }
            Err(_) => Flows {
                incomplete: true,
                ..book.snapshot(&[])
            },
        }
    }

    /// Closes the book and forgets the address's connections, so that whoever has it next inherits none.
    pub(super) fn end(&self, address: Ipv4Addr) -> io::Result<()> {
        let Some(book) = self.shared.read().remove(&address) else {
            return Ok(());
        };
        if book.entries.is_empty() && !book.incomplete {
            return Ok(());
        }
        for one in self.existing(address)? {
            let mut questions = self.shared.questions();
            match questions.batchless(tracked::forget(&one.tuple)) {
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {} // it ended meanwhile
                other => other?,
            }
        }
        Ok(())
    }

    fn existing(&self, address: Ipv4Addr) -> io::Result<Vec<tracked::Tracked>> {
        let mut found = Vec::new();
        self.shared.questions().dump(tracked::all(), |body| {
            found.extend(tracked::parse(body).filter(|one| one.connection.source == address));
        })?;
        Ok(found)
    }
}

impl Shared {
    fn questions(&self) -> MutexGuard<'_, Netlink> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The books, with all in them that the kernel has said.
    fn read(&self) -> MutexGuard<'_, HashMap<Ipv4Addr, Book>> {
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffer = vec![0; 64 * 1024];
        for socket in [&self.tracked, &self.refused] {
            loop {
                match recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                    Ok((got, _)) => note(&mut books, &buffer[..got]),
                    Err(rustix::io::Errno::INTR) => {}
                    Err(rustix::io::Errno::NOBUFS) => {
                        books.values_mut().for_each(|book| book.incomplete = true);
                    }
                    // Nothing more to read, or nothing to be had from it at all.
                    Err(_) => break,
                }
            }
        }
        books
    }
}

fn note(books: &mut HashMap<Ipv4Addr, Book>, datagram: &[u8]) {
    for message in messages(datagram).flatten() {
        match tracked::event(message.kind, message.body) {
            Some(tracked::Event::Begins(one)) => {
                if let Some(book) = books.get_mut(&one.connection.source) {
                    book.begins(one.connection, Verdict::Allowed);
                }
            }
            Some(tracked::Event::Ends(one)) => {
                if let Some(book) = books.get_mut(&one.connection.source) {
                    book.ends(&one.connection, one.bytes);
                }
            }
            Some(tracked::Event::Refused(connection)) => {
                if let Some(book) = books.get_mut(&connection.source) {
                    book.begins(connection, Verdict::Refused);
                }
            }
            None => {}
        }
    }
}

fn read_until(shared: &Shared, stop: &OwnedFd) {
    loop {
        let mut fds = [
            PollFd::new(&shared.tracked, PollFlags::IN),
            PollFd::new(&shared.refused, PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if !fds[2].revents().is_empty() {
            return;
        }
        drop(shared.read());
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
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
