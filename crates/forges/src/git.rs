//! The git program as a child: a clean environment, no settings of the machine, no hooks, bounded output, bounded time.
//! Knows nothing of projects; the driver gives errors their place.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::time::timeout;

use crate::limits;

/// Why git gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    #[error("running git: {0} (is git installed on this machine?)")]
    Start(io::Error),
    #[error("reading git's answer: {0}")]
    Read(#[from] io::Error),
    #[error("git answered with more than {0} bytes")]
    TooMuch(u64),
    #[error("git did not answer within {0:?}")]
    TimedOut(Duration),
    #[error("git ended with {status}: {stderr}")]
    Failed { status: ExitStatus, stderr: String },
    #[error("git answered something unexpected: {0:?}")]
    Unexpected(String),
}

/// A git command in a repository (`None`: before there is one), with everything piped.
pub(crate) fn command(repository: Option<&Path>) -> Command {
    let mut command = Command::new("git");
    command.env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .args([
            "-c",
            "core.hooksPath=/dev/null",
            "-c",
            "core.fsmonitor=false",
            "-c",
            "log.showSignature=false",
        ]);
    if let Some(repository) = repository {
        // Named in full, git does not go looking for another one above.
        command.arg("--git-dir").arg(repository).current_dir(repository);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What a git command that ended by itself said.
pub(crate) struct Answer {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Answer {
    /// Its output, if it succeeded.
    pub(crate) fn success(self) -> Result<Vec<u8>, GitError> {
        let Self {
            status,
            stdout,
            stderr,
        } = self;
        if status.success() {
            Ok(stdout)
        } else {
            Err(GitError::Failed { status, stderr })
        }
    }
}

/// Runs a git command to its end.
pub(crate) async fn run<I, S>(
    repository: Option<&Path>,
    args: I,
    most: u64,
    time: Duration,
) -> Result<Answer, GitError>
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut child = command(repository).args(args).spawn().map_err(GitError::Start)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (stdout, stderr) = tokio::join!(read(stdout, most), read(stderr, limits::STDERR_BYTES));
        // Too much of either leaves git blocked: it is killed when `child` is dropped.
        let stdout = stdout?.ok_or(GitError::TooMuch(most))?;
        let stderr = stderr?.ok_or(GitError::TooMuch(limits::STDERR_BYTES))?;
        let stderr = String::from_utf8_lossy(&stderr).trim().to_owned();
        Ok(Answer {
            status: child.wait().await?,
            stdout,
            stderr,
        })
    };
    timeout(time, work).await.map_err(|_| GitError::TimedOut(time))?
}

/// Everything there is to read; `None` when it is more than `most`.
async fn read(from: Option<impl AsyncRead + Unpin>, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut all = Vec::new();
    if let Some(from) = from {
        from.take(most + 1).read_to_end(&mut all).await?;
    }
    Ok(Some(all).filter(|all| all.len() as u64 <= most))
}
