//! What the end of a step means: its status, its exit code, and a reason that a person can act on. Pure: what the sandbox
//! counted is handed in.

use airlock_agent_protocol::StepWork;
use airlock_domain::plan::StepWhen;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_sandbox::channel::StepEnd;
use airlock_sandbox::{Limits, Usage};

use crate::leash::StopCause;
use crate::resource_class::gibibytes;

/// How a step is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) status: StepStatus,
    pub(crate) exit_code: Option<i32>,
    pub(crate) reason: Option<String>,
}

/// What cut a slice short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Somebody stopped it.
    Stopped(StopCause),
    /// It ran longer than it may, in milliseconds.
    RunTime(u64),
    /// What the first container runs by itself ended, and with it the container.
    Container,
}

/// Why a job ends with its first container.
const CONTAINER_ENDED: &str = "what the first container runs by its `entrypoint` and `command` ended";

/// How the slice stands between two steps.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// The first failure.
    pub(crate) failure: Option<(SliceStatus, String)>,
    /// `circleci step halt` was called.
    pub(crate) halted: bool,
    /// Nothing more runs.
    pub(crate) cut: Option<Cut>,
}

impl Standing {
    /// Remembers the first failure.
    pub(crate) fn fail(&mut self, status: SliceStatus, reason: String) {
        self.failure.get_or_insert((status, reason));
    }

    /// Whether a step runs; else why not.
    pub(crate) fn runs(&self, when: StepWhen, work: &StepWork) -> Result<(), &'static str> {
        match self.cut {
            Some(Cut::Stopped(StopCause::Person)) => return Err("the job was canceled"),
            Some(Cut::Stopped(StopCause::Shutdown)) => return Err("the agent was shut down"),
            Some(Cut::RunTime(_)) => return Err("the job reached its run time limit"),
            Some(Cut::Container) => return Err(CONTAINER_ENDED),
            None => {}
        }
        let failed = self.failure.is_some();
        if self.halted && !failed {
            return Err("an earlier step ended the job early (step halt)");
        }
        let when = match work {
            // Artifacts of a failed job are the ones that are looked at.
            StepWork::StoreArtifacts { .. } => StepWhen::Always,
            StepWork::Run { .. } | StepWork::Checkout { .. } => when,
        };
        match (when, failed) {
            (StepWhen::Always, _) | (StepWhen::OnSuccess, false) | (StepWhen::OnFail, true) => Ok(()),
            (StepWhen::OnSuccess, true) => Err("an earlier step failed"),
            (StepWhen::OnFail, false) => Err("no earlier step failed"),
        }
    }

    /// How the slice ends.
    pub(crate) fn outcome(self) -> (SliceStatus, Option<String>) {
        match (self.cut, self.failure) {
            (Some(Cut::Stopped(StopCause::Person)), _) => (SliceStatus::Canceled, None),
            (Some(Cut::Stopped(StopCause::Shutdown)), _) => (
                SliceStatus::InfrastructureFail,
                Some("the agent was shut down while this job ran".into()),
            ),
            (Some(Cut::RunTime(ms)), _) => (
                SliceStatus::TimedOut,
                Some(format!("the job ran longer than its limit of {}", duration(ms))),
            ),
            (Some(Cut::Container), None) => (SliceStatus::Failed, Some(CONTAINER_ENDED.to_owned())),
            (Some(Cut::Container) | None, Some((status, reason))) => (status, Some(reason)),
            (None, None) => (SliceStatus::Success, None),
        }
    }
}

/// What the sandbox counted around one step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted<'a> {
    pub(crate) before: Usage,
    pub(crate) after: Usage,
    pub(crate) limits: &'a Limits,
}

impl Counted<'_> {
    /// The memory limit, if it was what killed.
    pub(crate) fn out_of_memory(&self) -> Option<String> {
        (self.after.oom_kills > self.before.oom_kills).then(|| {
            format!(
                "the job reached its memory limit of {} (peak {})",
                gibibytes(self.limits.memory_bytes),
                gibibytes(self.after.memory_peak)
            )
        })
    }

    fn out_of_processes(&self) -> Option<String> {
        let refused = self.after.pids_refused.saturating_sub(self.before.pids_refused);
        (refused > 0).then(|| {
            let peak = match self.after.pids_peak {
                0 => String::new(),
                peak => format!(" (peak {peak})"),
            };
            format!(
                "{refused} new processes were refused because the job reached its limit of {}{peak}",
                self.limits.pids
            )
        })
    }

    /// The disk, if it was found full while the step ran.
    fn out_of_disk(&self) -> Option<String> {
        let limit = self.limits.disk?;
        if self.after.disk_full > self.before.disk_full {
            return Some(format!(
                "the job's disk of {} was full (peak {})",
                gibibytes(limit.bytes),
                gibibytes(self.after.disk_peak)
            ));
        }
        (self.after.out_of_inodes > self.before.out_of_inodes).then(|| {
            format!(
                "the job's disk had no room for another file: it reached its limit of {} (peak {})",
                limit.inodes, self.after.inodes_peak
            )
        })
    }

    /// Whether a limit that is counted was reached.
    pub(crate) fn reached_a_limit(&self) -> bool {
        let reached = [self.out_of_memory(), self.out_of_disk(), self.out_of_processes()];
        reached.iter().any(Option::is_some)
    }
}

/// Judges a step that ended by itself.
pub(crate) fn of_end(name: &str, end: &StepEnd, counted: Counted<'_>) -> Verdict {
    let failed = |exit_code, reason: String| Verdict {
        status: StepStatus::Failed,
        exit_code,
        reason: Some(reason),
    };
    let killed = |exit_code, plain: String| {
        let reason = counted
            .out_of_memory()
            .map_or(plain, |memory| format!("step '{name}' was killed: {memory}"));
        let beside = [counted.out_of_disk(), counted.out_of_processes()];
        let words: Vec<String> = [Some(reason)].into_iter().chain(beside).flatten().collect();
        failed(exit_code, words.join("; "))
    };
    match end {
        StepEnd::Exited(0) => Verdict {
            status: StepStatus::Success,
            exit_code: Some(0),
            reason: None,
        },
        StepEnd::Exited(code) => {
            let meaning = code
                .checked_sub(128)
                .and_then(signal)
                .map_or_else(String::new, |name| {
                    format!(" (128 + signal {}, {name})", code - 128)
                });
            killed(
                Some(*code),
                format!("step '{name}' exited with code {code}{meaning}"),
            )
        }
        StepEnd::Signaled(number) => killed(
            Some(128 + number),
            format!("step '{name}' was killed by {}", signal_words(*number)),
        ),
        StepEnd::NoOutput { after_ms } => Verdict {
            status: StepStatus::TimedOut,
            exit_code: None,
            reason: Some(format!(
                "step '{name}' was stopped: it wrote no output for {}",
                duration(*after_ms)
            )),
        },
        StepEnd::Stopped => failed(None, format!("step '{name}' was stopped")),
        StepEnd::CouldNotStart(reason) => failed(None, format!("step '{name}' could not start: {reason}")),
    }
}

/// Judges a step that ended because the slice was cut short.
pub(crate) fn of_cut(name: &str, cut: Cut) -> Verdict {
    let (status, reason) = match cut {
        Cut::Stopped(StopCause::Person) => (StepStatus::Canceled, None),
        Cut::Stopped(StopCause::Shutdown) => (
            StepStatus::InfrastructureFail,
            Some(format!("step '{name}' was stopped: the agent was shut down")),
        ),
        Cut::Container => (
            StepStatus::Failed,
            Some(format!("step '{name}' was stopped: {CONTAINER_ENDED}")),
        ),
        Cut::RunTime(ms) => (
            StepStatus::TimedOut,
            Some(format!(
                "step '{name}' was stopped: the job ran longer than its limit of {}",
                duration(ms)
            )),
        ),
    };
    Verdict {
        status,
        exit_code: None,
        reason,
    }
}

/// Judges a background step that ended by itself: it does not fail the job.
pub(crate) fn of_background(name: &str, end: &StepEnd, counted: Counted<'_>) -> Verdict {
    let verdict = of_end(name, end, counted);
    Verdict {
        reason: verdict
            .reason
            .map(|reason| format!("{reason}; a background step does not fail the job")),
        ..verdict
    }
}

/// `10m`, `1h30m`, `1.5s`.
pub(crate) fn duration(ms: u64) -> String {
    let (hours, minutes, seconds, rest) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
    if rest > 0 && ms < 60_000 {
        return format!("{seconds}.{}s", rest / 100);
    }
    let parts: Vec<String> = [(hours, 'h'), (minutes, 'm'), (seconds, 's')]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect();
    if parts.is_empty() {
        "0s".into()
    } else {
        parts.concat()
    }
}

/// `signal 9 (KILL)`.
pub(crate) fn signal_words(number: i32) -> String {
    let known = signal(number).map_or_else(String::new, |name| format!(" ({name})"));
    format!("signal {number}{known}")
}

/// A reason as a line of its own in a log.
pub(crate) fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}", first.to_uppercase(), letters.as_str())
    })
}

fn signal(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "HUP",
        2 => "INT",
        3 => "QUIT",
        4 => "ILL",
        6 => "ABRT",
        7 => "BUS",
        8 => "FPE",
        9 => "KILL",
        11 => "SEGV",
        13 => "PIPE",
        14 => "ALRM",
        15 => "TERM",
        24 => "XCPU",
        25 => "XFSZ",
        31 => "SYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
