//! One `git cat-file --batch-command` process: asks for objects by name, learns their size before it reads them.

use std::path::Path;
use std::process::Stdio;

use airlock_domain::names::CommitSha;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::git::{self, GitError};
use crate::limits;

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// Nothing, or a link to nothing.
    Nothing,
    /// A file.
    File {
        /// Its length.
        size: u64,
    },
    /// Something else, in words.
    Other(&'static str),
}

/// The running process; killed when dropped.
pub(super) struct Reader {
    _child: Child,
    ask: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Reader {
    pub(super) fn open(repository: &Path) -> Result<Self, GitError> {
        let mut command = git::command(Some(repository));
        // Nobody reads the error output here; what matters is in the answers.
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        let mut child = command
            .args(["cat-file", "--batch-command", "--follow-symlinks"])
            .spawn()
            .map_err(GitError::Start)?;
        let (Some(ask), Some(answer)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(GitError::Unexpected("no pipes".into()));
        };
        Ok(Self {
            _child: child,
            ask,
            answer: BufReader::new(answer),
        })
    }

    /// What an object's name leads to. The name must hold no line break.
    pub(super) async fn find(&mut self, name: &str) -> Result<Found, GitError> {
        let line = self.info(name).await?;
        let words: Vec<&str> = line.rsplitn(3, ' ').collect();
        match words.as_slice() {
            ["missing" | "ambiguous", ..] => Ok(Found::Nothing),
            ["submodule", ..] => Ok(Found::Other("a submodule")),
            [size, "blob", _] => {
                let size = size.parse().map_err(|_| GitError::Unexpected(line.clone()))?;
                Ok(Found::File { size })
            }
            [_, "tree", _] => Ok(Found::Other("a folder")),
            [_, "commit", _] => Ok(Found::Other("a commit")),
            [_, "tag", _] => Ok(Found::Other("a tag")),
            // Where a link led: the name that was asked for follows on a line of that length.
            [size, kind @ ("dangling" | "symlink" | "loop" | "notdir")] => {
                let size = size.parse().map_err(|_| GitError::Unexpected(line.clone()))?;
                self.body(size).await?;
                Ok(match *kind {
                    "symlink" => Found::Other("a link that leads out of the repository"),
                    "loop" => Found::Other("a link that leads to itself"),
                    _ => Found::Nothing,
                })
            }
            _ => Err(GitError::Unexpected(line)),
        }
    }

    /// The id of the object a name leads to.
    pub(super) async fn object_id(&mut self, name: &str) -> Result<Option<CommitSha>, GitError> {
        let line = self.info(name).await?;
        if line.ends_with(" missing") || line.ends_with(" ambiguous") {
            return Ok(None);
        }
        let id = line.split(' ').next().unwrap_or_default();
        CommitSha::new(id)
            .map(Some)
            .map_err(|_| GitError::Unexpected(line))
    }

    /// The content of a file whose size is known.
    pub(super) async fn content(&mut self, name: &str, size: u64) -> Result<Vec<u8>, GitError> {
        self.ask
            .write_all(format!("contents {name}\n").as_bytes())
            .await?;
        let line = self.line().await?;
        if !line.ends_with(&format!(" blob {size}")) {
            return Err(GitError::Unexpected(line));
        }
        self.body(size).await
    }

    async fn info(&mut self, name: &str) -> Result<String, GitError> {
        self.ask.write_all(format!("info {name}\n").as_bytes()).await?;
        self.line().await
    }

    async fn line(&mut self) -> Result<String, GitError> {
        let mut line = Vec::new();
        (&mut self.answer)
            .take(limits::ANSWER_BYTES)
            .read_until(b'\n', &mut line)
            .await?;
        match line.pop() {
            Some(b'\n') => Ok(String::from_utf8_lossy(&line).into_owned()),
            Some(_) | None => Err(GitError::Unexpected("the end, in the middle of an answer".into())),
        }
    }

    /// So many bytes, and the line break after them.
    async fn body(&mut self, size: u64) -> Result<Vec<u8>, GitError> {
        let length = usize::try_from(size).ok().filter(|_| size <= limits::FILE_BYTES);
        let mut bytes = vec![0; length.ok_or(GitError::TooMuch(limits::FILE_BYTES))? + 1];
        self.answer.read_exact(&mut bytes).await?;
        bytes.pop();
        Ok(bytes)
    }
}
