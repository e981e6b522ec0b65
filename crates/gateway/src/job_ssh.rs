//! The door through which people enter running jobs: `ssh -p PORT JOB.SLICE@host`. The user name says which slice; the
//! key says who comes. Only public keys that people registered authenticate, and only people who were let into that job
//! come in. This door speaks SSH and decides who passes; what is behind it is opened inside the sandbox by the job's
//! agent, which dials out for each channel, see `lines`. Shells, commands, file transfer and connections to ports of the
//! sandbox are passed on; agent and X11 forwarding, and forwarding from the sandbox to the client, are refused. What
//! passes is not looked at and written nowhere; logins and logouts are in the audit log.

mod channel;
pub mod limits;
mod lines;
mod session;
mod target;

use std::sync::Arc;

use airlock_control_plane::ControlPlane;
use airlock_transport::ssh::{HostKey, SshListener};
use russh::server::Config;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::ssh::{Behind, DoorLimits, SshDoor, config, open};
pub use lines::Lines;
pub(crate) use lines::{AgentSide, Closed};
use session::JobSession;
pub use target::Target;

/// What all sessions share.
pub(crate) struct JobDoor {
    pub(crate) plane: ControlPlane,
    pub(crate) lines: Arc<Lines>,
    pub(crate) channels: TaskTracker,
}

impl Behind for JobDoor {
    type Session = JobSession;

    fn session(self: &Arc<Self>, busy: watch::Sender<bool>) -> JobSession {
        JobSession::new(Arc::clone(self), busy)
    }

    fn running(&self) -> &TaskTracker {
        &self.channels
    }
}

/// Opens the door on a bound listener. `lines` are those of the HTTPS door that agents dial.
pub fn start(listener: SshListener, host_key: &HostKey, plane: ControlPlane, lines: Arc<Lines>) -> SshDoor {
    let config = Config {
        // A person may think for longer than any timeout, but one who is gone is noticed.
        keepalive_interval: Some(limits::KEEPALIVE),
        keepalive_max: limits::KEEPALIVES_UNANSWERED,
        ..config(host_key)
    };
    let door = JobDoor {
        plane,
        lines,
        channels: TaskTracker::new(),
    };
    open(listener, config, Arc::new(door), DoorLimits::default())
}
