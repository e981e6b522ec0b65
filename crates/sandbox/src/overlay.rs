//! Overlay roots, assembled as detached mounts by a process that is privileged on the host. A root belongs to nobody's
//! mount namespace until process 1 of a sandbox attaches it, so a job never sees where its layers live.
//!
//! Image layers carry plain ids and are mounted id-mapped. The writable layer, and so every frozen one, is written
//! through the overlay by processes of the sandbox and carries the sandbox's own ids on disk already.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, OpenTreeFlags, fsconfig_create, fsconfig_set_fd,
    fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen, open_tree,
};

use crate::failure::{Doing, Failure};
use crate::spec::{Layer, LayerIds};
use crate::sys::{MountAttributes, mount_setattr};

/// The parts of one root.
#[derive(Debug)]
pub(crate) struct Stack<'a> {
    /// Read-only layers, top first.
    pub(crate) layers: &'a [Layer],
    /// The writable layer.
    pub(crate) upper: &'a Path,
    /// The overlay's scratch directory, on the same file system.
    pub(crate) work: &'a Path,
}

/// Makes a detached overlay mount.
pub(crate) fn assemble(stack: &Stack<'_>, userns: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).doing(|| "opening an overlay context")?;
    let context = context.as_fd();
    fsconfig_set_string(context, "source", "airlock").doing(|| "naming the overlay")?;
    // Kept open until the overlay exists: a detached mount that nobody holds is dissolved.
    let mut trees = Vec::with_capacity(stack.layers.len());
    for layer in stack.layers {
        let tree = layer_tree(layer, userns)?;
        fsconfig_set_fd(context, "lowerdir+", &tree).doing(|| {
            format!(
                "adding layer {} by descriptor (needs Linux 6.13 or newer)",
                layer.path.display()
            )
        })?;
        trees.push(tree);
    }
    // By descriptor as well: as text, a path could have 255 characters at most.
    for (key, path) in [("upperdir", stack.upper), ("workdir", stack.work)] {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .and_then(|directory| fsconfig_set_fd(context, key, &directory))
            .doing(|| format!("setting {key} to {}", path.display()))?;
    }
    // Without redirect_dir a rename of an image directory answers EXDEV. With index a frozen layer could not be used
    // while an older root still holds it.
    for (key, value) in [
        ("redirect_dir", "on"),
        ("index", "off"),
        ("metacopy", "off"),
        ("xino", "auto"),
    ] {
        fsconfig_set_string(context, key, value).doing(|| format!("setting overlay option {key}={value}"))?;
    }
    // Nothing in a sandbox outlives a power failure, so nothing waits for the disk.
    fsconfig_set_flag(context, "volatile").doing(|| "making the overlay volatile")?;
    fsconfig_create(context).doing(|| {
        let layers: Vec<String> = stack
            .layers
            .iter()
            .map(|layer| layer.path.display().to_string())
            .collect();
        format!(
            "creating the overlay of {} over {}",
            stack.upper.display(),
            layers.join(", ")
        )
    })?;
    drop(trees);
    // Device nodes in an image or made by a job must stay dead. No nosuid: sudo in images works, within the sandbox.
    fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NODEV,
    )
    .doing(|| "turning the overlay into a mount")
}

fn layer_tree(layer: &Layer, userns: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let path = &layer.path;
    let tree = open_tree(
        CWD,
        path,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )
    .doing(|| format!("opening layer {}", path.display()))?;
    let idmap = match layer.ids {
        LayerIds::Image => Some(userns),
        LayerIds::Own => None,
    };
    let attributes = MountAttributes {
        set: libc::MOUNT_ATTR_RDONLY,
        idmap,
        recursive: false,
    };
    mount_setattr(tree.as_fd(), &attributes).doing(|| {
        format!(
            "mapping the ids of layer {} into the sandbox's range",
            path.display()
        )
    })?;
    Ok(tree)
}

/// Makes a detached, read-only, unprivileged mount of one file.
pub(crate) fn read_only_file(path: &Path) -> Result<OwnedFd, Failure> {
    let tree = open_tree(
        CWD,
        path,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )
    .doing(|| format!("opening {}", path.display()))?;
    let set = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    mount_setattr(
        tree.as_fd(),
        &MountAttributes {
            set,
            ..MountAttributes::default()
        },
    )
    .doing(|| format!("making {} read-only", path.display()))?;
    Ok(tree)
}
