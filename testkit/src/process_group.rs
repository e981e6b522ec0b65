//! Ending a program together with everything it started.
//!
//! Each tested program leads a process group of its own, so that a failed test leaves nothing running.

use std::process::Child;

use rustix::process::{Pid, Signal, kill_process_group};

/// The group that a spawned child leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessGroup(Option<Pid>);

impl ProcessGroup {
    /// The group of a child that was spawned with `process_group(0)`.
    pub(crate) fn of(child: &Child) -> Self {
        Self(i32::try_from(child.id()).ok().and_then(Pid::from_raw))
    }

    /// Sends a signal to all members; a group that is already gone is fine.
    pub(crate) fn signal(self, signal: Signal) {
        if let Some(group) = self.0 {
            let _gone = kill_process_group(group, signal);
        }
    }
}
