//! Tells the live channel what changed. Messages may be lost; rows are the truth, so a failure here is only logged.

use airlock_domain::events::{Happening, HappeningKind};
use airlock_domain::state::{Change, Workflow};
use airlock_domain::{JobId, PipelineId, WorkflowId};
use airlock_driver_interfaces::rows::{DecisionRow, StepRow};

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

    /// Tells what a committed decision changed.
    pub(crate) async fn announce(&self, state: &Workflow, row: &DecisionRow) {
        let workflow = match self.store().workflow(row.workflow).await {
            Ok(Some(workflow)) => workflow,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(%error, workflow = %row.workflow, "live messages about a decision were not sent");
                return;
            }
        };
        let at = row.at.to_rfc3339();
        for change in &row.changes {
            let base = |kind| Happening {
                workflow: Some(workflow.name.to_string()),
                workflow_id: Some(workflow.id),
                ..Happening::new(kind, at.clone(), workflow.pipeline)
            };
            let job_name = |id: JobId| state.job(id).map(|job| job.name.to_string());
            self.publish(match change {
                Change::Workflow { status, at: _ } => Happening {
                    status: Some(status.to_string()),
                    ..base(HappeningKind::Workflow)
                },
                Change::Job {
                    job,
                    status,
                    reason,
                    at: _,
                } => Happening {
                    job: job_name(*job),
                    job_id: Some(*job),
                    status: Some(status.to_string()),
                    reason: reason.clone(),
                    ..base(HappeningKind::Job)
                },
                Change::Slice {
                    job,
                    slice,
                    status,
                    fence: _,
                    at: _,
                } => Happening {
                    job: job_name(*job),
                    job_id: Some(*job),
                    slice: Some(*slice),
                    status: Some(status.to_string()),
                    ..base(HappeningKind::Slice)
                },
            });
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
