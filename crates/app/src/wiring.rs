//! Connects crates that do not know each other: keys to their library, the git door and the agent to the control plane.

pub(crate) mod access;
pub(crate) mod agent;
pub(crate) mod keys;
pub(crate) mod link;
pub(crate) mod local;
pub(crate) mod runs;
pub(crate) mod server;
pub(crate) mod snapshot;
pub(crate) mod vault;
