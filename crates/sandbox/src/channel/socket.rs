//! Whole frames on the socket. [`Reader`] and [`Writer`] block, for the agent's thread and for tests;
//! [`Reader::try_receive`] does not, for PID 1's loop. A frame's body is read into memory taken once for it and
//! wiped after decoding, so that no stale copy of a secret stays behind.

use std::io::{self, IoSlice, IoSliceMut};
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use zeroize::Zeroizing;

use super::codec::{DecodeError, EncodeError, Message, announced, decode, encode};

/// Why the channel cannot be used any further (or, for `Encode`, why one message cannot be sent).
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other side is gone, or the kernel refused.
    #[error("{doing} the channel to PID 1: {source}")]
    Io {
        /// "reading" or "writing".
        doing: &'static str,
        /// The kernel's answer.
        source: io::Error,
    },
    /// The other side closed in the middle of a frame.
    #[error("the channel to PID 1 closed inside a frame")]
    ClosedInFrame,
    /// More descriptors came than a frame may carry.
    #[error("a channel frame carried more than one file descriptor")]
    ManyFds,
    /// What came is not a message.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The message cannot be sent; the channel is unharmed.
    #[error(transparent)]
    Encode(#[from] EncodeError),
}

/// A connected pair of sockets for a channel, both closed on exec.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// What a non-blocking read found.
#[derive(Debug)]
pub enum Received<M> {
    /// A whole message.
    Message(M),
    /// Not a whole message yet.
    Nothing,
    /// The other side closed, between two frames.
    Closed,
}

/// The receiving end.
#[derive(Debug)]
pub struct Reader<M> {
    socket: OwnedFd,
    header: [u8; 4],
    body: Option<Zeroizing<Vec<u8>>>,
    filled: usize,
    fd: Option<OwnedFd>,
    messages: PhantomData<fn() -> M>,
}

impl<M: Message> Reader<M> {
    /// Reads messages from this socket.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            header: [0; 4],
            body: None,
            filled: 0,
            fd: None,
            messages: PhantomData,
        }
    }

    /// Waits for the next message; `None` when the other side has closed.
    pub fn receive(&mut self) -> Result<Option<M>, ChannelError> {
        loop {
            match self.advance(RecvFlags::empty())? {
                Received::Message(message) => return Ok(Some(message)),
                Received::Closed => return Ok(None),
                // The owner made the socket non-blocking; waiting is still what was asked for.
                Received::Nothing => wait(self.socket.as_fd(), PollFlags::IN, "reading")?,
            }
        }
    }

    /// The next message if all of it has arrived.
    pub fn try_receive(&mut self) -> Result<Received<M>, ChannelError> {
        self.advance(RecvFlags::DONTWAIT)
    }

    fn advance(&mut self, flags: RecvFlags) -> Result<Received<M>, ChannelError> {
        loop {
            let target = match &mut self.body {
                None => &mut self.header[self.filled..],
                Some(body) => &mut body[self.filled..],
            };
            let read = match receive_some(self.socket.as_fd(), target, flags, &mut self.fd) {
                Ok(read) => read,
                Err(ChannelError::Io { source, .. }) if source.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Received::Nothing);
                }
                Err(error) => return Err(error),
            };
            if read == 0 {
                return if self.body.is_none() && self.filled == 0 {
                    Ok(Received::Closed)
                } else {
                    Err(ChannelError::ClosedInFrame)
                };
            }
            self.filled += read;
            match &self.body {
                None if self.filled == self.header.len() => {
                    self.body = Some(Zeroizing::new(vec![0; announced(self.header)?]));
                    self.filled = 0;
                }
                Some(body) if self.filled == body.len() => {
                    let message = decode(body, self.fd.take());
                    self.body = None;
                    self.filled = 0;
                    return Ok(Received::Message(message?));
                }
                None | Some(_) => {}
            }
        }
    }
}

impl<M> AsFd for Reader<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn receive_some(
    socket: BorrowedFd<'_>,
    target: &mut [u8],
    flags: RecvFlags,
    fd: &mut Option<OwnedFd>,
) -> Result<usize, ChannelError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let got = loop {
        match recvmsg(socket, &mut [IoSliceMut::new(target)], &mut control, flags) {
            Ok(got) => break got,
            Err(Errno::INTR) => {}
            // A peer that died with unread bytes resets; for a reader that is the same as closing.
            Err(Errno::CONNRESET) => return Ok(0),
            Err(errno) => {
                return Err(ChannelError::Io {
                    doing: "reading",
                    source: errno.into(),
                });
            }
        }
    };
    let mut too_many = got.flags.contains(ReturnFlags::CTRUNC);
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            for received in received {
                too_many |= fd.replace(received).is_some();
            }
        }
    }
    if too_many {
        Err(ChannelError::ManyFds)
    } else {
        Ok(got.bytes)
    }
}

/// The sending end.
#[derive(Debug)]
pub struct Writer<M> {
    socket: OwnedFd,
    messages: PhantomData<fn(M)>,
}

impl<M: Message> Writer<M> {
    /// Writes messages to this socket.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            messages: PhantomData,
        }
    }

    /// Sends a whole message, waiting for room. A descriptor in it is duplicated by the kernel; the caller's
    /// copy stays the caller's.
    pub fn send(&mut self, message: &M) -> Result<(), ChannelError> {
        let frame = encode(message)?;
        let mut fd = message.fd();
        let mut sent = 0;
        while sent < frame.len() {
            match send_some(self.socket.as_fd(), &frame[sent..], fd, SendFlags::empty()) {
                Ok(count) => {
                    sent += count;
                    fd = None;
                }
                Err(Errno::AGAIN) => wait(self.socket.as_fd(), PollFlags::OUT, "writing")?,
                Err(errno) => {
                    return Err(ChannelError::Io {
                        doing: "writing",
                        source: errno.into(),
                    });
                }
            }
        }
        Ok(())
    }
}

impl<M> AsFd for Writer<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// One `sendmsg`, the descriptor attached to its first byte. Never raises SIGPIPE.
pub(super) fn send_some(
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    fd: Option<BorrowedFd<'_>>,
    flags: SendFlags,
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds;
    if let Some(fd) = fd {
        fds = [fd];
        // One descriptor is what the space above was measured for, so this always fits.
        control.push(SendAncillaryMessage::ScmRights(&fds));
    }
    loop {
        match sendmsg(
            socket,
            &[IoSlice::new(bytes)],
            &mut control,
            flags | SendFlags::NOSIGNAL,
        ) {
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}

fn wait(socket: BorrowedFd<'_>, flags: PollFlags, doing: &'static str) -> Result<(), ChannelError> {
    match poll(&mut [PollFd::from_borrowed_fd(socket, flags)], None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(errno) => Err(ChannelError::Io {
            doing,
            source: errno.into(),
        }),
    }
}

#[cfg(test)]
mod tests;
