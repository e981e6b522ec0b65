//! The single-threaded process that sandboxes are cloned from, and what process 1 of a sandbox is given.
//!
//! The agent has threads and an async runtime, which must not be copied by `clone`; the zygote has neither. It takes
//! one request at a time from the agent, clones a child into fresh namespaces, hands it the root, and answers when
//! the child is ready; later roots of a running sandbox are assembled here, too. It ends when the agent's end of the socket closes, and every sandbox dies with it.

mod child;
mod files;
mod lids;
mod presets;
mod start;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

pub(crate) use self::files::etc;
use self::start::Started;
use crate::confinement::Confinement;
use crate::failure::{Doing, Failure};
use crate::overlay::{Assembler, Stack};
use crate::spec::Layer;
use crate::sys;
use crate::wire::{self, Reply, Request};

/// What process 1 of a new sandbox is given; root, `/proc`, `/dev`, `/run/airlock`, network and host name are ready.
#[derive(Debug)]
pub struct Init {
    /// Stream socket to the agent.
    pub channel: OwnedFd,
    /// To be applied in each step's child.
    pub confinement: Confinement,
}

/// Serves requests on `control` until the agent is gone; `init` becomes process 1 of each sandbox.
///
/// The caller must be single-threaded. In the child, descriptors 0 to 2 are `/dev/null` and no other descriptor than
/// the channel is open; the exit code of `init` is that of process 1.
pub fn serve(control: OwnedFd, init: fn(Init) -> i32) -> ! {
    sys::ignore_children();
    // Only an answer that cannot be delivered ends this early: then the agent is gone.
    let _ = serve_requests(control.as_fd(), init);
    drop(control);
    sys::exit_now(0)
}

fn serve_requests(control: BorrowedFd<'_>, init: fn(Init) -> i32) -> io::Result<()> {
    let out_of_turn = || io::Error::from(io::ErrorKind::InvalidData);
    let Some((bytes, _)) = wire::receive(control)? else {
        return Ok(());
    };
    let Request::Prepare { stage } = serde_json::from_slice(&bytes)? else {
        return Err(out_of_turn());
    };
    let assembler = match Assembler::prepare(stage) {
        Ok(assembler) => assembler,
        Err(failure) => return answer(control, Err(failure)),
    };
    answer(control, Ok((Reply::Ready, Vec::new())))?;
    while let Some((bytes, fds)) = wire::receive(control)? {
        let done = match serde_json::from_slice(&bytes)? {
            Request::Start(request) => start::start(&request, &fds, &assembler, init).map(|started| {
                let Started {
                    pid,
                    pidfd,
                    channel,
                    userns,
                } = started;
                (Reply::Started { pid }, vec![pidfd, channel, userns])
            }),
            Request::Assemble { layers, writable } => {
                assemble(&assembler, &layers, &writable, &fds).map(|root| (Reply::Assembled, vec![root]))
            }
            Request::Prepare { .. } => return Err(out_of_turn()),
        };
        answer(control, done)?;
    }
    Ok(())
}

fn answer(control: BorrowedFd<'_>, done: Result<(Reply, Vec<OwnedFd>), Failure>) -> io::Result<()> {
    let (reply, fds) = done.unwrap_or_else(|Failure { doing, source }| {
        let errno = source.raw_os_error().unwrap_or(libc::EIO);
        (Reply::Failed { doing, errno }, Vec::new())
    });
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    wire::send(control, &serde_json::to_vec(&reply)?, &fds)
}

fn assemble(
    assembler: &Assembler,
    layers: &[Layer],
    writable: &Path,
    fds: &[OwnedFd],
) -> Result<OwnedFd, Failure> {
    let Some((userns, disk)) = fds.split_first() else {
        return Err(io::Error::from(io::ErrorKind::InvalidData)).doing(|| "taking the user namespace over");
    };
    let stack = Stack {
        layers,
        writable,
        disk: disk.first().map(AsFd::as_fd),
    };
    assembler.assemble(&stack, userns.as_fd())
}
