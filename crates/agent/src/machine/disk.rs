//! Makes a guest's disk of an image: an ext4 file system with the image's files in a sparse file, and beside it the
//! image's kernel and the initial file system that carries the in-job program.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::initramfs::{Entry, archive};
use super::kernel::{Driver, Kernel};

/// Goes up when [`fill`] makes something else of the same image and program.
pub(super) const FORMAT: u32 = 1;
/// Where the files lie in the layer that the sandbox gets.
pub(super) const DIRECTORY: &str = "machine";
/// The job's image.
pub(super) const DISK: &str = "disk.raw";
/// Its kernel.
pub(super) const KERNEL: &str = "vmlinuz";
/// The initial file system.
pub(super) const INITIAL: &str = "initial.cpio";

/// Where administrators' programs are, which a user's PATH often lacks.
const PATH: &str = "/usr/sbin:/sbin:/usr/bin:/bin";

/// Fills `layer` with disk, kernel and initial file system; `bytes` is the size of the disk.
pub(super) fn fill(
    layer: &Path,
    image: &Path,
    kernel: &Kernel,
    program: &Path,
    bytes: u64,
) -> io::Result<()> {
    fs::set_permissions(layer, fs::Permissions::from_mode(0o755))?;
    let directory = layer.join(DIRECTORY);
    fs::create_dir(&directory)?;
    fs::write(directory.join(KERNEL), kernel.image()?)?;
    let initial = initial(&fs::read(program)?, &kernel.drivers()?);
    fs::write(directory.join(INITIAL), initial)?;
    let disk = directory.join(DISK);
    make_disk(&disk, image, bytes)?;
    // The monitor is not root in its sandbox; it reads, and nobody writes.
    for name in [DISK, KERNEL, INITIAL] {
        fs::set_permissions(directory.join(name), fs::Permissions::from_mode(0o444))?;
    }
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755))
}

fn initial(program: &[u8], drivers: &[Driver]) -> Vec<u8> {
    let drivers: Vec<(String, &[u8])> = drivers
        .iter()
        .map(|(name, bytes)| (format!("modules/{name}"), bytes.as_slice()))
        .collect();
    let mut entries = vec![
        Entry::Directory("dev"),
        Entry::Device("dev/console", 5, 1),
        Entry::Device("dev/null", 1, 3),
        Entry::Directory("modules"),
        Entry::File("init", 0o755, program),
    ];
    entries.extend(
        drivers
            .iter()
            .map(|(name, bytes)| Entry::File(name, 0o644, bytes)),
    );
    archive(&entries)
}

fn make_disk(disk: &Path, image: &Path, bytes: u64) -> io::Result<()> {
    let made = Command::new("mkfs.ext4")
        .env_clear()
        .env("PATH", PATH)
        .args(["-q", "-F", "-m", "0", "-b", "4096", "-J", "size=64"])
        .args(["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard"])
        .arg("-d")
        .arg(image)
        .arg(disk)
        .arg(format!("{}k", bytes / 1024))
        .stdin(Stdio::null())
        .output();
    let made = made.map_err(|error| {
        io::Error::new(
            error.kind(),
            format!(
                "running mkfs.ext4, which makes the disks of machines (Debian: apt-get install e2fsprogs): {error}"
            ),
        )
    })?;
    if made.status.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "mkfs.ext4 could not make a disk of the image: {}",
            String::from_utf8_lossy(&made.stderr).trim()
        )))
    }
}
