//! Messages to bytes and back, pure. Frames are small and few kinds exist, so the layout is written out by hand:
//! integers little endian, strings and lists with a `u32` count before them, output raw to the end of the frame.
//! Every read is bounded by the frame, so a lying count costs nothing.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use zeroize::Zeroizing;

use super::limits::MAX_FRAME;
use super::message::{Configure, Door, FromInit, SecretBytes, StartStep, StepEnd, StepUser, ToInit};

/// Bytes before the body: length and kind.
pub(super) const HEADER: usize = 5;

/// Why bytes are not a message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    /// A kind this side does not know.
    #[error("a channel frame has the unknown kind {0}")]
    UnknownKind(u8),
    /// The body ends before its message does.
    #[error("a channel frame of kind {kind} ends inside its message")]
    Truncated {
        /// The frame's kind.
        kind: u8,
    },
    /// The body goes on after its message.
    #[error("a channel frame of kind {kind} has {extra} bytes after its message")]
    Trailing {
        /// The frame's kind.
        kind: u8,
        /// How many bytes are left over.
        extra: usize,
    },
    /// The length field is zero or above [`MAX_FRAME`].
    #[error("a channel frame announces {length} bytes; between 1 and {MAX_FRAME} are possible")]
    Length {
        /// What was announced.
        length: usize,
    },
    /// A text is not UTF-8.
    #[error("a channel frame of kind {kind} holds a text that is not UTF-8")]
    NotText {
        /// The frame's kind.
        kind: u8,
    },
    /// A choice inside the body has an unknown value.
    #[error("a channel frame of kind {kind} holds the unknown choice {value}")]
    UnknownChoice {
        /// The frame's kind.
        kind: u8,
        /// The value.
        value: u8,
    },
    /// The message needs a file descriptor and none came with it.
    #[error("a channel frame of kind {kind} came without its file descriptor")]
    MissingFd {
        /// The frame's kind.
        kind: u8,
    },
    /// A file descriptor came with a message that takes none.
    #[error("a channel frame of kind {kind} came with a file descriptor it has no use for")]
    UnexpectedFd {
        /// The frame's kind.
        kind: u8,
    },
}

/// Why a message cannot be sent.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum EncodeError {
    /// It does not fit a frame.
    #[error("a message of {length} bytes does not fit the channel's frame of {MAX_FRAME}; send it in parts")]
    TooLong {
        /// What it would take.
        length: usize,
    },
}

/// One direction's messages.
pub trait Message: Sized {
    /// Appends kind and body.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads a message of `kind` from its body.
    fn take(kind: u8, body: &mut Body<'_>, fd: &mut Option<OwnedFd>) -> Result<Self, DecodeError>;
    /// The descriptor that travels with it.
    fn fd(&self) -> Option<BorrowedFd<'_>>;
}

/// The bytes of a whole frame, length included. The descriptor of the message travels beside them.
pub fn encode<M: Message>(message: &M) -> Result<Zeroizing<Vec<u8>>, EncodeError> {
    let mut out = Zeroizing::new(vec![0; HEADER - 1]);
    message.put(&mut out);
    let length = out.len() - (HEADER - 1);
    match u32::try_from(length) {
        Ok(field) if length <= MAX_FRAME => out[..HEADER - 1].copy_from_slice(&field.to_le_bytes()),
        Ok(_) | Err(_) => return Err(EncodeError::TooLong { length }),
    }
    Ok(out)
}

/// A message from a frame without its length field: kind, then body.
pub fn decode<M: Message>(frame: &[u8], fd: Option<OwnedFd>) -> Result<M, DecodeError> {
    let Some((&kind, rest)) = frame.split_first() else {
        return Err(DecodeError::Length { length: 0 });
    };
    let mut fd = fd;
    let mut body = Body { kind, rest };
    let message = M::take(kind, &mut body, &mut fd)?;
    if !body.rest.is_empty() {
        return Err(DecodeError::Trailing {
            kind,
            extra: body.rest.len(),
        });
    }
    if fd.is_some() {
        return Err(DecodeError::UnexpectedFd { kind });
    }
    Ok(message)
}

/// The length a frame announces, if it is one.
pub(super) fn announced(field: [u8; 4]) -> Result<usize, DecodeError> {
    let length = u32::from_le_bytes(field) as usize;
    if length == 0 || length > MAX_FRAME {
        return Err(DecodeError::Length { length });
    }
    Ok(length)
}

/// What is left of a frame's body while it is decoded.
#[derive(Debug)]
pub struct Body<'a> {
    kind: u8,
    rest: &'a [u8],
}

impl<'a> Body<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or(DecodeError::Truncated { kind: self.kind })?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut array = [0; N];
        array.copy_from_slice(self.bytes(N)?);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    fn i32(&mut self) -> Result<i32, DecodeError> {
        self.array().map(i32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(self.unknown(value)),
        }
    }

    fn blob(&mut self) -> Result<&'a [u8], DecodeError> {
        let count = self.u32()? as usize;
        self.bytes(count)
    }

    fn text(&mut self) -> Result<String, DecodeError> {
        let kind = self.kind;
        std::str::from_utf8(self.blob()?)
            .map(str::to_owned)
            .map_err(|_| DecodeError::NotText { kind })
    }

    /// A list; its vector grows as items are found, so the announced count takes no memory by itself.
    fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = self.u32()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(item(self)?);
        }
        Ok(list)
    }

    fn pairs(&mut self) -> Result<Vec<(String, String)>, DecodeError> {
        self.list(|body| Ok((body.text()?, body.text()?)))
    }

    fn remainder(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.rest)
    }

    fn unknown(&self, value: u8) -> DecodeError {
        DecodeError::UnknownChoice {
            kind: self.kind,
            value,
        }
    }

    fn fd(&self, fd: &mut Option<OwnedFd>) -> Result<OwnedFd, DecodeError> {
        fd.take().ok_or(DecodeError::MissingFd { kind: self.kind })
    }
}

/// A count as it goes on the wire. One beyond `u32` would make the frame too long anyway, which `encode` refuses.
fn count(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

fn put_blob(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&count(bytes.len()));
    out.extend_from_slice(bytes);
}

fn put_pairs(out: &mut Vec<u8>, pairs: &[(String, String)]) {
    out.extend_from_slice(&count(pairs.len()));
    for (name, value) in pairs {
        put_blob(out, name.as_bytes());
        put_blob(out, value.as_bytes());
    }
}

impl Configure {
    fn put(&self, out: &mut Vec<u8>) {
        // Taken at once, so that no copy of a secret is left behind by a growing vector.
        let env: usize = self
            .env
            .iter()
            .map(|(name, value)| name.len() + value.len() + 8)
            .sum();
        let masks: usize = self.masks.iter().map(|mask| mask.expose().len() + 4).sum();
        out.reserve_exact(env + masks + self.home.len() + self.user.groups.len() * 4 + 32);
        out.push(1);
        put_pairs(out, &self.env);
        out.extend_from_slice(&count(self.masks.len()));
        for mask in &self.masks {
            put_blob(out, mask.expose());
        }
        put_blob(out, self.home.as_bytes());
        out.extend_from_slice(&self.user.uid.to_le_bytes());
        out.extend_from_slice(&self.user.gid.to_le_bytes());
        out.extend_from_slice(&count(self.user.groups.len()));
        for group in &self.user.groups {
            out.extend_from_slice(&group.to_le_bytes());
        }
    }

    fn take(body: &mut Body<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            env: body.pairs()?,
            masks: body.list(|body| Ok(SecretBytes::new(body.blob()?.to_vec())))?,
            home: body.text()?,
            user: StepUser {
                uid: body.u32()?,
                gid: body.u32()?,
                groups: body.list(Body::u32)?,
            },
        })
    }
}

impl StartStep {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(2);
        out.extend_from_slice(&self.step.to_le_bytes());
        put_blob(out, self.script.as_bytes());
        out.extend_from_slice(&count(self.shell.len()));
        for word in &self.shell {
            put_blob(out, word.as_bytes());
        }
        put_pairs(out, &self.env);
        put_blob(out, self.working_directory.as_bytes());
        out.push(u8::from(self.background));
        out.extend_from_slice(&self.no_output_timeout_ms.to_le_bytes());
        out.push(u8::from(self.tty));
        out.extend_from_slice(&count(self.program.len()));
        for word in &self.program {
            put_blob(out, word.as_bytes());
        }
    }

    fn take(body: &mut Body<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            step: body.u32()?,
            script: body.text()?,
            shell: body.list(Body::text)?,
            env: body.pairs()?,
            working_directory: body.text()?,
            background: body.flag()?,
            no_output_timeout_ms: body.u64()?,
            tty: body.flag()?,
            program: body.list(Body::text)?,
        })
    }
}

impl Message for ToInit {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Configure(configure) => configure.put(out),
            Self::StartStep(start) => start.put(out),
            Self::StopStep { step, grace_ms } => {
                out.push(3);
                out.extend_from_slice(&step.to_le_bytes());
                out.extend_from_slice(&grace_ms.to_le_bytes());
            }
            Self::SwitchRoot(_) => out.push(4),
            Self::Shutdown { grace_ms } => {
                out.push(5);
                out.extend_from_slice(&grace_ms.to_le_bytes());
            }
        }
    }

    fn take(kind: u8, body: &mut Body<'_>, fd: &mut Option<OwnedFd>) -> Result<Self, DecodeError> {
        match kind {
            1 => Configure::take(body).map(Self::Configure),
            2 => StartStep::take(body).map(Self::StartStep),
            3 => Ok(Self::StopStep {
                step: body.u32()?,
                grace_ms: body.u64()?,
            }),
            4 => Ok(Self::SwitchRoot(body.fd(fd)?)),
            5 => Ok(Self::Shutdown {
                grace_ms: body.u64()?,
            }),
            kind => Err(DecodeError::UnknownKind(kind)),
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::SwitchRoot(fd) => Some(fd.as_fd()),
            Self::Configure(_) | Self::StartStep(_) | Self::StopStep { .. } | Self::Shutdown { .. } => None,
        }
    }
}

impl StepEnd {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Exited(code) => {
                out.push(0);
                out.extend_from_slice(&code.to_le_bytes());
            }
            Self::Signaled(signal) => {
                out.push(1);
                out.extend_from_slice(&signal.to_le_bytes());
            }
            Self::NoOutput { after_ms } => {
                out.push(2);
                out.extend_from_slice(&after_ms.to_le_bytes());
            }
            Self::Stopped => out.push(3),
            Self::CouldNotStart(reason) => {
                out.push(4);
                put_blob(out, reason.as_bytes());
            }
        }
    }

    fn take(body: &mut Body<'_>) -> Result<Self, DecodeError> {
        match body.u8()? {
            0 => Ok(Self::Exited(body.i32()?)),
            1 => Ok(Self::Signaled(body.i32()?)),
            2 => Ok(Self::NoOutput {
                after_ms: body.u64()?,
            }),
            3 => Ok(Self::Stopped),
            4 => Ok(Self::CouldNotStart(body.text()?)),
            value => Err(body.unknown(value)),
        }
    }
}

impl Message for FromInit {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Ready => out.push(128),
            Self::Output { step, bytes } => {
                out.reserve_exact(HEADER + bytes.len());
                out.push(129);
                out.extend_from_slice(&step.to_le_bytes());
                out.extend_from_slice(bytes);
            }
            Self::StepStarted { step } => {
                out.push(130);
                out.extend_from_slice(&step.to_le_bytes());
            }
            Self::StepFinished { step, end } => {
                out.push(131);
                out.extend_from_slice(&step.to_le_bytes());
                end.put(out);
            }
            Self::Connection { door, fd: _ } => {
                out.push(132);
                out.push(match door {
                    Door::Git => 0,
                    Door::SshAgent => 1,
                });
            }
            Self::HaltRequested => out.push(133),
            Self::RootSwitched => out.push(134),
            Self::Failed { step, reason } => {
                out.push(135);
                out.extend_from_slice(&step.to_le_bytes());
                put_blob(out, reason.as_bytes());
            }
        }
    }

    fn take(kind: u8, body: &mut Body<'_>, fd: &mut Option<OwnedFd>) -> Result<Self, DecodeError> {
        match kind {
            128 => Ok(Self::Ready),
            129 => Ok(Self::Output {
                step: body.u32()?,
                bytes: body.remainder().to_vec(),
            }),
            130 => Ok(Self::StepStarted { step: body.u32()? }),
            131 => Ok(Self::StepFinished {
                step: body.u32()?,
                end: StepEnd::take(body)?,
            }),
            132 => {
                let door = match body.u8()? {
                    0 => Door::Git,
                    1 => Door::SshAgent,
                    value => return Err(body.unknown(value)),
                };
                Ok(Self::Connection {
                    door,
                    fd: body.fd(fd)?,
                })
            }
            133 => Ok(Self::HaltRequested),
            134 => Ok(Self::RootSwitched),
            135 => Ok(Self::Failed {
                step: body.u32()?,
                reason: body.text()?,
            }),
            kind => Err(DecodeError::UnknownKind(kind)),
        }
    }

    fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Connection { door: _, fd } => Some(fd.as_fd()),
            Self::Ready
            | Self::Output { .. }
            | Self::StepStarted { .. }
            | Self::StepFinished { .. }
            | Self::HaltRequested
            | Self::RootSwitched
            | Self::Failed { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
