//! From the initial file system to the job's image: kernel file systems, drivers, the disk, and the change of root.

use std::fs;
use std::io;
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{MountFlags, mount, mount_move};

use super::{modules, wait_for};

/// The job's image.
const DISK: &str = "/dev/vda";

/// Where it is mounted before it is the root.
const NEW_ROOT: &str = "/root-of-the-job";

/// Where this program lies for the steps.
const BIN: &str = "run/airlock/bin";
/// Its name there; the others are links, told apart by their name.
const PROGRAM: &str = "airlock-task";
const LINKS: [&str; 2] = ["circleci", "circleci-agent"];

/// What the agent wants of the machine.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) hostname: Option<String>,
    pub(super) network: bool,
}

impl Wishes {
    fn of(command_line: &str) -> Self {
        let mut wishes = Self::default();
        for word in command_line.split_ascii_whitespace() {
            match word.split_once('=') {
                Some(("airlock.hostname", name)) => wishes.hostname = Some(name.to_owned()),
                Some(("airlock.network", kind)) => wishes.network = kind == "user",
                Some(_) | None => {}
            }
        }
        wishes
    }
}

/// Makes the job's image the root of this process and of all it starts.
pub(super) fn enter() -> io::Result<Wishes> {
    let plain = MountFlags::NOSUID | MountFlags::NOEXEC;
    for (kind, path) in [("devtmpfs", "/dev"), ("proc", "/proc"), ("sysfs", "/sys")] {
        make(kind, Path::new(path), plain, "")?;
    }
    let wishes = Wishes::of(&fs::read_to_string("/proc/cmdline")?);
    modules::load_all(Path::new("/modules"))?;
    wait_for("the disk", || Path::new(DISK).exists().then_some(()))?;
    fs::create_dir_all(NEW_ROOT)?;
    // The machine ends before it would pay to write empty tables.
    mount(
        DISK,
        NEW_ROOT,
        "ext4",
        MountFlags::NOATIME,
        Some(c"noinit_itable"),
    )
    .map_err(|e| said("mounting the disk", &e.into()))?;
    let new_root = Path::new(NEW_ROOT);
    make("tmpfs", &new_root.join("run"), MountFlags::NOSUID, "mode=755")?;
    leave_program(new_root)?;
    for path in ["dev", "proc", "sys"] {
        let target = new_root.join(path);
        fs::create_dir_all(&target)?;
        mount_move(Path::new("/").join(path), target)
            .map_err(|e| said("moving the kernel's file systems", &e.into()))?;
    }
    let change = || {
        rustix::process::chdir(NEW_ROOT)?;
        mount_move(".", "/")?;
        rustix::process::chroot(".")?;
        rustix::process::chdir("/")
    };
    change().map_err(|e| said("entering the disk's root", &e.into()))?;
    Ok(wishes)
}

/// Mounts a file system of the kernel, in a directory that is made if it is missing.
pub(super) fn make(kind: &str, path: &Path, flags: MountFlags, data: &str) -> io::Result<()> {
    fs::create_dir_all(path)?;
    let data = std::ffi::CString::new(data).map_err(io::Error::other)?;
    mount(kind, path, kind, flags, Some(data.as_c_str()))
        .map_err(|errno| said(&format!("mounting {}", path.display()), &errno.into()))
}

/// Copies this program to where steps find it, on a mount that nobody writes to by mistake.
fn leave_program(new_root: &Path) -> io::Result<()> {
    let bin = new_root.join(BIN);
    make("tmpfs", &bin, MountFlags::NOSUID | MountFlags::NODEV, "mode=755")?;
    fs::copy("/init", bin.join(PROGRAM)).map_err(|error| said("copying the in-job program", &error))?;
    for link in LINKS {
        rustix::fs::symlinkat(PROGRAM, CWD, bin.join(link))?;
    }
    let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    Ok(rustix::mount::mount_remount(bin, flags, "")?)
}

fn said(doing: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{doing}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::Wishes;

    #[test]
    fn wishes_are_read_from_the_command_line() {
        let line = "console=ttyS0 quiet airlock.hostname=airlock-1 airlock.network=user\n";
        let wishes = Wishes::of(line);
        assert_eq!(wishes.hostname.as_deref(), Some("airlock-1"));
        assert!(wishes.network);
        assert_eq!(Wishes::of("quiet airlock.network=none"), Wishes::default());
    }
}
