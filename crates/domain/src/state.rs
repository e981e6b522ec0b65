//! The state of a running workflow and the changes it goes through. The engine decides changes, the store writes them
//! as rows, pages read the rows. [`Workflow::apply`] is the one place that says what a change means.

use serde::{Deserialize, Serialize};

use crate::ids::{AgentId, JobId, WorkflowId};
use crate::names::{JobName, WorkflowName};
use crate::plan::{Outcome, Requirement};
use crate::time::Timestamp;

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal),* $(,)? })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant),* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The word the API, the rows and the pages use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Reads the word back.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )*};
}

words! {
    /// State of a pipeline, in CircleCI's words.
    PipelineState {
        /// Accepted, its config not yet compiled.
        Pending = "pending",
        /// Compiled; its workflows exist.
        Created = "created",
        /// Its config could not be fetched or compiled.
        Errored = "errored",
    }
    /// Status of a workflow.
    WorkflowStatus {
        /// Something runs or can run.
        Running = "running",
        /// A job failed and others still run.
        Failing = "failing",
        /// Nothing runs; a person must approve.
        OnHold = "on_hold",
        /// Every job that ran succeeded.
        Success = "success",
        /// A job failed.
        Failed = "failed",
        /// A person stopped it.
        Canceled = "canceled",
        /// Its condition or filters left it out.
        NotRun = "not_run",
    }
    /// Status of a job.
    JobStatus {
        /// Waits for jobs it requires.
        Blocked = "blocked",
        /// Waits for an agent.
        Queued = "queued",
        /// At least one slice runs.
        Running = "running",
        /// Waits for a person.
        OnHold = "on_hold",
        /// Ended well.
        Success = "success",
        /// A step failed.
        Failed = "failed",
        /// A person stopped it.
        Canceled = "canceled",
        /// Never started; the reason stands beside it.
        NotRun = "not_run",
        /// Ran longer than it may.
        TimedOut = "timedout",
        /// Airlock, its agent or its sandbox failed, not the job.
        InfrastructureFail = "infrastructure_fail",
    }
    /// Status of one slice.
    SliceStatus {
        /// Not yet asked for.
        Waiting = "waiting",
        /// In the queue.
        Queued = "queued",
        /// An agent has it.
        Running = "running",
        /// Ended well.
        Success = "success",
        /// A step failed.
        Failed = "failed",
        /// Stopped by a person.
        Canceled = "canceled",
        /// Ran longer than it may.
        TimedOut = "timedout",
        /// Airlock, its agent or its sandbox failed.
        InfrastructureFail = "infrastructure_fail",
        /// Never started.
        NotRun = "not_run",
    }
    /// Status of one step of a slice.
    StepStatus {
        /// It runs.
        Running = "running",
        /// Ended with exit code 0.
        Success = "success",
        /// Ended otherwise.
        Failed = "failed",
        /// Left out: an earlier step failed, or `when` says so.
        Skipped = "skipped",
        /// Stopped by a person.
        Canceled = "canceled",
        /// Stopped by a time limit.
        TimedOut = "timedout",
        /// Airlock could not run it.
        InfrastructureFail = "infrastructure_fail",
    }
}

impl WorkflowStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Running | Self::Failing | Self::OnHold => false,
            Self::Success | Self::Failed | Self::Canceled | Self::NotRun => true,
        }
    }
}

impl JobStatus {
    /// How it ended, as `requires` counts it; `None` while it has not.
    #[must_use]
    pub const fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Blocked | Self::Queued | Self::Running | Self::OnHold => None,
            Self::Success => Some(Outcome::Success),
            Self::Failed | Self::TimedOut | Self::InfrastructureFail => Some(Outcome::Failed),
            Self::Canceled => Some(Outcome::Canceled),
            Self::NotRun => Some(Outcome::NotRun),
        }
    }
}

impl SliceStatus {
    /// Whether nothing more will happen.
    #[must_use]
    pub const fn is_final(self) -> bool {
        match self {
            Self::Waiting | Self::Queued | Self::Running => false,
            Self::Success
            | Self::Failed
            | Self::Canceled
            | Self::TimedOut
            | Self::InfrastructureFail
            | Self::NotRun => true,
        }
    }
}

/// A workflow run with all the engine needs to decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its id.
    pub id: WorkflowId,
    /// Its name.
    pub name: WorkflowName,
    /// Its status.
    pub status: WorkflowStatus,
    /// Its jobs in the order of the plan.
    pub jobs: Vec<Job>,
}

/// One job of a workflow run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its name in the workflow.
    pub name: JobName,
    /// What kind of job it is.
    pub kind: JobKind,
    /// What it waits for.
    pub requires: Vec<Requirement>,
    /// Why filters left it out, if they did.
    pub left_out: Option<String>,
    /// Its status.
    pub status: JobStatus,
    /// Why it is as it is, where that is not plain.
    pub reason: Option<String>,
    /// Its slices; none for a job that runs no steps.
    pub slices: Vec<Slice>,
}

/// What the engine must know of a job's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Runs on agents.
    Build,
    /// Waits for a person.
    Approval,
    /// Does nothing: it succeeds when its turn comes.
    NoOp,
}

/// One slice of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// From 0.
    pub index: u32,
    /// Its status.
    pub status: SliceStatus,
    /// The number of its newest claim: words under an older number are refused.
    pub fence: u64,
}

/// One change of state. The store turns each into a row update.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The workflow's status.
    Workflow {
        /// The new status.
        status: WorkflowStatus,
        /// When.
        at: Timestamp,
    },
    /// A job's status.
    Job {
        /// Which.
        job: JobId,
        /// The new status.
        status: JobStatus,
        /// Why, where that is not plain; replaces the earlier reason.
        reason: Option<String>,
        /// When.
        at: Timestamp,
    },
    /// A slice's status.
    Slice {
        /// Of which job.
        job: JobId,
        /// Which.
        slice: u32,
        /// The new status.
        status: SliceStatus,
        /// The fencing number it now has.
        fence: u64,
        /// When.
        at: Timestamp,
    },
}

/// What the world must do after a change is written; each becomes a queue or outbox row in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effect {
    /// Offer this slice to agents.
    Enqueue {
        /// Of which job.
        job: JobId,
        /// Which slice.
        slice: u32,
    },
    /// Take this slice out of the queue.
    Withdraw {
        /// Of which job.
        job: JobId,
        /// Which slice.
        slice: u32,
    },
    /// Tell the agent that has this slice to stop it.
    Stop {
        /// Of which job.
        job: JobId,
        /// Which slice.
        slice: u32,
    },
}

/// What happened to a workflow from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The workflow was created.
    Start,
    /// An agent took a slice, under this fencing number.
    SliceClaimed {
        /// Of which job.
        job: JobId,
        /// Which slice.
        slice: u32,
        /// The new fencing number, larger than all before.
        fence: u64,
        /// Who took it.
        agent: AgentId,
    },
    /// An agent says how a slice ended.
    SliceEnded {
        /// Of which job.
        job: JobId,
        /// Which slice.
        slice: u32,
        /// Under which claim.
        fence: u64,
        /// How.
        end: SliceEnd,
    },
    /// The lease of a claim ran out.
    LeaseExpired {
        /// Of which job.
        job: JobId,
        /// Which slice.
        slice: u32,
        /// Which claim.
        fence: u64,
    },
    /// A claim never reached the agent that asked: it had hung up, or its work could not be made ready.
    ClaimReturned {
        /// Of which job.
        job: JobId,
        /// Which slice.
        slice: u32,
        /// Which claim.
        fence: u64,
    },
    /// A person approved an approval job.
    Approved {
        /// Which job.
        job: JobId,
        /// Who.
        by: String,
    },
    /// A person stopped the workflow.
    Canceled {
        /// Who.
        by: String,
    },
}

/// How a slice ended, with the reason where one helps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SliceEnd {
    /// A final status.
    pub status: SliceStatus,
    /// Why, such as `step 'make test' exited with code 2`.
    pub reason: Option<String>,
}

impl Workflow {
    /// The job with this id.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// The job with this name.
    #[must_use]
    pub fn job_named(&self, name: &JobName) -> Option<&Job> {
        self.jobs.iter().find(|job| job.name == *name)
    }

    /// Brings a change into this state. A change for a job or slice that is not here does nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Workflow { status, at: _ } => self.status = *status,
            Change::Job {
                job,
                status,
                reason,
                at: _,
            } => {
                if let Some(found) = self.jobs.iter_mut().find(|candidate| candidate.id == *job) {
                    found.status = *status;
                    found.reason.clone_from(reason);
                }
            }
            Change::Slice {
                job,
                slice,
                status,
                fence,
                at: _,
            } => {
                let found = self
                    .jobs
                    .iter_mut()
                    .find(|candidate| candidate.id == *job)
                    .and_then(|job| job.slices.iter_mut().find(|candidate| candidate.index == *slice));
                if let Some(found) = found {
                    found.status = *status;
                    found.fence = *fence;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        for status in JobStatus::ALL {
            assert_eq!(JobStatus::parse(status.as_str()), Some(*status));
        }
        for status in WorkflowStatus::ALL {
            assert_eq!(WorkflowStatus::parse(status.as_str()), Some(*status));
        }
        assert_eq!(StepStatus::parse("no such word"), None);
    }
}
