//! SSH into a running slice. The agent dials out for this as for everything: it asks whether somebody is at the door
//! ([`SshWait`]), and for each channel that a person opened it makes one more call, whose body and answer are the two
//! directions of that channel. Both carry frames: a kind, a length (big endian, 32 bits), a body.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits::SSH_FRAME_BYTES;
use crate::messages::Lease;

/// Agent → server: "is somebody at the door?" Held open by the server until there is, or a while is over. A slice can be
/// entered as long as its agent asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshWait {
    /// The claim.
    pub lease: Lease,
}

/// Server → agent: who is at the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshWaitReply {
    /// A channel to open, if there was one.
    pub open: Option<SshOpen>,
}

/// One channel of a person.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshOpen {
    /// Names it in the call that carries its bytes.
    pub channel: Uuid,
    /// What is wanted.
    pub wanted: SshWanted,
    /// Variables that the person's client sent, such as `LANG`.
    pub environment: Vec<(String, String)>,
    /// The person's terminal, if there is one.
    pub terminal: Option<SshTerminal>,
}

impl std::fmt::Debug for SshOpen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // What people type is theirs.
        f.debug_struct("SshOpen")
            .field("channel", &self.channel)
            .finish_non_exhaustive()
    }
}

/// Kinds of channel.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SshWanted {
    /// A shell to type into.
    Shell,
    /// A command line for the shell.
    Command(String),
    /// File transfer.
    Sftp,
    /// A connection to an address of the sandbox.
    Connect {
        /// Address or name.
        host: String,
        /// Port.
        port: u16,
    },
}

/// A terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshTerminal {
    /// What `TERM` is to be.
    pub term: String,
    /// Its size.
    pub size: SshWindow,
}

/// The size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshWindow {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// Agent → server, beside the call that carries a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshChannelHeader {
    /// The claim.
    pub lease: Lease,
    /// Which of its channels.
    pub channel: Uuid,
}

/// What passes in either direction of a channel.
#[derive(Clone, PartialEq, Eq)]
pub enum SshFrame {
    /// Input towards the sandbox, output from it.
    Data(Vec<u8>),
    /// Error output from it.
    Errors(Vec<u8>),
    /// No more data follows from this side.
    End,
    /// Server → agent: the terminal's size changed.
    Window(SshWindow),
    /// Server → agent: a signal for the program, by its number in Linux.
    Signal(i32),
    /// Agent → server: the program runs, or the connection stands.
    Opened,
    /// Agent → server: nothing was opened, and why, for the person.
    Refused(String),
    /// Agent → server, last of all: how the program ended.
    Ended(SshEnd),
}

impl std::fmt::Debug for SshFrame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SshFrame({})", self.kind())
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SshEnd {
    /// With this exit code.
    Exited(i32),
    /// By this signal, by its number in Linux.
    Signaled(i32),
    /// Somebody hung up, or the sandbox went first.
    Cut,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SshFrameError {
    /// A kind this side does not know.
    #[error("an SSH frame has the unknown kind {0}")]
    Kind(u8),
    /// Longer than a frame may be.
    #[error("an SSH frame announces {0} bytes; at most {SSH_FRAME_BYTES} are possible")]
    Length(usize),
    /// A body that does not fit its kind.
    #[error("the body of an SSH frame of kind {0} is wrong")]
    Body(u8),
}

/// Kind and length.
const HEADER: usize = 5;

impl SshFrame {
    const fn kind(&self) -> u8 {
        match self {
            Self::Data(_) => 1,
            Self::Errors(_) => 2,
            Self::End => 3,
            Self::Window(_) => 4,
            Self::Signal(_) => 5,
            Self::Opened => 6,
            Self::Refused(_) => 7,
            Self::Ended(_) => 8,
        }
    }

    /// As bytes. Data beyond what a frame takes is cut off: who sends it reads pieces of at most
    /// [`SSH_FRAME_BYTES`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let body = match self {
            Self::Data(bytes) | Self::Errors(bytes) => bytes.clone(),
            Self::End | Self::Opened => Vec::new(),
            Self::Window(SshWindow { columns, rows }) => [columns.to_be_bytes(), rows.to_be_bytes()].concat(),
            Self::Signal(number) => number.to_be_bytes().to_vec(),
            Self::Refused(reason) => reason.clone().into_bytes(),
            Self::Ended(end) => {
                let (kind, number) = match end {
                    SshEnd::Exited(code) => (0, *code),
                    SshEnd::Signaled(signal) => (1, *signal),
                    SshEnd::Cut => (2, 0),
                };
                [&[kind][..], &number.to_be_bytes()].concat()
            }
        };
        let length = body.len().min(SSH_FRAME_BYTES);
        let mut bytes = Vec::with_capacity(HEADER + length);
        bytes.push(self.kind());
        bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(&body[..length]);
        bytes
    }
}

/// Puts frames together from pieces of any size.
#[derive(Debug, Default)]
pub struct SshFrames {
    held: Vec<u8>,
}

impl SshFrames {
    /// Takes bytes in.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next complete frame.
    pub fn next_frame(&mut self) -> Result<Option<SshFrame>, SshFrameError> {
        let Some((&[kind, a, b, c, d], rest)) = self.held.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length > SSH_FRAME_BYTES {
            return Err(SshFrameError::Length(length));
        }
        let Some(body) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = decode(kind, body)?;
        self.held.drain(..HEADER + length);
        Ok(Some(frame))
    }
}

fn decode(kind: u8, body: &[u8]) -> Result<SshFrame, SshFrameError> {
    let wrong = SshFrameError::Body(kind);
    let number = |bytes: &[u8]| {
        <[u8; 4]>::try_from(bytes)
            .map(i32::from_be_bytes)
            .map_err(|_| wrong)
    };
    Ok(match (kind, body) {
        (1, _) => SshFrame::Data(body.to_vec()),
        (2, _) => SshFrame::Errors(body.to_vec()),
        (3, []) => SshFrame::End,
        (4, &[a, b, c, d]) => SshFrame::Window(SshWindow {
            columns: u16::from_be_bytes([a, b]),
            rows: u16::from_be_bytes([c, d]),
        }),
        (5, _) => SshFrame::Signal(number(body)?),
        (6, []) => SshFrame::Opened,
        (7, _) => SshFrame::Refused(String::from_utf8_lossy(body).into_owned()),
        (8, [0, rest @ ..]) => SshFrame::Ended(SshEnd::Exited(number(rest)?)),
        (8, [1, rest @ ..]) => SshFrame::Ended(SshEnd::Signaled(number(rest)?)),
        (8, [2, ..]) => SshFrame::Ended(SshEnd::Cut),
        (3..=8, _) => return Err(wrong),
        _ => return Err(SshFrameError::Kind(kind)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<SshFrame> {
        vec![
            SshFrame::Opened,
            SshFrame::Data(b"ls\n".to_vec()),
            SshFrame::Data(Vec::new()),
            SshFrame::Errors(vec![0, 255]),
            SshFrame::Window(SshWindow {
                columns: 300,
                rows: 50,
            }),
            SshFrame::Signal(15),
            SshFrame::Refused("no".into()),
            SshFrame::End,
            SshFrame::Ended(SshEnd::Exited(-1)),
            SshFrame::Ended(SshEnd::Signaled(9)),
            SshFrame::Ended(SshEnd::Cut),
        ]
    }

    #[test]
    fn frames_survive_any_cutting() {
        let wire: Vec<u8> = all().iter().flat_map(SshFrame::encode).collect();
        for piece in [1, 2, 5, 7, wire.len()] {
            let mut frames = SshFrames::default();
            let mut seen = Vec::new();
            for bytes in wire.chunks(piece) {
                frames.feed(bytes);
                while let Some(frame) = frames.next_frame().expect("frames") {
                    seen.push(frame);
                }
            }
            assert!(seen == all(), "cut into pieces of {piece}: {seen:?}");
        }
    }

    #[test]
    fn nonsense_is_refused_before_it_costs_memory() {
        let next = |bytes: &[u8]| {
            let mut frames = SshFrames::default();
            frames.feed(bytes);
            frames.next_frame()
        };
        assert_eq!(next(&[9, 0, 0, 0, 0]), Err(SshFrameError::Kind(9)));
        assert_eq!(next(&[0, 0, 0, 0, 0]), Err(SshFrameError::Kind(0)));
        assert_eq!(
            next(&[1, 255, 255, 255, 255]),
            Err(SshFrameError::Length(u32::MAX as usize))
        );
        assert_eq!(next(&[3, 0, 0, 0, 1, 7]), Err(SshFrameError::Body(3)));
        assert_eq!(next(&[4, 0, 0, 0, 1, 7]), Err(SshFrameError::Body(4)));
        assert_eq!(next(&[8, 0, 0, 0, 0]), Err(SshFrameError::Body(8)));
        assert_eq!(next(&[1, 0, 0, 0, 2, 7]), Ok(None));
    }

    #[test]
    fn what_people_type_does_not_show() {
        let open = SshOpen {
            channel: Uuid::nil(),
            wanted: SshWanted::Command("canary-4711".into()),
            environment: vec![("X".into(), "canary-4711".into())],
            terminal: None,
        };
        let frame = SshFrame::Data(b"canary-4711".to_vec());
        assert!(!format!("{open:?}{frame:?}").contains("canary"));
    }
}
