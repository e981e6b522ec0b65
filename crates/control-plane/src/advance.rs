//! The one place where events reach the engine: load, decide, commit; again when somebody else was faster; then tell
//! whoever listens and wake whoever waits.

use airlock_domain::WorkflowId;
use airlock_domain::state::{Effect, Event};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::DecisionRow;
use airlock_workflow_engine::decide;

use crate::{ControlPlane, UseCaseError, limits};

impl ControlPlane {
    /// Brings an event to its workflow.
    pub(crate) async fn advance(&self, workflow: WorkflowId, event: Event) -> Result<(), UseCaseError> {
        for _ in 0..limits::DECISION_ATTEMPTS {
            let Some((state, version)) = self.store().load_workflow(workflow).await? else {
                return Err(UseCaseError::NotFound(format!("workflow {workflow}")));
            };
            let at = self.now();
            let decision = decide(&state, &event, at)?;
            if decision.changes.is_empty() && decision.effects.is_empty() {
                return Ok(());
            }
            let row = DecisionRow {
                workflow,
                version,
                event: event.clone(),
                changes: decision.changes,
                effects: decision.effects,
                at,
            };
            match self.store().commit(&row).await {
                Ok(()) => {
                    self.inner.news.notify_one();
                    self.wake_for(&row.effects);
                    self.announce_slices(&row.changes).await;
                    return Ok(());
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(UseCaseError::Conflict(format!(
            "workflow {workflow} changes too fast to be decided on"
        )))
    }

    /// Wakes waiting claims when slices were queued.
    pub(crate) fn wake_for(&self, effects: &[Effect]) {
        let queued = effects.iter().any(|effect| match effect {
            Effect::Enqueue { .. } => true,
            Effect::Withdraw { .. } | Effect::Stop { .. } => false,
        });
        if queued {
            self.inner.work.notify_waiters();
        }
    }
}
