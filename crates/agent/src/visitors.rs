//! People in a slice's sandbox: asks the server whether somebody is at the door, and for each channel that a person
//! opens sends a helper inside ([`airlock_sandbox::enter`]) and carries bytes between it and the server. One call to the
//! server for each channel, on a connection of its own, so that somebody who does not read stops nobody else. What
//! passes is written nowhere. Who may come in was decided by the server.

mod channel;
mod stream;

use std::sync::Arc;

use airlock_agent_protocol::RefusalCode;
use airlock_agent_protocol::ssh::{SshOpen, SshWait, SshWanted};
use airlock_sandbox::channel::StepUser;
use airlock_sandbox::enter::{Entrance, Errand, RunInside, TerminalSize, What};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::limits;
use crate::link::{Backoff, LinkError};
use crate::reporter::Wire;

/// The in-job program's own file transfer.
const SFTP: [&str; 2] = ["/run/airlock/bin/airlock-task", "sftp"];

/// Whose sandbox it is, as far as a visitor's program needs it.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) entrance: Entrance,
    /// What every step finds.
    pub(crate) env: Vec<(String, String)>,
    pub(crate) home: String,
    pub(crate) user: StepUser,
}

impl Host {
    /// What a helper is to do for a channel.
    fn errand(&self, open: &SshOpen) -> Errand {
        let what = match &open.wanted {
            SshWanted::Connect { host, port } => {
                return Errand::Connect {
                    host: host.clone(),
                    port: *port,
                };
            }
            SshWanted::Shell => What::Shell,
            SshWanted::Command(line) => What::Command(line.clone()),
            SshWanted::Sftp => What::Program(SFTP.map(str::to_owned).to_vec()),
        };
        let mut env = self.env.clone();
        if open.terminal.is_some() {
            // That nobody sits at the terminal is not so here.
            env.retain(|(name, _)| name != "PAGER");
        }
        env.extend(open.environment.iter().cloned());
        env.extend(
            open.terminal
                .iter()
                .map(|terminal| ("TERM".to_owned(), terminal.term.clone())),
        );
        Errand::Run(RunInside {
            what,
            env,
            home: self.home.clone(),
            user: self.user.clone(),
            terminal: open.terminal.as_ref().map(|terminal| TerminalSize {
                columns: terminal.size.columns,
                rows: terminal.size.rows,
            }),
        })
    }
}

/// One per slice; clones are one.
#[derive(Debug, Clone)]
pub(crate) struct Visitors(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    wanted: watch::Sender<bool>,
    present: watch::Sender<usize>,
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Visitors {
    /// Nobody yet; `wanted` says whether somebody may come from the beginning.
    pub(crate) fn new(wanted: bool) -> Self {
        Self(Arc::new(Shared {
            wanted: watch::Sender::new(wanted),
            present: watch::Sender::new(0),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }))
    }

    /// Somebody may come from now on.
    pub(crate) fn want(&self) {
        self.0
            .wanted
            .send_if_modified(|wanted| !std::mem::replace(wanted, true));
    }

    /// Nobody may come, whoever asked: there is nothing that can be entered.
    pub(crate) fn refuse(&self) {
        self.0.closing.cancel();
    }

    /// Whether somebody may come.
    pub(crate) fn are_wanted(&self) -> bool {
        *self.0.wanted.borrow() && !self.0.closing.is_cancelled()
    }

    /// How many channels are open, now and later.
    pub(crate) fn present(&self) -> watch::Receiver<usize> {
        self.0.present.subscribe()
    }

    /// The sandbox is there: asks at the server from now on, once somebody may come.
    pub(crate) fn open(&self, wire: Wire, host: Host) {
        let shared = Arc::clone(&self.0);
        self.0.tasks.spawn(async move {
            let (closing, leash) = (shared.closing.clone(), wire.leash.clone());
            tokio::select! {
                () = closing.cancelled() => {}
                // Who cancels a job means the people in it, too, and at once.
                _cause = leash.stopped() => closing.cancel(),
                () = attend(shared, Arc::new(wire), Arc::new(host)) => {}
            }
        });
    }

    /// Sends everybody out; when this returns no helper holds anything of the sandbox.
    pub(crate) async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

/// Asks and serves until the claim is over.
async fn attend(shared: Arc<Shared>, wire: Arc<Wire>, host: Arc<Host>) {
    let mut wanted = shared.wanted.subscribe();
    // The sender lives in `shared`, so this ends only with the news.
    drop(wanted.wait_for(|wanted| *wanted).await);
    let mut backoff = Backoff::default();
    loop {
        match wire.link.ssh_wait(SshWait { lease: wire.lease }).await {
            Ok(reply) => {
                backoff.reset();
                if let Some(open) = reply.open {
                    let present = Present::enter(&shared);
                    let (wire, host, closing) =
                        (Arc::clone(&wire), Arc::clone(&host), shared.closing.clone());
                    shared.tasks.spawn(async move {
                        channel::serve(&wire, host, open, &closing).await;
                        drop(present);
                    });
                }
            }
            Err(LinkError::Refused(refusal)) if refusal.code == RefusalCode::Fenced => return,
            Err(error) => {
                tracing::debug!(%error, job = %wire.lease.job, slice = wire.lease.slice, "asking for visitors");
                tokio::time::sleep(backoff.next()).await;
            }
        }
    }
}

/// One open channel.
struct Present(Arc<Shared>);

impl Present {
    fn enter(shared: &Arc<Shared>) -> Self {
        shared.present.send_modify(|count| *count += 1);
        Self(Arc::clone(shared))
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        self.0.present.send_modify(|count| *count -= 1);
    }
}

/// Until when a sandbox is kept for visitors: `ended` is the end of the steps, `left` when the last one went or, before
/// anybody came, the end of the steps; `None` while somebody is there.
pub(crate) fn kept_until(ended: Instant, left: Option<Instant>) -> Instant {
    let most = ended + limits::SSH_MOST;
    left.map_or(most, |left| most.min(left + limits::SSH_IDLE))
}

/// A length of time in words.
pub(crate) fn words(time: Duration) -> String {
    let minutes = time.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} minutes"),
        (hours, 0) => format!("{hours} hours"),
        (hours, minutes) => format!("{hours} hours {minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_minutes_without_anybody_and_two_hours_at_most() {
        let ended = Instant::now();
        let minutes = |n: u64| Duration::from_mins(n);
        assert_eq!(kept_until(ended, Some(ended)), ended + minutes(10));
        assert_eq!(kept_until(ended, None), ended + minutes(120));
        assert_eq!(kept_until(ended, Some(ended + minutes(30))), ended + minutes(40));
        assert_eq!(
            kept_until(ended, Some(ended + minutes(115))),
            ended + minutes(120)
        );
        assert_eq!(
            (words(minutes(10)), words(minutes(120))),
            ("10 minutes".into(), "2 hours".into())
        );
    }

    #[tokio::test]
    async fn who_comes_and_goes_is_counted() {
        let visitors = Visitors::new(false);
        assert!(!visitors.are_wanted());
        visitors.want();
        assert!(visitors.are_wanted());
        let present = visitors.present();
        let (one, two) = (Present::enter(&visitors.0), Present::enter(&visitors.0));
        assert_eq!(*present.borrow(), 2);
        drop((one, two));
        assert_eq!(*present.borrow(), 0);
        visitors.close().await;
    }
}
