//! Carries what happens in a slice to the server, in order and without loss: each step's beginning, its log bytes by
//! offset, its end. Owns the order and the repetition; what is reported is decided by the slice. A server that is away
//! delays nothing in the sandbox: bytes wait in the spool, reports behind them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use airlock_agent_protocol::{Lease, Refusal, RefusalCode, StepReport};
use airlock_domain::Timestamp;
use airlock_domain::state::StepStatus;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::leash::Leash;
use crate::limits;
use crate::link::{Lost, ServerLink, until_answered};
use crate::log_relay;
use crate::spool::{Spool, SpoolDisk};

/// What every message of a slice needs.
pub(crate) struct Wire {
    pub(crate) link: Arc<dyn ServerLink>,
    pub(crate) lease: Lease,
    pub(crate) leash: Leash,
}

/// One per slice.
pub(crate) struct Reporter {
    wire: Arc<Wire>,
    disk: Arc<SpoolDisk>,
    written: Arc<AtomicU64>,
    /// Comes when the step before has been reported far enough for the next one to begin.
    turn: Option<oneshot::Receiver<()>>,
    pumps: JoinSet<Result<(), Lost>>,
}

/// A step that began and has not ended.
pub(crate) struct RunningStep {
    log: LogSink,
    notes: watch::Sender<Option<String>>,
    end: Option<oneshot::Sender<End>>,
}

/// Where the bytes of a step's log go in.
#[derive(Debug, Clone)]
pub(crate) struct LogSink {
    spool: Arc<Spool>,
    /// Bytes of the whole slice so far.
    written: Arc<AtomicU64>,
    /// Bytes of this step beyond the slice's limit.
    cut: Arc<AtomicU64>,
}

struct End {
    status: StepStatus,
    exit_code: Option<i32>,
    reason: Option<String>,
    at: Timestamp,
}

impl Reporter {
    pub(crate) fn new(wire: Wire, disk: Arc<SpoolDisk>) -> Self {
        Self {
            wire: Arc::new(wire),
            disk,
            written: Arc::default(),
            turn: None,
            pumps: JoinSet::new(),
        }
    }

    /// A step begins. After a background step the next one does not wait for its end.
    pub(crate) fn begin(&mut self, step: u32, name: &str, background: bool) -> RunningStep {
        let spool = Spool::new(Arc::clone(&self.disk));
        let (notes, notes_out) = watch::channel(None);
        let (end, end_out) = oneshot::channel();
        let (pass_on, next_turn) = oneshot::channel();
        let pump = Pump {
            wire: Arc::clone(&self.wire),
            begin: self.report(step, name, StepStatus::Running, None),
            background,
            spool: Arc::clone(&spool),
            notes: notes_out,
            end: end_out,
        };
        let turn = self.turn.replace(next_turn);
        self.pumps.spawn(pump.run(turn, pass_on));
        let log = LogSink {
            spool,
            written: Arc::clone(&self.written),
            cut: Arc::default(),
        };
        RunningStep {
            log,
            notes,
            end: Some(end),
        }
    }

    /// A step is left out.
    pub(crate) fn skip(&mut self, step: u32, name: &str, reason: &str) {
        let report = self.report(step, name, StepStatus::Skipped, Some(reason.to_owned()));
        let (pass_on, next_turn) = oneshot::channel();
        let turn = self.turn.replace(next_turn);
        let wire = Arc::clone(&self.wire);
        self.pumps.spawn(async move {
            wait_for(turn).await;
            let answer = until_answered(&wire.leash, || wire.link.step(report.clone())).await;
            // A closed channel means that no step follows.
            let _last_step = pass_on.send(());
            answer
        });
    }

    /// Waits until everything is with the server.
    pub(crate) async fn drain(mut self) -> Result<(), Lost> {
        let mut first = Ok(());
        while let Some(ended) = self.pumps.join_next().await {
            let result = ended.unwrap_or_else(|error| {
                Err(Lost::Refused(Refusal {
                    code: RefusalCode::Invalid,
                    message: format!("reporting a step ended abnormally: {error}"),
                }))
            });
            if first.is_ok() || result == Err(Lost::Fenced) {
                first = result;
            }
        }
        first
    }

    fn report(&self, step: u32, name: &str, status: StepStatus, reason: Option<String>) -> StepReport {
        StepReport {
            lease: self.wire.lease,
            step,
            name: name.to_owned(),
            status,
            exit_code: None,
            reason,
            at: now(),
        }
    }
}

impl RunningStep {
    /// Where its output goes.
    pub(crate) fn log(&self) -> &LogSink {
        &self.log
    }

    /// Says what the step waits for, beside its status.
    pub(crate) fn note(&self, reason: &str) {
        self.notes.send_replace(Some(reason.to_owned()));
    }

    /// The step ended; its log is complete.
    pub(crate) fn end(mut self, status: StepStatus, exit_code: Option<i32>, reason: Option<String>) {
        self.log.close();
        if let Some(end) = self.end.take() {
            // A pump that is gone has been fenced: nobody wants to know.
            let _fenced = end.send(End {
                status,
                exit_code,
                reason,
                at: now(),
            });
        }
    }
}

impl Drop for RunningStep {
    fn drop(&mut self) {
        if self.end.is_some() {
            self.log.spool.abandon();
        }
    }
}

impl LogSink {
    /// Takes output of the step; waits when there is no room. For threads that may block.
    pub(crate) fn append(&self, bytes: &[u8]) {
        let length = bytes.len() as u64;
        let before = self.written.fetch_add(length, Ordering::Relaxed);
        let room = limits::SLICE_LOG_BYTES.saturating_sub(before).min(length);
        self.spool
            .append(&bytes[..usize::try_from(room).unwrap_or(bytes.len())]);
        if room < length {
            self.cut.fetch_add(length - room, Ordering::Relaxed);
        }
    }

    /// Takes a line of the agent's own; never waits.
    pub(crate) fn line(&self, text: &str) {
        self.spool.append_note(&format!("{text}\n"));
    }

    fn close(&self) {
        let cut = self.cut.swap(0, Ordering::Relaxed);
        if cut > 0 {
            self.spool.append_note(&format!(
                "\n[airlock] the log of this job reached its limit of {} bytes; {cut} more bytes of this step are not kept\n",
                limits::SLICE_LOG_BYTES
            ));
        }
        self.spool.close();
    }
}

/// One step's way to the server.
struct Pump {
    wire: Arc<Wire>,
    begin: StepReport,
    background: bool,
    spool: Arc<Spool>,
    notes: watch::Receiver<Option<String>>,
    end: oneshot::Receiver<End>,
}

impl Pump {
    async fn run(
        self,
        turn: Option<oneshot::Receiver<()>>,
        pass_on: oneshot::Sender<()>,
    ) -> Result<(), Lost> {
        let spool = Arc::clone(&self.spool);
        let result = self.relay(turn, pass_on).await;
        // A writer that still has something to say must not wait for a reader that is gone.
        spool.abandon();
        result
    }

    async fn relay(
        self,
        turn: Option<oneshot::Receiver<()>>,
        pass_on: oneshot::Sender<()>,
    ) -> Result<(), Lost> {
        let Self {
            wire,
            begin,
            background,
            spool,
            notes,
            end,
        } = self;
        let mut first = Ok(());
        let mut pass_on = Some(pass_on);
        wait_for(turn).await;
        keep_first(&mut first, send(&wire, &begin).await)?;
        if background {
            pass_on = pass_on.and_then(|next| next.send(()).err().and(None));
        }
        let relay = async {
            let relayed = log_relay::relay(&wire, begin.step, &spool).await;
            if relayed.is_err() {
                // The step still runs; what it writes from here on must not make it wait.
                spool.abandon();
            }
            relayed
        };
        let (log, ()) = tokio::join!(relay, send_notes(&wire, &begin, notes));
        keep_first(&mut first, log)?;
        // Dropped without an end: the slice was fenced or fell over, and says so itself.
        let Ok(end) = end.await else { return first };
        let report = StepReport {
            status: end.status,
            exit_code: end.exit_code,
            reason: end.reason,
            at: end.at,
            ..begin
        };
        keep_first(&mut first, send(&wire, &report).await)?;
        if let Some(next) = pass_on {
            // A closed channel means that no step follows.
            let _last_step = next.send(());
        }
        first
    }
}

/// Remembers the first refusal and goes on; a lost claim ends it.
fn keep_first(first: &mut Result<(), Lost>, result: Result<(), Lost>) -> Result<(), Lost> {
    match result {
        Err(Lost::Fenced) => Err(Lost::Fenced),
        Err(Lost::Refused(refusal)) => {
            if first.is_ok() {
                *first = Err(Lost::Refused(refusal));
            }
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

async fn send(wire: &Wire, report: &StepReport) -> Result<(), Lost> {
    until_answered(&wire.leash, || wire.link.step(report.clone())).await
}

/// Ends when the step's handle is gone. The newest note wins; one that the server refuses is no loss.
async fn send_notes(wire: &Wire, begin: &StepReport, mut notes: watch::Receiver<Option<String>>) {
    while notes.changed().await.is_ok() {
        let reason = notes.borrow_and_update().clone();
        let report = StepReport {
            reason,
            ..begin.clone()
        };
        if let Err(error) = wire.link.step(report).await {
            tracing::debug!(%error, "a note on a step was not taken");
        }
    }
}

async fn wait_for(turn: Option<oneshot::Receiver<()>>) {
    if let Some(turn) = turn {
        // The step before may have been fenced; then this one will be, too.
        let _fenced = turn.await;
    }
}

/// The agent's clock, for people to read; durations come from a monotonic one.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests;
