//! What follows from a state without any further event: which blocked jobs may start, which never will, and what the
//! job's and the workflow's status are, seen from the parts.

use airlock_domain::JobId;
use airlock_domain::state::{Effect, Job, JobKind, JobStatus, Slice, SliceStatus, Workflow, WorkflowStatus};

use crate::decide::{Draft, outcome_words};

/// Starts or gives up every blocked job whose turn it is, until nothing moves.
pub(crate) fn advance(draft: &mut Draft) {
    loop {
        let next = draft
            .state
            .jobs
            .iter()
            .filter(|job| job.status == JobStatus::Blocked)
            .find_map(|job| verdict(&draft.state, job).map(|verdict| (job.clone(), verdict)));
        match next {
            None => return,
            Some((job, Verdict::Start)) => start(draft, &job),
            Some((job, Verdict::Never(reason))) => {
                for slice in &job.slices {
                    draft.set_slice(job.id, slice.index, SliceStatus::NotRun, slice.fence);
                }
                draft.set_job(job.id, JobStatus::NotRun, Some(reason));
            }
        }
    }
}

enum Verdict {
    Start,
    Never(String),
}

/// Whether a blocked job's turn has come; `None` while it has to wait.
fn verdict(state: &Workflow, job: &Job) -> Option<Verdict> {
    if state.status == WorkflowStatus::Canceled {
        return Some(Verdict::Never("the workflow was canceled".to_owned()));
    }
    // CircleCI's rule: required jobs that filters left out are ignored, unless all of them were.
    let mut left_out = 0;
    let mut waiting = false;
    for requirement in &job.requires {
        let Some(required) = state.job_named(&requirement.job) else {
            continue;
        };
        if required.left_out.is_some() {
            left_out += 1;
            continue;
        }
        match required.status.outcome() {
            None => waiting = true,
            Some(outcome) if requirement.outcomes.contains(&outcome) => {}
            Some(outcome) => {
                let words = outcome_words(outcome);
                return Some(Verdict::Never(format!(
                    "it requires '{}', which {words}",
                    requirement.job
                )));
            }
        }
    }
    if !job.requires.is_empty() && left_out == job.requires.len() {
        return Some(Verdict::Never("every job it requires was left out".to_owned()));
    }
    if waiting { None } else { Some(Verdict::Start) }
}

fn start(draft: &mut Draft, job: &Job) {
    match job.kind {
        JobKind::Approval => draft.set_job(job.id, JobStatus::OnHold, None),
        JobKind::NoOp => draft.set_job(job.id, JobStatus::Success, None),
        JobKind::Build => {
            draft.set_job(job.id, JobStatus::Queued, None);
            enqueue(draft, job.id, &job.slices);
        }
    }
}

fn enqueue(draft: &mut Draft, job: JobId, slices: &[Slice]) {
    for slice in slices {
        draft.set_slice(job, slice.index, SliceStatus::Queued, slice.fence);
        draft.effect(Effect::Enqueue {
            job,
            slice: slice.index,
        });
    }
}

/// A job's status once all its slices have ended; `None` while one has not.
pub(crate) fn job_status_from_slices(slices: &[Slice]) -> Option<JobStatus> {
    if slices.iter().any(|slice| !slice.status.is_final()) {
        return None;
    }
    let has = |status| slices.iter().any(|slice| slice.status == status);
    Some(if has(SliceStatus::Failed) {
        JobStatus::Failed
    } else if has(SliceStatus::TimedOut) {
        JobStatus::TimedOut
    } else if has(SliceStatus::InfrastructureFail) {
        JobStatus::InfrastructureFail
    } else if has(SliceStatus::Canceled) {
        JobStatus::Canceled
    } else if has(SliceStatus::NotRun) {
        JobStatus::NotRun
    } else {
        JobStatus::Success
    })
}

/// A workflow's status, seen from its jobs. A workflow that was stopped stays stopped.
pub(crate) fn workflow_status(state: &Workflow) -> WorkflowStatus {
    if state.status == WorkflowStatus::Canceled {
        return WorkflowStatus::Canceled;
    }
    let has = |wanted: &[JobStatus]| state.jobs.iter().any(|job| wanted.contains(&job.status));
    let failed = has(&[
        JobStatus::Failed,
        JobStatus::TimedOut,
        JobStatus::InfrastructureFail,
    ]);
    let open = state.jobs.iter().any(|job| job.status.outcome().is_none());
    match (open, failed) {
        (true, true) => WorkflowStatus::Failing,
        (true, false) if has(&[JobStatus::Queued, JobStatus::Running]) => WorkflowStatus::Running,
        (true, false) if has(&[JobStatus::OnHold]) => WorkflowStatus::OnHold,
        (true, false) => WorkflowStatus::Running,
        (false, true) => WorkflowStatus::Failed,
        (false, false) if has(&[JobStatus::Canceled]) => WorkflowStatus::Canceled,
        (false, false) if has(&[JobStatus::Success]) => WorkflowStatus::Success,
        (false, false) => WorkflowStatus::NotRun,
    }
}
