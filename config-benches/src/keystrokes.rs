//! What somebody who types into a long config waits for: after each key the diagnostics, then the completions and the
//! hover at the cursor. The text is sound before and after, and broken at most keys between, as it is in an editor. Asked
//! is the session itself, in this process, and `airlock lsp` through its pipes where a binary is named. The session has
//! one thread and waits for nothing, so its figures are times of the processor (see `alone`); the others are what passes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use airlock_language_server::{Library, Session, Settings};
use airlock_pipeline_config::{OrbProblem, OrbReference, OrbSource};
use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::alone::processor;
use crate::corpus::{Corpus, lines};
use crate::figure::Figure;
use crate::series::{milliseconds, push};

/// Most milliseconds from a key to what the editor shows.
const TARGET: f64 = 50.0;

const URI: &str = "file:///work/.circleci/config.yml";

/// Typed at the end of a line.
const TYPED: &str = "\n      - run: {name: \"Part << pipeline.number >>\", command: make}";

/// Where in the file is typed, in parts of its lines.
const PLACES: [f64; 3] = [0.1, 0.5, 0.9];

/// Somebody who answers an editor.
trait Server {
    /// Milliseconds that something takes.
    fn time(work: impl FnOnce()) -> anyhow::Result<f64>;

    fn notify(&mut self, method: &str, parameters: Value) -> anyhow::Result<()>;

    fn ask(&mut self, method: &str, parameters: Value) -> anyhow::Result<Value>;

    /// The next diagnostics.
    fn published(&mut self) -> anyhow::Result<Value>;
}

/// The session, in this process.
pub(crate) fn in_process(title: &str, text: &[u8], corpus: Option<Corpus>) -> anyhow::Result<Vec<Figure>> {
    let settings = Settings {
        inputs: push(),
        ..Settings::default()
    };
    let mut session = Session::new(settings, Box::new(Orbs(corpus)));
    session.initialize(hello())?;
    series(title, text, &mut session)
}

/// The binary, through its standard input and output.
pub(crate) fn through_pipes(
    title: &str,
    text: &[u8],
    binary: &Path,
    corpus: &Path,
) -> anyhow::Result<Vec<Figure>> {
    let mut piped = Piped::start(binary, &corpus.join("orb-dir"))?;
    piped.ask("initialize", hello())?;
    piped.notify("initialized", json!({}))?;
    series(&format!("{title}, airlock lsp"), text, &mut piped)
}

fn hello() -> Value {
    json!({"processId": null, "rootUri": null, "capabilities": {}})
}

fn series<S: Server>(title: &str, text: &[u8], server: &mut S) -> anyhow::Result<Vec<Figure>> {
    let count = lines(text);
    let text = std::str::from_utf8(text).context("the config is no text")?;
    let document = json!({"uri": URI, "languageId": "yaml", "version": 0, "text": text});
    server.notify("textDocument/didOpen", json!({"textDocument": document}))?;
    let first = server.published()?;
    let figure = |what: &str| Figure::new(format!("{title}, key to {what}"), "ms", Some(TARGET));
    let mut diagnostics = figure("diagnostics");
    let mut completion = figure("completion");
    let mut hover = figure("hover");
    let mut version = 0;
    let mut most = 0;
    for place in PLACES {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a number of lines"
        )]
        let line = (count as f64 * place) as usize;
        let begin = text.lines().nth(line).unwrap_or_default().chars().count();
        let start = json!({"line": line, "character": begin});
        let (mut row, mut column) = (line, begin);
        for key in TYPED.chars() {
            let at = json!({"line": row, "character": column});
            version += 1;
            let change = change(version, &json!({"start": at, "end": at}), &key.to_string());
            let mut told = Ok(Value::Null);
            diagnostics.samples.push(S::time(|| {
                told = server
                    .notify("textDocument/didChange", change)
                    .and_then(|()| server.published());
            })?);
            most = most.max(told?["diagnostics"].as_array().map_or(0, Vec::len));
            if key == '\n' {
                (row, column) = (row + 1, 0);
            } else {
                column += 1;
            }
            let here = json!({"textDocument": {"uri": URI}, "position": {"line": row, "character": column}});
            for (method, figure) in [("completion", &mut completion), ("hover", &mut hover)] {
                let mut answer = Ok(Value::Null);
                let took = S::time(|| {
                    answer = server.ask(&format!("textDocument/{method}"), here.clone());
                })?;
                answer?;
                figure.samples.push(took);
            }
        }
        version += 1;
        let all = json!({"start": start, "end": {"line": row, "character": column}});
        server.notify("textDocument/didChange", change(version, &all, ""))?;
        let again = server.published()?;
        ensure!(
            again["diagnostics"] == first["diagnostics"],
            "taking back what was typed leaves other diagnostics"
        );
    }
    diagnostics.note = format!("{count} lines, up to {most} problems while typing");
    Ok(vec![diagnostics, completion, hover])
}

fn change(version: u32, range: &Value, text: &str) -> Value {
    json!({
        "textDocument": {"uri": URI, "version": version},
        "contentChanges": [{"range": range, "text": text}],
    })
}

impl Server for Session {
    fn time(work: impl FnOnce()) -> anyhow::Result<f64> {
        processor(work)
    }

    fn notify(&mut self, method: &str, parameters: Value) -> anyhow::Result<()> {
        Ok(Session::notify(self, method, parameters)?)
    }

    fn ask(&mut self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        Ok(self.request(method, parameters)?)
    }

    fn published(&mut self) -> anyhow::Result<Value> {
        self.publish().context("no diagnostics are due")
    }
}

/// The orbs of the folder of real configs.
struct Orbs(Option<Corpus>);

impl Library for Orbs {
    fn find(&mut self, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
        match &self.0 {
            Some(corpus) => corpus.find(reference),
            None => Err(OrbProblem::NotFound(airlock_pipeline_config::Catalogue::default())),
        }
    }

    fn references(&self) -> Vec<String> {
        Vec::new()
    }

    fn uri(&self, _file: &str) -> Option<String> {
        None
    }
}

/// `airlock lsp`.
struct Piped {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    asked: u32,
}

impl Piped {
    fn start(binary: &Path, orbs: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(binary);
        command.arg("lsp");
        if orbs.is_dir() {
            command.arg("--orb-dir").arg(orbs);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {} lsp", binary.display()))?;
        let input = child.stdin.take().context("no pipe to the server")?;
        let output = child.stdout.take().context("no pipe from the server")?;
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
            asked: 0,
        })
    }

    fn send(&mut self, mut message: Value) -> anyhow::Result<()> {
        message["jsonrpc"] = "2.0".into();
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len())
            .context("writing to the server")?;
        self.input.flush().context("writing to the server")
    }

    fn receive(&mut self) -> anyhow::Result<Value> {
        let mut length = None;
        loop {
            let mut line = String::new();
            let read = self
                .output
                .read_line(&mut line)
                .context("reading from the server")?;
            ensure!(read > 0, "the server ended");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some(number) = line.strip_prefix("Content-Length: ") {
                length = Some(number.parse().context("reading the length of a message")?);
            }
        }
        let mut body = vec![0; length.context("a message has no length")?];
        self.output.read_exact(&mut body).context("reading a message")?;
        serde_json::from_slice(&body).context("reading a message")
    }
}

impl Server for Piped {
    fn time(work: impl FnOnce()) -> anyhow::Result<f64> {
        Ok(milliseconds(work))
    }

    fn notify(&mut self, method: &str, parameters: Value) -> anyhow::Result<()> {
        self.send(json!({"method": method, "params": parameters}))
    }

    fn ask(&mut self, method: &str, parameters: Value) -> anyhow::Result<Value> {
        self.asked += 1;
        self.send(json!({"id": self.asked, "method": method, "params": parameters}))?;
        loop {
            let mut message = self.receive()?;
            if message["id"] == self.asked {
                ensure!(message["error"].is_null(), "{method}: {}", message["error"]);
                return Ok(message["result"].take());
            }
        }
    }

    fn published(&mut self) -> anyhow::Result<Value> {
        loop {
            let mut message = self.receive()?;
            if message["method"] == "textDocument/publishDiagnostics" {
                return Ok(message["params"].take());
            }
        }
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_key_is_answered() {
        let figures = in_process("a config", sample::config(100).as_bytes(), None).expect("it is typed");
        assert_eq!(figures.len(), 3);
        for figure in figures {
            assert_eq!(figure.samples.len(), PLACES.len() * TYPED.chars().count());
        }
    }
}
