//! Overlays from detached mounts by descriptor: nothing is attached anywhere, not even for a moment.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen,
};

use super::{OPTIONS, SOURCE, Stack, UPPER, VOLATILE, WORK, described, layer_tree};
use crate::failure::{Doing, Failure};

pub(super) fn assemble(stack: &Stack<'_>, userns: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).doing(|| "opening an overlay context")?;
    let context = context.as_fd();
    fsconfig_set_string(context, "source", SOURCE).doing(|| "naming the overlay")?;
    // Kept open until the overlay exists: a detached mount that nobody holds is dissolved.
    let mut trees = Vec::with_capacity(stack.layers.len());
    for layer in stack.layers {
        let tree = layer_tree(stack.base(), layer, userns)?;
        fsconfig_set_fd(context, "lowerdir+", &tree)
            .doing(|| format!("adding layer {} by descriptor", layer.path.display()))?;
        trees.push(tree);
    }
    for (key, name) in [("upperdir", UPPER), ("workdir", WORK)] {
        let path = stack.writable.join(name);
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(stack.base(), &path, flags, Mode::empty())
            .and_then(|directory| fsconfig_set_fd(context, key, &directory))
            .doing(|| format!("setting {key} to {}", path.display()))?;
    }
    for (key, value) in OPTIONS {
        fsconfig_set_string(context, key, value).doing(|| format!("setting overlay option {key}={value}"))?;
    }
    fsconfig_set_flag(context, VOLATILE).doing(|| "making the overlay volatile")?;
    fsconfig_create(context).doing(|| described(stack))?;
    drop(trees);
    // Device nodes in an image or made by a job must stay dead. No nosuid: sudo in images works, within the sandbox.
    fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NODEV,
    )
    .doing(|| "turning the overlay into a mount")
}

/// Tries it on two empty layers. There are kernels that take descriptors but no detached mounts (6.13 and 6.14), so
/// only the whole tells.
pub(crate) fn supported() -> io::Result<()> {
    let empty = || -> rustix::io::Result<OwnedFd> {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(context.as_fd())?;
        fsmount(
            context.as_fd(),
            FsMountFlags::FSMOUNT_CLOEXEC,
            MountAttrFlags::empty(),
        )
    };
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let layers = [empty()?, empty()?];
    for layer in &layers {
        fsconfig_set_fd(context.as_fd(), "lowerdir+", layer)?;
    }
    Ok(fsconfig_create(context.as_fd())?)
}
