//! The built-in git remote over SSH: `git push ssh://git@host:8022/<org>/<repo>.git`.
//!
//! This module owns the SSH protocol of that door and the git processes behind it. Who a key belongs to, who may read or
//! write which repository, and what a push starts is decided by whoever implements [`GitAccess`]. Only public keys
//! authenticate, and only `git-upload-pack` and `git-receive-pack` run; shells, terminals, subsystems and forwarding
//! are refused. Hooks in repositories never run. The server starts it with [`start`].

mod access;
mod channel;
mod command;
mod door;
mod git_process;
pub mod limits;
mod push;
mod session;
#[cfg(test)]
mod tests;

pub use access::{BareRepo, Denied, GitAccess, GitAction, PrincipalName, RefName, RefUpdate};
pub(crate) use door::{Behind, config, open};
pub use door::{DoorLimits, SshDoor, start};
pub(crate) use session::reject;
