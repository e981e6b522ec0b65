//! The messages between server and agent, their version and their limits; no transport. Control messages are JSON,
//! log bytes travel as they are. Every message under a lease carries the fencing number of its claim, so that a late
//! agent is refused by number, not by time.

pub mod egress;
pub mod limits;
pub mod messages;
pub mod resources;
pub mod sealed;
pub mod ssh;

pub use egress::{EgressEntry, EgressReport, EgressVerdict};
pub use messages::{
    ArtifactHeader, ArtifactStored, Assignment, ClaimReply, ClaimRequest, FinishRequest, Heartbeat,
    HeartbeatReply, JobSpec, Lease, LogAck, LogHeader, Refusal, RefusalCode, RegistryLogin, Source,
    StepReport, StepSpec, StepWork, Usage,
};
pub use resources::{ResourceReport, ResourceSample};
pub use sealed::SecretValue;

/// The version this build speaks. A server takes agents of this and the previous version.
pub const PROTOCOL_VERSION: u32 = 1;
