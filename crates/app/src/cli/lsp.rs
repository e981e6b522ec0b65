//! `airlock lsp`: the language server on standard input and output. Reads and writes messages; what is answered is
//! decided in `language-server`.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use airlock_language_server::{Failure, Library, Session, Settings};
use airlock_pipeline_config::{Code, Inputs, OrbProblem, OrbReference, OrbSource, PipelineValues, pages};
use anyhow::Context as _;
use clap::Args;
use lsp_server::{Connection, ErrorCode, Message, Notification, Request, RequestId, Response};
use serde::Deserialize;

use super::exit;
use crate::orb_dir::OrbDir;
use crate::orb_places;

/// How long the editor must be silent before diagnostics are made: keys of a burst come closer together.
const QUIET: Duration = Duration::from_millis(5);

/// How long diagnostics may be put off by somebody who never stops typing.
const PATIENCE: Duration = Duration::from_millis(150);

#[derive(Debug, Args)]
#[command(
    after_help = "Example, in Neovim's init.lua (docs/editor.md has more editors):\n  vim.lsp.start({ name = 'airlock', cmd = { 'airlock', 'lsp', '--orb-dir', 'orbs' } })"
)]
pub(crate) struct LspArguments {
    /// A folder of orbs, NAMESPACE/ORB/VERSION.yml; the editor may name it as `orbDir` in its settings instead.
    #[arg(long, value_name = "DIR")]
    orb_dir: Option<PathBuf>,
    /// Where the pages on diagnostics are, for links in the editor; without it they lead to files in the user's cache.
    #[arg(long, value_name = "URL")]
    documentation: Option<String>,
}

/// What an editor may say in `initializationOptions`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EditorSettings {
    orb_dir: Option<PathBuf>,
    documentation: Option<String>,
}

pub(crate) fn run(arguments: LspArguments) -> anyhow::Result<ExitCode> {
    let (connection, threads) = Connection::stdio();
    let (id, parameters) = connection
        .initialize_start()
        .context("waiting for the editor's first message")?;
    let mut session = session(arguments, &parameters);
    let answer = session
        .initialize(parameters)
        .context("reading the editor's first message")?;
    connection
        .initialize_finish(id, answer)
        .context("answering the editor's first message")?;
    let ended = Conversation::new(session, &connection).hold();
    // The writing thread ends when nobody can hand it messages any more.
    drop(connection);
    threads.join().context("writing to the editor")?;
    Ok(if ended? { exit::OK } else { exit::FAILED })
}

fn session(arguments: LspArguments, parameters: &serde_json::Value) -> Session {
    let said = parameters
        .get("initializationOptions")
        .cloned()
        .unwrap_or_default();
    // Settings of another shape are another server's; the command line still counts.
    let said: EditorSettings = serde_json::from_value(said).unwrap_or_default();
    let settings = Settings {
        documentation: arguments.documentation.or(said.documentation).or_else(own_pages),
        inputs: inputs(),
    };
    let orbs = arguments.orb_dir.or(said.orb_dir).map(OrbDir::new);
    Session::new(settings, Box::new(Orbs(orbs)))
}

/// The pages on diagnostics as files in the user's cache, so that links lead somewhere without a network. Where they cannot
/// be written there are no links.
fn own_pages() -> Option<String> {
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(home)?;
    if !cache.is_absolute() {
        return None;
    }
    let folder = cache.join("airlock/diagnostics").join(env!("CARGO_PKG_VERSION"));
    std::fs::create_dir_all(&folder).ok()?;
    for code in Code::all() {
        let (path, text) = (folder.join(format!("{}.md", code.as_str())), pages::text(code));
        let there = std::fs::read_to_string(&path).is_ok_and(|old| old == text);
        if !there {
            std::fs::write(&path, text).ok()?;
        }
    }
    Some(file_uri(&folder))
}

/// A push to the main branch, so that what runs on one is what an editor shows.
fn inputs() -> Inputs {
    let pipeline = PipelineValues {
        trigger_source: "webhook".to_owned(),
        ..PipelineValues::made_up()
    };
    Inputs {
        pipeline,
        ..Inputs::default()
    }
}

/// The folder of orbs, when there is one.
struct Orbs(Option<OrbDir>);

impl Library for Orbs {
    fn find(&mut self, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
        orb_places::in_folder(self.0.as_ref(), reference)
    }

    fn references(&self) -> Vec<String> {
        self.0.as_ref().map_or_else(Vec::new, OrbDir::references)
    }

    fn uri(&self, file: &str) -> Option<String> {
        let path = std::path::absolute(file).ok().filter(|path| path.is_file())?;
        Some(file_uri(&path))
    }
}

/// A path as editors name it: everything but letters, digits and a few signs is written as `%` and its bytes.
fn file_uri(path: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in path.as_os_str().as_encoded_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// What was waiting when the server looked.
enum Waiting {
    Message(Message),
    /// Nothing came for a while.
    Quiet,
    /// The editor is gone.
    Gone,
}

struct Conversation<'c> {
    session: Session,
    connection: &'c Connection,
    inbox: Receiver<Message>,
    /// Since when diagnostics have been put off.
    put_off: Option<Instant>,
    shutting_down: bool,
}

impl<'c> Conversation<'c> {
    /// The connection hands over one message at a time; the box takes all that have come, so that one can see whether
    /// the next change is there already.
    fn new(session: Session, connection: &'c Connection) -> Self {
        let (sender, inbox) = channel();
        let receiver = connection.receiver.clone();
        std::thread::spawn(move || {
            for message in receiver {
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        Self {
            session,
            connection,
            inbox,
            put_off: None,
            shutting_down: false,
        }
    }

    /// Answers until the editor says goodbye; true when it did so as it should.
    fn hold(mut self) -> anyhow::Result<bool> {
        loop {
            match self.next() {
                Waiting::Gone => return Ok(false),
                Waiting::Quiet => self.publish()?,
                Waiting::Message(message) => {
                    let mut batch = vec![message];
                    batch.extend(self.inbox.try_iter());
                    let cancelled: Vec<RequestId> = batch.iter().filter_map(cancels).collect();
                    for message in batch {
                        if is_exit(&message) {
                            return Ok(self.shutting_down);
                        }
                        self.take(message, &cancelled)?;
                    }
                }
            }
        }
    }

    fn next(&mut self) -> Waiting {
        let Some(since) = self.put_off else {
            return self.inbox.recv().map_or(Waiting::Gone, Waiting::Message);
        };
        let wait = QUIET.min(PATIENCE.saturating_sub(since.elapsed()));
        match self.inbox.recv_timeout(wait) {
            Ok(message) => Waiting::Message(message),
            Err(RecvTimeoutError::Timeout) => Waiting::Quiet,
            Err(RecvTimeoutError::Disconnected) => Waiting::Gone,
        }
    }

    fn take(&mut self, message: Message, cancelled: &[RequestId]) -> anyhow::Result<()> {
        match message {
            Message::Request(request) => {
                let id = request.id.clone();
                let response = if cancelled.contains(&id) {
                    let code = ErrorCode::RequestCanceled as i32;
                    Response::new_err(id, code, "the editor took the request back".to_owned())
                } else {
                    self.answer(request)
                };
                self.send(Message::Response(response))
            }
            Message::Notification(notification) => self.hear(notification),
            Message::Response(_) => Ok(()),
        }
    }

    fn answer(&mut self, request: Request) -> Response {
        let Request { id, method, params } = request;
        if method == "shutdown" {
            self.shutting_down = true;
            return Response::new_ok(id, serde_json::Value::Null);
        }
        if self.shutting_down {
            let message = "the server is shutting down".to_owned();
            return Response::new_err(id, ErrorCode::InvalidRequest as i32, message);
        }
        let session = &mut self.session;
        // A mistake of ours in one answer must not take the editor's other documents with it.
        let answered = catch_unwind(AssertUnwindSafe(|| session.request(&method, params)));
        match answered {
            Ok(Ok(result)) => Response::new_ok(id, result),
            Ok(Err(failure)) => Response::new_err(id, code(&failure) as i32, failure.to_string()),
            Err(_) => {
                let message =
                    format!("`{method}` went wrong; the terminal or the editor's log of servers says where");
                Response::new_err(id, ErrorCode::InternalError as i32, message)
            }
        }
    }

    fn hear(&mut self, notification: Notification) -> anyhow::Result<()> {
        let Notification { method, params } = notification;
        let session = &mut self.session;
        let heard = catch_unwind(AssertUnwindSafe(|| session.notify(&method, params)));
        self.put_off.get_or_insert_with(Instant::now);
        match heard {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => self.log(&failure.to_string()),
            Err(_) => self.log(&format!("`{method}` went wrong")),
        }
    }

    /// Makes one document's diagnostics; the next one's follow if nothing comes between.
    fn publish(&mut self) -> anyhow::Result<()> {
        let session = &mut self.session;
        match catch_unwind(AssertUnwindSafe(|| session.publish())) {
            Ok(Some(params)) => {
                let method = "textDocument/publishDiagnostics".to_owned();
                self.send(Message::Notification(Notification { method, params }))
            }
            Ok(None) => {
                self.put_off = None;
                Ok(())
            }
            Err(_) => self.log("checking a document went wrong"),
        }
    }

    fn log(&self, message: &str) -> anyhow::Result<()> {
        const WARNING: u32 = 2;
        let params = serde_json::json!({"type": WARNING, "message": message});
        let method = "window/logMessage".to_owned();
        self.send(Message::Notification(Notification { method, params }))
    }

    fn send(&self, message: Message) -> anyhow::Result<()> {
        self.connection
            .sender
            .send(message)
            .context("the editor takes no more messages")
    }
}

fn code(failure: &Failure) -> ErrorCode {
    match failure {
        Failure::UnknownMethod(_) => ErrorCode::MethodNotFound,
        Failure::Parameters { .. } => ErrorCode::InvalidParams,
        Failure::Refused(_) => ErrorCode::RequestFailed,
    }
}

fn is_exit(message: &Message) -> bool {
    matches!(message, Message::Notification(notification) if notification.method == "exit")
}

/// The request that a message takes back.
fn cancels(message: &Message) -> Option<RequestId> {
    let Message::Notification(notification) = message else {
        return None;
    };
    if notification.method != "$/cancelRequest" {
        return None;
    }
    serde_json::from_value(notification.params.get("id")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(
            file_uri(Path::new("/orbs/a b/é@1.yml")),
            "file:///orbs/a%20b/%C3%A9%401.yml"
        );
    }

    #[test]
    fn the_editors_settings_count_and_strange_ones_do_not() -> serde_json::Result<()> {
        let said: EditorSettings = serde_json::from_value(serde_json::json!({"orbDir": "x", "more": 1}))?;
        assert_eq!(said.orb_dir, Some(PathBuf::from("x")));
        Ok(())
    }
}
