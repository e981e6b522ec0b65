//! One step while it lives: its shell, its output, its deadlines and how it is going to end. Owns the order of an
//! end: what asked for it first gives the reason, TERM before KILL, all output before the last word. The loop that
//! calls it is the runner's.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use airlock_sandbox::channel::StepEnd;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitStatus, kill_process};

use super::output::{Output, Taken};
use super::processes::{Group, Processes};
use super::script::ScriptFile;
use crate::limits::{CHILD_REASON, DRAIN, READ_PER_TURN};
use crate::mask::MaskStream;

/// A step whose shell was forked.
pub(super) struct Step {
    /// The agent's number.
    pub(super) number: u32,
    shell: Pid,
    output: Output,
    /// Nobody writes any more.
    output_ended: bool,
    /// Closed by `exec`, or carries why there was none.
    verdict: Option<OwnedFd>,
    reason: Vec<u8>,
    pub(super) masks: MaskStream,
    _script: Option<ScriptFile>,
    no_output: Option<Duration>,
    last_output: Instant,
    ending: Option<Ending>,
    exited: Option<StepEnd>,
}

struct Ending {
    why: StepEnd,
    deadline: Instant,
    killed: bool,
    /// The processes that outlived the shell have been told once more.
    told_again: bool,
}

/// Everything a step is made of.
pub(super) struct Parts {
    pub(super) number: u32,
    pub(super) shell: Pid,
    pub(super) output: Output,
    pub(super) verdict: OwnedFd,
    pub(super) masks: MaskStream,
    pub(super) script: Option<ScriptFile>,
    pub(super) no_output_timeout_ms: u64,
}

impl Step {
    /// A step that has just been forked.
    pub(super) fn new(parts: Parts, now: Instant) -> Self {
        let no_output = parts.no_output_timeout_ms;
        Self {
            number: parts.number,
            shell: parts.shell,
            output: parts.output,
            output_ended: false,
            verdict: Some(parts.verdict),
            reason: Vec::new(),
            masks: parts.masks,
            _script: parts.script,
            no_output: (no_output > 0).then(|| Duration::from_millis(no_output)),
            last_output: now,
            ending: None,
            exited: None,
        }
    }

    /// What to wait for to learn whether the shell runs.
    pub(super) fn verdict(&self) -> Option<BorrowedFd<'_>> {
        self.verdict.as_ref().map(AsFd::as_fd)
    }

    /// What to wait for to read on.
    pub(super) fn output(&self) -> Option<BorrowedFd<'_>> {
        (!self.output_ended).then(|| self.output.as_fd())
    }

    /// Reads the verdict; true when it has just become clear that the shell runs.
    pub(super) fn learn_verdict(&mut self) -> bool {
        let Some(verdict) = &self.verdict else {
            return false;
        };
        let mut buffer = [0; CHILD_REASON];
        loop {
            match rustix::io::read(verdict, &mut buffer) {
                Ok(0) => {
                    self.verdict = None;
                    return self.reason.is_empty();
                }
                Ok(read) if self.reason.len() < CHILD_REASON => {
                    self.reason.extend_from_slice(&buffer[..read]);
                }
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(_) => return false,
            }
        }
    }

    /// Takes a turn's worth of output, masked, into `out`.
    pub(super) fn read_some(&mut self, now: Instant, out: &mut Vec<u8>) {
        if self.read_up_to(READ_PER_TURN, out) > 0 {
            self.last_output = now;
        }
    }

    /// The silence while nobody listened is not the step's.
    pub(super) fn not_listened(&mut self, now: Instant) {
        self.last_output = now;
    }

    fn read_up_to(&mut self, most: usize, out: &mut Vec<u8>) -> usize {
        let mut buffer = [0; 16 << 10];
        let mut total = 0;
        while total < most && !self.output_ended {
            match self.output.read(&mut buffer) {
                Taken::Bytes(read) => {
                    self.masks.push(&buffer[..read], out);
                    total += read;
                }
                Taken::Nothing => break,
                Taken::End => self.output_ended = true,
            }
        }
        total
    }

    /// When the runner must look again, whatever happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.ending {
            Some(ending) => (!ending.killed).then_some(ending.deadline),
            None => self
                .no_output
                .and_then(|limit| self.last_output.checked_add(limit)),
        }
    }

    /// Does what the time asks for: ends a silent step, kills one whose grace is over.
    pub(super) fn expire(&mut self, now: Instant, grace: Duration, processes: &Processes) {
        if self.deadline().is_none_or(|deadline| deadline > now) {
            return;
        }
        let output_waits = self.output_waits();
        match (&mut self.ending, self.no_output) {
            (Some(ending), _) => {
                ending.killed = true;
                self.kill(processes);
            }
            // Output that nobody has read yet is no silence, however long this process had to wait for its turn.
            (None, Some(_)) if output_waits => self.last_output = now,
            (None, Some(limit)) => {
                let after_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                self.end(StepEnd::NoOutput { after_ms }, now, grace, processes);
            }
            (None, None) => {}
        }
    }

    fn output_waits(&self) -> bool {
        let Some(output) = self.output() else {
            return false;
        };
        let mut waits = [PollFd::from_borrowed_fd(output, PollFlags::IN)];
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        poll(&mut waits, Some(&now)).is_ok_and(|ready| ready > 0)
            && waits[0].revents().contains(PollFlags::IN)
    }

    /// Begins to end the step: TERM now, KILL after the grace. Asked again, the sooner deadline holds and the first
    /// reason stays.
    pub(super) fn end(&mut self, why: StepEnd, now: Instant, grace: Duration, processes: &Processes) {
        if self.mark_ending(why, now, grace) {
            self.signal(Signal::TERM, processes);
            // A stopped process only acts on TERM once it goes on.
            self.signal(Signal::CONT, processes);
        }
    }

    /// As `end`, for a step that somebody else tells; true if it was not ending before.
    pub(super) fn mark_ending(&mut self, why: StepEnd, now: Instant, grace: Duration) -> bool {
        let deadline = now.checked_add(grace).unwrap_or(now);
        if let Some(ending) = &mut self.ending {
            ending.deadline = ending.deadline.min(deadline);
            return false;
        }
        self.ending = Some(Ending {
            why,
            deadline,
            killed: false,
            told_again: false,
        });
        true
    }

    /// Kills the whole session, twice, as a process may fork between the look and the signal.
    pub(super) fn kill(&self, processes: &Processes) {
        self.signal(Signal::KILL, processes);
        self.signal(Signal::KILL, processes);
    }

    fn signal(&self, signal: Signal, processes: &Processes) {
        if self.exited.is_none() {
            // Unreaped, so the number is still its own; and it may not have called setsid yet.
            let _dead = kill_process(self.shell, signal);
        }
        processes.signal(Group::Session(self.shell), signal);
    }

    /// Takes the shell's end if this is the shell.
    pub(super) fn reaped(&mut self, pid: Pid, status: WaitStatus) -> bool {
        if pid != self.shell || self.exited.is_some() {
            return false;
        }
        self.exited = Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => StepEnd::Exited(code),
            (None, Some(signal)) => StepEnd::Signaled(signal),
            (None, None) => return false,
        });
        true
    }

    /// How the step ended, once it has: its shell is gone, and if it was made to end so is its session.
    pub(super) fn ended(&mut self, processes: &Processes) -> Option<StepEnd> {
        let exited = self.exited.clone()?;
        if !self.reason.is_empty() {
            return Some(StepEnd::CouldNotStart(
                String::from_utf8_lossy(&self.reason).into_owned(),
            ));
        }
        let Some(ending) = &mut self.ending else {
            return Some(exited);
        };
        if ending.killed || !processes.any(Group::Session(self.shell)) {
            return Some(ending.why.clone());
        }
        // A process that was just being forked may have missed the first signal, or taken it for its parent.
        if !std::mem::replace(&mut ending.told_again, true) {
            self.signal(Signal::TERM, processes);
        }
        None
    }

    /// Takes the last output. What is left is the terminal, if a process still holds it.
    pub(super) fn conclude(mut self, out: &mut Vec<u8>) -> Option<Output> {
        self.read_up_to(DRAIN, out);
        self.masks.finish(out);
        self.output.release();
        (!self.output_ended).then_some(self.output)
    }
}
