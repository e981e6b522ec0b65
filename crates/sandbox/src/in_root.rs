//! Reading a sandbox's files from outside, as the agent does for artifacts, caches and test results. The job chose
//! every name and link, so paths are resolved by the kernel within the sandbox's root, and what the kernel invents
//! (`/proc`, `/sys`, devices) is refused: the agent may read there what the job may not.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{
    CWD, Dir, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, Stat, fstat, fstatfs, openat, openat2,
};
use rustix::io::Errno;

use crate::errors::InRootError;
use crate::sandbox::Sandbox;

/// File system numbers of the kernel's own inventions, besides procfs.
const SYSFS_MAGIC: i64 = 0x6265_6572;
const DEVPTS_MAGIC: i64 = 0x1cd1;
const MQUEUE_MAGIC: i64 = 0x1980_0202;
const CGROUP_MAGIC: i64 = 0x0027_e0eb;
const CGROUP2_MAGIC: i64 = 0x6367_7270;

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
    pub name: OsString,
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

impl From<FileType> for InRootKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => Self::Other,
        }
    }
}

/// A process 1, whose root is looked into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident<'a> {
    /// What errors call it.
    pub(crate) id: &'a str,
    pub(crate) pid: i32,
    pub(crate) pidfd: BorrowedFd<'a>,
}

impl Sandbox {
    /// Opens a regular file or directory for reading; links and `..` cannot lead out of the sandbox.
    pub fn open_in_root(&self, path: &str) -> Result<File, InRootError> {
        self.resident().open(path)
    }

    /// What a path is, following links within the sandbox.
    pub fn stat_in_root(&self, path: &str) -> Result<InRootStat, InRootError> {
        self.resident().stat(path)
    }

    /// The entries of a directory, sorted by name.
    pub fn list_in_root(&self, path: &str) -> Result<Vec<InRootEntry>, InRootError> {
        self.resident().list(path)
    }

    fn resident(&self) -> Resident<'_> {
        Resident {
            id: self.id(),
            pid: self.pid(),
            pidfd: self.pidfd(),
        }
    }
}

impl Resident<'_> {
    pub(crate) fn open(self, path: &str) -> Result<File, InRootError> {
        let step = |source: Errno| self.step("open", path, source);
        let found = self.find(path).map_err(step)?;
        match InRootKind::from(FileType::from_raw_mode(fstat(&found).map_err(step)?.st_mode)) {
            InRootKind::File | InRootKind::Directory => {}
            InRootKind::Symlink => return Err(self.refuse(path, "a symbolic link")),
            InRootKind::Other => return Err(self.refuse(path, "a device, socket or pipe")),
        }
        let kind = fstatfs(&found).map_err(step)?.f_type;
        if kind == PROC_SUPER_MAGIC
            || [
                SYSFS_MAGIC,
                DEVPTS_MAGIC,
                MQUEUE_MAGIC,
                CGROUP_MAGIC,
                CGROUP2_MAGIC,
            ]
            .contains(&kind)
        {
            return Err(self.refuse(path, "a file of the kernel's"));
        }
        // By number, so that it is the very file that was looked at.
        let number = std::os::fd::AsRawFd::as_raw_fd(&found);
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = openat(CWD, format!("/proc/self/fd/{number}"), flags, Mode::empty()).map_err(step)?;
        Ok(file.into())
    }

    fn stat(self, path: &str) -> Result<InRootStat, InRootError> {
        let step = |source: Errno| self.step("look at", path, source);
        let Stat {
            st_mode,
            st_size,
            st_mtime,
            ..
        } = fstat(self.find(path).map_err(step)?).map_err(step)?;
        Ok(InRootStat {
            kind: FileType::from_raw_mode(st_mode).into(),
            size: u64::try_from(st_size).unwrap_or_default(),
            mode: st_mode & 0o7777,
            mtime: st_mtime,
        })
    }

    fn list(self, path: &str) -> Result<Vec<InRootEntry>, InRootError> {
        let directory = self.open(path)?;
        let list = || -> rustix::io::Result<Vec<InRootEntry>> {
            let mut entries = Vec::new();
            for entry in Dir::read_from(&directory)? {
                let entry = entry?;
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                entries.push(InRootEntry {
                    name: OsString::from_vec(name.to_vec()),
                    kind: entry.file_type().into(),
                });
            }
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(entries)
        };
        list().map_err(|source| self.step("list", path, source))
    }

    fn find(self, path: &str) -> rustix::io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        openat2(
            self.root()?,
            path,
            OFlags::PATH | OFlags::CLOEXEC,
            Mode::empty(),
            resolve,
        )
    }

    /// The root process 1 has now; another one after a root switch.
    fn root(self) -> rustix::io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = openat(CWD, format!("/proc/{}/root", self.pid), flags, Mode::empty())?;
        // Alive afterwards, so the number was not somebody else's meanwhile.
        let mut fds = [PollFd::from_borrowed_fd(self.pidfd, PollFlags::IN)];
        match poll(
            &mut fds,
            Some(&Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            }),
        )? {
            0 => Ok(root),
            _ => Err(Errno::SRCH),
        }
    }

    fn step(self, doing: &'static str, path: &str, source: Errno) -> InRootError {
        InRootError::Step {
            id: self.id.to_owned(),
            doing,
            path: path.to_owned(),
            source: source.into(),
        }
    }

    fn refuse(self, path: &str, what: &'static str) -> InRootError {
        InRootError::Refused {
            id: self.id.to_owned(),
            path: path.to_owned(),
            what,
        }
    }
}
