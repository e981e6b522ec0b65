//! Removing what leaked, kind by kind in the order in which one lets go of the next: processes before what they are in,
//! mounts before the files below them.

use std::io;
use std::path::{Path, PathBuf};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};

use super::{Leak, LeakKind};
use crate::failure::{Doing, Failure};
use crate::{cgroup, disk, net, tree};

/// Removes each; what is gone by now is no error.
pub(super) fn remove(leaks: &[Leak]) -> Result<(), Failure> {
    for kind in LeakKind::ALL {
        for leak in leaks.iter().filter(|leak| leak.kind == kind) {
            one(leak)?;
        }
    }
    Ok(())
}

fn one(Leak { kind, name }: &Leak) -> Result<(), Failure> {
    let gone = |result: io::Result<()>| match result {
        Err(error) if error.raw_os_error().is_some_and(|code| GONE.contains(&code)) => Ok(()),
        other => other,
    };
    match kind {
        LeakKind::Process => {
            let Some(process) = name.parse().ok().and_then(Pid::from_raw) else {
                return Ok(());
            };
            gone(kill_process(process, Signal::KILL).map_err(Into::into))
                .doing(|| format!("killing process {name}"))
        }
        LeakKind::Mount => gone(unmount(name.as_str(), UnmountFlags::DETACH).map_err(Into::into))
            .doing(|| format!("unmounting {name}")),
        LeakKind::Interface => net::delete_device(name),
        LeakKind::Rules => net::delete_rules(name),
        LeakKind::Cgroup => {
            let group = [PathBuf::from(name)];
            cgroup::kill(&group)?;
            cgroup::remove(&group)
        }
        // Claims end with their holder; a living agent that keeps one too many is stopped by whoever reads this.
        LeakKind::IdRange => Ok(()),
        LeakKind::LoopDevice => {
            gone(disk::detach(Path::new(name))).doing(|| format!("detaching the loop device {name}"))
        }
        LeakKind::File => tree::remove_tree(Path::new(name)).doing(|| format!("deleting {name}")),
    }
}

/// What the kernel says of things that are not there.
const GONE: [i32; 5] = [libc::ENOENT, libc::ESRCH, libc::ENXIO, libc::EINVAL, libc::ENODEV];
