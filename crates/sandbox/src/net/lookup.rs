//! The jobs' name server: asks the host's servers on behalf of jobs, and nobody else's. A job with a list gets answers
//! for the names on it alone, and what such an answer says is opened to that job, for as long as the answer lives,
//! before the job hears of it. Addresses that are closed to every job are never opened, whoever's name leads there.
//!
//! It listens on the bridge's address, at ports of its own choosing that the rules lead port 53 to, so that it is in
//! nobody's way. Called by `net`, which says who is who; tells the ledger which name led to which address.

mod question;
mod upstream;

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

pub use self::question::NameRule;
use self::question::{Answer, Question};
use super::Outside;
use super::block::PRIVATE;
use super::gate::Gate;
use crate::limits::{
    LOOKUP_ADDRESSES, LOOKUP_IDLE_SECONDS, LOOKUP_LEAST_SECONDS, LOOKUP_MOST_SECONDS, LOOKUP_STACK_BYTES,
    LOOKUPS_AT_ONCE,
};

/// Longest message by UDP that anybody sends.
const DATAGRAM: usize = 4096;
const TCP_BACKLOG: i32 = 128;

/// Ports the rules lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) udp: u16,
    pub(super) tcp: u16,
}

/// Sockets that wait for the bridge to have its address.
#[derive(Debug)]
pub(super) struct Door {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl Door {
    /// Binds to an address that need not be there yet.
    pub(super) fn bind(address: Ipv4Addr) -> io::Result<Self> {
        let socket = |kind| -> io::Result<OwnedFd> {
            let socket = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None)?;
            sockopt::set_ip_freebind(&socket, true)?;
            rustix::net::bind(&socket, &SocketAddrV4::new(address, 0))?;
            rustix::io::ioctl_fionbio(&socket, true)?;
            Ok(socket)
        };
        let tcp = socket(SocketType::STREAM)?;
        rustix::net::listen(&tcp, TCP_BACKLOG)?;
        Ok(Self {
            udp: socket(SocketType::DGRAM)?.into(),
            tcp: tcp.into(),
        })
    }

    pub(super) fn ports(&self) -> io::Result<Ports> {
        Ok(Ports {
            udp: self.udp.local_addr()?.port(),
            tcp: self.tcp.local_addr()?.port(),
        })
    }
}

/// What a job may look up.
#[derive(Debug, Clone)]
enum Rules {
    Any,
    Listed(Vec<NameRule>),
}

/// One job's standing with the name server.
#[derive(Debug)]
struct Job {
    address: Ipv4Addr,
    rules: Mutex<Standing>,
}

#[derive(Debug)]
struct Standing {
    rules: Rules,
    opened: HashSet<Ipv4Addr>,
    /// Questions under way.
    asking: usize,
    /// Its address may be another's by now.
    ended: bool,
}

impl Job {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name server of one launcher.
#[derive(Debug)]
pub(super) struct Lookup {
    shared: Arc<Shared>,
    stop: Arc<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    door: Door,
    servers: Vec<SocketAddr>,
    outside: Outside,
    gate: Arc<Gate>,
    jobs: Mutex<HashMap<Ipv4Addr, Arc<Job>>>,
}

impl Lookup {
    /// Begins to answer.
    pub(super) fn start(
        door: Door,
        servers: Vec<SocketAddr>,
        outside: Outside,
        gate: Arc<Gate>,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            door,
            servers,
            outside,
            gate,
            jobs: Mutex::default(),
        });
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let (serves, until) = (Arc::clone(&shared), Arc::clone(&stop));
        // Its threads and their sockets are in the network namespace of the thread that makes it.
        let reader = std::thread::Builder::new()
            .name("airlock-names".into())
            .spawn(move || serve_until(&serves, &until))?;
        Ok(Self {
            shared,
            stop,
            reader: Some(reader),
        })
    }

    /// Answers whoever has this address now: anything, or for now nothing.
    pub(super) fn begin(&self, address: Ipv4Addr, anything: bool) {
        let rules = if anything {
            Rules::Any
        } else {
            Rules::Listed(Vec::new())
        };
        let job = Job {
            address,
            rules: Mutex::new(Standing {
                rules,
                opened: HashSet::new(),
                asking: 0,
                ended: false,
            }),
        };
        self.shared.jobs().insert(address, Arc::new(job));
    }

    /// Answers for these names, too, if it does not answer for all.
    pub(super) fn allow(&self, address: Ipv4Addr, names: &[NameRule]) {
        if let Some(job) = self.shared.job(address)
            && let Rules::Listed(rules) = &mut job.standing().rules
        {
            rules.extend_from_slice(names);
        }
    }

    /// Answers no more, and closes what answers opened.
    pub(super) fn end(&self, address: Ipv4Addr) -> io::Result<()> {
        let Some(job) = self.shared.jobs().remove(&address) else {
            return Ok(());
        };
        let mut standing = job.standing();
        standing.ended = true;
        let opened: Vec<Ipv4Addr> = standing.opened.drain().collect();
        self.shared.gate.close_named(address, &opened)
    }
}

impl Drop for Lookup {
    fn drop(&mut self) {
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, HashMap<Ipv4Addr, Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn job(&self, address: Ipv4Addr) -> Option<Arc<Job>> {
        self.jobs().get(&address).map(Arc::clone)
    }

    /// Whether no job may reach an address.
    fn is_closed(&self, address: Ipv4Addr) -> bool {
        let within = |blocks: &[super::Ipv4Block]| blocks.iter().any(|block| block.contains(address));
        within(&self.outside.closed) || (within(&PRIVATE) && !within(&self.outside.opened))
    }

    /// The answer to a message, `None` for what deserves none. Takes as long as the servers do.
    fn answer(&self, job: &Job, message: &[u8], by_stream: bool) -> Option<Vec<u8>> {
        let question = Question::parse(message)?;
        let rules = job.standing().rules.clone();
        let Rules::Listed(names) = rules else {
            return Some(self.ask_freely(job, &question, by_stream));
        };
        let Some(name) = question
            .name()
            .filter(|name| names.iter().any(|rule| rule.allows(name)))
        else {
            let name = question.name().unwrap_or("?");
            self.gate.refused_name(job.address, name);
            return Some(question.no_such_name());
        };
        if question.is_for_ipv6() {
            // Jobs have no IPv6; whoever gets no such address tries the other kind at once.
            return Some(question.nothing());
        }
        let Some(bytes) = upstream::ask(&self.servers, &question, by_stream) else {
            return Some(question.failure());
        };
        let Some(answer) = Answer::parse(&bytes, &question) else {
            return Some(question.failure());
        };
        if let Some((address, _)) = answer
            .addresses
            .iter()
            .find(|(address, _)| self.is_closed(*address))
        {
            self.gate.refused_address(job.address, *address, name);
            return Some(question.no_such_name());
        }
        match self.open(job, name, &answer.addresses) {
            Ok(()) => Some(question.with_own_id(bytes)),
            Err(_closed_stays_closed) => Some(question.failure()),
        }
    }

    fn ask_freely(&self, job: &Job, question: &Question<'_>, by_stream: bool) -> Vec<u8> {
        let Some(bytes) = upstream::ask(&self.servers, question, by_stream) else {
            return question.failure();
        };
        if let (Some(name), Some(answer)) = (question.name(), Answer::parse(&bytes, question)) {
            let standing = job.standing();
            for (address, _) in answer.addresses {
                if !standing.ended {
                    self.gate.named(job.address, address, name);
                }
            }
        }
        question.with_own_id(bytes)
    }

    /// Opens addresses to a job and tells the ledger their name.
    fn open(&self, job: &Job, name: &str, addresses: &[(Ipv4Addr, Duration)]) -> io::Result<()> {
        // Held to the end: nobody else has the address meanwhile.
        let mut standing = job.standing();
        if standing.ended || standing.opened.len() + addresses.len() > LOOKUP_ADDRESSES {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        for (address, lives) in addresses {
            let lives = (*lives).clamp(
                Duration::from_secs(LOOKUP_LEAST_SECONDS),
                Duration::from_secs(LOOKUP_MOST_SECONDS),
            );
            let known = !standing.opened.insert(*address);
            self.gate.open_named(job.address, *address, lives, known)?;
            self.gate.named(job.address, *address, name);
        }
        Ok(())
    }

    /// Runs something for a job on a thread of its own, unless it has too many already.
    fn spawn(self: &Arc<Self>, job: &Arc<Job>, run: impl FnOnce(&Self, &Job) + Send + 'static) {
        {
            let mut standing = job.standing();
            if standing.asking >= LOOKUPS_AT_ONCE {
                return; // whoever asks asks again
            }
            standing.asking += 1;
        }
        let (shared, asked) = (Arc::clone(self), Arc::clone(job));
        let spawned = std::thread::Builder::new()
            .name("airlock-lookup".into())
            .stack_size(LOOKUP_STACK_BYTES)
            .spawn(move || {
                run(&shared, &asked);
                asked.standing().asking -= 1;
            });
        if spawned.is_err() {
            job.standing().asking -= 1;
        }
    }

    fn take_datagrams(self: &Arc<Self>) {
        let mut buffer = [0; DATAGRAM];
        // Until there is none left, or the socket is of no use for now.
        while let Ok((length, from)) = self.door.udp.recv_from(&mut buffer) {
            let IpAddr::V4(address) = from.ip() else { continue };
            let Some(job) = self.job(address) else { continue };
            let message = buffer[..length].to_vec();
            self.spawn(&job, move |shared, job| {
                if let Some(answer) = shared.answer(job, &message, false) {
                    // Who asked may be gone.
                    let _ = shared.door.udp.send_to(&answer, from);
                }
            });
        }
    }

    fn take_streams(self: &Arc<Self>) {
        while let Ok((stream, from)) = self.door.tcp.accept() {
            let IpAddr::V4(address) = from.ip() else { continue };
            let Some(job) = self.job(address) else { continue };
            self.spawn(&job, move |shared, job| {
                // It ends with the first error, the end of the stream among them.
                let _ = shared.converse(job, stream);
            });
        }
    }

    /// Answers questions one after the other, each with its length before it.
    fn converse(&self, job: &Job, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(false)?;
        let patience = Some(Duration::from_secs(LOOKUP_IDLE_SECONDS));
        stream.set_read_timeout(patience)?;
        stream.set_write_timeout(patience)?;
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length)?;
            let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut message)?;
            let answer = self.answer(job, &message, true);
            let answer = answer.ok_or(io::ErrorKind::InvalidData)?;
            let length = u16::try_from(answer.len()).map_err(|_| io::ErrorKind::InvalidData)?;
            stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat())?;
        }
    }
}

fn serve_until(shared: &Arc<Shared>, stop: &OwnedFd) {
    loop {
        let mut fds = [
            PollFd::new(&shared.door.udp, PollFlags::IN),
            PollFd::new(&shared.door.tcp, PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        if !fds[2].revents().is_empty() {
            return;
        }
        shared.take_datagrams();
        shared.take_streams();
    }
}
