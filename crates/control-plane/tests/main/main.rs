//! The control plane on a real database, with a repository and keys made up here.

#![expect(clippy::unwrap_used, reason = "a world that cannot be made is a failed test")]

mod claims;
mod flow;
mod orb_addresses;
mod orbs;
mod platforms;
mod ssh;
mod world;
