//! The compiled pipeline: what a config means for one trigger, with every template filled in and every job of every
//! workflow decided. The compiler makes it, the engine and the agents follow it, and it is stored as JSON beside the
//! pipeline, so its shape only ever grows.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::names::{ContextName, EnvName, ImageName, JobName, ResourceClass, WorkflowName};

/// Everything one trigger starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The workflows in the order of the config.
    pub workflows: Vec<PlannedWorkflow>,
}

/// One workflow of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedWorkflow {
    /// Its name; `workflow` for the implicit one.
    pub name: WorkflowName,
    /// Why it does not run for this trigger, if it does not.
    pub left_out: Option<LeftOut>,
    /// Its jobs in the order of the config, the left-out ones included.
    pub jobs: Vec<PlannedJob>,
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
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobBody {
    /// Runs steps on an executor.
    Build(BuildJob),
    /// Waits for a person.
    Approval,
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
}

/// Where steps run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Executor {
    /// A container image.
    Docker {
        /// The primary container's image.
        image: ImageName,
        /// Where the config names it.
        place: Place,
    },
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What pages call it.
    pub name: String,
    /// When it runs, seen from the steps before it.
    pub when: StepWhen,
    /// What it does.
    pub body: StepBody,
    /// Where it stands.
    pub place: Place,
}

/// When a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepWhen {
    /// Only while no step failed: the default.
    OnSuccess,
    /// Only after a step failed.
    OnFail,
    /// In both cases.
    Always,
}

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StepBody {
    /// A shell script.
    Run {
        /// The script.
        command: String,
        /// Its own shell with flags; empty means the job's.
        shell: Vec<String>,
        /// Its own variables.
        environment: Vec<(EnvName, String)>,
        /// Its own directory, relative to the job's; `None` means the job's.
        working_directory: Option<String>,
        /// Whether the next step starts at once.
        background: bool,
        /// Silence after which it is stopped, in milliseconds.
        no_output_timeout_ms: u64,
    },
    /// Clones the repository at the pipeline's commit.
    Checkout {
        /// Where to; `None` means the job's working directory.
        path: Option<String>,
    },
    /// Keeps files beyond the job's end.
    StoreArtifacts {
        /// File or folder, relative to the job's working directory.
        path: String,
        /// Prefix of the stored paths.
        destination: Option<String>,
    },
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

/// Why something of the config does not run for this trigger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// One sentence a person understands, such as `filters.branches.only does not match 'main'`.
    pub reason: String,
    /// The rule that decided.
    pub place: Place,
}

/// A place in the source of the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl Plan {
    /// Whether any workflow has a job that runs.
    #[must_use]
    pub fn runs_anything(&self) -> bool {
        self.workflows.iter().any(|workflow| {
            workflow.left_out.is_none() && workflow.jobs.iter().any(|job| job.left_out.is_none())
        })
    }
}
