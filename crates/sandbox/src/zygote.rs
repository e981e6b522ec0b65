//! The single-threaded process that sandboxes are cloned from.

use std::os::fd::OwnedFd;

use crate::confinement::Confinement;

/// What process 1 of a new sandbox is given; root, `/proc`, `/dev`, `/run/airlock`, network and host name are ready.
#[derive(Debug)]
pub struct Init {
    /// Stream socket to the agent.
    pub channel: OwnedFd,
    /// To be applied in each step's child.
    pub confinement: Confinement,
}

/// Serves start requests on `control` until the agent is gone; `init` becomes process 1 of each sandbox.
pub fn serve(control: OwnedFd, init: fn(Init) -> i32) -> ! {
    let _ = (control, init);
    std::process::abort()
}
