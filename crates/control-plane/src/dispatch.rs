//! Hands slices to agents and watches their leases. A claim that its agent cannot hear of any more is given back.

use std::time::Duration;

use airlock_agent_protocol::limits::{CLAIM_WAIT_MS, LEASE_MS};
use airlock_agent_protocol::{Assignment, ClaimReply, ClaimRequest, Lease};
use airlock_domain::state::{Event, SliceEnd, SliceStatus};
use airlock_driver_interfaces::rows::{AgentRow, Claimed};

use crate::{ControlPlane, StoreError, UseCaseError, VaultError, limits};

impl ControlPlane {
    /// Waits until there is a slice for this agent, or its patience is over.
    pub(crate) async fn claim(&self, request: &ClaimRequest) -> Result<ClaimReply, UseCaseError> {
        self.note_agent(request).await?;
        if request.free == 0 {
            return Ok(ClaimReply { assignment: None });
        }
        let patience = Duration::from_millis(request.wait_ms.min(CLAIM_WAIT_MS));
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            // Registered before the look into the queue, so that a slice queued in between wakes us.
            let woken = self.inner.work.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if let Some(offer) = self.offer(request).await? {
                return Ok(ClaimReply {
                    assignment: offer.accepted(),
                });
            }
            let now = tokio::time::Instant::now();
            if now >= deadline {
                return Ok(ClaimReply { assignment: None });
            }
            let nap = (deadline - now).min(Duration::from_millis(limits::CLAIM_POLL_MS));
            tokio::select! { () = woken => {}, () = tokio::time::sleep(nap) => {} }
        }
    }

    /// Looks for a slice in a task of its own, which goes on when who asked hangs up: a claim that breaks off half way
    /// would be nobody's until its lease ends.
    async fn offer(&self, request: &ClaimRequest) -> Result<Option<Offer>, UseCaseError> {
        let (plane, request) = (self.clone(), request.clone());
        let looking = tokio::spawn(async move {
            let assignment = plane.try_claim(&request).await?;
            Ok(assignment.map(|assignment| Offer {
                plane,
                assignment: Some(assignment),
            }))
        });
        match looking.await.map_err(tokio::task::JoinError::try_into_panic) {
            Ok(found) => found,
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is ending.
            Err(Err(_)) => Ok(None),
        }
    }

    /// Writes that an agent was heard, but not at every turn of its long poll: an idle agent must not keep the disk busy.
    async fn note_agent(&self, request: &ClaimRequest) -> Result<(), UseCaseError> {
        let now = self.now();
        if !self.inner.running.heard(request.agent, now) {
            return Ok(());
        }
        let agent = AgentRow {
            id: request.agent,
            name: request.name.clone(),
            seen_at: now,
            offers: request.offers.clone(),
        };
        Ok(self.store().agent_seen(&agent).await?)
    }

    async fn try_claim(&self, request: &ClaimRequest) -> Result<Option<Assignment>, UseCaseError> {
        loop {
            let now = self.now();
            let until = now.plus_millis(i64::try_from(LEASE_MS).unwrap_or(i64::MAX));
            let Some(claimed) = self
                .store()
                .claim(request.agent, &request.offers, until, now)
                .await?
            else {
                return Ok(None);
            };
            let event = Event::SliceClaimed {
                job: claimed.job,
                slice: claimed.slice,
                fence: claimed.fence,
                agent: request.agent,
            };
            match self.advance(claimed.workflow, event).await {
                Ok(()) => {}
                // The workflow was stopped between the queue and here: look for other work.
                Err(UseCaseError::Conflict(_) | UseCaseError::NotFound(_)) => continue,
                Err(error) => return Err(error),
            }
            match self.spec(&claimed).await {
                Ok(spec) => {
                    let lease = Lease {
                        job: claimed.job,
                        slice: claimed.slice,
                        fence: claimed.fence,
                    };
                    return Ok(Some(Assignment {
                        lease,
                        lease_ms: LEASE_MS,
                        spec,
                    }));
                }
                Err(error) if passes(&error) => {
                    self.give_back(&claimed).await?;
                    return Err(error);
                }
                Err(error) => self.cannot_start(&claimed, &error).await?,
            }
        }
    }

    /// Queues a slice again whose claim nobody heard of.
    async fn give_back(&self, claimed: &Claimed) -> Result<(), UseCaseError> {
        let event = Event::ClaimReturned {
            job: claimed.job,
            slice: claimed.slice,
            fence: claimed.fence,
        };
        match self.advance(claimed.workflow, event).await {
            Ok(()) | Err(UseCaseError::Conflict(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Ends a slice that cannot be handed out, so that its job says why instead of waiting for ever.
    pub(crate) async fn cannot_start(
        &self,
        claimed: &Claimed,
        error: &UseCaseError,
    ) -> Result<(), UseCaseError> {
        tracing::error!(job = %claimed.job, slice = claimed.slice, %error, "a slice could not be handed out");
        let end = SliceEnd {
            status: SliceStatus::InfrastructureFail,
            reason: Some(error.to_string()),
        };
        let event = Event::SliceEnded {
            job: claimed.job,
            slice: claimed.slice,
            fence: claimed.fence,
            end,
        };
        self.advance(claimed.workflow, event).await
    }

    /// Makes a lease live longer. `None` when it is over, otherwise whether the slice should be stopped.
    pub(crate) async fn renew_lease(&self, lease: Lease) -> Result<Option<bool>, UseCaseError> {
        let until = self
            .now()
            .plus_millis(i64::try_from(LEASE_MS).unwrap_or(i64::MAX));
        Ok(self
            .store()
            .renew(lease.job, lease.slice, lease.fence, until)
            .await?)
    }

    /// Looks for lost agents, for ever.
    pub(crate) async fn lease_loop(&self) {
        let mut tick = tokio::time::interval(Duration::from_millis(limits::LEASE_WATCH_MS));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if let Err(error) = self.expire_leases().await {
                tracing::warn!(%error, "lost leases could not be looked for");
            }
            if let Err(error) = self.refuse_unoffered().await {
                tracing::warn!(%error, "work that nobody can do could not be refused");
            }
        }
    }

    /// Brings every lease that ran out to its workflow.
    pub async fn expire_leases(&self) -> Result<(), UseCaseError> {
        for expired in self.store().expired_leases(self.now()).await? {
            let event = Event::LeaseExpired {
                job: expired.job,
                slice: expired.slice,
                fence: expired.fence,
            };
            match self.advance(expired.workflow, event).await {
                Ok(()) => tracing::warn!(job = %expired.job, slice = expired.slice, "an agent was lost"),
                Err(UseCaseError::Conflict(reason)) => tracing::debug!(%reason, "a lease ended on its own"),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Work for an agent, until it has heard of it.
struct Offer {
    plane: ControlPlane,
    assignment: Option<Assignment>,
}

impl Offer {
    /// The agent gets it.
    fn accepted(mut self) -> Option<Assignment> {
        self.assignment.take()
    }
}

impl Drop for Offer {
    fn drop(&mut self) {
        let (Some(assignment), Ok(runtime)) = (self.assignment.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let plane = self.plane.clone();
        let claimed = Claimed {
            workflow: assignment.spec.workflow,
            job: assignment.lease.job,
            slice: assignment.lease.slice,
            fence: assignment.lease.fence,
        };
        runtime.spawn(async move {
            match plane.give_back(&claimed).await {
                Ok(()) => tracing::info!(job = %claimed.job, slice = claimed.slice, "an agent hung up before it got its work"),
                // Its lease will tell.
                Err(error) => tracing::warn!(job = %claimed.job, slice = claimed.slice, %error, "a claim could not be given back"),
            }
        });
    }
}

/// Whether a slice that cannot be handed out now can be handed out later: nothing is wrong with its job.
const fn passes(error: &UseCaseError) -> bool {
    match error {
        UseCaseError::NotReady
        | UseCaseError::Store(StoreError::Failed { .. })
        | UseCaseError::Vault(VaultError::Unreachable { .. }) => true,
        UseCaseError::NotFound(_)
        | UseCaseError::Invalid(_)
        | UseCaseError::Forbidden(_)
        | UseCaseError::Conflict(_)
        | UseCaseError::Store(
            StoreError::Exists { .. }
            | StoreError::Missing { .. }
            | StoreError::Conflict { .. }
            | StoreError::Unreadable { .. }
            | StoreError::Newer { .. },
        )
        | UseCaseError::Blob(_)
        | UseCaseError::Vault(
            VaultError::NotSealed | VaultError::DoesNotOpen { .. } | VaultError::Refused { .. },
        )
        | UseCaseError::Forge(_) => false,
    }
}
