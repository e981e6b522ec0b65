//! One start, inside: from a fresh clone of the zygote to process 1 of a sandbox. Runs with no capability over the
//! host; whatever fails is told to the zygote, which tells the agent, and the process ends.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::fs::{Mode, OFlags};
use rustix::process::{
    DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal, setsid, umask,
};
use rustix::system::sethostname;
use rustix::thread::{
    UnshareFlags, set_thread_groups, set_thread_res_gid, set_thread_res_uid, unshare_unsafe,
};

use super::start::{APART, GO, GO_WITH_ETC, LINKED, MAPPED, READY};
use super::{Init, files};
use crate::confinement::Confinement;
use crate::failure::{Doing, Failure};
use crate::net::links::LOOPBACK;
use crate::net::netlink::Netlink;
use crate::root;
use crate::sys;
use crate::wire::{self, Link, StartRequest};

/// Name of the network device inside.
pub(super) const DEVICE: &str = "eth0";

/// Exit code of process 1 when its code panicked, as Rust's own.
const PANICKED: i32 = 101;

/// Becomes process 1 and never returns.
pub(super) fn run(
    request: &StartRequest,
    groups: &[File],
    setup: OwnedFd,
    channel: OwnedFd,
    init: fn(Init) -> i32,
) -> ! {
    if let Err(failure) = prepare(request, groups, &setup) {
        let _ = wire::send(&setup, &encode_failure(&failure), &[]);
        sys::exit_now(1)
    }
    let Ok([channel, setup]) = sys::keep_only([channel, setup]) else {
        sys::exit_now(1)
    };
    if wire::send(&setup, READY, &[]).is_err() {
        sys::exit_now(1)
    }
    drop(setup);
    let init = AssertUnwindSafe(move || {
        init(Init {
            channel,
            confinement: Confinement::new(request.profile),
        })
    });
    sys::exit_now(catch_unwind(init).unwrap_or(PANICKED))
}

fn prepare(request: &StartRequest, groups: &[File], setup: &OwnedFd) -> Result<(), Failure> {
    sys::reset_signals().doing(|| "resetting signals")?;
    // Or /dev/tty would be the terminal that the agent was started from.
    setsid().doing(|| "leaving the agent's session")?;
    set_parent_process_death_signal(Some(Signal::KILL)).doing(|| "asking to die with the launcher")?;
    for mut group in groups {
        // Zero is the writer: the one process the kernel moves without stopping all others.
        group.write_all(b"0").doing(|| "entering a cgroup")?;
    }
    if !request.beside {
        make_network_namespace(request.link.is_some(), setup)?;
        expect(setup, MAPPED, "waiting for the ids")?;
    }
    become_root()?;
    umask(Mode::empty());
    // SAFETY: unshares no memory and no descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWCGROUP) }.doing(|| "entering a cgroup namespace")?;
    root::make_private().doing(|| "making mounts private")?;
    // The zygote makes the root meanwhile, on another processor if there is one.
    let mounts = files::KernelMounts::make(request.shm_bytes)?;
    if !request.beside {
        bring_up_loopback()?;
    }
    // Blocks until the root is there; end of file means that the zygote is gone, or was before this process asked to
    // die with it.
    let (word, given) = wire::receive(setup)
        .doing(|| "waiting for the root")?
        .unwrap_or_default();
    let [root, helper] = <[OwnedFd; 2]>::try_from(given)
        .map_err(|_| io::Error::from(io::ErrorKind::UnexpectedEof))
        .doing(|| "taking the root over")?;
    debug_assert!([GO, GO_WITH_ETC].contains(&word.as_slice()));
    let etc_is_written = word == GO_WITH_ETC;

    // Any directory of the host does: it is only this namespace's copy of the tree and is let go of below.
    root::attach(&root, rustix::fs::CWD, "/tmp").doing(|| "attaching the root")?;
    mounts.place(&root, &helper)?;
    drop(helper);
    root::enter(&root).doing(|| "entering the new root")?;
    drop(root);

    sethostname(request.hostname.as_bytes())
        .doing(|| format!("setting the host name {}", request.hostname))?;
    if !etc_is_written {
        files::write_etc(request)?;
    }
    if let Some(link) = request.link.as_ref().filter(|_| !request.beside) {
        bring_up_network(link, setup)?;
    }
    files::mask()?;
    umask(Mode::from_raw_mode(0o022));
    redirect_streams()
}

/// Here and not by the clone: it takes as long as all other namespaces together, and the zygote has other things to do for
/// this sandbox meanwhile.
fn make_network_namespace(is_awaited: bool, setup: &OwnedFd) -> Result<(), Failure> {
    // SAFETY: unshares no memory and no descriptors.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.doing(|| "making a network namespace")?;
    if is_awaited {
        wire::send(setup, APART, &[]).doing(|| "telling of the network namespace")?;
    }
    Ok(())
}

/// User 0 of the sandbox, which is nobody on the host.
fn become_root() -> Result<(), Failure> {
    let (uid, gid) = (rustix::process::Uid::ROOT, rustix::process::Gid::ROOT);
    set_thread_groups(&[]).doing(|| "dropping groups")?;
    set_thread_res_gid(gid, gid, gid).doing(|| "becoming group 0 of the sandbox")?;
    set_thread_res_uid(uid, uid, uid).doing(|| "becoming user 0 of the sandbox")?;
    // A change of user clears it.
    set_parent_process_death_signal(Some(Signal::KILL)).doing(|| "asking to die with the launcher")?;
    // Jobs run as the same user: without this they could read process 1's memory and the zygote's in it.
    set_dumpable_behavior(DumpableBehavior::NotDumpable).doing(|| "closing process 1 to debuggers")
}

/// Waits for a word of the zygote that comes alone.
fn expect(setup: &OwnedFd, expected: &[u8], doing: &str) -> Result<(), Failure> {
    let (word, _) = wire::receive(setup).doing(|| doing)?.unwrap_or_default();
    if word == expected {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::UnexpectedEof)).doing(|| doing)
    }
}

fn bring_up_loopback() -> Result<(), Failure> {
    let mut netlink = Netlink::open().doing(|| "opening a netlink socket")?;
    netlink.set_up(LOOPBACK).doing(|| "bringing loopback up")
}

fn bring_up_network(link: &Link, setup: &OwnedFd) -> Result<(), Failure> {
    expect(setup, LINKED, "waiting for the network")?;
    let mut netlink = Netlink::open().doing(|| "opening a netlink socket")?;
    let switch = format!("/proc/sys/net/ipv6/conf/{DEVICE}/disable_ipv6");
    match fs::write(&switch, "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {} // a kernel without IPv6
        other => other.doing(|| format!("switching IPv6 off with {switch}"))?,
    }
    let index = netlink.index_of(DEVICE).doing(|| format!("finding {DEVICE}"))?;
    netlink
        .add_address(index, link.address, link.prefix)
        .doing(|| format!("giving {DEVICE} {}", link.address))?;
    netlink.set_up(index).doing(|| format!("bringing {DEVICE} up"))?;
    netlink
        .add_neighbour(index, link.gateway, link.gateway_hardware)
        .doing(|| format!("saying who has {}", link.gateway))?;
    netlink
        .await_ready(index)
        .doing(|| format!("waiting for {DEVICE}"))?;
    netlink
        .add_default_route(link.gateway)
        .doing(|| format!("routing through {}", link.gateway))
}

/// A job must not hold the agent's terminal or log.
fn redirect_streams() -> Result<(), Failure> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .doing(|| "opening /dev/null of the sandbox")?;
    for stream in 0..3 {
        sys::duplicate_onto(null.as_fd(), stream, false).doing(|| "redirecting standard streams")?;
    }
    Ok(())
}

fn encode_failure(failure: &Failure) -> Vec<u8> {
    let errno = failure.source.raw_os_error().unwrap_or(libc::EIO);
    format!("{errno} {}", failure.doing).into_bytes()
}

/// The other direction of what the child writes.
pub(super) fn decode_failure(word: &[u8]) -> Failure {
    let text = String::from_utf8_lossy(word);
    let (errno, doing) = text.split_once(' ').unwrap_or(("5", &text));
    Failure {
        doing: format!("inside the sandbox: {doing}"),
        source: io::Error::from_raw_os_error(errno.parse().unwrap_or(libc::EIO)),
    }
}
