//! One channel of an SSH session: takes its requests, runs the one command it asks for, and carries bytes between the
//! client and git with back-pressure in both directions. Each channel is a task of its own, because russh waits for
//! somebody to take a channel's messages before it goes on with the session.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use russh::server::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::access::{GitAccess, GitAction, PrincipalName as _, RefUpdate};
use super::command::{self, GitCommand};
use super::git_process::GitProcess;
use super::limits;
use super::push::{CommandGate, PushError, Report};

/// The exit code of a command that was refused; git's own errors end with 128.
const REFUSED: u32 = 1;
const FAILED: u32 = 128;

/// What a channel needs of the door.
pub(super) struct ChannelContext<A: GitAccess> {
    pub(super) access: Arc<A>,
    pub(super) principal: A::Principal,
    pub(super) git_places: Arc<Semaphore>,
    pub(super) idle: Duration,
    /// Told when the first command has come: the login is over.
    pub(super) busy: watch::Sender<bool>,
    /// Held for its drop.
    pub(super) _place: OwnedSemaphorePermit,
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open list of russh's; what is not a command is ignored"
)]
/// Serves one channel from its opening to its end.
pub(super) async fn serve<A: GitAccess>(context: ChannelContext<A>, channel: Channel<Msg>) {
    let (mut read, write) = channel.split();
    let mut protocol = None;
    for _ in 0..limits::REQUESTS_BEFORE_COMMAND {
        let Some(message) = read.wait().await else { return };
        match message {
            ChannelMsg::SetEnv {
                variable_name,
                variable_value,
                ..
            } if variable_name == "GIT_PROTOCOL" && is_protocol(&variable_value) => {
                protocol = Some(variable_value);
            }
            ChannelMsg::Exec { command, .. } => {
                context.busy.send_replace(true);
                let talk = Talk { write };
                let code = run(&context, &command, protocol, read, &talk).await;
                return talk.end(code).await;
            }
            ChannelMsg::RequestShell { .. } | ChannelMsg::RequestSubsystem { .. } => {
                context.busy.send_replace(true);
                // Nothing the client sends is of interest any more, and nobody waits for it to be taken.
                drop(read);
                let talk = Talk { write };
                let name = context.principal.name();
                talk.tell(&format!(
                    "Hi {name}! You've authenticated, but Airlock does not give shell access."
                ))
                .await;
                talk.tell("Use git with ssh://git@HOST:PORT/<org>/<repo>.git")
                    .await;
                return talk.end(REFUSED).await;
            }
            ChannelMsg::Close => return,
            // Terminals, signals and the like: the session has refused them already where an answer was wanted.
            _ => {}
        }
    }
    debug!(
        "a channel sent {} requests and no command",
        limits::REQUESTS_BEFORE_COMMAND
    );
}

/// What git clients send: `version=2`, perhaps with more such words behind colons.
fn is_protocol(value: &str) -> bool {
    value.len() <= 64
        && value
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b':' | b'-' | b'.'))
}

async fn run<A: GitAccess>(
    context: &ChannelContext<A>,
    line: &[u8],
    protocol: Option<String>,
    read: ChannelReadHalf,
    talk: &Talk,
) -> u32 {
    let GitCommand { action, repo } = match command::parse(line) {
        Ok(command) => command,
        Err(error) => {
            talk.tell(&error.to_string()).await;
            return REFUSED;
        }
    };
    let name = context.principal.name();
    let folder = match context.access.open(&context.principal, &repo, action).await {
        Ok(folder) => folder,
        Err(denied) => {
            info!(who = name, %repo, ?action, "git access denied");
            talk.tell(&denied.message).await;
            return REFUSED;
        }
    };
    // Never closed while the context lives, and then there is nobody left to serve.
    let Ok(_running) = Arc::clone(&context.git_places).acquire_owned().await else {
        return FAILED;
    };
    let process = match GitProcess::start(action, &folder, protocol.as_deref()) {
        Ok(process) => process,
        Err(error) => {
            warn!(%repo, path = %folder.path.display(), %error, "starting git {}", action.program());
            talk.tell("the server could not start git: its log says why")
                .await;
            return FAILED;
        }
    };
    let Ended {
        code,
        updates,
        stderr,
        refused,
        timed_out,
    } = carry(process, action, read, talk, context.idle).await;
    if !stderr.is_empty() {
        // Git names the folder on the server's disk; the client knows the repository by another name.
        let text = stderr.replace(&*folder.path.to_string_lossy(), &repo.short());
        debug!(%repo, stderr = %text, "git {}", action.program());
        talk.raw(&text).await;
    }
    if let Some(error) = refused {
        talk.tell(&error.to_string()).await;
    }
    if timed_out {
        talk.tell(&format!(
            "nothing moved for {} seconds: giving up",
            context.idle.as_secs()
        ))
        .await;
    }
    if !updates.is_empty() {
        info!(who = name, %repo, refs = updates.len(), "pushed");
        for line in context.access.pushed(&context.principal, &repo, updates).await {
            talk.tell(&line).await;
        }
    }
    code
}

struct Ended {
    code: u32,
    updates: Vec<RefUpdate>,
    stderr: String,
    refused: Option<PushError>,
    timed_out: bool,
}

/// State that both directions of a push look at. Never locked across a wait.
#[derive(Default)]
struct Shared {
    report: Report,
    refused: Option<PushError>,
    moved: Option<Instant>,
}

type Sharing = Mutex<Shared>;

fn lock(shared: &Sharing) -> MutexGuard<'_, Shared> {
    // A panic in between leaves nothing half done here.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries bytes until git ends, the client is gone, or nothing moves.
async fn carry(
    mut process: GitProcess,
    action: GitAction,
    read: ChannelReadHalf,
    talk: &Talk,
    idle: Duration,
) -> Ended {
    let shared = Sharing::default();
    let (stdin, stdout, stderr) = (process.stdin.take(), process.stdout.take(), process.stderr.take());
    let (finished, timed_out, errors) = {
        let from_client = to_git(read, stdin, action, &shared);
        let to_client = async { tokio::join!(from_git(stdout, talk, action, &shared), errors_of(stderr)) };
        tokio::pin!(from_client, to_client);
        let mut client_there = true;
        let settle = tokio::time::sleep(Duration::MAX);
        tokio::pin!(settle);
        loop {
            tokio::select! {
                ((), errors) = &mut to_client => break (true, false, errors),
                () = &mut from_client, if client_there => {
                    client_there = false;
                    // What a push has brought in full must be finished and made known, pusher or not.
                    if action == GitAction::Fetch || lock(&shared).refused.is_some() {
                        break (false, false, String::new());
                    }
                    settle.as_mut().reset(Instant::now() + limits::PUSH_SETTLE);
                }
                () = &mut settle, if !client_there => break (false, false, String::new()),
                () = silence(&shared, idle) => break (false, true, String::new()),
            }
        }
    };
    if !finished {
        process.kill();
    }
    let code = match process.wait().await {
        Ok(status) if finished => status
            .code()
            .and_then(|code| u32::try_from(code).ok())
            .unwrap_or(FAILED),
        Ok(_) | Err(_) => FAILED,
    };
    let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ended {
        code,
        updates: shared.report.carried_out(),
        stderr: errors,
        refused: shared.refused,
        timed_out,
    }
}

/// Ends when nothing has moved for so long.
async fn silence(shared: &Sharing, idle: Duration) {
    let begun = Instant::now();
    loop {
        let until = lock(shared).moved.unwrap_or(begun) + idle;
        if until <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(until).await;
    }
}

fn moved(shared: &Sharing) {
    lock(shared).moved = Some(Instant::now());
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open list of russh's; only bytes and their end matter"
)]
/// Client to git. Ends when the client is gone or its push is refused.
async fn to_git(
    mut read: ChannelReadHalf,
    mut stdin: Option<ChildStdin>,
    action: GitAction,
    shared: &Sharing,
) {
    let mut gate = (action == GitAction::Push).then(CommandGate::default);
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => {
                moved(shared);
                let passed = match &mut gate {
                    None => send(&mut stdin, &data).await,
                    Some(held) => match held.feed(&data) {
                        Ok(None) => Ok(()),
                        Ok(Some((commands, bytes))) => {
                            gate = None;
                            lock(shared).report.begin(commands);
                            send(&mut stdin, &bytes).await
                        }
                        Err(error) => {
                            lock(shared).refused = Some(error);
                            return;
                        }
                    },
                };
                if passed.is_err() {
                    // Git has heard enough; what it says about that comes the other way. The client's bytes are
                    // still taken, or it would never read that.
                    stdin = None;
                }
            }
            ChannelMsg::Eof => stdin = None,
            ChannelMsg::Close => return,
            _ => {}
        }
    }
}

async fn send(stdin: &mut Option<ChildStdin>, bytes: &[u8]) -> io::Result<()> {
    match stdin {
        Some(stdin) => stdin.write_all(bytes).await,
        None => Ok(()),
    }
}

/// Git to client.
async fn from_git(stdout: Option<ChildStdout>, talk: &Talk, action: GitAction, shared: &Sharing) {
    let Some(mut stdout) = stdout else { return };
    let writer = talk.write.make_writer();
    tokio::pin!(writer);
    let mut buffer = vec![0; 32 * 1024];
    let mut client_there = true;
    while let Ok(length @ 1..) = stdout.read(&mut buffer).await {
        let bytes = &buffer[..length];
        if action == GitAction::Push {
            lock(shared).report.feed(bytes);
        }
        if client_there {
            client_there = writer.write_all(bytes).await.is_ok();
        }
        moved(shared);
        if !client_there && action == GitAction::Fetch {
            return;
        }
    }
}

/// Git's own error output, of bounded length. Progress and most errors travel inside git's protocol instead.
async fn errors_of(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else {
        return String::new();
    };
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stderr.read(&mut buffer).await {
        let room = limits::STDERR_BYTES.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..length.min(room)]);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The way to the person at the other end.
struct Talk {
    write: ChannelWriteHalf<Msg>,
}

impl Talk {
    /// Shows text, each line marked as git marks what comes from the other side.
    async fn tell(&self, text: &str) {
        let mut marked = String::new();
        for line in text.lines() {
            marked.push_str("remote: ");
            // A terminal obeys control characters; messages have none.
            marked.extend(line.chars().filter(|c| !c.is_control()));
            marked.push('\n');
        }
        self.raw(&marked).await;
    }

    async fn raw(&self, text: &str) {
        let writer = self.write.make_writer_ext(Some(1));
        tokio::pin!(writer);
        // Who is gone does not read it.
        let _read_by_nobody = writer.write_all(text.as_bytes()).await;
    }

    async fn end(self, code: u32) {
        let ended = async {
            self.write.exit_status(code).await?;
            self.write.eof().await?;
            self.write.close().await
        };
        // The client was quicker.
        let _gone_already = ended.await;
    }
}
