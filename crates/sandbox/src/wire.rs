//! What agent and zygote say to each other: one JSON message per packet on a Unix SOCK_SEQPACKET socket, with
//! descriptors attached. Both ends are ours and of one build, so there is no version in it.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::limits::{MAX_CONTROL_MESSAGE, MAX_DESCRIPTORS};
use crate::spec::{Layer, SeccompProfile};

/// Agent to zygote.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Comes first and once: how roots are assembled, and if by path, the directory to attach layers below.
    Prepare { stage: Option<PathBuf> },
    /// Start one sandbox, or a service beside one. With descriptors: for a service the sandbox's process 1, and where
    /// there is one, the disk that relative paths are on.
    Start(Box<StartRequest>),
    /// Assemble another root. With one descriptor: the sandbox's user namespace; with another: its disk.
    Assemble { layers: Vec<Layer>, writable: PathBuf },
}

/// One sandbox to start. Everything named here exists already.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct StartRequest {
    pub(crate) hostname: String,
    /// Further names of the sandbox itself.
    pub(crate) local_names: Vec<String>,
    /// A service: joins the users, the network and the groups of the sandbox whose process 1 comes along as a
    /// descriptor, and has everything else of its own.
    pub(crate) beside: bool,
    /// Top first.
    pub(crate) layers: Vec<Layer>,
    /// Directory of the writable layer and its scratch directory.
    pub(crate) writable: PathBuf,
    pub(crate) helper: PathBuf,
    pub(crate) first_id: u32,
    pub(crate) placement: Placement,
    pub(crate) shm_bytes: u64,
    pub(crate) profile: SeccompProfile,
    pub(crate) link: Option<Link>,
    pub(crate) resolv_conf: String,
}

/// How the new process gets into its control groups. Writing its number to `cgroup.procs` would do for all of them,
/// but waits for an RCU grace period, ten milliseconds and more; these two ways do not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placement {
    /// The v2 group to be cloned into.
    pub(crate) clone_into: Option<PathBuf>,
    /// `tasks` files of v1 groups, which the process writes itself into.
    pub(crate) tasks: Vec<PathBuf>,
}

/// How a sandbox is connected.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Link {
    /// Index of the bridge on the host.
    pub(crate) bridge: u32,
    /// Name of the host's end.
    pub(crate) host_name: String,
    /// Hardware address of the sandbox's end.
    pub(crate) hardware: [u8; 6],
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) gateway: Ipv4Addr,
    /// Hardware address of the bridge, which has the gateway's address.
    pub(crate) gateway_hardware: [u8; 6],
    /// Whether the host's kernel has IPv6.
    pub(crate) ipv6: bool,
}

/// Zygote to agent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// Ready for requests.
    Ready,
    /// With three descriptors: pidfd, channel, user namespace.
    Started { pid: i32 },
    /// With one descriptor: the detached root.
    Assembled,
    /// Nothing is left running.
    Failed { doing: String, errno: i32 },
}

/// A pair of connected packet sockets.
pub(crate) fn packet_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// A pair of connected stream sockets.
pub(crate) fn stream_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )?)
}

/// Sends one packet.
pub(crate) fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "too many descriptors for one message",
        ));
    }
    rustix::io::retry_on_intr(|| {
        sendmsg(
            &socket,
            &[IoSlice::new(bytes)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        )
    })?;
    Ok(())
}

/// Receives one packet; `None` when the other end is closed.
pub(crate) fn receive(socket: impl AsFd) -> io::Result<Option<(Vec<u8>, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; MAX_CONTROL_MESSAGE];
    let got = rustix::io::retry_on_intr(|| {
        recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut ancillary,
            RecvFlags::CMSG_CLOEXEC,
        )
    })?;
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a control message was cut off",
        ));
    }
    let mut fds = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            fds.extend(received);
        }
    }
    if got.bytes == 0 {
        return Ok(None);
    }
    bytes.truncate(got.bytes);
    Ok(Some((bytes, fds)))
}
