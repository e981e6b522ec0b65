//! The words of the product as types: ids, names, the compiled plan, the state of a workflow, limits.
//!
//! This crate owns what every other crate must agree on and nothing else. It does no I/O, reads no clock and draws no
//! random numbers: ids and times are handed in. Everybody may import it; it imports nobody.

pub mod bytes;
pub mod cache_key;
pub mod cron;
pub mod duration;
pub mod egress;
pub mod environment;
pub mod events;
pub mod explanation;
pub mod ids;
pub mod limits;
pub mod names;
pub mod orbs;
pub mod path_pattern;
pub mod plan;
pub mod secret;
pub mod state;
pub mod time;
pub mod trust;

pub use egress::{EgressEntry, EgressPolicy};
pub use ids::{AgentId, ArtifactId, DeliveryId, JobId, OrgId, PipelineId, ProjectId, SandboxId, WorkflowId};
pub use names::{
    BranchName, CommitSha, ContextName, EnvName, ImageName, JobName, NameError, OrbDigest, OrbName, OrgName,
    ProjectSlug, RepoName, ResourceClass, TagName, WorkflowName,
};
pub use orbs::OrbVersion;
pub use secret::Secret;
pub use time::Timestamp;
