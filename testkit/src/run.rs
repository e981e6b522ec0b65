//! Running a program to its end: what goes in, what comes out, how it ended, and a deadline.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::Signal;

use crate::environment;
use crate::limits::PATIENCE;
use crate::process_group::ProcessGroup;
use crate::wait::wait_for;

/// A program about to be run, in a small clean environment.
#[derive(Debug)]
pub struct Run {
    program: PathBuf,
    arguments: Vec<OsString>,
    directory: PathBuf,
    home: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
    input: Vec<u8>,
    deadline: Duration,
}

impl Run {
    /// A program by path, or by name as the shell would find it.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            directory: PathBuf::from("/"),
            home: None,
            variables: Vec::new(),
            input: Vec::new(),
            deadline: PATIENCE,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments
            .extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets the working directory, which is also home unless `home` says otherwise.
    #[must_use]
    pub fn directory(mut self, directory: impl AsRef<Path>) -> Self {
        directory.as_ref().clone_into(&mut self.directory);
        self
    }

    /// Sets the home directory.
    #[must_use]
    pub fn home(mut self, home: impl AsRef<Path>) -> Self {
        self.home = Some(home.as_ref().to_owned());
        self
    }

    /// Sets one environment variable.
    #[must_use]
    pub fn variable(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.variables
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Sets what the program reads from standard input; nothing otherwise.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Sets after how long the program counts as hanging and is killed.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Runs the program to its end. How it ended is for the caller to judge; a passed deadline is an error.
    pub fn finish(self) -> Result<Finished> {
        let words = self.words();
        let mut child = self
            .command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not start `{words}`"))?;
        let group = ProcessGroup::of(&child);
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        let stdin = child.stdin.take();
        let input = self.input;
        // A program may end without reading its input; the broken pipe is then no failure of the test.
        let writer = thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(&input)));

        let ended = wait_for(&format!("`{words}` to end"), self.deadline, || {
            child.try_wait().transpose()
        });
        if ended.is_err() {
            group.signal(Signal::KILL);
            let _killed = child.wait();
        }
        let _written = writer.join();
        let (stdout, stderr) = (text(stdout), text(stderr));
        match ended {
            Ok(status) => {
                let status = status.with_context(|| format!("could not wait for `{words}`"))?;
                Ok(Finished {
                    words,
                    status,
                    stdout,
                    stderr,
                })
            }
            Err(error) => bail!("{error}; it was killed\n{}", both(&stdout, &stderr)),
        }
    }

    /// The command without its pipes, leading a process group of its own.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        environment::clean(&mut command, self.home.as_deref().unwrap_or(&self.directory));
        command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .process_group(0);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The command line for messages. Tests keep secrets out of arguments as everybody else does.
    pub(crate) fn words(&self) -> String {
        let mut words = self.program.display().to_string();
        for argument in &self.arguments {
            let _infallible = write!(words, " {}", argument.display());
        }
        words
    }
}

/// A program that ran to its end.
#[derive(Debug)]
pub struct Finished {
    words: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// Its exit code; none when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Itself when it succeeded; otherwise an error with everything it wrote.
    pub fn success(self) -> Result<Self> {
        ensure!(
            self.status.success(),
            "`{}` ended with {}\n{}",
            self.words,
            self.status,
            both(&self.stdout, &self.stderr)
        );
        Ok(self)
    }

    /// Itself when it ended with this code; otherwise an error with everything it wrote.
    pub fn failure(self, code: i32) -> Result<Self> {
        ensure!(
            self.code() == Some(code),
            "`{}` ended with {}, expected exit code {code}\n{}",
            self.words,
            self.status,
            both(&self.stdout, &self.stderr)
        );
        Ok(self)
    }
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _end = pipe.read_to_end(&mut bytes);
        bytes
    })
}

fn text(collected: Option<JoinHandle<Vec<u8>>>) -> String {
    let bytes = collected
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn both(stdout: &str, stderr: &str) -> String {
    format!("--- standard output\n{stdout}--- standard error\n{stderr}---")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Run;

    fn shell(script: &str) -> Run {
        Run::new("sh").args(["-c", script])
    }

    #[test]
    fn output_and_exit_code_come_back() {
        let done = shell("cat; echo bad >&2; exit 3").input("in").finish().unwrap();
        assert_eq!(
            (done.code(), done.stdout.as_str(), done.stderr.as_str()),
            (Some(3), "in", "bad\n")
        );
        assert!(done.failure(3).is_ok());
        let error = shell("echo why; exit 1")
            .finish()
            .unwrap()
            .success()
            .unwrap_err()
            .to_string();
        assert!(error.contains("why"), "{error}");
    }

    #[test]
    fn much_output_and_unread_input_do_not_block() {
        let done = shell("head -c 1000000 /dev/zero")
            .input(vec![b'x'; 1_000_000])
            .finish()
            .unwrap();
        assert_eq!(done.stdout.len(), 1_000_000);
    }

    #[test]
    fn a_hanging_program_is_killed_with_its_children() {
        let run = shell("sleep 1000 & wait").deadline(Duration::from_millis(50));
        // Its child holds the pipe, so this ends only once both are gone.
        let error = run.finish().unwrap_err().to_string();
        assert!(
            error.contains("to end, in vain; it was killed\n--- standard output"),
            "{error}"
        );
    }

    #[test]
    fn the_environment_is_small_and_known() {
        let done = shell("env")
            .directory("/")
            .variable("CHOSEN", "yes")
            .finish()
            .unwrap()
            .success()
            .unwrap();
        assert!(done.stdout.contains("CHOSEN=yes\n"));
        assert!(done.stdout.contains("HOME=/\n"));
        assert!(!done.stdout.contains("CARGO"), "{}", done.stdout);
    }
}
