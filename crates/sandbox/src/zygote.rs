//! The single-threaded process that sandboxes are cloned from, and what process 1 of a sandbox is given.
//!
//! The agent has threads and an async runtime, which must not be copied by `clone`; the zygote has neither. It takes
//! one request at a time from the agent, clones a child into fresh namespaces, hands it the root, and answers when
//! the child is ready. It ends when the agent's end of the socket closes, and every sandbox dies with it.

mod child;
mod files;
mod start;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use crate::confinement::Confinement;
use crate::failure::Failure;
use crate::sys;
use crate::wire::{self, Reply, StartRequest};

/// What process 1 of a new sandbox is given; root, `/proc`, `/dev`, `/run/airlock`, network and host name are ready.
#[derive(Debug)]
pub struct Init {
    /// Stream socket to the agent.
    pub channel: OwnedFd,
    /// To be applied in each step's child.
    pub confinement: Confinement,
}

/// Serves start requests on `control` until the agent is gone; `init` becomes process 1 of each sandbox.
///
/// The caller must be single-threaded. In the child, descriptors 0 to 2 are `/dev/null` and no other descriptor than
/// the channel is open; the exit code of `init` is that of process 1.
pub fn serve(control: OwnedFd, init: fn(Init) -> i32) -> ! {
    sys::ignore_children();
    while let Ok(Some((bytes, _))) = wire::receive(&control) {
        let Ok(request) = serde_json::from_slice::<StartRequest>(&bytes) else {
            break;
        };
        if answer(control.as_fd(), start::start(&request, init)).is_err() {
            break;
        }
    }
    drop(control);
    sys::exit_now(0)
}

fn answer(control: BorrowedFd<'_>, started: Result<start::Started, Failure>) -> std::io::Result<()> {
    match started {
        Ok(started) => {
            let reply = serde_json::to_vec(&Reply::Started { pid: started.pid })?;
            let fds = [
                started.pidfd.as_fd(),
                started.channel.as_fd(),
                started.userns.as_fd(),
            ];
            wire::send(control, &reply, &fds)
        }
        Err(failure) => {
            let errno = failure.source.raw_os_error().unwrap_or(libc::EIO);
            let reply = serde_json::to_vec(&Reply::Failed {
                doing: failure.doing,
                errno,
            })?;
            wire::send(control, &reply, &[])
        }
    }
}
