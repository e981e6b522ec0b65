//! Overlays from paths, for kernels that take no detached mounts as layers. Layers are attached on a stage, a tmpfs with
//! numbered mount points that is itself attached below the state directory, in a mount namespace that nobody else is
//! in. The overlay holds mounts of its own, so the stage goes away as a whole once the overlay is there.
//!
//! Layers are named relative to the stage: the kernel reads no name of ours that would have to be escaped, however odd
//! or long a path is, and no job can read one in its mount table. The old `mount` call is used, because the newer one
//! takes 255 characters per option, which is far from enough for the names of all layers.

use std::ffi::CString;
use std::fmt::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, mkdirat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, UnmountFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, mount, unmount,
};
use rustix::process::{chdir, fchdir};

use super::{OPTIONS, SOURCE, Stack, UPPER, VOLATILE, WORK, described, detached_copy, layer_tree};
use crate::failure::{Doing, Failure};
use crate::root;

/// Where the directory of the writable layer is attached on the stage.
const WRITABLE: &str = "w";
/// Where the sandbox's own disk is attached on the stage.
const DISK: &str = "d";
/// Where the overlay is attached on the stage.
const ROOT: &str = "r";

pub(super) fn assemble(point: &Path, stack: &Stack<'_>, userns: BorrowedFd<'_>) -> Result<OwnedFd, Failure> {
    let stage = Stage::put_up(point)?;
    if let Some(disk) = stack.disk {
        // Only what is attached can be copied from, on kernels that come here.
        stage.attach(disk, DISK, Path::new("disk"))?;
    }
    for (number, layer) in stack.layers.iter().enumerate() {
        let tree = layer_tree(stack.base(), layer, userns)?;
        stage.attach(&tree, &number.to_string(), &layer.path)?;
    }
    // The directory of both, because the kernel wants them on one mount.
    let writable = detached_copy(stack.base(), stack.writable)
        .doing(|| format!("opening {}", stack.writable.display()))?;
    stage.attach(&writable, WRITABLE, stack.writable)?;
    stage.place(ROOT)?;
    // Device nodes in an image or made by a job must stay dead. No nosuid: sudo in images works, within the sandbox.
    let options = options(stack.layers.len());
    mount(SOURCE, ROOT, "overlay", MountFlags::NODEV, options.as_c_str()).doing(|| described(stack))?;
    root::clone_tree(ROOT, false).doing(|| "detaching the overlay")
}

/// The option string for a stage with so many layers, top first.
pub(super) fn options(layers: usize) -> CString {
    let mut text = String::from("lowerdir=");
    for number in 0..layers {
        let separator = if number == 0 { "" } else { ":" };
        let _ = write!(text, "{separator}{number}");
    }
    let _ = write!(text, ",upperdir={WRITABLE}/{UPPER},workdir={WRITABLE}/{WORK}");
    for (key, value) in OPTIONS {
        let _ = write!(text, ",{key}={value}");
    }
    let _ = write!(text, ",{VOLATILE}");
    CString::new(text).expect("made of digits and names without a zero byte")
}

/// The attached stage, which is the working directory as long as it stands.
#[derive(Debug)]
pub(super) struct Stage {
    mount: OwnedFd,
}

impl Stage {
    pub(super) fn put_up(point: &Path) -> Result<Self, Failure> {
        let make = || -> rustix::io::Result<OwnedFd> {
            let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
            fsconfig_set_string(context.as_fd(), "mode", "700")?;
            fsconfig_create(context.as_fd())?;
            fsmount(
                context.as_fd(),
                FsMountFlags::FSMOUNT_CLOEXEC,
                MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOSUID,
            )
        };
        let mount = make().doing(|| "making a stage for layers")?;
        let directory = rustix::fs::open(
            point,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )
        .doing(|| format!("opening {}", point.display()))?;
        root::attach(&mount, directory, "").doing(|| format!("attaching layers at {}", point.display()))?;
        let this = Self { mount };
        fchdir(&this.mount).doing(|| format!("entering {}", point.display()))?;
        Ok(this)
    }

    /// Makes a mount point.
    fn place(&self, name: &str) -> Result<(), Failure> {
        mkdirat(&self.mount, name, Mode::RWXU).doing(|| format!("making the mount point {name}"))
    }

    /// Attaches a detached mount at a mount point of its own.
    pub(super) fn attach(&self, tree: impl AsFd, name: &str, path: &Path) -> Result<(), Failure> {
        self.place(name)?;
        root::attach(tree, &self.mount, name).doing(|| format!("attaching layer {}", path.display()))
    }
}

impl Drop for Stage {
    /// Takes it down with everything attached on it. Nothing but the zygote sees what would be left, and its end
    /// removes that, so a failure here has nobody to be told to.
    fn drop(&mut self) {
        let _ = fchdir(&self.mount);
        let _ = unmount(".", UnmountFlags::DETACH);
        let _ = chdir("/");
    }
}
