//! Work that needs a kind of machine no agent has: it waits a while for one to come, then its job ends with the reason.
//! Work for Linux on `x86_64` is never refused: an installation without such an agent is one whose agent is away.

use airlock_agent_protocol::limits::LEASE_MS;
use airlock_domain::AgentId;
use airlock_domain::plan::Platform;
use airlock_domain::state::Event;

use crate::{ControlPlane, UseCaseError, limits};

impl ControlPlane {
    /// Ends what has waited long enough for a machine that nobody offers.
    pub async fn refuse_unoffered(&self) -> Result<(), UseCaseError> {
        let now = self.now();
        for (platform, since) in self.store().waiting().await? {
            let patient = now.millis_since(since) < limits::UNOFFERED_MS;
            if platform == Platform::Linux || patient || self.is_offered(platform).await? {
                continue;
            }
            self.refuse(platform).await?;
        }
        Ok(())
    }

    async fn is_offered(&self, platform: Platform) -> Result<bool, UseCaseError> {
        let now = self.now();
        let agents = self.store().agents().await?;
        Ok(agents.iter().any(|agent| {
            agent.offers.contains(&platform) && now.millis_since(agent.seen_at) < limits::OFFER_KEPT_MS
        }))
    }

    /// Takes what has waited long enough for the platform, the oldest first, in nobody's name, and ends it.
    async fn refuse(&self, platform: Platform) -> Result<(), UseCaseError> {
        let reason = UseCaseError::Invalid(format!(
            "this job needs a machine with {}, and no agent of this installation offers one (platform '{platform}')",
            platform.words()
        ));
        let nobody = AgentId::new(uuid::Uuid::nil());
        loop {
            let now = self.now();
            let waiting = self.store().waiting().await?;
            let oldest = waiting.into_iter().find(|(needed, _)| *needed == platform);
            if oldest.is_none_or(|(_, since)| now.millis_since(since) < limits::UNOFFERED_MS) {
                return Ok(());
            }
            let until = now.plus_millis(i64::try_from(LEASE_MS).unwrap_or(i64::MAX));
            let claimed = self.store().claim(nobody, &[platform], until, now).await?;
            let Some(claimed) = claimed else { return Ok(()) };
            let event = Event::SliceClaimed {
                job: claimed.job,
                slice: claimed.slice,
                fence: claimed.fence,
                agent: nobody,
            };
            match self.advance(claimed.workflow, event).await {
                Ok(()) => self.cannot_start(&claimed, &reason).await?,
                // The workflow was stopped meanwhile.
                Err(UseCaseError::Conflict(_) | UseCaseError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
