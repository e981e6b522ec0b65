//! What a job does.

use serde::{Deserialize, Serialize};

use super::{Executor, Place, Step};
use crate::names::{EnvName, ResourceClass};

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobBody {
    /// Runs steps on an executor.
    Build(Box<BuildJob>),
    /// Waits for a person.
    Approval,
    /// Nothing: it succeeds at once, and others wait for it.
    NoOp,
    /// Follows a release that an earlier job planned.
    Release(ReleaseJob),
    /// Waits until nobody else of the organisation holds the key, then holds it.
    Lock {
        /// The key.
        key: String,
    },
    /// Gives the key back.
    Unlock {
        /// The key.
        key: String,
    },
}

/// Steps on an executor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildJob {
    /// Where the steps run.
    pub executor: Executor,
    /// How much of a machine it gets.
    pub resource_class: ResourceClass,
    /// Identical slices, at least one.
    pub parallelism: u32,
    /// Variables of executor and job, the job's winning, in order.
    pub environment: Vec<(EnvName, String)>,
    /// Where steps run; `~` is not expanded here.
    pub working_directory: String,
    /// The job's own shell with its flags; empty means the default shell.
    pub shell: Vec<String>,
    /// The steps after expansion of commands and conditions.
    pub steps: Vec<Step>,
    /// Whether what it sends comes from fixed addresses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub circleci_ip_ranges: bool,
    /// Days its caches are kept; `None` means the installation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_retention_days: Option<u32>,
}

/// Follows a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseJob {
    /// The name a step gave the release plan.
    pub plan_name: String,
    /// How it is watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validation: Option<ReleaseValidation>,
}

/// How a release is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseValidation {
    /// Whether it is watched.
    pub enabled: bool,
    /// How long, in milliseconds.
    pub evaluation_time_ms: u64,
    /// Whether the rollback pipeline starts when it fails.
    pub auto_rollback_on_failure: bool,
    /// The signals it listens to; empty means any.
    pub webhooks: Vec<SignalCheck>,
}

/// One signal of a monitoring tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalCheck {
    /// The name the tool sends.
    pub name: String,
    /// The tool.
    pub provider: String,
    /// Which fields of what it sends are looked at.
    pub data_points: Vec<(String, String)>,
    /// When it counts as a failure; `None` means the tool's default.
    pub fail_when: Option<String>,
    /// How many failures it takes; `None` means the tool's default.
    pub max_failures: Option<u32>,
}

/// Jobs of one organisation with the same key run one after another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SerialGroup {
    /// The key.
    pub key: String,
    /// Where the config gives it.
    pub place: Place,
}
