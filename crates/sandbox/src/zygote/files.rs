//! What a root needs besides the image: the kernel's file systems, a few devices, `/run/airlock`, three files in
//! `/etc`, and the lids on what a job must not see. The lists are those of runc and Docker.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, mkdirat, mknodat, openat, symlinkat, unlinkat};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};

use super::lids::{MASKED, READ_ONLY};
use crate::failure::{Doing, Failure};
use crate::limits::{DEV_BYTES, RUN_BYTES};
use crate::root::{attach, clone_tree, ensure_directory};
use crate::sys::{MountAttributes, mount_setattr};
use crate::wire::StartRequest;

const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const DEV_LINKS: [(&str, &str); 6] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
    ("/proc/kcore", "core"),
];

/// The program's file name in `/run/airlock/bin`; the others are links to it, told apart by their name.
const HELPER: &str = "airlock-task";
const HELPER_LINKS: [&str; 2] = ["circleci", "circleci-agent"];

const SAFE: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
    .union(MountAttrFlags::MOUNT_ATTR_NODEV)
    .union(MountAttrFlags::MOUNT_ATTR_NOEXEC);

fn directory_mode() -> Mode {
    Mode::from_raw_mode(0o755)
}

fn new_mount(kind: &str, options: &[(&str, &str)], attributes: MountAttrFlags) -> Result<OwnedFd, Failure> {
    let make = || -> rustix::io::Result<OwnedFd> {
        let context = fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        for (key, value) in options {
            fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
        fsconfig_create(context.as_fd())?;
        fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    make().doing(|| format!("making a {kind} mount"))
}

/// What is mounted in every root, made before the root is there. Nothing of it is attached anywhere yet.
#[derive(Debug)]
pub(super) struct KernelMounts {
    /// With their places, each below those before it.
    mounts: Vec<(&'static str, OwnedFd)>,
    devices: Vec<(&'static str, OwnedFd)>,
    helper_directory: OwnedFd,
}

impl KernelMounts {
    /// Makes them, as user 0 of the sandbox. The host's tree is still in sight here, which the kernel wants for a new
    /// `/proc` and this code for the devices.
    pub(super) fn make(shm_bytes: u64) -> Result<Self, Failure> {
        let terminal_flags = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        let terminals = [("ptmxmode", "0666"), ("mode", "0620"), ("gid", "5")];
        let size = shm_bytes.to_string();
        let mounts = vec![
            ("proc", new_mount("proc", &[], SAFE)?),
            (
                "sys",
                new_mount("sysfs", &[], SAFE | MountAttrFlags::MOUNT_ATTR_RDONLY)?,
            ),
            ("dev", device_tree()?),
            ("dev/pts", new_mount("devpts", &terminals, terminal_flags)?),
            (
                "dev/shm",
                new_mount("tmpfs", &[("mode", "1777"), ("size", &size)], SAFE)?,
            ),
            ("dev/mqueue", new_mount("mqueue", &[], SAFE)?),
            ("run/airlock", run_tree()?),
        ];
        let mut devices = Vec::with_capacity(DEVICES.len());
        for name in DEVICES {
            // A user namespace cannot make device nodes; the host's own are attached one by one.
            let device = clone_tree(&format!("/dev/{name}"), false)
                .doing(|| format!("taking the host's /dev/{name}"))?;
            devices.push((name, device));
        }
        Ok(Self {
            mounts,
            devices,
            helper_directory: helper_directory()?,
        })
    }

    /// Attaches them in the attached root.
    pub(super) fn place(self, root: &OwnedFd, helper: &OwnedFd) -> Result<(), Failure> {
        for (path, mount) in &self.mounts {
            let target = ensure_directory(root, path)
                .doing(|| format!("finding /{path} in the image (a link there is not followed)"))?;
            attach(mount, target, "").doing(|| format!("mounting /{path}"))?;
            if *path == "dev" {
                for (name, device) in &self.devices {
                    attach(device, mount, name).doing(|| format!("mounting /dev/{name}"))?;
                }
            }
        }
        self.place_helper(root, helper)?;
        match mkdirat(root, "tmp", Mode::from_raw_mode(0o1777)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
            other => other.doing(|| "making /tmp"),
        }
    }

    fn place_helper(&self, root: &OwnedFd, helper: &OwnedFd) -> Result<(), Failure> {
        let bin = &self.helper_directory;
        let target = ensure_directory(root, "run/airlock/bin").doing(|| "opening /run/airlock/bin")?;
        attach(bin, target, "").doing(|| "mounting /run/airlock/bin")?;
        attach(helper, bin, HELPER).doing(|| "mounting the helper")?;
        // A mount of its own, so that the directory can be neither written nor renamed away.
        let attributes = MountAttributes {
            set: libc::MOUNT_ATTR_RDONLY,
            ..MountAttributes::default()
        };
        mount_setattr(bin.as_fd(), &attributes).doing(|| "making /run/airlock/bin read-only")
    }
}

fn device_tree() -> Result<OwnedFd, Failure> {
    let dev = new_mount(
        "tmpfs",
        &[("mode", "755"), ("size", DEV_BYTES)],
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC,
    )?;
    for name in ["pts", "shm", "mqueue"] {
        mkdirat(&dev, name, directory_mode()).doing(|| format!("making /dev/{name}"))?;
    }
    for (target, name) in DEV_LINKS {
        symlinkat(target, &dev, name).doing(|| format!("linking /dev/{name}"))?;
    }
    for name in DEVICES {
        empty_file(dev.as_fd(), name).doing(|| format!("making /dev/{name}"))?;
    }
    Ok(dev)
}

fn empty_file(directory: BorrowedFd<'_>, name: &str) -> rustix::io::Result<()> {
    mknodat(
        directory,
        name,
        FileType::RegularFile,
        Mode::from_raw_mode(0o666),
        0,
    )
}

/// `/run/airlock`: sockets of process 1, and the helper.
fn run_tree() -> Result<OwnedFd, Failure> {
    let run = new_mount(
        "tmpfs",
        &[("mode", "755"), ("size", RUN_BYTES)],
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    )?;
    mkdirat(&run, "bin", directory_mode()).doing(|| "making /run/airlock/bin")?;
    Ok(run)
}

/// `/run/airlock/bin`, with a place for the helper.
fn helper_directory() -> Result<OwnedFd, Failure> {
    let bin = new_mount(
        "tmpfs",
        &[("mode", "755"), ("size", RUN_BYTES)],
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV,
    )?;
    empty_file(bin.as_fd(), HELPER).doing(|| "making a place for the helper")?;
    for link in HELPER_LINKS {
        symlinkat(HELPER, &bin, link).doing(|| format!("linking {link}"))?;
    }
    Ok(bin)
}

/// Host name, host table and name servers: names in `/etc` and texts.
pub(crate) fn etc(request: &StartRequest) -> [(&'static str, String); 3] {
    let name = &request.hostname;
    let own = request
        .link
        .as_ref()
        .map(|link| format!("{}\t{name}\n", link.address))
        .unwrap_or_default();
    let local = if own.is_empty() {
        format!(" {name}")
    } else {
        String::new()
    };
    let mut hosts = format!("127.0.0.1\tlocalhost{local}\n::1\tlocalhost ip6-localhost ip6-loopback\n{own}");
    if !request.local_names.is_empty() {
        let _infallible = writeln!(hosts, "127.0.0.1\t{}", request.local_names.join(" "));
    }
    [
        ("hostname", format!("{name}\n")),
        ("hosts", hosts),
        ("resolv.conf", request.resolv_conf.clone()),
    ]
}

/// Writes them over whatever the image has. Runs after the old root is gone.
pub(super) fn write_etc(request: &StartRequest) -> Result<(), Failure> {
    let root = rustix::fs::open(
        "/",
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .doing(|| "opening the root")?;
    let directory = ensure_directory(&root, "etc").doing(|| "finding /etc in the image")?;
    for (file, text) in etc(request) {
        replace_file(directory.as_fd(), file, text.as_bytes()).doing(|| format!("writing /etc/{file}"))?;
    }
    Ok(())
}

/// Images have links here, often into directories that do not exist; the link is replaced, not followed.
fn replace_file(directory: BorrowedFd<'_>, name: &str, text: &[u8]) -> io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(directory, name, flags, Mode::from_raw_mode(0o644))?;
    std::fs::File::from(file).write_all(text)
}

/// Puts the lids on: nothing after this writes to `/proc/sys`.
pub(super) fn mask() -> Result<(), Failure> {
    for path in MASKED {
        let Ok(stat) = rustix::fs::stat(path) else {
            continue;
        };
        let lid = if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
            let read_only = SAFE | MountAttrFlags::MOUNT_ATTR_RDONLY;
            new_mount("tmpfs", &[("mode", "555"), ("size", "4k")], read_only)?
        } else {
            clone_tree("/dev/null", false).doing(|| "taking /dev/null")?
        };
        attach(&lid, CWD, path).doing(|| format!("masking {path}"))?;
    }
    for path in READ_ONLY {
        let Ok(tree) = clone_tree(path, true) else {
            continue;
        };
        let set = libc::MOUNT_ATTR_RDONLY
            | libc::MOUNT_ATTR_NOSUID
            | libc::MOUNT_ATTR_NODEV
            | libc::MOUNT_ATTR_NOEXEC;
        mount_setattr(
            tree.as_fd(),
            &MountAttributes {
                set,
                recursive: true,
                ..MountAttributes::default()
            },
        )
        .doing(|| format!("making {path} read-only"))?;
        attach(&tree, CWD, path).doing(|| format!("mounting {path} read-only"))?;
    }
    Ok(())
}
