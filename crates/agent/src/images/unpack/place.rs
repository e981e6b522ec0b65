//! Writing below one directory and nowhere else: the kernel resolves each path with `RESOLVE_BENEATH`, which follows
//! links only as far as they stay inside. What an overlay must know of deletions is written in its own form.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid, XattrFlags, chownat,
    fchmod, fchown, fsetxattr, futimens, linkat, makedev, mkdirat, mknodat, open, openat, openat2, statat,
    symlinkat, unlinkat, utimensat,
};
use rustix::io::Errno;

use super::{Meta, UnpackError};
use crate::limits;

/// Says to an overlay that a directory hides what lies below it.
const OPAQUE: &str = "trusted.overlay.opaque";
/// Begins the name of a deletion.
const WHITEOUT: &[u8] = b".wh.";
/// The directory hides what lies below it.
const OPAQUE_WHITEOUT: &[u8] = b".wh..wh..opq";
/// Other names of the file system that these marks come from.
const RESERVED: &[u8] = b".wh..wh.";

/// The directory of one layer.
pub(super) struct Place {
    root: OwnedFd,
    /// The directory last written to: most entries follow others of the same one.
    last: Option<(PathBuf, OwnedFd)>,
    /// Times of directories, set when nothing is written in them any more.
    times: Vec<(PathBuf, Timestamps)>,
    buffer: Vec<u8>,
}

fn disk(doing: &'static str, path: &Path) -> impl FnOnce(Errno) -> UnpackError {
    let entry = path.display().to_string();
    move |errno| UnpackError::Disk {
        doing,
        entry,
        source: errno.into(),
    }
}

fn outside(path: &Path, through: &Path) -> UnpackError {
    UnpackError::Outside {
        entry: path.display().to_string(),
        through: Some(through.display().to_string()),
    }
}

fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

fn is_directory(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::Directory
}

impl Place {
    pub(super) fn open(root: &Path) -> Result<Self, UnpackError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = open(root, flags, Mode::empty()).map_err(disk("opening", root))?;
        Ok(Self {
            root,
            last: None,
            times: Vec::new(),
            buffer: vec![0; limits::LAYER_BUFFER_BYTES],
        })
    }

    /// Sets the times of directories.
    pub(super) fn finish(&mut self) -> Result<(), UnpackError> {
        self.last = None;
        for (path, times) in std::mem::take(&mut self.times).into_iter().rev() {
            match self.find(&path) {
                Ok(directory) => futimens(&directory, &times).map_err(disk("setting the time of", &path))?,
                // A later entry took its place.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::XDEV | Errno::LOOP) => {}
                Err(errno) => return Err(disk("opening", &path)(errno)),
            }
        }
        Ok(())
    }

    /// Takes an entry that stands for a deletion; says whether it was one.
    pub(super) fn whiteout(&mut self, path: &Path) -> Result<bool, UnpackError> {
        let name = path.file_name().unwrap_or_default().as_bytes();
        if !name.starts_with(WHITEOUT) {
            return Ok(false);
        }
        let parent = self.parent(path)?;
        if name == OPAQUE_WHITEOUT {
            set_opaque(&parent, path)?;
        } else if !name.starts_with(RESERVED) {
            let gone = OsStr::from_bytes(&name[WHITEOUT.len()..]);
            if gone.is_empty() || gone == "." || gone == ".." {
                return Err(UnpackError::Refused {
                    entry: path.display().to_string(),
                    what: "a deletion of nothing".into(),
                });
            }
            match statat(&parent, gone, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_directory(&stat) => {
                    let directory = open_directory(&parent, gone).map_err(disk("opening", path))?;
                    set_opaque(&directory, path)?;
                }
                // What this layer has in its place hides what lies below.
                Ok(_) => {}
                Err(Errno::NOENT) => {
                    mknodat(
                        &parent,
                        gone,
                        FileType::CharacterDevice,
                        Mode::empty(),
                        makedev(0, 0),
                    )
                    .map_err(disk("writing the deletion", path))?;
                }
                Err(errno) => return Err(disk("looking at", path)(errno)),
            }
        }
        Ok(true)
    }

    pub(super) fn file(
        &mut self,
        path: &Path,
        content: &mut dyn Read,
        meta: &Meta<'_>,
    ) -> Result<u64, UnpackError> {
        let (parent, name) = self.vacate(path)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file =
            openat(&parent, &name, flags, Mode::from_raw_mode(0o600)).map_err(disk("writing", path))?;
        let mut file = std::fs::File::from(file);
        let mut bytes = 0;
        loop {
            let count = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(UnpackError::Archive(error)),
            };
            file.write_all(&self.buffer[..count])
                .map_err(|source| UnpackError::Disk {
                    doing: "writing",
                    entry: path.display().to_string(),
                    source,
                })?;
            bytes += count as u64;
        }
        dress(&file, path, meta)?;
        futimens(&file, &times(meta)).map_err(disk("setting the time of", path))?;
        Ok(bytes)
    }

    pub(super) fn directory(&mut self, path: &Path, meta: &Meta<'_>) -> Result<(), UnpackError> {
        if path.as_os_str().is_empty() {
            dress(&self.root, path, meta)?;
        } else {
            let parent = self.parent(path)?;
            let name = path.file_name().unwrap_or_default();
            let kept = match statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) if is_directory(&stat) => true,
                Ok(_) | Err(Errno::NOENT) => false,
                Err(errno) => return Err(disk("looking at", path)(errno)),
            };
            if !kept {
                let was_deleted = self.clear(&parent, name, path)?;
                mkdirat(&parent, name, Mode::from_raw_mode(0o700)).map_err(disk("making", path))?;
                if was_deleted {
                    let directory = open_directory(&parent, name).map_err(disk("opening", path))?;
                    set_opaque(&directory, path)?;
                }
            }
            let directory = open_directory(&parent, name).map_err(disk("opening", path))?;
            dress(&directory, path, meta)?;
        }
        self.times.push((path.to_owned(), times(meta)));
        Ok(())
    }

    pub(super) fn symlink(&mut self, path: &Path, target: &[u8], meta: &Meta<'_>) -> Result<(), UnpackError> {
        let (parent, name) = self.vacate(path)?;
        symlinkat(OsStr::from_bytes(target), &parent, &name).map_err(disk("writing the link", path))?;
        let owner = (Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)));
        chownat(&parent, &name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(disk("setting the owner of", path))?;
        utimensat(&parent, &name, &times(meta), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(disk("setting the time of", path))
    }

    pub(super) fn hard_link(&mut self, path: &Path, target: &Path) -> Result<(), UnpackError> {
        let (parent, name) = self.vacate(path)?;
        let missing = || UnpackError::Refused {
            entry: path.display().to_string(),
            what: format!(
                "a hard link to '{}', which the layer does not have",
                target.display()
            ),
        };
        let target_name = target.file_name().ok_or_else(missing)?;
        let folder = match self.find(target.parent().unwrap_or(Path::new(""))) {
            Ok(folder) => folder,
            Err(Errno::XDEV | Errno::LOOP) => return Err(outside(path, target)),
            Err(Errno::NOENT | Errno::NOTDIR) => return Err(missing()),
            Err(errno) => return Err(disk("opening", target)(errno)),
        };
        // A link that stands at the end is linked itself, not what it points to.
        match statat(&folder, target_name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if !is_whiteout(&stat) && !is_directory(&stat) => {}
            Ok(_) | Err(Errno::NOENT) => return Err(missing()),
            Err(errno) => return Err(disk("looking at", target)(errno)),
        }
        linkat(&folder, target_name, &parent, &name, AtFlags::empty()).map_err(disk("linking", path))
    }

    pub(super) fn fifo(&mut self, path: &Path, meta: &Meta<'_>) -> Result<(), UnpackError> {
        let (parent, name) = self.vacate(path)?;
        mknodat(
            &parent,
            &name,
            FileType::Fifo,
            Mode::from_raw_mode(meta.mode & 0o777),
            0,
        )
        .map_err(disk("making", path))?;
        let owner = (Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)));
        chownat(&parent, &name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(disk("setting the owner of", path))
    }

    /// Where an entry that is no directory goes; what an earlier one put there is removed.
    fn vacate(&mut self, path: &Path) -> Result<(OwnedFd, OsString), UnpackError> {
        let Some(name) = path.file_name() else {
            return Err(UnpackError::Refused {
                entry: "/".into(),
                what: "the layer's root and not a directory".into(),
            });
        };
        if name.as_bytes().starts_with(WHITEOUT) {
            return Err(UnpackError::Refused {
                entry: path.display().to_string(),
                what: "named like a deletion and none".into(),
            });
        }
        let parent = self.parent(path)?;
        self.clear(&parent, name, path)?;
        Ok((parent, name.to_owned()))
    }

    /// Removes what stands there; says whether it was a deletion.
    fn clear(&mut self, parent: &OwnedFd, name: &OsStr, path: &Path) -> Result<bool, UnpackError> {
        match statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(disk("looking at", path)(errno)),
            Ok(stat) if is_directory(&stat) => {
                self.last = None;
                // By number, so that nothing on the way is looked up again. The standard library follows no link.
                let place = format!("/proc/self/fd/{}", parent.as_raw_fd());
                std::fs::remove_dir_all(Path::new(&place).join(name)).map_err(|source| {
                    UnpackError::Disk {
                        doing: "replacing",
                        entry: path.display().to_string(),
                        source,
                    }
                })?;
                Ok(false)
            }
            Ok(stat) => {
                unlinkat(parent, name, AtFlags::empty()).map_err(disk("replacing", path))?;
                Ok(is_whiteout(&stat))
            }
        }
    }

    /// The directory an entry belongs in, made where the archive has not named it.
    fn parent(&mut self, path: &Path) -> Result<OwnedFd, UnpackError> {
        let parent = path.parent().unwrap_or(Path::new(""));
        if let Some((last, fd)) = &self.last
            && last == parent
        {
            return fd.try_clone().map_err(|source| UnpackError::Disk {
                doing: "opening",
                entry: parent.display().to_string(),
                source,
            });
        }
        let found = match self.find(parent) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => self.make(path, parent)?,
            Err(Errno::XDEV | Errno::LOOP) => return Err(outside(path, parent)),
            Err(errno) => return Err(disk("opening", parent)(errno)),
        };
        let kept = found.try_clone().map_err(|source| UnpackError::Disk {
            doing: "opening",
            entry: parent.display().to_string(),
            source,
        })?;
        self.last = Some((parent.to_owned(), kept));
        Ok(found)
    }

    fn make(&mut self, path: &Path, parent: &Path) -> Result<OwnedFd, UnpackError> {
        let mut known = PathBuf::new();
        let mut directory = self.find(&known).map_err(disk("opening", &known))?;
        for part in parent {
            known.push(part);
            directory = match self.find(&known) {
                Ok(found) => found,
                Err(Errno::XDEV | Errno::LOOP) => return Err(outside(path, &known)),
                Err(Errno::NOENT | Errno::NOTDIR) => {
                    let was_deleted = match statat(&directory, part, AtFlags::SYMLINK_NOFOLLOW) {
                        Ok(stat) if is_whiteout(&stat) => self.clear(&directory, part, &known)?,
                        Ok(_) => {
                            return Err(UnpackError::Refused {
                                entry: path.display().to_string(),
                                what: format!("below '{}', which is no directory", known.display()),
                            });
                        }
                        Err(_none) => false,
                    };
                    mkdirat(&directory, part, Mode::from_raw_mode(0o755)).map_err(disk("making", &known))?;
                    let made = open_directory(&directory, part).map_err(disk("opening", &known))?;
                    fchmod(&made, Mode::from_raw_mode(0o755)).map_err(disk("setting the mode of", &known))?;
                    if was_deleted {
                        set_opaque(&made, &known)?;
                    }
                    made
                }
                Err(errno) => return Err(disk("opening", &known)(errno)),
            };
        }
        Ok(directory)
    }

    fn find(&self, directory: &Path) -> rustix::io::Result<OwnedFd> {
        let directory = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        openat2(
            &self.root,
            directory,
            OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV,
        )
    }
}

fn open_directory(parent: impl AsFd, name: &OsStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, Mode::empty())
}

fn set_opaque(directory: &OwnedFd, path: &Path) -> Result<(), UnpackError> {
    fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty()).map_err(disk("writing the deletion", path))
}

/// Owner, mode and attributes. The owner goes first: a change of it takes privileges away.
fn dress(file: impl AsFd, path: &Path, meta: &Meta<'_>) -> Result<(), UnpackError> {
    let file = file.as_fd();
    fchown(file, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))
        .map_err(disk("setting the owner of", path))?;
    fchmod(file, Mode::from_raw_mode(meta.mode)).map_err(disk("setting the mode of", path))?;
    for (name, value) in meta.attributes {
        match fsetxattr(file, name.as_slice(), value, XattrFlags::empty()) {
            // A file system without user attributes, or a kind of file that takes none.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(errno) => return Err(disk("setting an attribute of", path)(errno)),
        }
    }
    Ok(())
}

fn times(meta: &Meta<'_>) -> Timestamps {
    let moment = Timespec {
        tv_sec: meta.mtime.0,
        tv_nsec: meta.mtime.1,
    };
    Timestamps {
        last_access: moment,
        last_modification: moment,
    }
}
