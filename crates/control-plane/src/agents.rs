//! What agents may ask, with the refusals they understand. The gateway's agent door and `airlock run` both call this.

use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, ClaimReply, ClaimRequest, FinishRequest, Heartbeat, HeartbeatReply,
    Lease, LogAck, LogHeader, PROTOCOL_VERSION, Refusal, RefusalCode, StepReport,
};
use airlock_driver_interfaces::BlobError;
use async_trait::async_trait;
use bytes::Bytes;

use crate::{ControlPlane, UseCaseError};

/// The bytes of an artifact on their way in.
#[async_trait]
pub trait ArtifactBody: Send {
    /// The next piece; `None` at the end. An error text says why it broke off.
    async fn next(&mut self) -> Result<Option<Bytes>, String>;
}

impl ControlPlane {
    /// Waits for work.
    pub async fn agent_claim(&self, request: &ClaimRequest) -> Result<ClaimReply, Refusal> {
        // This server speaks its own and the previous version.
        if request.protocol == 0 || request.protocol > PROTOCOL_VERSION {
            let message = format!(
                "this server speaks agent protocol {PROTOCOL_VERSION}, the agent {}: bring both to the same version",
                request.protocol
            );
            return Err(Refusal {
                code: RefusalCode::Protocol,
                message,
            });
        }
        self.claim(request).await.map_err(refusal)
    }

    /// Takes a step's beginning or end in.
    pub async fn agent_step(&self, report: &StepReport) -> Result<(), Refusal> {
        self.check_lease(report.lease).await?;
        self.take_step(report).await.map_err(refusal)
    }

    /// Takes log bytes in; the answer is sent when they are durable.
    pub async fn agent_log(&self, header: &LogHeader, bytes: Bytes) -> Result<LogAck, Refusal> {
        self.check_lease(header.lease).await?;
        self.take_log(header, bytes).await.map_err(refusal)
    }

    /// Takes an artifact in.
    pub async fn agent_artifact(
        &self,
        header: &ArtifactHeader,
        body: &mut dyn ArtifactBody,
    ) -> Result<ArtifactStored, Refusal> {
        self.check_lease(header.lease).await?;
        self.take_artifact(header, body).await.map_err(refusal)
    }

    /// Keeps a claim alive.
    pub async fn agent_heartbeat(&self, heartbeat: &Heartbeat) -> Result<HeartbeatReply, Refusal> {
        let stop = self.renew_lease(heartbeat.lease).await.map_err(refusal)?;
        let stop = stop.ok_or_else(|| fenced(heartbeat.lease))?;
        let ssh = self.ssh_is_wanted(heartbeat.lease.job).await.map_err(refusal)?;
        Ok(HeartbeatReply { stop, ssh })
    }

    /// Refuses who has no claim any more: the slice of such a one is nobody's to enter.
    pub async fn agent_ssh(&self, lease: Lease) -> Result<(), Refusal> {
        self.check_lease(lease).await
    }

    /// Takes the end of a slice in.
    pub async fn agent_finish(&self, request: &FinishRequest) -> Result<(), Refusal> {
        self.take_finish(request).await.map_err(refusal)
    }

    async fn check_lease(&self, lease: Lease) -> Result<(), Refusal> {
        let known = self.store().lease(lease.job, lease.slice, lease.fence).await;
        match known.map_err(|error| refusal(error.into()))? {
            Some(_) => Ok(()),
            None => Err(fenced(lease)),
        }
    }
}

fn fenced(lease: Lease) -> Refusal {
    Refusal {
        code: RefusalCode::Fenced,
        message: format!(
            "claim {} of slice {} of job {} is over",
            lease.fence, lease.slice, lease.job
        ),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "it stands in map_err, which gives the error away"
)]
fn refusal(error: UseCaseError) -> Refusal {
    let code = match &error {
        UseCaseError::Blob(BlobError::Gap { .. }) => RefusalCode::Gap,
        UseCaseError::NotFound(_) | UseCaseError::Invalid(_) | UseCaseError::Forbidden(_) => {
            RefusalCode::Invalid
        }
        UseCaseError::Conflict(_) => RefusalCode::Fenced,
        UseCaseError::NotReady
        | UseCaseError::Store(_)
        | UseCaseError::Blob(_)
        | UseCaseError::Vault(_)
        | UseCaseError::Forge(_) => RefusalCode::Unavailable,
    };
    Refusal {
        code,
        message: error.to_string(),
    }
}
