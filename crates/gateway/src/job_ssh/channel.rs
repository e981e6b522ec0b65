//! One channel of a session: takes its requests, has the agent open what is asked for, and carries bytes between the two
//! with back-pressure in both directions. Each channel is a task of its own, because russh waits for somebody to take a
//! channel's messages before it goes on with the session.

use std::sync::Arc;

use airlock_agent_protocol::limits::SSH_FRAME_BYTES;
use airlock_agent_protocol::ssh::{SshEnd, SshFrame, SshFrames, SshOpen, SshTerminal, SshWanted, SshWindow};
use bytes::Bytes;
use futures_util::StreamExt as _;
use russh::server::{ChannelOpenHandle, Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelOpenFailure, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::debug;
use uuid::Uuid;

use super::limits;
use super::lines::{AgentSide, Lines};
use super::target::Target;

/// The one subsystem.
pub(super) const SFTP: &str = "sftp";

/// The exit code of a program that did not come to be, as a shell's.
const NOT_STARTED: u32 = 127;
/// OpenSSH's own for a connection that broke.
const BROKEN: u32 = 255;
/// Standard error.
const ERRORS: u32 = 1;

/// What a channel needs of its session.
pub(super) struct ChannelContext {
    pub(super) lines: Arc<Lines>,
    pub(super) target: Target,
    /// The session is over.
    pub(super) over: CancellationToken,
    /// Held for its drop.
    pub(super) _place: OwnedSemaphorePermit,
}

/// Whether a variable that a client sends is passed on: its language and its terminal's abilities, as OpenSSH's own
/// server does.
pub(super) fn takes_variable(name: &str) -> bool {
    name == "LANG" || name.starts_with("LC_") || name == "COLORTERM"
}

/// Serves a session channel from its opening to its end.
pub(super) async fn serve_session(context: ChannelContext, channel: Channel<Msg>, handle: Handle) {
    let over = context.over.clone();
    tokio::select! {
        () = over.cancelled() => {}
        () = session(&context, channel, &handle) => {}
    }
}

async fn session(context: &ChannelContext, channel: Channel<Msg>, handle: &Handle) {
    let id = channel.id();
    let (mut read, write) = channel.split();
    let Some(open) = requested(&mut read).await else {
        // Gone, or it asked for nothing that there is.
        let _gone = write.close().await;
        return;
    };
    let mut side = match context.lines.open(context.target, open).await {
        Ok(side) => side,
        Err(closed) => {
            tell(&write, &closed.to_string()).await;
            return end(&write, NOT_STARTED).await;
        }
    };
    let mut frames = SshFrames::default();
    match opened(&mut side, &mut frames).await {
        Ok(()) => {}
        Err(reason) => {
            tell(&write, &reason).await;
            return end(&write, NOT_STARTED).await;
        }
    }
    match carry(read, &write, side, frames, Kind::Program).await {
        Some(SshEnd::Exited(code)) => end(&write, code.cast_unsigned()).await,
        Some(SshEnd::Signaled(number)) => {
            // A client that was quicker does not hear it.
            let _gone = handle
                .exit_signal_request(id, signal_name(number), false, String::new(), String::new())
                .await;
            close(&write).await;
        }
        Some(SshEnd::Cut) | None => {
            tell(&write, "the job is over, and with it this session").await;
            end(&write, BROKEN).await;
        }
    }
}

/// Serves a connection that the client forwards into the sandbox.
pub(super) async fn serve_connection(
    context: ChannelContext,
    channel: Channel<Msg>,
    reply: ChannelOpenHandle,
    host: String,
    port: u16,
) {
    let over = context.over.clone();
    let connection = async {
        let open = SshOpen {
            channel: Uuid::new_v4(),
            wanted: SshWanted::Connect { host, port },
            environment: Vec::new(),
            terminal: None,
        };
        let mut frames = SshFrames::default();
        let opening = async {
            let mut side = context
                .lines
                .open(context.target, open)
                .await
                .map_err(|closed| closed.to_string())?;
            opened(&mut side, &mut frames).await.map(|()| side)
        };
        let side = match opening.await {
            Ok(side) => side,
            Err(reason) => {
                debug!(target = %context.target, reason, "a connection into a job was refused");
                return reply.reject(ChannelOpenFailure::ConnectFailed).await;
            }
        };
        reply.accept().await;
        let (read, write) = channel.split();
        carry(read, &write, side, frames, Kind::Connection).await;
        close(&write).await;
    };
    tokio::select! {
        () = over.cancelled() => {}
        () = connection => {}
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open list of russh's; what asks for nothing is ignored"
)]
/// What the client asks for; `None` when it is gone or asks for something else.
async fn requested(read: &mut ChannelReadHalf) -> Option<SshOpen> {
    let mut terminal = None;
    let mut environment = Vec::new();
    let mut room = limits::ENVIRONMENT_BYTES;
    for _ in 0..limits::REQUESTS_BEFORE_COMMAND {
        let wanted = match read.wait().await? {
            ChannelMsg::SetEnv {
                variable_name,
                variable_value,
                ..
            } if takes_variable(&variable_name) => {
                let bytes = variable_name.len() + variable_value.len();
                if bytes <= room && !variable_value.contains('\0') {
                    room -= bytes;
                    environment.push((variable_name, variable_value));
                }
                continue;
            }
            ChannelMsg::RequestPty {
                term,
                col_width,
                row_height,
                ..
            } => {
                terminal = Some(SshTerminal {
                    term: term_name(&term),
                    size: window(col_width, row_height),
                });
                continue;
            }
            ChannelMsg::RequestShell { .. } => SshWanted::Shell,
            ChannelMsg::Exec { command, .. } if command.len() <= limits::COMMAND_BYTES => {
                SshWanted::Command(String::from_utf8(command).ok()?)
            }
            ChannelMsg::RequestSubsystem { name, .. } if name == SFTP => SshWanted::Sftp,
            ChannelMsg::Exec { .. } | ChannelMsg::RequestSubsystem { .. } | ChannelMsg::Close => return None,
            _ => continue,
        };
        return Some(SshOpen {
            channel: Uuid::new_v4(),
            wanted,
            environment,
            terminal,
        });
    }
    None
}

/// What `TERM` is to be: a name that a terminal may have, or the plainest.
fn term_name(term: &str) -> String {
    let is_name = !term.is_empty()
        && term.len() <= limits::TERM_BYTES
        && term
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'+'));
    if is_name { term } else { "dumb" }.to_owned()
}

fn window(columns: u32, rows: u32) -> SshWindow {
    let number = |number| u16::try_from(number).unwrap_or(u16::MAX);
    SshWindow {
        columns: number(columns),
        rows: number(rows),
    }
}

/// The next frame of the agent; `None` when there is none any more.
async fn next_frame(side: &mut AgentSide, frames: &mut SshFrames) -> Option<SshFrame> {
    loop {
        match frames.next_frame() {
            Ok(Some(frame)) => return Some(frame),
            Ok(None) => {}
            Err(error) => {
                debug!(%error, "an agent's SSH channel");
                return None;
            }
        }
        match side.from_agent.next().await? {
            Ok(bytes) => frames.feed(&bytes),
            Err(error) => {
                debug!(%error, "an agent's SSH channel");
                return None;
            }
        }
    }
}

/// Waits until the agent has opened what was asked for; else why not, for the person.
async fn opened(side: &mut AgentSide, frames: &mut SshFrames) -> Result<(), String> {
    let no_answer = || "the job's agent did not open it: try again".to_owned();
    match tokio::time::timeout(limits::OPENING, next_frame(side, frames)).await {
        Ok(Some(SshFrame::Opened)) => Ok(()),
        Ok(Some(SshFrame::Refused(reason))) => Err(reason),
        Ok(Some(_) | None) | Err(_) => Err(no_answer()),
    }
}

/// What is at the other end of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Program,
    Connection,
}

/// Carries bytes until the program ends or one side is gone.
async fn carry(
    read: ChannelReadHalf,
    write: &ChannelWriteHalf<Msg>,
    mut side: AgentSide,
    mut frames: SshFrames,
    kind: Kind,
) -> Option<SshEnd> {
    let to_agent = side.to_agent.clone();
    let from_client = to_the_agent(read, &to_agent, kind);
    let to_client = async {
        loop {
            let sent = match next_frame(&mut side, &mut frames).await? {
                SshFrame::Data(bytes) => write.data_bytes(bytes).await,
                SshFrame::Errors(bytes) => write.extended_data_bytes(ERRORS, bytes).await,
                SshFrame::End if kind == Kind::Connection => {
                    // A client that is gone does not hear it.
                    let _gone = write.eof().await;
                    return Some(SshEnd::Exited(0));
                }
                SshFrame::Ended(end) => return Some(end),
                // A program's end is told with its exit, and something may still be said before that.
                SshFrame::End
                | SshFrame::Window(_)
                | SshFrame::Signal(_)
                | SshFrame::Opened
                | SshFrame::Refused(_) => Ok(()),
            };
            if sent.is_err() {
                return Some(SshEnd::Cut);
            }
        }
    };
    tokio::pin!(from_client, to_client);
    tokio::select! {
        ended = &mut to_client => {
            if kind == Kind::Connection && ended == Some(SshEnd::Exited(0)) {
                // Half closed: the client may go on.
                from_client.await;
            }
            ended
        }
        heard = &mut from_client => match (kind, heard) {
            (Kind::Connection, Heard::End) => to_client.await,
            // Dropping the agent's side hangs up there.
            (Kind::Connection | Kind::Program, _) => Some(SshEnd::Cut),
        },
    }
}

/// What there is to hear of a client at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// No more, on a connection.
    End,
    /// The client is gone.
    Gone,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open list of russh's; what is neither bytes nor about them is ignored"
)]
/// Client to agent, until the client is gone.
async fn to_the_agent(mut read: ChannelReadHalf, to_agent: &mpsc::Sender<Bytes>, kind: Kind) -> Heard {
    while let Some(message) = read.wait().await {
        let frames = match message {
            ChannelMsg::Data { data } => data
                .chunks(SSH_FRAME_BYTES)
                .map(|piece| SshFrame::Data(piece.to_vec()))
                .collect(),
            ChannelMsg::Eof => vec![SshFrame::End],
            ChannelMsg::WindowChange {
                col_width,
                row_height,
                ..
            } => vec![SshFrame::Window(window(col_width, row_height))],
            ChannelMsg::Signal { signal } => {
                signal_number(&signal).map(SshFrame::Signal).into_iter().collect()
            }
            ChannelMsg::Close => return Heard::Gone,
            _ => Vec::new(),
        };
        for frame in frames {
            if to_agent.send(frame.encode().into()).await.is_err() {
                // The agent hears no more; what it says still comes.
                return std::future::pending().await;
            }
            if kind == Kind::Connection && frame == SshFrame::End {
                return Heard::End;
            }
        }
    }
    Heard::Gone
}

/// A signal's number in Linux.
const fn signal_number(signal: &Sig) -> Option<i32> {
    Some(match signal {
        Sig::HUP => 1,
        Sig::INT => 2,
        Sig::QUIT => 3,
        Sig::ILL => 4,
        Sig::ABRT => 6,
        Sig::FPE => 8,
        Sig::KILL => 9,
        Sig::USR1 => 10,
        Sig::SEGV => 11,
        Sig::PIPE => 13,
        Sig::ALRM => 14,
        Sig::TERM => 15,
        Sig::Custom(_) => return None,
    })
}

/// The other way round, as far as SSH has names.
fn signal_name(number: i32) -> Sig {
    match number {
        1 => Sig::HUP,
        2 => Sig::INT,
        3 => Sig::QUIT,
        4 => Sig::ILL,
        6 => Sig::ABRT,
        8 => Sig::FPE,
        9 => Sig::KILL,
        10 => Sig::USR1,
        11 => Sig::SEGV,
        13 => Sig::PIPE,
        14 => Sig::ALRM,
        15 => Sig::TERM,
        other => Sig::Custom(format!("{other}@airlock")),
    }
}

/// Tells the person something, on a line of its own.
async fn tell(write: &ChannelWriteHalf<Msg>, text: &str) {
    // A terminal obeys control characters; messages have none.
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    // Who is gone does not read it.
    let _gone = write
        .extended_data_bytes(ERRORS, format!("airlock: {text}\r\n"))
        .await;
}

async fn end(write: &ChannelWriteHalf<Msg>, code: u32) {
    // The client was quicker.
    let _gone = write.exit_status(code).await;
    close(write).await;
}

async fn close(write: &ChannelWriteHalf<Msg>) {
    // As above.
    let _gone = write.eof().await;
    let _gone = write.close().await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_the_same_names_both_ways() {
        for number in [1, 2, 3, 4, 6, 8, 9, 10, 11, 13, 14, 15] {
            assert_eq!(signal_number(&signal_name(number)), Some(number));
        }
        assert_eq!(signal_number(&Sig::Custom("WINCH".into())), None);
        assert!(matches!(signal_name(12), Sig::Custom(name) if name == "12@airlock"));
    }

    #[test]
    fn only_language_and_colours_are_taken_from_a_client() {
        assert!(
            ["LANG", "LC_ALL", "LC_TIME", "COLORTERM"]
                .iter()
                .all(|name| takes_variable(name))
        );
        for name in ["LD_PRELOAD", "PATH", "BASH_ENV", "GIT_SSH", "lang", ""] {
            assert!(!takes_variable(name), "{name}");
        }
        assert_eq!(term_name("xterm-256color"), "xterm-256color");
        assert_eq!(term_name("x\u{1b}[2J"), "dumb");
        assert_eq!(
            window(70_000, 24),
            SshWindow {
                columns: u16::MAX,
                rows: 24
            }
        );
    }
}
