//! The helper a job calls as `circleci` or `circleci-agent`: what existing configurations use of CircleCI's, and
//! nothing that would only pretend. Owns the words of the command line; the work is in the modules below. It runs
//! as the job, trusts nothing and can do nothing the job could not do itself.

mod arguments;
mod glob;
mod run;
mod split;
mod subst;
mod timings;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use crate::pid1::{CONTROL_SOCKET, HALT_ANSWER, HALT_REQUEST, Settings};

const HELP: &str = "\
The helper inside a job.

Usage: circleci <command>

  step halt                   end the job successfully after this step (also: task halt)
  tests glob PATTERN…         list the files that match; *, **, ?, [abc] and {a,b} are understood
  tests split [FILE]          this node's share of a list of tests, from FILE or standard input
      --split-by=name|filesize|timings
      --timings-type=autodetect|filename|classname|testname
      --timings-file=FILE     results of earlier runs; without, those below CIRCLE_INTERNAL_TASK_DATA,
                              and where there are none `timings` goes by name
      --time-default=10s      how long a test takes that no result tells of
      --index=N --total=N     instead of CIRCLE_NODE_INDEX and CIRCLE_NODE_TOTAL
      --show-counts           say on standard error how many were chosen
  tests run --command=TEXT    this node's share, as above, on the standard input of a command
  env subst [TEXT]            replace $NAME and ${NAME} in TEXT or standard input
  --version, --help

Example: circleci tests glob \"test/**/*.py\" | circleci tests split --split-by=filesize
";

/// What the helper sees of the world around it.
pub struct World<'a> {
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Current directory.
    pub directory: PathBuf,
    /// Where the control socket is.
    pub run_dir: PathBuf,
    /// Standard input.
    pub input: &'a mut dyn Read,
    /// Standard output.
    pub output: &'a mut dyn Write,
    /// Standard error.
    pub errors: &'a mut dyn Write,
}

/// Why a command did not do what was asked.
#[derive(Debug, PartialEq, Eq)]
pub enum HelperError {
    /// The command line makes no sense; exit code 2.
    Usage(String),
    /// It made sense and failed; exit code 1.
    Failed(String),
    /// Whoever reads the output has left, as `head` does; exit code 0.
    ReaderLeft,
    /// A command that was run on somebody's behalf ended like this, and has said why.
    Ended(u8),
}

impl fmt::Display for HelperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Failed(text) => f.write_str(text),
            Self::ReaderLeft => f.write_str("nobody reads the output"),
            Self::Ended(code) => write!(f, "the command ended with exit code {code}"),
        }
    }
}

impl From<io::Error> for HelperError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self::ReaderLeft
        } else {
            Self::Failed(format!("writing the result: {error}"))
        }
    }
}

fn usage(text: impl Into<String>) -> HelperError {
    HelperError::Usage(text.into())
}

fn failed(text: impl Into<String>) -> HelperError {
    HelperError::Failed(text.into())
}

/// Runs the helper in the real world; the number is the exit code.
pub fn run(words: &[String]) -> u8 {
    let text = |word: std::ffi::OsString| word.to_string_lossy().into_owned();
    let mut output = io::BufWriter::new(io::stdout());
    let mut world = World {
        env: std::env::vars_os()
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
        directory: PathBuf::from("."),
        run_dir: Settings::from_environment().run_dir,
        input: &mut io::stdin(),
        output: &mut output,
        errors: &mut io::stderr(),
    };
    run_in(&mut world, words)
}

/// Runs the helper in a given world; the number is the exit code.
pub fn run_in(world: &mut World<'_>, words: &[String]) -> u8 {
    let result = command(world, words).and_then(|()| Ok(world.output.flush()?));
    let (error, code) = match result {
        Ok(()) | Err(HelperError::ReaderLeft) => return 0,
        Err(HelperError::Ended(code)) => return code,
        Err(error @ HelperError::Usage(_)) => (error, 2),
        Err(error @ HelperError::Failed(_)) => (error, 1),
    };
    let _unheard = writeln!(world.errors, "Error: {error}");
    code
}

fn command(world: &mut World<'_>, words: &[String]) -> Result<(), HelperError> {
    // `--verbose` changes nothing here and is accepted wherever scripts put it.
    let words: Vec<&str> = words
        .iter()
        .map(String::as_str)
        .filter(|word| *word != "--verbose")
        .collect();
    // What follows `--command` is somebody else's, and may well say `--help`.
    if let ["tests", "run", rest @ ..] = words.as_slice()
        && !matches!(rest, ["--help" | "-h", ..])
    {
        return run::command(world, rest);
    }
    match words.as_slice() {
        [] | ["--help" | "-h" | "help", ..] | [_, .., "--help" | "-h"] => {
            Ok(world.output.write_all(HELP.as_bytes())?)
        }
        ["--version" | "version"] => Ok(writeln!(world.output, "{} (airlock)", env!("CARGO_PKG_VERSION"))?),
        ["--version" | "version", "--short"] => Ok(writeln!(world.output, env!("CARGO_PKG_VERSION"))?),
        ["step" | "task", "halt"] => halt(&world.run_dir),
        ["step" | "task", "halt", extra, ..] => {
            Err(usage(format!("`step halt` takes no argument, but got `{extra}`")))
        }
        ["tests", "glob", patterns @ ..] => glob::command(world, patterns),
        ["tests", "split", rest @ ..] => split::command(world, rest),
        ["env", "subst", rest @ ..] => subst::command(world, rest),
        ["run", "oidc", "get", ..] => Err(failed(
            "this instance issues no identity tokens (OIDC); keep the cloud's key as a secret of the project and \
             read it from its variable",
        )),
        ["run", "release", "plan" | "update" | "log", ..] => Err(failed(
            "this instance keeps no record of releases; remove the command, or let it fail without harm with \
             `|| true`",
        )),
        other => Err(usage(format!(
            "`circleci {}` is not available here; `circleci --help` lists the commands that are",
            shown(other)
        ))),
    }
}

/// The command of a command line, without its operands, which might be long or secret.
fn shown(words: &[&str]) -> String {
    let plain = |word: &&&str| !word.starts_with('-') && word.len() <= 20;
    words
        .iter()
        .take(3)
        .take_while(plain)
        .copied()
        .collect::<Vec<_>>()
        .join(" ")
}

fn halt(run_dir: &Path) -> Result<(), HelperError> {
    let path = run_dir.join(CONTROL_SOCKET);
    let talk = || -> io::Result<Vec<u8>> {
        let mut socket = UnixStream::connect(&path)?;
        socket.write_all(HALT_REQUEST)?;
        let mut answer = Vec::new();
        socket.take(64).read_to_end(&mut answer)?;
        Ok(answer)
    };
    match talk() {
        Ok(answer) if answer == HALT_ANSWER => Ok(()),
        Ok(_) => Err(failed("the job did not accept the halt")),
        Err(error) => Err(failed(format!(
            "asking the job to halt at {}: {error}",
            path.display()
        ))),
    }
}

/// Reads at most so much of standard input or a file.
fn read_text(from: &mut dyn Read, what: &str, most: u64) -> Result<String, HelperError> {
    let mut bytes = Vec::new();
    from.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(format!("reading {what}: {error}")))?;
    if bytes.len() as u64 > most {
        return Err(failed(format!("{what} is longer than {} MiB", most >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| failed(format!("{what} is not UTF-8 text")))
}

#[cfg(test)]
mod tests;
