//! Carries news out of the outbox, where the transaction that made them true has put them: a process that dies between
//! the two tells them after its restart. Today the live channel is the only listener; a row is removed once it was told.

use std::time::Duration;

use airlock_domain::events::{Happening, HappeningKind};
use airlock_driver_interfaces::rows::{OutboxRow, StatusChange};

use crate::{ControlPlane, UseCaseError, limits};

impl ControlPlane {
    /// Tells what is in the outbox, for ever.
    pub(crate) async fn outbox_loop(&self) {
        loop {
            if let Err(error) = self.tell_outbox().await {
                tracing::warn!(%error, "news could not be told; trying again");
            }
            let nap = tokio::time::sleep(Duration::from_millis(limits::OUTBOX_POLL_MS));
            tokio::select! { () = self.inner.news.notified() => {}, () = nap => {} }
        }
    }

    /// Tells everything that is in the outbox now.
    pub async fn tell_outbox(&self) -> Result<(), UseCaseError> {
        loop {
            let rows = self.store().take_outbox(limits::OUTBOX_ROWS).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let id = row.id;
                match self.happening_of(row).await {
                    Ok(happening) => self.publish(happening),
                    // What is gone needs no news, and must not stand before those that do.
                    Err(UseCaseError::NotFound(what)) => tracing::warn!(%what, "news of what is not there"),
                    Err(error) => return Err(error),
                }
                self.store().acknowledge_outbox(id).await?;
            }
        }
    }

    async fn happening_of(&self, row: OutboxRow) -> Result<Happening, UseCaseError> {
        let at = row.at.to_rfc3339();
        Ok(match row.change {
            StatusChange::Pipeline { pipeline, state } => Happening {
                status: Some(state.to_string()),
                ..Happening::new(HappeningKind::Pipeline, at, pipeline)
            },
            StatusChange::Workflow {
                pipeline,
                workflow,
                status,
            } => {
                let name = self
                    .store()
                    .workflow(workflow)
                    .await?
                    .map(|row| row.name.to_string());
                Happening {
                    workflow: name,
                    workflow_id: Some(workflow),
                    status: Some(status.to_string()),
                    ..Happening::new(HappeningKind::Workflow, at, pipeline)
                }
            }
            StatusChange::Job {
                pipeline: _,
                workflow: _,
                job,
                status,
                reason,
            } => Happening {
                status: Some(status.to_string()),
                reason,
                ..self.words(job).await?.happening(HappeningKind::Job, at, None)
            },
        })
    }
}
