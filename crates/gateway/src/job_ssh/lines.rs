//! The lines between the SSH door and the agents. An agent that may be visited asks again and again whether somebody is
//! at the door of a slice; while it does, the slice's line is open. A channel is put on the line, the agent's question
//! is answered with it, and the agent's next call carries it. In memory only: agents and people meet in one server.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use airlock_agent_protocol::Lease;
use airlock_agent_protocol::ssh::SshOpen;
use axum::body::BodyDataStream;
use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use super::limits;
use super::target::Target;

/// The agent's two directions of one channel.
#[derive(Debug)]
pub(crate) struct AgentSide {
    pub(crate) to_agent: mpsc::Sender<Bytes>,
    pub(crate) from_agent: BodyDataStream,
}

/// There is no way into a slice now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Closed {
    /// Its agent does not ask for visitors.
    #[error("this job cannot be entered now: its sandbox is not there yet, or not any more")]
    NotThere,
    /// Its agent was told and did not come.
    #[error("the job's agent did not answer: try again")]
    NoAnswer,
    /// Too many wait already.
    #[error("too many wait to enter this job: try again")]
    Busy,
}

/// All open lines.
#[derive(Debug, Default)]
pub struct Lines(Mutex<HashMap<Target, Line>>);

#[derive(Debug)]
struct Line {
    fence: u64,
    asked: Instant,
    asking: usize,
    waiting: VecDeque<SshOpen>,
    opening: HashMap<Uuid, oneshot::Sender<AgentSide>>,
    bell: Arc<Notify>,
}

impl Line {
    fn new(fence: u64) -> Self {
        Self {
            fence,
            asked: Instant::now(),
            asking: 0,
            waiting: VecDeque::new(),
            opening: HashMap::new(),
            bell: Arc::default(),
        }
    }

    fn is_open(&self) -> bool {
        self.asking > 0 || self.asked.elapsed() < limits::ASKED_LATELY
    }
}

fn target(lease: Lease) -> Target {
    Target {
        job: lease.job,
        slice: lease.slice,
    }
}

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<Target, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a slice can be entered.
    pub(crate) fn is_open(&self, target: Target) -> bool {
        self.lock().get(&target).is_some_and(Line::is_open)
    }

    /// An agent asks, and waits so long for an answer.
    pub(crate) async fn wait(&self, lease: Lease, patience: Duration) -> Option<SshOpen> {
        let _asking = Asking::begin(self, lease);
        let until = Instant::now() + patience;
        loop {
            let bell = self
                .lock()
                .get(&target(lease))
                .map(|line| Arc::clone(&line.bell))?;
            let rung = bell.notified();
            tokio::pin!(rung);
            // Before the look, so that nobody who comes in between is missed.
            rung.as_mut().enable();
            {
                let mut lines = self.lock();
                let line = lines
                    .get_mut(&target(lease))
                    .filter(|line| line.fence == lease.fence)?;
                if let Some(open) = line.waiting.pop_front() {
                    return Some(open);
                }
            }
            tokio::select! {
                () = rung => {}
                () = tokio::time::sleep_until(until) => return None,
            }
        }
    }

    /// Puts a channel on a slice's line and waits for the agent.
    pub(crate) async fn open(&self, target: Target, open: SshOpen) -> Result<AgentSide, Closed> {
        let channel = open.channel;
        let (connected, side) = oneshot::channel();
        let bell = {
            let mut lines = self.lock();
            let line = lines
                .get_mut(&target)
                .filter(|line| line.is_open())
                .ok_or(Closed::NotThere)?;
            if line.opening.len() >= limits::WAITING {
                return Err(Closed::Busy);
            }
            line.waiting.push_back(open);
            line.opening.insert(channel, connected);
            Arc::clone(&line.bell)
        };
        bell.notify_one();
        let side = tokio::time::timeout(limits::OPENING, side).await;
        if let Some(line) = self.lock().get_mut(&target) {
            line.opening.remove(&channel);
            line.waiting.retain(|waiting| waiting.channel != channel);
        }
        match side {
            Ok(Ok(side)) => Ok(side),
            // The line was closed meanwhile.
            Ok(Err(_closed)) => Err(Closed::NotThere),
            Err(_elapsed) => Err(Closed::NoAnswer),
        }
    }

    /// An agent carries a channel; whether somebody still waits for it.
    pub(crate) fn connect(&self, lease: Lease, channel: Uuid, side: AgentSide) -> bool {
        let mut lines = self.lock();
        let line = lines
            .get_mut(&target(lease))
            .filter(|line| line.fence == lease.fence);
        let waits = line.and_then(|line| line.opening.remove(&channel));
        waits.is_some_and(|connected| connected.send(side).is_ok())
    }

    /// A slice is over.
    pub(crate) fn close(&self, lease: Lease) {
        let mut lines = self.lock();
        if lines
            .get(&target(lease))
            .is_some_and(|line| line.fence <= lease.fence)
        {
            lines.remove(&target(lease));
        }
    }
}

/// A question of an agent that is not answered yet.
struct Asking<'a> {
    lines: &'a Lines,
    lease: Lease,
}

impl<'a> Asking<'a> {
    fn begin(lines: &'a Lines, lease: Lease) -> Self {
        let mut all = lines.lock();
        // Agents that were lost say no goodbye.
        all.retain(|_, line| line.is_open());
        let line = all.entry(target(lease)).or_insert_with(|| Line::new(lease.fence));
        if line.fence < lease.fence {
            *line = Line::new(lease.fence);
        }
        if line.fence == lease.fence {
            line.asking += 1;
        }
        drop(all);
        Self { lines, lease }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut all = self.lines.lock();
        let line = all.get_mut(&target(self.lease));
        if let Some(line) = line.filter(|line| line.fence == self.lease.fence) {
            line.asking = line.asking.saturating_sub(1);
            line.asked = Instant::now();
        }
    }
}

#[cfg(test)]
mod tests {
    use airlock_agent_protocol::ssh::SshWanted;
    use airlock_domain::JobId;
    use axum::body::Body;

    use super::*;

    fn lease(fence: u64) -> Lease {
        Lease {
            job: JobId::new(Uuid::from_u128(1)),
            slice: 0,
            fence,
        }
    }

    fn open(channel: u128) -> SshOpen {
        SshOpen {
            channel: Uuid::from_u128(channel),
            wanted: SshWanted::Shell,
            environment: Vec::new(),
            terminal: None,
        }
    }

    fn side() -> AgentSide {
        AgentSide {
            to_agent: mpsc::channel(1).0,
            from_agent: Body::empty().into_data_stream(),
        }
    }

    const LONG: Duration = Duration::from_secs(1000);

    #[tokio::test(start_paused = true)]
    async fn a_channel_meets_the_agent_that_asks() {
        let lines = Arc::new(Lines::default());
        assert_eq!(
            lines.open(target(lease(1)), open(7)).await.err(),
            Some(Closed::NotThere)
        );
        let asks = tokio::spawn({
            let lines = Arc::clone(&lines);
            async move {
                let open = lines.wait(lease(1), LONG).await.expect("somebody");
                assert!(
                    !lines.connect(lease(1), Uuid::from_u128(8), side()),
                    "another channel"
                );
                assert!(!lines.connect(lease(0), open.channel, side()), "an older claim");
                assert!(lines.connect(lease(1), open.channel, side()));
                assert!(!lines.connect(lease(1), open.channel, side()), "a second time");
            }
        });
        tokio::task::yield_now().await;
        assert!(lines.is_open(target(lease(1))));
        assert!(lines.open(target(lease(1)), open(7)).await.is_ok());
        asks.await.expect("asked");
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_asks_no_more_is_not_waited_for_for_ever() {
        let lines = Lines::default();
        assert!(lines.wait(lease(1), Duration::from_secs(1)).await.is_none());
        // Between two questions it counts as there, and is given its time.
        assert_eq!(
            lines.open(target(lease(1)), open(7)).await.err(),
            Some(Closed::NoAnswer)
        );
        assert!(!lines.is_open(target(lease(1))));
        assert_eq!(
            lines.open(target(lease(1)), open(7)).await.err(),
            Some(Closed::NotThere)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slice_that_ended_is_closed_at_once() {
        let lines = Arc::new(Lines::default());
        assert!(lines.wait(lease(2), Duration::from_secs(1)).await.is_none());
        lines.close(lease(1));
        assert!(lines.is_open(target(lease(2))), "an older claim closes nothing");
        let comes = tokio::spawn({
            let lines = Arc::clone(&lines);
            async move { lines.open(target(lease(2)), open(7)).await.err() }
        });
        tokio::task::yield_now().await;
        lines.close(lease(2));
        assert_eq!(comes.await.expect("came"), Some(Closed::NotThere));
    }
}
