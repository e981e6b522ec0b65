//! One end of the serial port: streams in, frames out, and the other way round, in one loop over `poll`. What differs
//! between host and guest is in `sides`.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, send, shutdown};

use super::frames::{Frame, Kind, MAX_BODY, Splitter, WireError, credit, put, put_credit};
use crate::channel::{ChannelError, Door};

/// Streams at a time besides the channel: twice what the agent serves at the doors.
pub const MAX_STREAMS: usize = 64;

/// Bytes of one stream on their way that the receiver has not handed on yet. Keeps a fast network busy over the
/// port, and all streams together below 20 MiB.
pub(super) const WINDOW: usize = 256 << 10;

/// Bytes for the port above which no stream is read.
const PORT_FULL: usize = 256 << 10;
/// Most bytes that wait for the port: data up to [`PORT_FULL`], one piece of every stream, and credits. Answers to a peer
/// that never reads end there.
const PORT_MOST: usize = 16 << 20;

/// The channel's own stream.
const CHANNEL: u32 = 0;

/// Why a conversation over the port ended.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The port cannot be used.
    #[error("{doing} the machine's port: {source}")]
    Port {
        /// "reading", "writing" or "waiting for".
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The other end broke a rule.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// What the guest said is no message, or nobody listens any more.
    #[error(transparent)]
    Channel(#[from] ChannelError),
}

/// The end of the channel that a relay holds.
pub(super) trait Side {
    /// The socket.
    fn socket(&self) -> BorrowedFd<'_>;
    /// Reads a little of the channel for the other side: bytes to `bytes`, connections to `opened`. False when the
    /// channel is closed.
    fn read(
        &mut self,
        bytes: &mut VecDeque<u8>,
        opened: &mut Vec<(Door, OwnedFd)>,
    ) -> Result<bool, ChannelError>;
    /// Takes bytes of the other side.
    fn take(&mut self, bytes: &[u8]) -> Result<(), ChannelError>;
    /// Takes a connection; false where none may come.
    fn connect(&mut self, door: Door, fd: OwnedFd) -> Result<bool, ChannelError>;
    /// Writes what the socket takes.
    fn flush(&mut self) -> Result<(), ChannelError>;
    /// Bytes not written yet.
    fn pending(&self) -> usize;
}

/// A connection of the job.
struct Stream {
    fd: OwnedFd,
    /// For `fd`.
    inward: VecDeque<u8>,
    /// Bytes that may still be sent.
    credit: usize,
    /// `fd` has said all.
    read_over: bool,
    /// The other side has said all.
    write_over: bool,
    shut: bool,
}

impl Stream {
    fn new(fd: OwnedFd) -> Self {
        Self {
            fd,
            inward: VecDeque::new(),
            credit: WINDOW,
            read_over: false,
            write_over: false,
            shut: false,
        }
    }
}

/// One end of the port.
pub(super) struct Relay<S> {
    port: OwnedFd,
    side: S,
    incoming: Splitter,
    outgoing: VecDeque<u8>,
    /// Of the channel, for the port.
    backlog: VecDeque<u8>,
    channel_credit: usize,
    /// Received for the channel and not yet credited.
    channel_owed: usize,
    channel_open: bool,
    streams: BTreeMap<u32, Stream>,
    next_stream: u32,
    /// Connections given to the side since it last had nothing to write: they stay open there, also when the stream has
    /// ended meanwhile.
    handed_over: usize,
}

#[derive(Clone, Copy)]
enum Ready {
    Port,
    Channel,
    Stream(u32),
}

impl<S: Side> Relay<S> {
    pub(super) fn new(port: OwnedFd, side: S) -> Result<Self, RelayError> {
        unblock(&port).map_err(|errno| port_error("waiting for", errno))?;
        Ok(Self {
            port,
            side,
            incoming: Splitter::default(),
            outgoing: VecDeque::new(),
            backlog: VecDeque::new(),
            channel_credit: WINDOW,
            channel_owed: 0,
            channel_open: true,
            streams: BTreeMap::new(),
            next_stream: 1,
            handed_over: 0,
        })
    }

    /// Until the channel is closed and what it said is written, or the port's other end is gone.
    pub(super) fn run(mut self) -> Result<(), RelayError> {
        loop {
            self.send_channel();
            self.write_port()?;
            self.side.flush()?;
            if self.side.pending() == 0 {
                self.handed_over = 0;
            }
            self.credit_channel();
            if !self.channel_open && self.backlog.is_empty() && self.outgoing.is_empty() {
                return Ok(());
            }
            for (ready, flags) in self.wait()? {
                match ready {
                    Ready::Port => {
                        if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
                            && !self.read_port()?
                        {
                            return self.hand_over();
                        }
                    }
                    Ready::Channel => {
                        if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                            self.read_channel()?;
                        }
                    }
                    Ready::Stream(number) => self.attend(number, flags),
                }
            }
        }
    }

    /// The other end is gone; what it said last is still handed on.
    fn hand_over(&mut self) -> Result<(), RelayError> {
        self.side.flush()?;
        while self.side.pending() > 0 {
            let mut fds = [PollFd::from_borrowed_fd(self.side.socket(), PollFlags::OUT)];
            rustix::io::retry_on_intr(|| poll(&mut fds, None))
                .map_err(|errno| port_error("waiting for", errno))?;
            self.side.flush()?;
        }
        Ok(())
    }

    fn wait(&self) -> Result<Vec<(Ready, PollFlags)>, RelayError> {
        let mut sources = vec![Ready::Port];
        let port_flags = if self.outgoing.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::IN | PollFlags::OUT
        };
        let mut fds = vec![PollFd::new(&self.port, port_flags)];
        let room = self.outgoing.len() < PORT_FULL;
        let mut channel = PollFlags::empty();
        if self.channel_open && room && self.backlog.len() < WINDOW {
            channel |= PollFlags::IN;
        }
        if self.side.pending() > 0 {
            channel |= PollFlags::OUT;
        }
        if !channel.is_empty() {
            sources.push(Ready::Channel);
            fds.push(PollFd::from_borrowed_fd(self.side.socket(), channel));
        }
        for (number, stream) in &self.streams {
            let mut wanted = PollFlags::empty();
            if room && !stream.read_over && stream.credit > 0 {
                wanted |= PollFlags::IN;
            }
            if !stream.inward.is_empty() {
                wanted |= PollFlags::OUT;
            }
            if !wanted.is_empty() {
                sources.push(Ready::Stream(*number));
                fds.push(PollFd::new(&stream.fd, wanted));
            }
        }
        rustix::io::retry_on_intr(|| poll(&mut fds, None))
            .map_err(|errno| port_error("waiting for", errno))?;
        let flags = fds.iter().map(PollFd::revents);
        Ok(sources
            .into_iter()
            .zip(flags)
            .filter(|(_, flags)| !flags.is_empty())
            .collect())
    }

    /// False when the other end is gone.
    fn read_port(&mut self) -> Result<bool, RelayError> {
        let mut buffer = vec![0; MAX_BODY];
        match rustix::io::read(&self.port, &mut buffer) {
            Ok(0) | Err(Errno::CONNRESET) => return Ok(false),
            Ok(read) => self.incoming.push(&buffer[..read]),
            Err(Errno::AGAIN | Errno::INTR) => return Ok(true),
            Err(errno) => return Err(port_error("reading", errno)),
        }
        while let Some(frame) = self.incoming.next()? {
            self.obey(&frame)?;
            // An honest peer reads whatever it waits for itself.
            if self.outgoing.len() > PORT_MOST {
                return Err(WireError::Unread.into());
            }
        }
        Ok(true)
    }

    fn write_port(&mut self) -> Result<(), RelayError> {
        while !self.outgoing.is_empty() {
            match rustix::io::write(&self.port, self.outgoing.as_slices().0) {
                Ok(written) => drop(self.outgoing.drain(..written)),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(errno) => return Err(port_error("writing", errno)),
            }
        }
        Ok(())
    }

    fn obey(&mut self, frame: &Frame) -> Result<(), RelayError> {
        let number = frame.stream;
        if number == CHANNEL {
            match frame.kind {
                Kind::Data => {
                    self.channel_owed += frame.body.len();
                    if self.channel_owed > WINDOW {
                        return Err(WireError::Window(CHANNEL).into());
                    }
                    self.side.take(&frame.body)?;
                }
                Kind::Credit => self.channel_credit += credit(&frame.body),
                Kind::Open | Kind::Close | Kind::Reset => return Err(WireError::Open(CHANNEL).into()),
            }
            return Ok(());
        }
        if frame.kind == Kind::Open {
            return self.opened(number, frame.body.first().copied().unwrap_or_default());
        }
        // Words about a stream that has ended here meanwhile mean nothing.
        let Some(stream) = self.streams.get_mut(&number) else {
            return Ok(());
        };
        match frame.kind {
            Kind::Data if stream.inward.len() + frame.body.len() > WINDOW => {
                return Err(WireError::Window(number).into());
            }
            Kind::Data => stream.inward.extend(&frame.body),
            Kind::Credit => stream.credit += credit(&frame.body),
            Kind::Close => stream.write_over = true,
            Kind::Reset => drop(self.streams.remove(&number)),
            Kind::Open => {}
        }
        self.push_inward(number);
        Ok(())
    }

    fn opened(&mut self, number: u32, door: u8) -> Result<(), RelayError> {
        let Some(door) = door_of(door).filter(|_| !self.streams.contains_key(&number)) else {
            return Err(WireError::Open(number).into());
        };
        let room = self.streams.len() < MAX_STREAMS && self.handed_over < MAX_STREAMS;
        let pair = room.then(crate::channel::pair).and_then(Result::ok);
        let Some((ours, theirs)) = pair else {
            put(&mut self.outgoing, Kind::Reset, number, &[]);
            return Ok(());
        };
        if !self.side.connect(door, theirs)? {
            return Err(WireError::Open(number).into());
        }
        self.handed_over += 1;
        if unblock(&ours).is_ok() {
            self.streams.insert(number, Stream::new(ours));
        }
        Ok(())
    }

    fn read_channel(&mut self) -> Result<(), RelayError> {
        let mut connections = Vec::new();
        self.channel_open = self.side.read(&mut self.backlog, &mut connections)?;
        for (door, fd) in connections {
            // One too many is closed, which its process sees.
            if self.streams.len() >= MAX_STREAMS || unblock(&fd).is_err() {
                continue;
            }
            let number = self.next_stream;
            self.next_stream += 1;
            put(&mut self.outgoing, Kind::Open, number, &[door_byte(door)]);
            self.streams.insert(number, Stream::new(fd));
        }
        Ok(())
    }

    fn send_channel(&mut self) {
        while self.channel_credit > 0 && !self.backlog.is_empty() && self.outgoing.len() < PORT_FULL {
            let length = self.backlog.len().min(self.channel_credit).min(MAX_BODY);
            let bytes: Vec<u8> = self.backlog.drain(..length).collect();
            put(&mut self.outgoing, Kind::Data, CHANNEL, &bytes);
            self.channel_credit -= length;
        }
    }

    /// The other side may send again what has been handed on.
    fn credit_channel(&mut self) {
        if self.channel_owed > 0 && self.side.pending() < WINDOW {
            put_credit(&mut self.outgoing, CHANNEL, self.channel_owed);
            self.channel_owed = 0;
        }
    }

    fn attend(&mut self, number: u32, flags: PollFlags) {
        if flags.contains(PollFlags::OUT) {
            self.push_inward(number);
        }
        if flags.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
            self.pull(number);
        }
    }

    /// From a connection to the port.
    fn pull(&mut self, number: u32) {
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        if stream.read_over || stream.credit == 0 {
            return;
        }
        let mut buffer = vec![0; stream.credit.min(MAX_BODY)];
        match rustix::io::read(&stream.fd, &mut buffer) {
            Ok(0) => {
                stream.read_over = true;
                put(&mut self.outgoing, Kind::Close, number, &[]);
                self.push_inward(number);
            }
            Ok(read) => {
                stream.credit -= read;
                put(&mut self.outgoing, Kind::Data, number, &buffer[..read]);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_broken) => self.reset(number),
        }
    }

    /// From the port to a connection; ends it when both sides have said all.
    fn push_inward(&mut self, number: u32) {
        let Some(stream) = self.streams.get_mut(&number) else {
            return;
        };
        let mut handed_on = 0;
        let mut broken = false;
        while !stream.inward.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match send(&stream.fd, stream.inward.as_slices().0, flags) {
                Ok(sent) => {
                    stream.inward.drain(..sent);
                    handed_on += sent;
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_broken) => {
                    broken = true;
                    break;
                }
            }
        }
        if broken {
            return self.reset(number);
        }
        if stream.write_over && stream.inward.is_empty() && !stream.shut {
            stream.shut = true;
            // One that is closed already is as good.
            let _closed = shutdown(&stream.fd, Shutdown::Write);
        }
        let over = stream.shut && stream.read_over;
        if handed_on > 0 {
            put_credit(&mut self.outgoing, number, handed_on);
        }
        if over {
            self.streams.remove(&number);
        }
    }

    fn reset(&mut self, number: u32) {
        self.streams.remove(&number);
        put(&mut self.outgoing, Kind::Reset, number, &[]);
    }
}

fn unblock(fd: impl AsFd) -> rustix::io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(&fd)?;
    rustix::fs::fcntl_setfl(fd, flags | rustix::fs::OFlags::NONBLOCK)
}

fn port_error(doing: &'static str, errno: Errno) -> RelayError {
    RelayError::Port {
        doing,
        source: errno.into(),
    }
}

const fn door_byte(door: Door) -> u8 {
    match door {
        Door::Git => 0,
        Door::SshAgent => 1,
    }
}

const fn door_of(byte: u8) -> Option<Door> {
    match byte {
        0 => Some(Door::Git),
        1 => Some(Door::SshAgent),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
