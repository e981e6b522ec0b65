//! What each event means. Every event may come twice: the second time changes nothing.

use airlock_domain::plan::Outcome;
use airlock_domain::state::{
    Change, Effect, Event, JobKind, JobStatus, SliceEnd, SliceStatus, Workflow, WorkflowStatus,
};
use airlock_domain::{JobId, Timestamp};

use crate::advance::{advance, job_status_from_slices, workflow_status};

/// What an event leads to. Empty when the event was already known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// State changes, in order.
    pub changes: Vec<Change>,
    /// What the world must do once the changes are written.
    pub effects: Vec<Effect>,
}

/// An event that may not happen in this state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no such job in this workflow.
    #[error("the workflow has no job {0}")]
    UnknownJob(JobId),
    /// There is no such slice in this job.
    #[error("job '{job}' has no slice {slice}")]
    UnknownSlice {
        /// The job's name.
        job: String,
        /// The slice asked for.
        slice: u32,
    },
    /// The words come from an older claim.
    #[error("slice {slice} of job '{job}' was claimed again since (claim {newest}, not {fence})")]
    Fenced {
        /// The job's name.
        job: String,
        /// The slice.
        slice: u32,
        /// The claim the words came from.
        fence: u64,
        /// The newest claim.
        newest: u64,
    },
    /// Only a job that waits for a person can be approved.
    #[error("job '{job}' does not wait for an approval: it is {status}")]
    NotOnHold {
        /// The job's name.
        job: String,
        /// Its status.
        status: JobStatus,
    },
    /// A workflow that has ended cannot be stopped.
    #[error("the workflow has already ended: {0}")]
    Ended(WorkflowStatus),
    /// A slice ends with a final status.
    #[error("a slice cannot end as {0}")]
    NotAnEnd(SliceStatus),
}

/// A state under way: changes are applied as they are recorded, so that later rules see earlier ones.
pub(crate) struct Draft {
    pub(crate) state: Workflow,
    pub(crate) decision: Decision,
    pub(crate) now: Timestamp,
}

impl Draft {
    fn record(&mut self, change: Change) {
        self.state.apply(&change);
        self.decision.changes.push(change);
    }

    pub(crate) fn set_job(&mut self, job: JobId, status: JobStatus, reason: Option<String>) {
        self.record(Change::Job {
            job,
            status,
            reason,
            at: self.now,
        });
    }

    pub(crate) fn set_slice(&mut self, job: JobId, slice: u32, status: SliceStatus, fence: u64) {
        self.record(Change::Slice {
            job,
            slice,
            status,
            fence,
            at: self.now,
        });
    }

    pub(crate) fn effect(&mut self, effect: Effect) {
        self.decision.effects.push(effect);
    }

    fn slice(&self, job: JobId, slice: u32) -> Result<(String, SliceStatus, u64), Refused> {
        let job = self.state.job(job).ok_or(Refused::UnknownJob(job))?;
        let name = job.name.to_string();
        let found = job.slices.iter().find(|candidate| candidate.index == slice);
        let found = found.ok_or_else(|| Refused::UnknownSlice {
            job: name.clone(),
            slice,
        })?;
        Ok((name, found.status, found.fence))
    }
}

/// Decides what an event means for a workflow.
pub fn decide(state: &Workflow, event: &Event, now: Timestamp) -> Result<Decision, Refused> {
    let mut draft = Draft {
        state: state.clone(),
        decision: Decision::default(),
        now,
    };
    match event {
        Event::Start => start(&mut draft),
        Event::SliceClaimed {
            job,
            slice,
            fence,
            agent: _,
        } => claimed(&mut draft, *job, *slice, *fence)?,
        Event::SliceEnded {
            job,
            slice,
            fence,
            end,
        } => ended(&mut draft, *job, *slice, *fence, end)?,
        Event::LeaseExpired { job, slice, fence } => lease_expired(&mut draft, *job, *slice, *fence)?,
        Event::ClaimReturned { job, slice, fence } => returned(&mut draft, *job, *slice, *fence)?,
        Event::Approved { job, by } => approved(&mut draft, *job, by)?,
        Event::Canceled { by } => canceled(&mut draft, by)?,
    }
    advance(&mut draft);
    let status = workflow_status(&draft.state);
    if status != draft.state.status {
        draft.record(Change::Workflow { status, at: now });
    }
    Ok(draft.decision)
}

fn start(draft: &mut Draft) {
    let left_out: Vec<(JobId, String)> = draft
        .state
        .jobs
        .iter()
        .filter(|job| job.status == JobStatus::Blocked)
        .filter_map(|job| job.left_out.clone().map(|reason| (job.id, reason)))
        .collect();
    for (job, reason) in left_out {
        draft.set_job(job, JobStatus::NotRun, Some(reason));
    }
}

fn claimed(draft: &mut Draft, job: JobId, slice: u32, fence: u64) -> Result<(), Refused> {
    let (name, status, newest) = draft.slice(job, slice)?;
    if status == SliceStatus::Running && fence == newest {
        return Ok(());
    }
    if fence <= newest || status.is_final() {
        return Err(Refused::Fenced {
            job: name,
            slice,
            fence,
            newest,
        });
    }
    draft.set_slice(job, slice, SliceStatus::Running, fence);
    if draft
        .state
        .job(job)
        .is_some_and(|job| job.status == JobStatus::Queued)
    {
        draft.set_job(job, JobStatus::Running, None);
    }
    Ok(())
}

fn ended(draft: &mut Draft, job: JobId, slice: u32, fence: u64, end: &SliceEnd) -> Result<(), Refused> {
    if !end.status.is_final() {
        return Err(Refused::NotAnEnd(end.status));
    }
    let (name, status, newest) = draft.slice(job, slice)?;
    if fence != newest {
        return Err(Refused::Fenced {
            job: name,
            slice,
            fence,
            newest,
        });
    }
    if status.is_final() {
        return Ok(());
    }
    end_slice(draft, job, slice, fence, end.status, end.reason.clone());
    Ok(())
}

fn end_slice(
    draft: &mut Draft,
    job: JobId,
    slice: u32,
    fence: u64,
    status: SliceStatus,
    reason: Option<String>,
) {
    draft.set_slice(job, slice, status, fence);
    let Some(found) = draft.state.job(job) else { return };
    // The first slice that went wrong gives the reason; what comes later rarely explains more.
    let reason = found.reason.clone().or(reason);
    let next = job_status_from_slices(&found.slices).unwrap_or(found.status);
    if next != found.status || reason != found.reason {
        draft.set_job(job, next, reason);
    }
}

fn lease_expired(draft: &mut Draft, job: JobId, slice: u32, fence: u64) -> Result<(), Refused> {
    let (name, status, newest) = draft.slice(job, slice)?;
    match status {
        // The claim was taken but never confirmed, so no step of it ran.
        SliceStatus::Queued => offer_again(draft, job, slice, fence, newest),
        SliceStatus::Running if fence == newest => end_slice(
            draft,
            job,
            slice,
            fence,
            SliceStatus::InfrastructureFail,
            Some("the agent that ran it was not heard from any more".to_owned()),
        ),
        SliceStatus::Running => {
            return Err(Refused::Fenced {
                job: name,
                slice,
                fence,
                newest,
            });
        }
        SliceStatus::Waiting
        | SliceStatus::Success
        | SliceStatus::Failed
        | SliceStatus::Canceled
        | SliceStatus::TimedOut
        | SliceStatus::InfrastructureFail
        | SliceStatus::NotRun => {}
    }
    Ok(())
}

/// Nobody heard of the claim, so no step of it ran.
fn returned(draft: &mut Draft, job: JobId, slice: u32, fence: u64) -> Result<(), Refused> {
    let (_, status, newest) = draft.slice(job, slice)?;
    match status {
        SliceStatus::Queued => offer_again(draft, job, slice, fence, newest),
        SliceStatus::Running if fence != newest => {}
        // Stopped meanwhile; the agent that would say so never got it.
        SliceStatus::Running if draft.state.status == WorkflowStatus::Canceled => {
            end_slice(draft, job, slice, fence, SliceStatus::Canceled, None);
        }
        SliceStatus::Running => {
            draft.set_slice(job, slice, SliceStatus::Queued, fence);
            draft.effect(Effect::Enqueue { job, slice });
            let Some(found) = draft.state.job(job) else {
                return Ok(());
            };
            let none_began = found
                .slices
                .iter()
                .all(|slice| slice.status == SliceStatus::Queued);
            let reason = found.reason.clone();
            if none_began {
                draft.set_job(job, JobStatus::Queued, reason);
            }
        }
        SliceStatus::Waiting
        | SliceStatus::Success
        | SliceStatus::Failed
        | SliceStatus::Canceled
        | SliceStatus::TimedOut
        | SliceStatus::InfrastructureFail
        | SliceStatus::NotRun => {}
    }
    Ok(())
}

/// Puts a slice whose claim was never confirmed back into the queue. The claim's number is spent: a server that stalled
/// in between must not confirm it later, and hearing of its end twice must not take the slice from its next claim.
fn offer_again(draft: &mut Draft, job: JobId, slice: u32, fence: u64, newest: u64) {
    if fence > newest {
        draft.set_slice(job, slice, SliceStatus::Queued, fence);
        draft.effect(Effect::Enqueue { job, slice });
    }
}

fn approved(draft: &mut Draft, job: JobId, by: &str) -> Result<(), Refused> {
    let found = draft.state.job(job).ok_or(Refused::UnknownJob(job))?;
    match (found.kind, found.status) {
        (JobKind::Approval, JobStatus::OnHold) => {
            draft.set_job(job, JobStatus::Success, Some(format!("approved by {by}")));
            Ok(())
        }
        (JobKind::Approval, JobStatus::Success) => Ok(()),
        (JobKind::Approval | JobKind::Build | JobKind::NoOp, status) => Err(Refused::NotOnHold {
            job: found.name.to_string(),
            status,
        }),
    }
}

fn canceled(draft: &mut Draft, by: &str) -> Result<(), Refused> {
    match draft.state.status {
        WorkflowStatus::Canceled => return Ok(()),
        status @ (WorkflowStatus::Success | WorkflowStatus::Failed | WorkflowStatus::NotRun) => {
            return Err(Refused::Ended(status));
        }
        WorkflowStatus::Running | WorkflowStatus::Failing | WorkflowStatus::OnHold => {}
    }
    draft.record(Change::Workflow {
        status: WorkflowStatus::Canceled,
        at: draft.now,
    });
    let reason = format!("canceled by {by}");
    let open: Vec<_> = draft
        .state
        .jobs
        .iter()
        .filter(|job| job.status.outcome().is_none())
        .cloned()
        .collect();
    for job in open {
        for slice in &job.slices {
            match slice.status {
                SliceStatus::Running => draft.effect(Effect::Stop {
                    job: job.id,
                    slice: slice.index,
                }),
                SliceStatus::Queued => {
                    draft.effect(Effect::Withdraw {
                        job: job.id,
                        slice: slice.index,
                    });
                    draft.set_slice(job.id, slice.index, SliceStatus::Canceled, slice.fence);
                }
                SliceStatus::Waiting => {
                    draft.set_slice(job.id, slice.index, SliceStatus::Canceled, slice.fence);
                }
                SliceStatus::Success
                | SliceStatus::Failed
                | SliceStatus::Canceled
                | SliceStatus::TimedOut
                | SliceStatus::InfrastructureFail
                | SliceStatus::NotRun => {}
            }
        }
        // A job with running slices ends when its agents have stopped them.
        let slices = draft.state.job(job.id).map_or(&[][..], |job| &job.slices);
        let status = if slices.is_empty() {
            Some(JobStatus::Canceled)
        } else {
            job_status_from_slices(slices)
        };
        draft.set_job(job.id, status.unwrap_or(job.status), Some(reason.clone()));
    }
    Ok(())
}

/// How people read an outcome in a sentence.
pub(crate) const fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "succeeded",
        Outcome::Failed => "failed",
        Outcome::Canceled => "was canceled",
        Outcome::Unauthorized => "was not authorised",
        Outcome::NotRun => "did not run",
    }
}
