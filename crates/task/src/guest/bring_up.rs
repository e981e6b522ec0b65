//! What a running system has besides its root: pseudo-terminals, shared memory, control groups, a name, a network.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use airlock_sandbox::machine::{GUEST_ADDRESS, GUEST_RESOLVER, join_network, loopback_up};
use rustix::mount::MountFlags;

use super::root::{Wishes, make};
use super::wait_for;

/// The one network device.
const DEVICE: &str = "eth0";

const LINKS: [(&str, &str); 4] = [
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// Brings the machine up.
pub(super) fn bring_up(wishes: &Wishes) -> io::Result<()> {
    let safe = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    let terminals = MountFlags::NOSUID | MountFlags::NOEXEC;
    make(
        "devpts",
        Path::new("/dev/pts"),
        terminals,
        "ptmxmode=0666,mode=0620,gid=5",
    )?;
    make("tmpfs", Path::new("/dev/shm"), safe, "mode=1777")?;
    make("mqueue", Path::new("/dev/mqueue"), safe, "")?;
    for (target, link) in LINKS {
        match symlink(target, link) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    // Not every kernel has them, and only builds that start containers of their own ask.
    let _without = make("cgroup2", Path::new("/sys/fs/cgroup"), safe, "");
    fs::create_dir_all("/tmp")?;
    fs::set_permissions("/tmp", fs::Permissions::from_mode(0o1777))?;
    immortal()?;
    loopback_up()?;
    name(wishes)?;
    if wishes.network {
        let device = format!("/sys/class/net/{DEVICE}");
        wait_for("the network device", || Path::new(&device).exists().then_some(()))?;
        join_network(DEVICE)?;
        write("/etc/resolv.conf", &format!("nameserver {GUEST_RESOLVER}\n"))?;
    }
    Ok(())
}

fn name(wishes: &Wishes) -> io::Result<()> {
    let name = wishes.hostname.as_deref().unwrap_or("airlock");
    rustix::system::sethostname(name.as_bytes())?;
    fs::create_dir_all("/etc")?;
    write("/etc/hostname", &format!("{name}\n"))?;
    let own = if wishes.network {
        format!("{GUEST_ADDRESS}\t{name}\n")
    } else {
        String::new()
    };
    write(
        "/etc/hosts",
        &format!("127.0.0.1\tlocalhost {name}\n::1\tlocalhost ip6-localhost ip6-loopback\n{own}"),
    )
}

/// Images have links here, often into directories that do not exist; the link is replaced, not followed.
fn write(path: &str, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => fs::write(path, text),
    }
}

/// A job that runs out of memory loses its own processes, not the way to the agent.
fn immortal() -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", "-1000")
}

/// For a step: what it starts may be killed like anything else.
pub(super) fn mortal() -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", "0")
}
