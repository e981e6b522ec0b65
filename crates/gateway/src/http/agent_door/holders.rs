//! Which agent has which claim. A certificate makes an agent one of ours; it does not make another agent's job its own.
//! A claim never changes hands, so what was read once stays true, and forgetting costs one read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use airlock_agent_protocol::{Lease, Refusal, RefusalCode};
use airlock_control_plane::{ControlPlane, UseCaseError};
use airlock_domain::AgentId;

use crate::http::limits;

/// Agents by claim.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<HashMap<Lease, AgentId>>);

impl Holders {
    /// Writes down who has a claim.
    pub(crate) fn remember(&self, lease: Lease, agent: AgentId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::REMEMBERED_CLAIMS {
            known.clear();
        }
        known.insert(lease, agent);
    }

    fn known(&self, lease: Lease) -> Option<AgentId> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&lease)
            .copied()
    }

    /// Refuses who does not have the claim.
    pub(crate) async fn check(
        &self,
        plane: &ControlPlane,
        lease: Lease,
        agent: AgentId,
    ) -> Result<(), Refusal> {
        let holder = if let Some(holder) = self.known(lease) {
            holder
        } else {
            let holder = read(plane, lease).await?;
            self.remember(lease, holder);
            holder
        };
        if holder == agent {
            return Ok(());
        }
        Err(fenced(format!(
            "claim {} of slice {} of job {} is another agent's",
            lease.fence, lease.slice, lease.job
        )))
    }
}

async fn read(plane: &ControlPlane, lease: Lease) -> Result<AgentId, Refusal> {
    let over = || {
        fenced(format!(
            "claim {} of slice {} of job {} is over",
            lease.fence, lease.slice, lease.job
        ))
    };
    let job = match plane.job(lease.job).await {
        Ok(job) => job,
        Err(UseCaseError::NotFound(_)) => return Err(over()),
        Err(error) => {
            return Err(Refusal {
                code: RefusalCode::Unavailable,
                message: error.to_string(),
            });
        }
    };
    let slice = job
        .slices
        .iter()
        .find(|slice| slice.index == lease.slice && slice.fence == lease.fence);
    slice.and_then(|slice| slice.agent).ok_or_else(over)
}

fn fenced(message: String) -> Refusal {
    Refusal {
        code: RefusalCode::Fenced,
        message,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn memory_is_bounded() {
        let holders = Holders::default();
        let agent = AgentId::new(Uuid::from_u128(1));
        let lease = |fence| Lease {
            job: airlock_domain::JobId::new(Uuid::from_u128(2)),
            slice: 0,
            fence,
        };
        for fence in 0..=limits::REMEMBERED_CLAIMS as u64 {
            holders.remember(lease(fence), agent);
        }
        assert_eq!(holders.known(lease(0)), None);
        assert_eq!(
            holders.known(lease(limits::REMEMBERED_CLAIMS as u64)),
            Some(agent)
        );
    }
}
