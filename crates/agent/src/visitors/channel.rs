//! One channel of one person: a helper inside, and frames to and from the server, with back-pressure both ways.

use std::io;
use std::sync::Arc;

use airlock_agent_protocol::limits::SSH_FRAME_BYTES;
use airlock_agent_protocol::ssh::{SshChannelHeader, SshEnd, SshFrame, SshFrames, SshOpen, SshWindow};
use airlock_sandbox::enter::{Bell, EnterError, Errand, Streams, Visit, VisitEnd};
use bytes::Bytes;
use rustix::net::{Shutdown, shutdown};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Host;
use super::stream::End;
use crate::limits;
use crate::link::SshIncoming;
use crate::reporter::Wire;

/// What the program's descriptors are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pipes,
    Terminal,
    Connection,
}

/// The ends of a channel inside.
struct Ends {
    kind: Kind,
    /// Gone after the last input, where that can be said.
    input: Option<Arc<End>>,
    output: Arc<End>,
    errors: Option<End>,
}

type ToServer = mpsc::Sender<Bytes>;

/// Serves it from its opening to its end.
pub(super) async fn serve(wire: &Wire, host: Arc<Host>, open: SshOpen, closing: &CancellationToken) {
    let (to_server, outgoing) = mpsc::channel(limits::SSH_QUEUE);
    let header = SshChannelHeader {
        lease: wire.lease,
        channel: open.channel,
    };
    let incoming = tokio::select! {
        () = closing.cancelled() => return,
        incoming = wire.link.ssh_channel(header, outgoing) => incoming,
    };
    let mut incoming = match incoming {
        Ok(incoming) => incoming,
        Err(error) => return tracing::debug!(%error, job = %wire.lease.job, "carrying a visitor's channel"),
    };
    let errand = host.errand(&open);
    let kind = match (&errand, &open.terminal) {
        (Errand::Connect { .. }, _) => Kind::Connection,
        (Errand::Run(_), Some(_)) => Kind::Terminal,
        (Errand::Run(_), None) => Kind::Pipes,
    };
    let entered = tokio::task::spawn_blocking(move || host.entrance.visit(&errand)).await;
    let entered = match entered {
        Ok(Ok(mut visit)) => ends(&mut visit, kind)
            .map(|ends| (visit, ends))
            .map_err(|error| error.to_string()),
        Ok(Err(error @ EnterError::Step { .. })) => {
            tracing::warn!(%error, job = %wire.lease.job, slice = wire.lease.slice, "a visitor could not be let in");
            Err(error.to_string())
        }
        Ok(Err(EnterError::Refused(reason))) => Err(reason),
        Err(error) => Err(format!("letting a visitor in ended abnormally: {error}")),
    };
    let (visit, ends) = match entered {
        Ok(entered) => entered,
        Err(reason) => {
            say(&to_server, SshFrame::Refused(reason)).await;
            let heard = async { while let Ok(Some(_)) = incoming.next().await {} };
            return goodbye(heard).await;
        }
    };
    say(&to_server, SshFrame::Opened).await;
    let bell = visit.bell();
    tokio::select! {
        () = closing.cancelled() => {}
        () = carry(visit, ends, incoming, &to_server) => {}
    }
    // Whatever ended it: the helper goes now, and with it its hold on the sandbox.
    bell.hang_up();
}

fn ends(visit: &mut Visit, kind: Kind) -> io::Result<Ends> {
    match visit.take_streams() {
        None => Err(io::Error::other("the helper handed nothing out")),
        Some(Streams::One(both)) => {
            let both = Arc::new(End::new(both)?);
            Ok(Ends {
                kind,
                input: Some(Arc::clone(&both)),
                output: both,
                errors: None,
            })
        }
        Some(Streams::Three {
            input,
            output,
            errors,
        }) => Ok(Ends {
            kind,
            input: Some(Arc::new(End::new(input)?)),
            output: Arc::new(End::new(output)?),
            errors: Some(End::new(errors)?),
        }),
    }
}

/// Waits until the server has heard the last word and hangs up: the call is cut off when this side lets go of it.
async fn goodbye(heard: impl Future<Output = ()>) {
    let _heard_or_late = tokio::time::timeout(limits::SSH_GOODBYE, heard).await;
}

/// A frame to the server; who is gone does not read it.
async fn say(to_server: &ToServer, frame: SshFrame) {
    let _gone = to_server.send(frame.encode().into()).await;
}

async fn carry(visit: Visit, mut ends: Ends, mut incoming: Box<dyn SshIncoming>, to_server: &ToServer) {
    let ended = CancellationToken::new();
    let input = ends.input.take();
    let bell = visit.bell();
    let speaks = async {
        let output = speak(&ends.output, to_server, &ended, SshFrame::Data);
        match &ends.errors {
            Some(errors) => {
                tokio::join!(output, speak(errors, to_server, &ended, SshFrame::Errors));
            }
            None => output.await,
        }
        say(to_server, SshFrame::End).await;
    };
    tokio::pin!(speaks);
    if ends.kind == Kind::Connection {
        {
            let hears = listen(&mut incoming, input, ends.kind, Arc::clone(&ends.output), &bell);
            tokio::pin!(hears);
            tokio::select! {
                () = &mut speaks => {
                    let _either = hears.await;
                }
                heard = &mut hears => match heard {
                    // The other side inside may go on.
                    Heard::End => speaks.await,
                    Heard::Gone => return,
                },
            }
        }
        return goodbye(async { while let Ok(Some(_)) = incoming.next().await {} }).await;
    }
    let hears = listen(&mut incoming, input, ends.kind, Arc::clone(&ends.output), &bell);
    tokio::pin!(hears);
    let over = tokio::task::spawn_blocking(move || visit.wait());
    let awaits = async {
        let end = over.await.ok().flatten();
        ended.cancel();
        end
    };
    tokio::select! {
        (end, ()) = async { tokio::join!(awaits, speaks) } => {
            let end = match end {
                Some(VisitEnd::Exited(code)) => SshEnd::Exited(code),
                Some(VisitEnd::Signaled(signal)) => SshEnd::Signaled(signal),
                None => SshEnd::Cut,
            };
            say(to_server, SshFrame::Ended(end)).await;
            let heard = async {
                let _gone = hears.await;
            };
            goodbye(heard).await;
        }
        // The person is gone.
        _gone = &mut hears => bell.hang_up(),
    }
}

/// What there is to hear of a person at last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heard {
    /// No more, on a connection.
    End,
    /// Nobody is there any more.
    Gone,
}

/// Takes what the person sends in, to its end.
async fn listen(
    incoming: &mut Box<dyn SshIncoming>,
    mut input: Option<Arc<End>>,
    kind: Kind,
    terminal: Arc<End>,
    bell: &Bell,
) -> Heard {
    let mut frames = SshFrames::default();
    while let Ok(Some(bytes)) = incoming.next().await {
        frames.feed(&bytes);
        loop {
            let frame = match frames.next_frame() {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "a visitor's channel");
                    return Heard::Gone;
                }
            };
            match frame {
                SshFrame::Data(bytes) => {
                    if let Some(end) = &input
                        && end.write_all(&bytes).await.is_err()
                    {
                        // Nobody reads it inside. What comes after is taken and forgotten, or the rest would wait.
                        input = None;
                    }
                }
                SshFrame::End => match (kind, input.take()) {
                    (Kind::Connection, Some(end)) => {
                        let _closed_already = shutdown(end.fd(), Shutdown::Write);
                        return Heard::End;
                    }
                    (Kind::Connection, None) => return Heard::End,
                    // A terminal has no end of input; the last holder of a pipe closes it.
                    (Kind::Terminal, end) => input = end,
                    (Kind::Pipes, _) => {}
                },
                SshFrame::Window(SshWindow { columns, rows }) if kind == Kind::Terminal => {
                    let size = Winsize {
                        ws_row: rows,
                        ws_col: columns,
                        ws_xpixel: 0,
                        ws_ypixel: 0,
                    };
                    let _closed_already = tcsetwinsize(terminal.fd(), size);
                }
                SshFrame::Signal(number) => {
                    let _ended_already = bell.signal(number);
                }
                SshFrame::Window(_)
                | SshFrame::Errors(_)
                | SshFrame::Opened
                | SshFrame::Refused(_)
                | SshFrame::Ended(_) => {}
            }
        }
    }
    Heard::Gone
}

/// Sends what comes from inside. After the program's end only what is there already: processes that it left behind may
/// hold its output for ever.
async fn speak(
    end: &End,
    to_server: &ToServer,
    ended: &CancellationToken,
    frame: impl Fn(Vec<u8>) -> SshFrame,
) {
    let mut buffer = vec![0; SSH_FRAME_BYTES];
    loop {
        let quiet = async {
            ended.cancelled().await;
            tokio::time::sleep(limits::SSH_LAST_WORDS).await;
        };
        let read = tokio::select! {
            biased;
            read = end.read(&mut buffer) => read,
            () = quiet => return,
        };
        match read {
            Ok(0) | Err(_) => return,
            Ok(read) => {
                if to_server
                    .send(frame(buffer[..read].to_vec()).encode().into())
                    .await
                    .is_err()
                {
                    return;
                }
            }
        }
    }
}
