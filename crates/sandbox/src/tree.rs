//! Deleting a directory that a hostile job has filled: any depth, any names, any modes, links never followed. Works on
//! directory descriptors alone, so that nothing can be swapped in on the way.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::limits::MAX_DELETE_DEPTH;

/// Deletes `path` and everything below; a missing one is no error.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let top = match open_directory(CWD, path) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => return Ok(unlinkat(CWD, path, AtFlags::empty())?),
        Err(error) => return Err(error.into()),
    };
    let mut tree = Tree {
        top: top.as_fd(),
        moved: 0,
    };
    loop {
        tree.empty(top.as_fd(), 0)?;
        match unlinkat(CWD, path, AtFlags::REMOVEDIR) {
            // What lay too deep was moved up and is emptied in the next round.
            Err(Errno::NOTEMPTY) => {}
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn open_directory(parent: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    openat(
        parent,
        name,
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )
}

struct Tree<'a> {
    top: BorrowedFd<'a>,
    moved: u64,
}

impl Tree<'_> {
    fn empty(&mut self, directory: BorrowedFd<'_>, depth: usize) -> io::Result<()> {
        for name in names(directory)? {
            match unlinkat(directory, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => continue,
                Err(Errno::ISDIR | Errno::PERM) => {}
                Err(error) => return Err(error.into()),
            }
            if depth >= MAX_DELETE_DEPTH {
                self.move_up(directory, &name)?;
                continue;
            }
            let child = open_directory(directory, &name)?;
            self.empty(child.as_fd(), depth + 1)?;
            unlinkat(directory, &name, AtFlags::REMOVEDIR)?;
        }
        Ok(())
    }

    /// Moves a directory to the top, so that neither stack nor descriptors grow with its depth. The place is made
    /// first: a rename onto an empty directory replaces it, onto anything of the job's fails.
    fn move_up(&mut self, directory: BorrowedFd<'_>, name: &CString) -> io::Result<()> {
        loop {
            let place = format!(".airlock-{}", self.moved);
            self.moved += 1;
            match mkdirat(self.top, &place, Mode::RWXU) {
                Ok(()) => return Ok(renameat(directory, name, self.top, &place)?),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{Mode, mkdirat};

    use super::{open_directory, remove_tree};

    #[test]
    fn links_are_deleted_and_not_followed() {
        let kept = tempfile::tempdir().expect("a temporary directory");
        fs::write(kept.path().join("precious"), "x").expect("a file");
        let tree = tempfile::tempdir().expect("a temporary directory");
        let top = tree.path().join("top");
        fs::create_dir_all(top.join("a/b")).expect("directories");
        symlink(kept.path(), top.join("a/link")).expect("a link");
        symlink("/nowhere", top.join("dangling")).expect("a link");
        fs::write(top.join("a/b/locked"), "x").expect("a file");
        fs::set_permissions(top.join("a/b"), fs::Permissions::from_mode(0o000)).expect("a mode");
        remove_tree(&top).expect("removal");
        assert!(!top.exists() && kept.path().join("precious").exists());
        symlink(kept.path(), &top).expect("a link");
        remove_tree(&top).expect("removal of a link");
        assert!(kept.path().join("precious").exists() && !top.exists());
        remove_tree(&top).expect("nothing to remove");
    }

    #[test]
    fn a_tree_deeper_than_any_path_or_descriptor_limit_is_deleted() {
        let tree = tempfile::tempdir().expect("a temporary directory");
        let top = tree.path().join("top");
        fs::create_dir(&top).expect("a directory");
        let mut at = open_directory(rustix::fs::CWD, &top).expect("open");
        for _ in 0..3000 {
            mkdirat(&at, "down", Mode::RWXU).expect("a directory");
            mkdirat(&at, ".airlock-0", Mode::RWXU).expect("a directory with a name of ours");
            at = open_directory(&at, "down").expect("open");
        }
        remove_tree(&top).expect("removal");
        assert!(!top.exists());
    }
}
