//! An agent in the same process talks to the control plane without a wire, in the same messages.

use airlock_agent::link::{ArtifactBody, LinkError, ServerLink};
use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, ClaimReply, ClaimRequest, FinishRequest, Heartbeat, HeartbeatReply,
    LogAck, LogHeader, StepReport,
};
use airlock_control_plane::{ControlPlane, agents};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncReadExt as _;

/// Bytes read from an artifact at once.
const PIECE: usize = 256 * 1024;

/// The control plane as an agent sees it.
pub(crate) struct InProcess(pub(crate) ControlPlane);

struct Body(ArtifactBody);

#[async_trait]
impl agents::ArtifactBody for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        let mut piece = vec![0; PIECE];
        let length = self.0.read(&mut piece).await.map_err(|error| error.to_string())?;
        piece.truncate(length);
        Ok((length > 0).then(|| Bytes::from(piece)))
    }
}

#[async_trait]
impl ServerLink for InProcess {
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, LinkError> {
        Ok(self.0.agent_claim(&request).await?)
    }

    async fn step(&self, report: StepReport) -> Result<(), LinkError> {
        Ok(self.0.agent_step(&report).await?)
    }

    async fn log(&self, header: LogHeader, bytes: Bytes) -> Result<LogAck, LinkError> {
        Ok(self.0.agent_log(&header, bytes).await?)
    }

    async fn artifact(
        &self,
        header: ArtifactHeader,
        body: ArtifactBody,
    ) -> Result<ArtifactStored, LinkError> {
        Ok(self.0.agent_artifact(&header, &mut Body(body)).await?)
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<HeartbeatReply, LinkError> {
        Ok(self.0.agent_heartbeat(&beat).await?)
    }

    async fn finish(&self, request: FinishRequest) -> Result<(), LinkError> {
        Ok(self.0.agent_finish(&request).await?)
    }
}
