//! What may stop a slice from outside, in one place: the server took the claim away, a person stopped the job, or the
//! agent itself shuts down. Heartbeats and reports pull it, execution follows it. It only ever tightens.

use std::sync::Arc;

use airlock_agent_protocol::{Heartbeat, Lease, RefusalCode, limits::HEARTBEAT_MS};
use tokio::sync::watch;
use tokio::time::{Duration, MissedTickBehavior};

use crate::link::{LinkError, ServerLink};
use crate::visitors::Visitors;

/// How far the slice may still go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pull {
    /// On with it.
    Free,
    /// End the steps politely and report.
    Stop(StopCause),
    /// The claim is gone: destroy the sandbox at once and say nothing more.
    Fenced,
}

/// Who wants the slice to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopCause {
    /// A person.
    Person,
    /// The agent shuts down; it does not wait for long then.
    Shutdown,
}

/// One per slice.
#[derive(Debug, Clone)]
pub(crate) struct Leash(Arc<watch::Sender<Pull>>);

impl Leash {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(Pull::Free)))
    }

    fn tighten(&self, to: Pull) {
        self.0.send_if_modified(|now| {
            let tighter = to > *now;
            if tighter {
                *now = to;
            }
            tighter
        });
    }

    /// The claim is gone.
    pub(crate) fn fence(&self) {
        self.tighten(Pull::Fenced);
    }

    /// The slice shall end.
    pub(crate) fn stop(&self, cause: StopCause) {
        self.tighten(Pull::Stop(cause));
    }

    /// Whether a slice still holds it besides the caller.
    pub(crate) fn is_used(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Waits until the claim is gone.
    pub(crate) async fn fenced(&self) {
        let mut pulls = self.0.subscribe();
        // The sender lives in self, so the channel cannot close before this ends.
        let _never_closed = pulls.wait_for(|pull| *pull == Pull::Fenced).await;
    }

    /// Waits until the agent shuts down.
    pub(crate) async fn shut_down(&self) {
        let mut pulls = self.0.subscribe();
        // As above.
        let _never_closed = pulls
            .wait_for(|pull| *pull == Pull::Stop(StopCause::Shutdown))
            .await;
    }

    /// Waits until the slice shall end, and says why.
    pub(crate) async fn stopped(&self) -> StopCause {
        let mut pulls = self.0.subscribe();
        loop {
            match *pulls.borrow_and_update() {
                Pull::Free => {}
                Pull::Stop(cause) => return cause,
                Pull::Fenced => return StopCause::Shutdown,
            }
            if pulls.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Renews the lease until dropped; an unreachable server is no reason to stop, it may be back before the job ends.
pub(crate) async fn keep_alive(link: Arc<dyn ServerLink>, lease: Lease, leash: Leash, visitors: Visitors) {
    let mut beat = tokio::time::interval(Duration::from_millis(HEARTBEAT_MS));
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beat.tick().await;
        match link.heartbeat(Heartbeat { lease }).await {
            Ok(reply) => {
                if reply.stop {
                    leash.stop(StopCause::Person);
                }
                if reply.ssh {
                    visitors.want();
                }
            }
            Err(LinkError::Refused(refusal)) if refusal.code == RefusalCode::Fenced => {
                leash.fence();
                return;
            }
            Err(error) => tracing::warn!(job = %lease.job, slice = lease.slice, %error, "heartbeat"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_only_tightens() {
        let leash = Leash::new();
        leash.stop(StopCause::Shutdown);
        leash.stop(StopCause::Person);
        assert_eq!(leash.stopped().await, StopCause::Shutdown);
        leash.shut_down().await;
        leash.fence();
        leash.stop(StopCause::Person);
        leash.fenced().await;
    }
}
