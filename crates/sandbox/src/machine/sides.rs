//! The two ends of the channel that relays hold: in the guest the agent's end, towards process 1's step runner; on the
//! host the step runner's end, towards the agent.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::relay::{Relay, RelayError, Side, WINDOW};
use crate::channel::{
    ChannelError, DecodeError, Door, FromInit, MAX_FRAME, Outbox, Reader, Received, decode, encode,
};

/// Messages of the step runner taken at a time.
const MESSAGES_PER_TURN: usize = 16;

/// Relays between the guest's port and its step runner, whose agent it is, until either is gone.
pub fn relay_in_guest(port: OwnedFd, channel: OwnedFd) -> Result<(), RelayError> {
    let socket = channel.try_clone().map_err(|source| ChannelError::Io {
        doing: "writing",
        source,
    })?;
    let side = Guest {
        reader: Reader::new(channel),
        socket,
        out: VecDeque::new(),
    };
    Relay::new(port, side)?.run()
}

/// Relays between the machine's port and the agent, whose step runner it is, until either is gone.
pub fn relay_on_host(port: OwnedFd, channel: OwnedFd) -> Result<(), RelayError> {
    let socket = channel.try_clone().map_err(|source| ChannelError::Io {
        doing: "reading",
        source,
    })?;
    let side = Host {
        socket,
        outbox: Outbox::new(channel),
        frames: Vec::new(),
    };
    Relay::new(port, side)?.run()
}

struct Guest {
    reader: Reader<FromInit>,
    socket: OwnedFd,
    /// The agent's commands.
    out: VecDeque<u8>,
}

impl Side for Guest {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn read(
        &mut self,
        bytes: &mut VecDeque<u8>,
        opened: &mut Vec<(Door, OwnedFd)>,
    ) -> Result<bool, ChannelError> {
        for _ in 0..MESSAGES_PER_TURN {
            match self.reader.try_receive()? {
                Received::Message(FromInit::Connection { door, fd }) => opened.push((door, fd)),
                Received::Message(message) => bytes.extend(encode(&message)?.iter()),
                Received::Nothing => break,
                Received::Closed => return Ok(false),
            }
        }
        Ok(true)
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ChannelError> {
        self.out.extend(bytes);
        Ok(())
    }

    fn connect(&mut self, _door: Door, _fd: OwnedFd) -> Result<bool, ChannelError> {
        // Connections begin in the guest.
        Ok(false)
    }

    fn flush(&mut self) -> Result<(), ChannelError> {
        while !self.out.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match send(&self.socket, self.out.as_slices().0, flags) {
                Ok(sent) => drop(self.out.drain(..sent)),
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
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

    fn pending(&self) -> usize {
        self.out.len()
    }
}

struct Host {
    socket: OwnedFd,
    outbox: Outbox<FromInit>,
    /// What the guest said and is not a whole message yet.
    frames: Vec<u8>,
}

impl Side for Host {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn read(
        &mut self,
        bytes: &mut VecDeque<u8>,
        _opened: &mut Vec<(Door, OwnedFd)>,
    ) -> Result<bool, ChannelError> {
        let mut buffer = vec![0; WINDOW];
        match recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Ok(false),
            Ok((read, _)) => {
                bytes.extend(&buffer[..read]);
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(true),
            Err(errno) => Err(ChannelError::Io {
                doing: "reading",
                source: errno.into(),
            }),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ChannelError> {
        self.frames.extend_from_slice(bytes);
        let mut done = 0;
        while let Some((field, rest)) = self.frames[done..].split_first_chunk::<4>() {
            let length = u32::from_le_bytes(*field) as usize;
            if length == 0 || length > MAX_FRAME {
                return Err(DecodeError::Length { length }.into());
            }
            let Some(frame) = rest.get(..length) else { break };
            // A message that needs a descriptor cannot come this way.
            self.outbox.push(&decode(frame, None)?)?;
            done += 4 + length;
        }
        self.frames.drain(..done);
        Ok(())
    }

    fn connect(&mut self, door: Door, fd: OwnedFd) -> Result<bool, ChannelError> {
        self.outbox.push(&FromInit::Connection { door, fd })?;
        Ok(true)
    }

    fn flush(&mut self) -> Result<(), ChannelError> {
        self.outbox.flush()
    }

    fn pending(&self) -> usize {
        self.outbox.pending()
    }
}
