//! The jobs of a workflow: names, order, and what does not run for this trigger.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{JobBody, Place, SerialGroup};
use crate::names::{ContextName, JobName, WorkflowName};

/// One workflow of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWorkflow {
    /// Its name; `workflow` for the implicit one.
    pub name: WorkflowName,
    /// Why it does not run for this trigger, if it does not.
    pub left_out: Option<LeftOut>,
    /// Its jobs in the order of the config, the left-out ones included. A workflow that is left out has none.
    pub jobs: Vec<PlannedJob>,
    /// When it is started by the clock; then nothing else starts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<Schedule>,
    /// How often it is run again from its failed jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_reruns: Option<AutoReruns>,
}

/// A time at which a workflow starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Five fields in UTC, readable by [`crate::cron::Cron`].
    pub cron: String,
    /// For which branches' configs.
    pub branches: BranchRule,
    /// Where the config gives it.
    pub place: Place,
}

/// Names and `/patterns/` of branches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BranchRule {
    /// These.
    Only(Vec<String>),
    /// All but these.
    Ignore(Vec<String>),
}

/// How often a workflow is run again from its failed jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AutoReruns {
    /// At least once.
    pub max: u32,
    /// Where the config says so.
    pub place: Place,
}

/// One job of a workflow, after matrix and naming.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedJob {
    /// Its name, unique in the workflow.
    pub name: JobName,
    /// The key under `jobs:` it came from.
    pub definition: String,
    /// Where the workflow calls it.
    pub place: Place,
    /// What must have ended, and how, before it starts.
    pub requires: Vec<Requirement>,
    /// Contexts whose variables it may see, in order.
    pub contexts: Vec<ContextName>,
    /// Why it does not run for this trigger, if it does not.
    pub left_out: Option<LeftOut>,
    /// What it does.
    pub body: JobBody,
    /// Jobs of other pipelines it takes turns with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial_group: Option<SerialGroup>,
}

/// A job that must have ended before another may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The job waited for.
    pub job: JobName,
    /// The ends that satisfy it.
    pub outcomes: BTreeSet<Outcome>,
}

/// How a job can have ended, as `requires` counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All its slices succeeded, or a person approved.
    Success,
    /// A slice failed.
    Failed,
    /// A person stopped it.
    Canceled,
    /// A context refused it.
    Unauthorized,
    /// It never started.
    NotRun,
}

impl Outcome {
    /// All of them: what `terminal` means.
    pub const ALL: [Self; 5] = [
        Self::Success,
        Self::Failed,
        Self::Canceled,
        Self::Unauthorized,
        Self::NotRun,
    ];
}

/// Why something of the config does not run for this trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// One sentence a person understands, such as `filters.branches.only does not match 'main'`.
    pub reason: String,
    /// The rule that decided.
    pub place: Place,
}
