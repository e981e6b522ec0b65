//! One start, on the host's side of the fork: ids, cgroups, root and network for a child that waits for them.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use super::{Init, child, presets};
use crate::failure::{Doing, Failure};
use crate::limits::{IDS_PER_SANDBOX, SETUP_SECONDS};
use crate::net::netlink::Netlink;
use crate::overlay::{self, Assembler, Stack};
use crate::sys::{self, Cloned};
use crate::wire::{self, Link, Placement, StartRequest};

/// What the agent gets.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) channel: OwnedFd,
    pub(super) userns: OwnedFd,
}

/// Tells the child that its ids are there.
pub(super) const MAPPED: &[u8] = b"mapped";
/// Tells the child that its root is there.
pub(super) const GO: &[u8] = b"go";
/// The same, and that nothing of `/etc` is left to write.
pub(super) const GO_WITH_ETC: &[u8] = b"go, etc is written";
/// The child's word that it has a network namespace.
pub(super) const APART: &[u8] = b"apart";
/// Tells the child that its network device is there.
pub(super) const LINKED: &[u8] = b"linked";
/// The child's word that `init` runs next.
pub(super) const READY: &[u8] = b"ready";

/// Starts one sandbox; when it fails, nothing of it runs any more.
pub(super) fn start(
    request: &StartRequest,
    given: &[OwnedFd],
    assembler: &Assembler,
    init: fn(Init) -> i32,
) -> Result<Started, Failure> {
    let (beside, disk) = match (request.beside, given) {
        (false, disk) => (None, disk.first()),
        (true, [sandbox, disk @ ..]) => (Some(sandbox), disk.first()),
        (true, []) => {
            return Err(io::Error::from(io::ErrorKind::InvalidData)).doing(|| "taking the sandbox over");
        }
    };
    let disk = disk.map(AsFd::as_fd);
    let (setup, setup_child) = wire::packet_pair().doing(|| "making the set-up socket")?;
    let (channel, channel_child) = wire::stream_pair().doing(|| "making the channel")?;
    let groups = open_groups(&request.placement)?;
    let clone_into = groups.clone_into.as_ref().map(AsFd::as_fd);
    let cloned = match beside {
        // SAFETY: the zygote is single-threaded by contract of `serve`.
        None => unsafe { sys::clone_into_namespaces(clone_into) },
        // SAFETY: as above.
        Some(sandbox) => unsafe { sys::clone_beside(sandbox.as_fd(), clone_into) },
    };
    let cloned = cloned.doing(|| "cloning into new namespaces")?;
    let (pid, pidfd) = match cloned {
        Cloned::Child => {
            drop((setup, channel));
            child::run(request, &groups.tasks, setup_child, channel_child, init)
        }
        Cloned::Parent { pid, pidfd } => (pid, pidfd),
    };
    drop((setup_child, channel_child, groups));
    let equipped = equip(request, disk, assembler, pid, setup.as_fd());
    match equipped {
        Ok(userns) => Ok(Started {
            pid,
            pidfd,
            channel,
            userns,
        }),
        Err(failure) => {
            let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            let _ = readable(pidfd.as_fd());
            Err(failure)
        }
    }
}

/// Control groups, opened with the rights of the host that the child no longer has.
struct Groups {
    clone_into: Option<File>,
    tasks: Vec<File>,
}

fn open_groups(placement: &Placement) -> Result<Groups, Failure> {
    let failed = |path: &Path| format!("opening the cgroup {}", path.display());
    let open = |path: &PathBuf| File::open(path).doing(|| failed(path));
    let write = |path: &PathBuf| File::options().write(true).open(path).doing(|| failed(path));
    Ok(Groups {
        clone_into: placement.clone_into.as_ref().map(open).transpose()?,
        tasks: placement.tasks.iter().map(write).collect::<Result<_, _>>()?,
    })
}

fn equip(
    request: &StartRequest,
    disk: Option<BorrowedFd<'_>>,
    assembler: &Assembler,
    pid: i32,
    setup: BorrowedFd<'_>,
) -> Result<OwnedFd, Failure> {
    if !request.beside {
        let map = format!("0 {} {IDS_PER_SANDBOX}\n", request.first_id);
        for file in ["uid_map", "gid_map"] {
            let path = format!("/proc/{pid}/{file}");
            fs::write(&path, &map).doing(|| format!("writing {path}"))?;
        }
        wire::send(setup, MAPPED, &[]).doing(|| "telling of the ids")?;
    }
    // The child makes its network namespace and what is mounted in every root meanwhile, on another processor if there is
    // one.
    let go = if presets::write(request, disk)? {
        GO_WITH_ETC
    } else {
        GO
    };
    let path = format!("/proc/{pid}/ns/user");
    let userns = OwnedFd::from(File::open(&path).doing(|| format!("opening {path}"))?);
    let stack = Stack {
        layers: &request.layers,
        writable: &request.writable,
        disk,
    };
    let root = assembler.assemble(&stack, userns.as_fd())?;
    let helper = overlay::read_only_file(&request.helper)?;
    wire::send(setup, go, &[root.as_fd(), helper.as_fd()]).doing(|| "handing the root over")?;
    drop((root, helper));
    // The child mounts meanwhile, on another processor if there is one.
    if let Some(link) = request.link.as_ref().filter(|_| !request.beside) {
        expect(setup, APART)?;
        let (mut netlink, port) = connect(link, pid)?;
        wire::send(setup, LINKED, &[]).doing(|| "handing the network over")?;
        expect(setup, READY)?;
        // The bridge passes a port's frames once both ends are up.
        netlink
            .await_ready(port)
            .doing(|| format!("waiting for {}", link.host_name))?;
    } else {
        expect(setup, READY)?;
    }
    Ok(userns)
}

/// Waits for a word of the child; any other one says what went wrong there.
fn expect(setup: BorrowedFd<'_>, expected: &[u8]) -> Result<(), Failure> {
    if !readable(setup).doing(|| "waiting for the sandbox")? {
        return Err(io::Error::from(io::ErrorKind::TimedOut))
            .doing(|| format!("waiting for the sandbox's first process, {SETUP_SECONDS} s long"));
    }
    match wire::receive(setup).doing(|| "hearing from the sandbox")? {
        Some((word, _)) if word == expected => Ok(()),
        Some((word, _)) => Err(child::decode_failure(&word)),
        None => Err(io::Error::from(io::ErrorKind::UnexpectedEof))
            .doing(|| "the sandbox's first process ended during set-up"),
    }
}

/// The host's end of a sandbox's network: an isolated port of the job bridge.
fn connect(link: &Link, pid: i32) -> Result<(Netlink, u32), Failure> {
    let name = &link.host_name;
    let pid = u32::try_from(pid).expect("process ids are positive");
    let mut netlink = Netlink::open().doing(|| "opening a netlink socket")?;
    netlink
        .add_veth(name, (child::DEVICE, link.hardware), pid, link.bridge)
        .doing(|| format!("making the device pair {name}"))?;
    let index = netlink.index_of(name).doing(|| format!("finding {name}"))?;
    // Before it is up: no moment in which a neighbour could be reached.
    netlink
        .isolate_port(index, link.ipv6)
        .doing(|| format!("isolating {name}"))?;
    netlink
        .add_port_address(index, link.hardware)
        .and_then(|()| netlink.add_neighbour(link.bridge, link.address, link.hardware))
        .doing(|| format!("saying who is behind {name}"))?;
    netlink.set_up(index).doing(|| format!("bringing {name} up"))?;
    Ok((netlink, index))
}

fn readable(fd: BorrowedFd<'_>) -> io::Result<bool> {
    let timeout = Timespec {
        tv_sec: SETUP_SECONDS,
        tv_nsec: 0,
    };
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    Ok(rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout)))? > 0)
}
