//! A file system of a sandbox's own for everything it writes: what bounds its bytes and its files.
//!
//! An image, a sparse file made ahead by `pool`, is attached to a loop device and mounted, both without a name on the
//! host: the mount is in no mount table and lives as long as a descriptor of it or an overlay on it, and the loop device
//! clears itself with it. A killed agent therefore leaves neither, and only the image's file is there to be deleted.
//!
//! Deleting that one file also takes the place of walking through whatever a job has written. Called by `launcher` at a
//! start and by `sandbox` until its end.

mod loop_device;
mod pool;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags, StatVfs, fstatvfs, openat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string,
    fsmount, fsopen,
};

pub(crate) use self::loop_device::{detach, in_use};
pub(crate) use self::pool::Pool;
use crate::failure::{Doing, Failure};
use crate::limits::{DISK_FULL_BYTES, DISK_FULL_INODES};
use crate::spec::DiskLimit;
use crate::{sample, sys};

/// Name of the image in the directory of a sandbox's files.
pub(crate) const IMAGE: &str = "disk.img";

/// The mounted file system.
#[derive(Debug)]
pub(crate) struct Disk {
    mount: OwnedFd,
    device: PathBuf,
    peak_bytes: AtomicU64,
    peak_inodes: AtomicU64,
    full: AtomicU64,
    out_of_inodes: AtomicU64,
}

/// What a disk holds, and how it has been found since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DiskUsage {
    pub(crate) bytes: u64,
    pub(crate) inodes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) peak_inodes: u64,
    /// Looks at it that found no room for another block.
    pub(crate) full: u64,
    /// Looks at it that found no room for another file.
    pub(crate) out_of_inodes: u64,
}

impl Disk {
    /// Mounts the image at `image`.
    pub(crate) fn open(image: &Path) -> Result<Self, Failure> {
        let file = File::options()
            .read(true)
            .write(true)
            .open(image)
            .doing(|| format!("opening {}", image.display()))?;
        // Kept open until the mount holds the device, which clears itself when nobody does.
        let (device, attached) =
            loop_device::attach(&file).doing(|| format!("attaching {} to a loop device", image.display()))?;
        let mount = mount(&device)?;
        drop(attached);
        Ok(Self {
            mount,
            device,
            peak_bytes: AtomicU64::new(0),
            peak_inodes: AtomicU64::new(0),
            full: AtomicU64::new(0),
            out_of_inodes: AtomicU64::new(0),
        })
    }

    /// A path to its top directory, for this process alone.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.mount.as_raw_fd()))
    }

    /// Another mount of the same file system: one can be attached once, and never again after that.
    pub(crate) fn mount_again(&self) -> Result<OwnedFd, Failure> {
        mount(&self.device)
    }

    /// Looks at what is used, and remembers the highest.
    pub(crate) fn look(&self) -> DiskUsage {
        let Ok(found) = fstatvfs(&self.mount) else {
            return DiskUsage::default();
        };
        let now = Found::of(&found);
        let peak_bytes = self
            .peak_bytes
            .fetch_max(now.bytes, Ordering::Relaxed)
            .max(now.bytes);
        let peak_inodes = self
            .peak_inodes
            .fetch_max(now.inodes, Ordering::Relaxed)
            .max(now.inodes);
        let count = |counter: &AtomicU64, hit: bool| {
            let hit = u64::from(hit);
            counter.fetch_add(hit, Ordering::Relaxed) + hit
        };
        DiskUsage {
            bytes: now.bytes,
            inodes: now.inodes,
            peak_bytes,
            peak_inodes,
            full: count(&self.full, now.full),
            out_of_inodes: count(&self.out_of_inodes, now.out_of_inodes),
        }
    }

    /// Bytes read from the image and written to it, counted by its block device.
    pub(crate) fn transferred(&self) -> (u64, u64) {
        let name = self.device.file_name().unwrap_or_default();
        let stat = Path::new("/sys/block").join(name).join("stat");
        sample::transferred(&std::fs::read_to_string(stat).unwrap_or_default())
    }

    /// Lets go of everything on it: what was not written to the image yet never will be, so that unmounting it does not
    /// wait for writing what is about to be deleted.
    pub(crate) fn discard(self) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // Where a kernel cannot, the end takes as long as the writing.
        if let Ok(top) = openat(&self.mount, ".", flags, Mode::empty()) {
            let _ = sys::shut_file_system_down(top.as_fd());
        }
    }
}

impl AsFd for Disk {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.mount.as_fd()
    }
}

/// One look.
struct Found {
    bytes: u64,
    inodes: u64,
    full: bool,
    out_of_inodes: bool,
}

impl Found {
    fn of(found: &StatVfs) -> Self {
        let blocks = |count: u64| count.saturating_mul(found.f_frsize);
        Self {
            bytes: blocks(found.f_blocks.saturating_sub(found.f_bfree)),
            inodes: found.f_files.saturating_sub(found.f_ffree),
            full: blocks(found.f_bavail) < DISK_FULL_BYTES,
            out_of_inodes: found.f_ffree < DISK_FULL_INODES,
        }
    }
}

fn mount(device: &Path) -> Result<OwnedFd, Failure> {
    let make = || -> rustix::io::Result<OwnedFd> {
        let context = fsopen("ext4", FsOpenFlags::FSOPEN_CLOEXEC)?;
        let context = context.as_fd();
        fsconfig_set_string(context, "source", device)?;
        // Nothing on it outlives a power failure, and tables of files that are never made need no zeroes.
        for flag in ["noinit_itable", "nobarrier"] {
            fsconfig_set_flag(context, flag)?;
        }
        fsconfig_create(context)?;
        let safe = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        fsmount(context, FsMountFlags::FSMOUNT_CLOEXEC, safe)
    };
    make().doing(|| format!("mounting the file system on {}", device.display()))
}

/// Tries the whole: an image, a loop device and a mount. What this host cannot do is not enforced.
pub(crate) fn probe(directory: &Path) -> Result<(), Failure> {
    let image = directory.join("probe.img");
    let tried = pool::format(DiskLimit::SMALLEST, &image).and_then(|()| Disk::open(&image));
    // A file that was not made is not there to be removed.
    let _ = std::fs::remove_file(&image);
    tried?.discard();
    Ok(())
}

#[cfg(test)]
mod tests;
