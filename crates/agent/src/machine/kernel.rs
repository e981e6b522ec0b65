//! The kernel that an image brings along: `/boot/vmlinuz-VERSION` with its drivers in `/lib/modules/VERSION`. Names in an
//! image are the image's: every path is resolved by the kernel within its root.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags, openat2};

use crate::limits;

/// Drivers of the machine's devices and of its disk's file system, as far as the kernel does not have them built in.
const DRIVERS: &[&str] = &[
    "virtio",
    "virtio_ring",
    "virtio_pci",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_blk",
    "virtio_console",
    "virtio_net",
    "net_failover",
    "failover",
    "virtio-rng",
    "rng-core",
    "ext4",
    "jbd2",
    "mbcache",
    "crc16",
    "crc32c_generic",
    "libcrc32c",
];

/// A kernel in an image.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) version: String,
    root: OwnedFd,
}

/// A driver: file name and contents.
pub(super) type Driver = (String, Vec<u8>);

impl Kernel {
    /// The newest kernel by its number; none where the image has none.
    pub(super) fn find(image: &Path) -> io::Result<Option<Self>> {
        let root = OwnedFd::from(File::open(image)?);
        let Ok(boot) = open(&root, "boot", OFlags::DIRECTORY) else {
            return Ok(None);
        };
        let mut versions = Vec::new();
        for (name, _) in list(&boot)? {
            if let Some(version) = name.strip_prefix("vmlinuz-")
                && open(&root, &modules(version), OFlags::DIRECTORY).is_ok()
            {
                versions.push(version.to_owned());
            }
        }
        versions.sort_by_cached_key(|version| numbers(version));
        Ok(versions.pop().map(|version| Self { version, root }))
    }

    /// The kernel itself.
    pub(super) fn image(&self) -> io::Result<Vec<u8>> {
        read(&self.root, &format!("boot/vmlinuz-{}", self.version))
    }

    /// A text of the image, empty where there is none.
    pub(super) fn text(&self, path: &str) -> String {
        let Ok(file) = open(&self.root, path, OFlags::empty()) else {
            return String::new();
        };
        crate::accounts::read(Ok(File::from(file)))
    }

    /// The drivers a guest needs to find its disk, its port and its network.
    pub(super) fn drivers(&self) -> io::Result<Vec<Driver>> {
        let mut found = Vec::new();
        self.walk(&format!("{}/kernel", modules(&self.version)), 0, &mut found)?;
        Ok(found)
    }

    fn walk(&self, directory: &str, depth: usize, found: &mut Vec<Driver>) -> io::Result<()> {
        if depth > limits::MODULE_DEPTH {
            return Ok(());
        }
        let entries = list(&open(&self.root, directory, OFlags::DIRECTORY)?)?;
        for (name, kind) in entries {
            let path = format!("{directory}/{name}");
            if kind == FileType::Directory {
                self.walk(&path, depth + 1, found)?;
            } else if kind == FileType::RegularFile && is_wanted(&name) {
                found.push((name, read(&self.root, &path)?));
            }
        }
        Ok(())
    }
}

fn modules(version: &str) -> String {
    format!("lib/modules/{version}")
}

/// Whether a file is one of the drivers, packed or not.
fn is_wanted(file: &str) -> bool {
    file.split_once(".ko")
        .is_some_and(|(stem, rest)| DRIVERS.contains(&stem) && matches!(rest, "" | ".xz" | ".zst" | ".gz"))
}

fn open(root: &OwnedFd, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(openat2(
        root,
        path,
        flags | OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
        Mode::empty(),
        ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS,
    )?)
}

fn read(root: &OwnedFd, path: &str) -> io::Result<Vec<u8>> {
    let file = File::from(open(root, path, OFlags::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other(format!("{path} of the image is no file")));
    }
    let mut bytes = Vec::new();
    file.take(limits::KERNEL_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn list(directory: &OwnedFd) -> io::Result<Vec<(String, FileType)>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if let Ok(name) = entry.file_name().to_str()
            && !matches!(name, "." | "..")
        {
            entries.push((name.to_owned(), entry.file_type()));
        }
    }
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(entries)
}

/// A version's numbers and what follows each, so that 10 comes after 9.
fn numbers(version: &str) -> Vec<(u64, String)> {
    let parts = version.split(|c: char| !c.is_ascii_alphanumeric());
    let number = |part: &str| {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        (number.parse().unwrap_or_default(), rest.to_owned())
    };
    parts.map(number).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_newest_kernel_with_drivers_is_taken() {
        let image = tempfile::tempdir().expect("a directory");
        let path = |name: &str| image.path().join(name);
        assert!(Kernel::find(image.path()).expect("looked").is_none());
        fs::create_dir_all(path("boot")).expect("made");
        for version in ["6.9.0", "6.10.0", "7.0.0"] {
            fs::write(path(&format!("boot/vmlinuz-{version}")), version).expect("written");
        }
        for version in ["6.9.0", "6.10.0"] {
            let drivers = path(&format!("usr/lib/modules/{version}/kernel/drivers/virtio"));
            fs::create_dir_all(&drivers).expect("made");
            fs::write(drivers.join("virtio_blk.ko"), "driver").expect("written");
            fs::write(drivers.join("virtio_net.ko.xz"), "packed").expect("written");
            fs::write(drivers.join("floppy.ko"), "none").expect("written");
        }
        symlink("usr/lib", path("lib")).expect("linked");
        let kernel = Kernel::find(image.path()).expect("looked").expect("a kernel");
        assert_eq!(
            kernel.version, "6.10.0",
            "7.0.0 has no drivers, so it is not whole"
        );
        assert_eq!(kernel.image().expect("read"), b"6.10.0");
        let drivers = kernel.drivers().expect("read");
        assert_eq!(
            drivers,
            [
                ("virtio_blk.ko".to_owned(), b"driver".to_vec()),
                ("virtio_net.ko.xz".to_owned(), b"packed".to_vec()),
            ]
        );
    }

    #[test]
    fn links_do_not_lead_out_of_the_image() {
        let outside = tempfile::tempdir().expect("a directory");
        fs::write(outside.path().join("secret"), "secret").expect("written");
        let image = tempfile::tempdir().expect("a directory");
        fs::create_dir_all(image.path().join("boot")).expect("made");
        fs::create_dir_all(image.path().join("lib/modules/1/kernel")).expect("made");
        let link = image.path().join("boot/vmlinuz-1");
        symlink(outside.path().join("secret"), &link).expect("linked");
        assert_eq!(
            fs::read_to_string(&link).expect("the control"),
            "secret",
            "the link works outside"
        );
        let kernel = Kernel::find(image.path()).expect("looked").expect("a kernel");
        assert!(kernel.image().is_err());
    }
}
