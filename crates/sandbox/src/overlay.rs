//! Overlay roots, assembled as detached mounts by the zygote, which is privileged on the host. A root belongs to
//! nobody's mount namespace until process 1 of a sandbox attaches it, so a job never sees where its layers live.
//!
//! Image layers carry plain ids and are mounted id-mapped. The writable layer, and so every frozen one, is written
//! through the overlay by processes of the sandbox and carries the sandbox's own ids on disk already.
//!
//! Layers reach the overlay by descriptor where the kernel can, and by path elsewhere; what comes out is the same.

mod descriptors;
mod paths;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::mount::{OpenTreeFlags, open_tree};
use serde::{Deserialize, Serialize};

pub(crate) use self::descriptors::supported as descriptors_supported;
use crate::failure::{Doing, Failure};
use crate::root;
use crate::spec::{Layer, LayerIds};
use crate::sys::{MountAttributes, mount_setattr};

/// How layers reach an overlay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Assembly {
    /// By descriptor, without a mount point anywhere.
    Descriptors,
    /// By path: layers are attached for a moment in a mount namespace that only the zygote has.
    Paths,
}

/// The parts of one root.
#[derive(Debug)]
pub(crate) struct Stack<'a> {
    /// Read-only layers, top first.
    pub(crate) layers: &'a [Layer],
    /// Directory of the writable layer, [`UPPER`], and the overlay's scratch directory, [`WORK`].
    pub(crate) writable: &'a Path,
    /// The detached mount of the sandbox's own disk, which relative paths are on.
    pub(crate) disk: Option<BorrowedFd<'a>>,
}

impl Stack<'_> {
    /// Where relative paths start.
    fn base(&self) -> BorrowedFd<'_> {
        self.disk.unwrap_or(CWD)
    }
}

/// Name of the writable layer in its directory.
pub(crate) const UPPER: &str = "upper";
/// Name of the overlay's scratch directory beside it.
pub(crate) const WORK: &str = "work";

/// What every overlay source is called in mount tables.
const SOURCE: &str = "airlock";

/// Without `redirect_dir` a rename of an image directory answers EXDEV. With `index` a frozen layer could not be used
/// while an older root still holds it.
const OPTIONS: [(&str, &str); 4] = [
    ("redirect_dir", "on"),
    ("index", "off"),
    ("metacopy", "off"),
    ("xino", "auto"),
];

/// Nothing in a sandbox outlives a power failure, so nothing waits for the disk.
const VOLATILE: &str = "volatile";

/// Makes roots in the way decided when the launcher started.
#[derive(Debug)]
pub(crate) enum Assembler {
    Descriptors,
    /// With the directory that layers are attached below.
    Paths(PathBuf),
}

impl Assembler {
    /// Prepares the calling process; for paths, given by the directory to attach below, it gets a mount namespace of
    /// its own and so must be single-threaded.
    pub(crate) fn prepare(stage: Option<PathBuf>) -> Result<Self, Failure> {
        match stage {
            None => Ok(Self::Descriptors),
            Some(point) => {
                root::leave_mount_namespace().doing(|| "entering a mount namespace for layers")?;
                Ok(Self::Paths(point))
            }
        }
    }

    /// Makes a detached overlay mount.
    pub(crate) fn assemble(&self, stack: &Stack<'_>, userns: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
        match self {
            Self::Descriptors => descriptors::assemble(stack, userns),
            Self::Paths(point) => paths::assemble(point, stack, userns),
        }
    }
}

/// What an overlay is made of, for an error.
fn described(stack: &Stack<'_>) -> String {
    let layers: Vec<String> = stack
        .layers
        .iter()
        .map(|layer| layer.path.display().to_string())
        .collect();
    format!(
        "creating the overlay of {} over {}",
        stack.writable.join(UPPER).display(),
        layers.join(", ")
    )
}

fn detached_copy(base: BorrowedFd<'_>, path: &Path) -> std::io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    Ok(open_tree(base, path, flags)?)
}

fn layer_tree(base: BorrowedFd<'_>, layer: &Layer, userns: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let path = &layer.path;
    let tree = detached_copy(base, path).doing(|| format!("opening layer {}", path.display()))?;
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
            "mapping the ids of layer {} into the sandbox's range (its file system must be able to, as ext4, XFS and \
             btrfs are)",
            path.display()
        )
    })?;
    Ok(tree)
}

/// Makes a detached, read-only, unprivileged mount of one file.
pub(crate) fn read_only_file(path: &Path) -> Result<OwnedFd, Failure> {
    let tree = detached_copy(CWD, path).doing(|| format!("opening {}", path.display()))?;
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

#[cfg(test)]
mod tests;
