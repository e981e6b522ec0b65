//! Mounts as process 1 of a sandbox makes them, and the root switch between steps.
//!
//! A root is never entered by path from the outside: it arrives as a detached mount, is attached, filled and pivoted
//! into. `switch` does the same again for a new root, taking the kernel's file systems and `/run/airlock` along as
//! copies, so that a failure half-way leaves the old root whole.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags, mkdirat, openat2, unlinkat};
use rustix::mount::{
    MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount_change, move_mount, open_tree,
    unmount,
};
use rustix::process::{chdir, fchdir, pivot_root};
use rustix::thread::{UnshareFlags, unshare_unsafe};

/// What every root of a sandbox carries besides its files.
pub(crate) const CARRIED: [&str; 4] = ["proc", "sys", "dev", "run/airlock"];

/// Where a new root is attached for the moment between arriving and being pivoted into.
const LANDING: &str = "/run/airlock/.root";

/// Replaces the root of the sandbox by a detached overlay; `/proc`, `/dev`, `/sys` and `/run/airlock` are taken along.
///
/// To be called by process 1. Every process whose root was the old one has the new one afterwards; open files and
/// working directories stay where they were.
pub fn switch(new_root: OwnedFd) -> io::Result<()> {
    // Copied before the new root is attached below /run/airlock, or the copy would contain it.
    let mut carried = Vec::new();
    for name in CARRIED {
        carried.push((name, clone_tree(&format!("/{name}"), true)?));
    }
    match mkdirat(CWD, LANDING, Mode::RWXU) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    attach(&new_root, CWD, LANDING)?;
    if let Err(error) = fill_and_pivot(&new_root, carried) {
        let _ = unmount(LANDING, UnmountFlags::DETACH);
        let _ = chdir("/");
        return Err(error);
    }
    let _ = unlinkat(CWD, LANDING, AtFlags::REMOVEDIR);
    drop(new_root);
    Ok(())
}

fn fill_and_pivot(new_root: &OwnedFd, carried: Vec<(&str, OwnedFd)>) -> io::Result<()> {
    for (name, tree) in carried {
        let target = ensure_directory(new_root, name)?;
        attach(&tree, target, "")?;
    }
    enter(new_root)
}

/// Makes the attached mount `root` the root of this mount namespace and lets go of the old one.
pub(crate) fn enter(root: &OwnedFd) -> io::Result<()> {
    fchdir(root)?;
    // The old root lands on top of the new one and is taken away again: no directory for it is needed.
    pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    chdir("/")?;
    Ok(())
}

/// Keeps mounts made from here on from reaching any other mount namespace.
pub(crate) fn make_private() -> io::Result<()> {
    Ok(mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?)
}

/// Gives the calling process, which must be single-threaded, a copy of the mount namespace. What is mounted in it stays
/// in it; what the host mounts and unmounts from here on still comes through where the host shares its mounts.
pub(crate) fn leave_mount_namespace() -> io::Result<()> {
    // SAFETY: unshares no memory and no descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    Ok(mount_change(
        "/",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?)
}

/// A detached copy of what is mounted at `path`.
pub(crate) fn clone_tree(path: &str, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(CWD, path, flags)?)
}

/// Attaches a detached mount at `path` below `directory`; an empty path means `directory` itself.
pub(crate) fn attach(mount: impl AsFd, directory: impl AsFd, path: &str) -> io::Result<()> {
    let mut flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    if path.is_empty() {
        flags |= MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    }
    Ok(move_mount(mount, "", directory, path, flags)?)
}

/// Opens the directory `path` below `root`, making what is missing. A link anywhere on the way is an error: an image
/// must not choose where the kernel's file systems go.
pub(crate) fn ensure_directory(root: impl AsFd, path: &str) -> io::Result<OwnedFd> {
    let open = |path: &str| {
        openat2(
            &root,
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        )
    };
    let mut known = String::new();
    let mut directory = None;
    for part in path.split('/') {
        let parent = known.clone();
        if !known.is_empty() {
            known.push('/');
        }
        known.push_str(part);
        directory = Some(match open(&known) {
            Err(rustix::io::Errno::NOENT) => {
                let parent = open(if parent.is_empty() { "." } else { &parent })?;
                mkdirat(parent, part, Mode::from_raw_mode(0o755))?;
                open(&known)?
            }
            other => other?,
        });
    }
    directory.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}
