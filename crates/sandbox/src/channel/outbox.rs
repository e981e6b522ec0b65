//! Messages on their way out of a loop that must never block. PID 1 queues here and flushes when the socket has
//! room; how full the queue is tells it when to stop reading from the steps.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::SendFlags;
use zeroize::Zeroizing;

use super::codec::{EncodeError, Message, encode};
use super::socket::{ChannelError, send_some};

/// A queue of frames before a socket.
#[derive(Debug)]
pub struct Outbox<M> {
    socket: OwnedFd,
    frames: VecDeque<Frame>,
    pending: usize,
    messages: PhantomData<fn(M)>,
}

#[derive(Debug)]
struct Frame {
    bytes: Zeroizing<Vec<u8>>,
    sent: usize,
    fd: Option<OwnedFd>,
}

impl<M: Message> Outbox<M> {
    /// Queues messages for this socket.
    pub fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            frames: VecDeque::new(),
            pending: 0,
            messages: PhantomData,
        }
    }

    /// Queues a message. The descriptor it carries is duplicated; if that fails the message is refused.
    pub fn push(&mut self, message: &M) -> Result<(), ChannelError> {
        let bytes = encode(message).map_err(|error: EncodeError| ChannelError::Encode(error))?;
        let fd = match message.fd() {
            None => None,
            Some(fd) => Some(fd.try_clone_to_owned().map_err(|source| ChannelError::Io {
                doing: "writing",
                source,
            })?),
        };
        self.pending += bytes.len();
        self.frames.push_back(Frame { bytes, sent: 0, fd });
        Ok(())
    }

    /// Bytes queued and not yet taken by the socket.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Sends what the socket takes without waiting.
    pub fn flush(&mut self) -> Result<(), ChannelError> {
        while let Some(frame) = self.frames.front_mut() {
            let fd = frame.fd.as_ref().map(AsFd::as_fd);
            match send_some(
                self.socket.as_fd(),
                &frame.bytes[frame.sent..],
                fd,
                SendFlags::DONTWAIT,
            ) {
                Ok(count) => {
                    frame.fd = None;
                    frame.sent += count;
                    self.pending -= count;
                    if frame.sent == frame.bytes.len() {
                        self.frames.pop_front();
                    }
                }
                Err(Errno::AGAIN) => return Ok(()),
                // Too many descriptors are in flight already. This connection is dropped, which its process sees
                // as a closed socket; the channel itself is unharmed, because nothing of the frame went out.
                Err(Errno::TOOMANYREFS) if frame.sent == 0 => {
                    self.pending -= frame.bytes.len();
                    self.frames.pop_front();
                }
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

impl<M> AsFd for Outbox<M> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
