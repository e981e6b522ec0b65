//! What the agent asks of the server, whichever way the messages travel. Owns the trait, its error and the two ways of
//! trying again; decides nothing about jobs. `airlock run` answers in the same process, a machine's agent over HTTPS.

use std::future::Future;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use airlock_agent_protocol::ssh::{SshChannelHeader, SshWait, SshWaitReply};
use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, ClaimReply, ClaimRequest, FinishRequest, Heartbeat, HeartbeatReply,
    LogAck, LogHeader, Refusal, RefusalCode, StepReport,
};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncRead;
use tokio::sync::mpsc;

use crate::leash::Leash;
use crate::limits;

/// The bytes of one artifact, read as they are sent.
pub type ArtifactBody = Box<dyn AsyncRead + Send + Sync + Unpin + 'static>;

/// The bytes of an SSH channel towards the server.
pub type SshOutgoing = mpsc::Receiver<Bytes>;

/// The bytes of an SSH channel from the server.
#[async_trait]
pub trait SshIncoming: Send + Sync {
    /// The next piece; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, LinkError>;
}

/// The server as the agent sees it. Every call can be repeated without harm.
#[async_trait]
pub trait ServerLink: Send + Sync + 'static {
    /// Asks for work and waits for it as long as the request says.
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, LinkError>;
    /// Says that a step began, ended or was skipped.
    async fn step(&self, report: StepReport) -> Result<(), LinkError>;
    /// Hands over log bytes; the answer says up to where the log is durable.
    async fn log(&self, header: LogHeader, bytes: Bytes) -> Result<LogAck, LinkError>;
    /// Hands over one file.
    async fn artifact(&self, header: ArtifactHeader, body: ArtifactBody)
    -> Result<ArtifactStored, LinkError>;
    /// Renews the lease.
    async fn heartbeat(&self, beat: Heartbeat) -> Result<HeartbeatReply, LinkError>;
    /// Says that the slice ended and its sandbox is gone.
    async fn finish(&self, request: FinishRequest) -> Result<(), LinkError>;
    /// Asks whether somebody wants to enter over SSH, and waits a while. A link without such people says no.
    async fn ssh_wait(&self, _: SshWait) -> Result<SshWaitReply, LinkError> {
        Err(nobody_comes())
    }
    /// Carries one channel of such a person: `outgoing` towards the server, the answer from it.
    async fn ssh_channel(
        &self,
        _: SshChannelHeader,
        _: SshOutgoing,
    ) -> Result<Box<dyn SshIncoming>, LinkError> {
        Err(nobody_comes())
    }
}

fn nobody_comes() -> LinkError {
    LinkError::Refused(Refusal {
        code: RefusalCode::Invalid,
        message: "there is no SSH on this link".into(),
    })
}

/// A call to the server that did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The server said no.
    #[error("the server refused: {0}")]
    Refused(#[from] Refusal),
    /// The server did not answer, or its answer was lost.
    #[error("{doing}: {source}")]
    Unreachable {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl LinkError {
    /// The refusal that trying again cannot change; `None` while it can.
    pub(crate) fn into_final(self) -> Option<Refusal> {
        match self {
            Self::Unreachable { .. } => None,
            Self::Refused(refusal) => match refusal.code {
                RefusalCode::Unavailable => None,
                RefusalCode::Fenced | RefusalCode::Invalid | RefusalCode::Gap | RefusalCode::Protocol => {
                    Some(refusal)
                }
            },
        }
    }
}

/// Why a message of a slice was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Lost {
    /// The claim is no longer ours.
    #[error("the claim was taken over or has ended")]
    Fenced,
    /// The server refused the message for good.
    #[error("the server refused: {0}")]
    Refused(Refusal),
}

/// Growing pauses with jitter, so that a hundred agents do not return in the same instant.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The next pause.
    pub(crate) fn next(&mut self) -> Duration {
        let full = limits::RETRY_FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(limits::RETRY_LONGEST);
        self.failures = self.failures.saturating_add(1);
        // A hasher with random keys is the standard library's source of chance; quality does not matter here.
        let chance = RandomState::new().build_hasher().finish() % 1000;
        full / 2 + full.mul_f64(f64::from(u16::try_from(chance).unwrap_or(0)) / 2000.0)
    }

    /// A call succeeded.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Repeats a call of a slice until the server answers, as long as the claim is ours.
pub(crate) async fn until_answered<T, F, C>(leash: &Leash, mut call: C) -> Result<T, Lost>
where
    C: FnMut() -> F,
    F: Future<Output = Result<T, LinkError>>,
{
    let mut backoff = Backoff::default();
    loop {
        let answer = tokio::select! {
            biased;
            () = leash.fenced() => return Err(Lost::Fenced),
            answer = call() => answer,
        };
        match answer {
            Ok(value) => return Ok(value),
            Err(error) => {
                tracing::debug!(%error, "the server will be asked again");
                match error.into_final() {
                    None => {}
                    Some(refusal) if refusal.code == RefusalCode::Fenced => {
                        leash.fence();
                        return Err(Lost::Fenced);
                    }
                    Some(refusal) => return Err(Lost::Refused(refusal)),
                }
            }
        }
        tokio::select! {
            () = leash.fenced() => return Err(Lost::Fenced),
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stop_growing() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..40).map(|_| backoff.next()).collect();
        assert!(pauses[0] >= limits::RETRY_FIRST / 2 && pauses[0] <= limits::RETRY_FIRST);
        assert!(pauses[39] >= limits::RETRY_LONGEST / 2 && pauses[39] <= limits::RETRY_LONGEST);
    }

    fn refusal(code: RefusalCode) -> LinkError {
        LinkError::Refused(Refusal {
            code,
            message: "no".into(),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn unreachable_and_unavailable_are_tried_again() {
        let leash = Leash::new();
        let mut answers = vec![
            Ok(7),
            Err(refusal(RefusalCode::Unavailable)),
            Err(LinkError::Unreachable {
                doing: "asking",
                source: "broken pipe".into(),
            }),
        ];
        let answer = until_answered(&leash, || {
            let next = answers.pop().expect("asked once more than needed");
            async { next }
        });
        assert_eq!(answer.await, Ok(7));
    }

    #[tokio::test]
    async fn a_fenced_answer_fences_the_slice() {
        let leash = Leash::new();
        let answer: Result<(), Lost> =
            until_answered(&leash, || async { Err(refusal(RefusalCode::Fenced)) }).await;
        assert_eq!(answer, Err(Lost::Fenced));
        leash.fenced().await;
    }
}
