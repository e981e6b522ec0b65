//! The agent: takes a job's slice from the server, runs its steps in a sandbox of their own and brings everything that
//! happens back.

mod images;
mod leash;
mod limits;
mod link;
mod log_relay;
mod reporter;
mod spool;
mod ssh_agent;

pub use images::{BASE_IMAGE, ImageDir, ImageError, ImageRecord, ImageStore, Progress};
pub use link::{ArtifactBody, LinkError, ServerLink};
pub use ssh_agent::DeployKeyError;
