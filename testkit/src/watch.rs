//! A program that keeps running, watched line by line.
//!
//! Threads read both outputs into one list; whoever waits for a line wakes when one arrives. The program is ended,
//! with everything it started, when the watcher is dropped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::Signal;

use crate::limits::GRACE;
use crate::process_group::ProcessGroup;
use crate::run::Run;
use crate::wait::wait_for;

/// Which output a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output, without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Where it was written.
    pub stream: Stream,
    /// What it says.
    pub text: String,
}

/// A running program whose output is kept and can be waited for.
#[derive(Debug)]
pub struct Watched {
    words: String,
    child: Child,
    group: ProcessGroup,
    output: Arc<Output>,
    /// How many lines earlier waits have consumed.
    seen: usize,
}

#[derive(Debug, Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<Line>,
    ended_streams: usize,
}

impl Output {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Starts the program; its own deadline does not apply, each wait has one.
    pub fn start(run: &Run) -> Result<Self> {
        let words = run.words();
        let mut child = run
            .command()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start `{words}`"))?;
        let group = ProcessGroup::of(&child);
        let output = Arc::new(Output::default());
        let stdout = child.stdout.take().context("standard output was not piped")?;
        let stderr = child.stderr.take().context("standard error was not piped")?;
        follow(stdout, Stream::Stdout, &output);
        follow(stderr, Stream::Stderr, &output);
        Ok(Self {
            words,
            child,
            group,
            output,
            seen: 0,
        })
    }

    /// Waits for the next line that fits, and consumes the lines up to it; later waits look only at later lines.
    pub fn wait_for_line(
        &mut self,
        what: &str,
        deadline: Duration,
        fits: impl Fn(&Line) -> bool,
    ) -> Result<Line> {
        let until = Instant::now() + deadline;
        let mut state = self.output.lock();
        let mut next = self.seen;
        loop {
            while let Some(line) = state.lines.get(next) {
                next += 1;
                if fits(line) {
                    self.seen = next;
                    return Ok(line.clone());
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            let over = state.ended_streams == 2;
            if over || left.is_zero() {
                let why = if over {
                    "its output ended".to_owned()
                } else {
                    format!("{} s passed", deadline.as_secs())
                };
                let shown = show(&state.lines);
                bail!("`{}`: {why} without {what}; it wrote:\n{shown}", self.words);
            }
            let waited = self.output.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Every line so far.
    pub fn lines(&self) -> Vec<Line> {
        self.output.lock().lines.clone()
    }

    /// Everything so far as text, for messages.
    pub fn transcript(&self) -> String {
        show(&self.lines())
    }

    /// The id of the program's process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the program to end by itself.
    pub fn wait(&mut self, deadline: Duration) -> Result<ExitStatus> {
        let what = format!("`{}` to end", self.words);
        let child = &mut self.child;
        let ended = wait_for(&what, deadline, || child.try_wait().transpose());
        match ended {
            Ok(status) => status.with_context(|| format!("could not wait for `{}`", self.words)),
            Err(error) => bail!("{error}; it wrote:\n{}", self.transcript()),
        }
    }

    /// Asks the program to end and waits until it has; kills it, as an error, when it does not.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait().context("could not look at the program")? {
            return Ok(status);
        }
        self.group.signal(Signal::TERM);
        self.wait(GRACE).inspect_err(|_| self.group.signal(Signal::KILL))
    }

    /// Kills the program and everything in its group at once, as a crash would.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.group.signal(Signal::KILL);
        self.child
            .wait()
            .with_context(|| format!("could not wait for `{}`", self.words))
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // The leader may have ended and been reaped; members that outlived it still carry its group.
        self.group.signal(Signal::KILL);
        let _ended = self.child.wait();
    }
}

fn follow(pipe: impl Read + Send + 'static, stream: Stream, output: &Arc<Output>) {
    let output = Arc::clone(output);
    // The thread ends with the pipe, which ends with the last process that holds it.
    thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&bytes);
            let text = text.trim_end_matches(['\n', '\r']).to_owned();
            output.lock().lines.push(Line { stream, text });
            output.changed.notify_all();
            bytes.clear();
        }
        output.lock().ended_streams += 1;
        output.changed.notify_all();
    });
}

fn show(lines: &[Line]) -> String {
    let mut shown = String::new();
    for line in lines {
        let mark = match line.stream {
            Stream::Stdout => "  | ",
            Stream::Stderr => "  ! ",
        };
        shown.push_str(mark);
        shown.push_str(&line.text);
        shown.push('\n');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{Stream, Watched};
    use crate::limits::PATIENCE;
    use crate::run::Run;
    use crate::wait::wait_for;

    fn shell(script: &str) -> Watched {
        Watched::start(&Run::new("sh").args(["-c", script])).unwrap()
    }

    #[test]
    fn lines_are_awaited_in_order() {
        let mut program = shell("echo one; echo two >&2; echo one; sleep 1000");
        program
            .wait_for_line("one", PATIENCE, |line| line.text == "one")
            .unwrap();
        let line = program
            .wait_for_line("one again", PATIENCE, |line| line.text == "one")
            .unwrap();
        assert_eq!(line.stream, Stream::Stdout);
        wait_for("the other stream", PATIENCE, || {
            program.transcript().contains("  ! two\n").then_some(())
        })
        .unwrap();
    }

    #[test]
    fn the_end_of_output_ends_the_wait_with_what_was_written() {
        let mut program = shell("echo only this");
        let error = program
            .wait_for_line("more", PATIENCE, |line| line.text == "more")
            .unwrap_err()
            .to_string();
        assert!(error.contains("its output ended without more"), "{error}");
        assert!(error.contains("  | only this"), "{error}");
    }

    #[test]
    fn stop_asks_first() {
        let mut program = shell("trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done");
        program
            .wait_for_line("up", PATIENCE, |line| line.text == "up")
            .unwrap();
        assert_eq!(program.stop().unwrap().code(), Some(7));
        program
            .wait_for_line("bye", PATIENCE, |line| line.text == "bye")
            .unwrap();
    }

    #[test]
    fn nothing_outlives_the_watcher() {
        let mut program = shell("sleep 1000 & echo $!; wait");
        let line = program
            .wait_for_line("the child's id", PATIENCE, |_| true)
            .unwrap();
        let stat = std::path::Path::new("/proc").join(&line.text).join("stat");
        assert!(stat.exists(), "the child runs as long as it is watched");
        drop(program);
        let gone = || match std::fs::read_to_string(&stat) {
            // A killed process that nobody has collected yet is a zombie.
            Ok(text) => text.contains(") Z").then_some(()),
            Err(_) => Some(()),
        };
        wait_for("the child to be gone", PATIENCE, gone).unwrap();
    }
}
