//! Tells the live channel what changed. Messages may be lost; rows are the truth, so a failure here is only logged.

use airlock_domain::events::{Happening, HappeningKind};
use airlock_domain::state::Change;
use airlock_domain::{JobId, PipelineId, WorkflowId};
use airlock_driver_interfaces::rows::StepRow;

use crate::ControlPlane;

/// The words around a job that live messages carry.
pub(crate) struct JobWords {
    pub(crate) pipeline: PipelineId,
    pub(crate) workflow: WorkflowId,
    pub(crate) workflow_name: String,
    pub(crate) job: JobId,
    pub(crate) job_name: String,
}

impl JobWords {
    pub(crate) fn happening(&self, kind: HappeningKind, at: String, slice: Option<u32>) -> Happening {
        Happening {
            workflow: Some(self.workflow_name.clone()),
            workflow_id: Some(self.workflow),
            job: Some(self.job_name.clone()),
            job_id: Some(self.job),
            slice,
            ..Happening::new(kind, at, self.pipeline)
        }
    }
}

impl ControlPlane {
    pub(crate) fn publish(&self, happening: Happening) {
        self.drivers().bus.publish(happening);
    }

    /// Tells which slices a committed decision changed. Pipelines, workflows and jobs are told from the outbox.
    pub(crate) async fn announce_slices(&self, changes: &[Change]) {
        for change in changes {
            let (job, slice, status, at) = match change {
                Change::Slice {
                    job,
                    slice,
                    status,
                    fence: _,
                    at,
                } => (job, slice, status, at),
                Change::Workflow { .. } | Change::Job { .. } => continue,
            };
            match self.words(*job).await {
                Ok(words) => self.publish(Happening {
                    status: Some(status.to_string()),
                    ..words.happening(HappeningKind::Slice, at.to_rfc3339(), Some(*slice))
                }),
                Err(error) => tracing::warn!(%error, %job, "a slice's change was not told"),
            }
        }
    }

    /// Tells that a step began or ended.
    pub(crate) fn announce_step(&self, words: &JobWords, row: &StepRow, started: bool, at: String) {
        let kind = if started {
            HappeningKind::StepStart
        } else {
            HappeningKind::StepEnd
        };
        self.publish(Happening {
            step: Some(row.name.clone()),
            step_index: Some(row.step),
            status: Some(row.status.to_string()),
            exit_code: row.exit_code,
            reason: row.reason.clone(),
            ..words.happening(kind, at, Some(row.slice))
        });
    }
}
