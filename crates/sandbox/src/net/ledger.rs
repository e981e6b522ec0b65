//! Who jobs spoke to: connections as the kernel's connection tracking tells of them, and refused packets as the packet
//! filter logs them, counted by job and by the mark the job stood at when each began.
//!
//! One thread per launcher reads both; whoever sets a mark or wants the counts reads first what the kernel has said by
//! then, so that a count never depends on when that thread came to run. Called by `net`; it refuses nothing and
//! changes nothing but the tracking entries of an address that is about to be lent again.

mod book;

use std::collections::HashMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::net::{RecvFlags, recv};

use self::book::{Book, NAMES_PORT, UDP};
pub use self::book::{Flow, Flows, Verdict};
use super::netlink::{Netlink, messages};
use super::tracked;
use crate::limits::LEDGER_QUEUE_BYTES;

/// The books of one launcher's sandboxes.
#[derive(Debug)]
pub(super) struct Ledger {
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// The jobs' own name server: asking it is no connection to anybody.
    names: Ipv4Addr,
    tracked: OwnedFd,
    refused: OwnedFd,
    books: Mutex<HashMap<Ipv4Addr, Book>>,
    /// For questions; taken after `books` is let go of.
    questions: Mutex<Netlink>,
}

impl Ledger {
    /// Begins to listen; also answers the log group that refused packets are to be sent to. `names` is where jobs find
    /// their name server.
    pub(super) fn open(names: Ipv4Addr) -> io::Result<(Self, u16)> {
        let (refused, group) = tracked::listen_to_refusals()?;
        let tracked = tracked::listen_to_connections()?;
        for socket in [&refused, &tracked] {
            rustix::net::sockopt::set_socket_recv_buffer_size_force(socket, LEDGER_QUEUE_BYTES)?;
            rustix::io::ioctl_fionbio(socket, true)?;
        }
        let shared = Arc::new(Shared {
            names,
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

    /// A name led to an address.
    pub(super) fn named(&self, job: Ipv4Addr, address: Ipv4Addr, name: &str) {
        // What began before is counted without it.
        if let Some(book) = self.shared.read().get_mut(&job) {
            book.named(address, name);
        }
    }

    /// A name was not looked up.
    pub(super) fn refused_name(&self, job: Ipv4Addr, name: &str) {
        if let Some(book) = self.shared.read().get_mut(&job) {
            book.not_told(self.shared.names, (UDP, NAMES_PORT), name);
        }
    }

    /// An answer was kept back because of the address in it.
    pub(super) fn refused_address(&self, job: Ipv4Addr, address: Ipv4Addr, name: &str) {
        if let Some(book) = self.shared.read().get_mut(&job) {
            book.not_told(address, (0, 0), name);
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
        if book.is_empty() {
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
                    Ok((got, _)) => note(&mut books, self.names, &buffer[..got]),
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

fn note(books: &mut HashMap<Ipv4Addr, Book>, names: Ipv4Addr, datagram: &[u8]) {
    for message in messages(datagram).flatten() {
        match tracked::event(message.kind, message.body) {
            Some(tracked::Event::Begins(one)) => {
                if one.connection.destination == names {
                    continue;
                }
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
