//! How statuses and times are written: status as colour, shape and word, times short and exact. Pure; every page
//! uses it, so that one thing looks the same everywhere.

use std::time::{SystemTime, UNIX_EPOCH};

use airlock_domain::Timestamp;
use airlock_domain::state::{JobStatus, SliceStatus, StepStatus, WorkflowStatus};

/// A status as pages show it: a class for the colour, an icon for the shape, a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) class: &'static str,
    pub(crate) icon: &'static str,
    pub(crate) word: &'static str,
}

const fn mark(class: &'static str, icon: &'static str, word: &'static str) -> Mark {
    Mark { class, icon, word }
}

impl Mark {
    pub(crate) const SUCCESS: Self = mark("ok", "ok", "Success");
    pub(crate) const FAILED: Self = mark("bad", "bad", "Failed");
    pub(crate) const ERRORED: Self = mark("bad", "bad", "Errored");
    pub(crate) const RUNNING: Self = mark("run", "run", "Running");
    pub(crate) const FAILING: Self = mark("bad", "run", "Failing");
    pub(crate) const ON_HOLD: Self = mark("hold", "hold", "On hold");
    pub(crate) const QUEUED: Self = mark("idle", "wait", "Queued");
    pub(crate) const BLOCKED: Self = mark("idle", "wait", "Blocked");
    pub(crate) const PLANNING: Self = mark("idle", "wait", "Planning");
    pub(crate) const CANCELED: Self = mark("idle", "stop", "Canceled");
    /// What no rule keeps from running.
    pub(crate) const RUNS: Self = mark("ok", "ok", "Runs");
    pub(crate) const NOT_RUN: Self = mark("idle", "skip", "Not run");
    pub(crate) const SKIPPED: Self = mark("idle", "skip", "Skipped");
    pub(crate) const TIMED_OUT: Self = mark("bad", "clock", "Timed out");
    pub(crate) const INFRASTRUCTURE: Self = mark("hold", "infra", "Infrastructure fail");

    pub(crate) const fn of_workflow(status: WorkflowStatus) -> Self {
        match status {
            WorkflowStatus::Running => Self::RUNNING,
            WorkflowStatus::Failing => Self::FAILING,
            WorkflowStatus::OnHold => Self::ON_HOLD,
            WorkflowStatus::Success => Self::SUCCESS,
            WorkflowStatus::Failed => Self::FAILED,
            WorkflowStatus::Canceled => Self::CANCELED,
            WorkflowStatus::NotRun => Self::NOT_RUN,
        }
    }

    pub(crate) const fn of_job(status: JobStatus) -> Self {
        match status {
            JobStatus::Blocked => Self::BLOCKED,
            JobStatus::Queued => Self::QUEUED,
            JobStatus::Running => Self::RUNNING,
            JobStatus::OnHold => Self::ON_HOLD,
            JobStatus::Success => Self::SUCCESS,
            JobStatus::Failed => Self::FAILED,
            JobStatus::Canceled => Self::CANCELED,
            JobStatus::NotRun => Self::NOT_RUN,
            JobStatus::TimedOut => Self::TIMED_OUT,
            JobStatus::InfrastructureFail => Self::INFRASTRUCTURE,
        }
    }

    pub(crate) const fn of_slice(status: SliceStatus) -> Self {
        match status {
            SliceStatus::Waiting => Self::BLOCKED,
            SliceStatus::Queued => Self::QUEUED,
            SliceStatus::Running => Self::RUNNING,
            SliceStatus::Success => Self::SUCCESS,
            SliceStatus::Failed => Self::FAILED,
            SliceStatus::Canceled => Self::CANCELED,
            SliceStatus::TimedOut => Self::TIMED_OUT,
            SliceStatus::InfrastructureFail => Self::INFRASTRUCTURE,
            SliceStatus::NotRun => Self::NOT_RUN,
        }
    }

    pub(crate) const fn of_step(status: StepStatus) -> Self {
        match status {
            StepStatus::Running => Self::RUNNING,
            StepStatus::Success => Self::SUCCESS,
            StepStatus::Failed => Self::FAILED,
            StepStatus::Skipped => Self::SKIPPED,
            StepStatus::Canceled => Self::CANCELED,
            StepStatus::TimedOut => Self::TIMED_OUT,
            StepStatus::InfrastructureFail => Self::INFRASTRUCTURE,
        }
    }
}

/// A point in time: exact for programs and for those who hover, as an age for the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) iso: String,
    pub(crate) age: String,
    pub(crate) millis: i64,
}

impl Moment {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            iso: at.to_rfc3339(),
            age: age(now.millis_since(at), at),
            millis: at.as_millis(),
        }
    }
}

/// How long something took, or takes: then `since` lets a browser count on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lasting {
    pub(crate) text: String,
    pub(crate) since: Option<i64>,
}

impl Lasting {
    /// `None` for what has not begun.
    pub(crate) fn new(start: Option<Timestamp>, stop: Option<Timestamp>, now: Timestamp) -> Option<Self> {
        let start = start?;
        Some(Self {
            text: duration(stop.unwrap_or(now).millis_since(start)),
            since: stop.is_none().then(|| start.as_millis()),
        })
    }
}

/// The time of day as the domain writes it.
pub(crate) fn timestamp(now: SystemTime) -> Timestamp {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// `0.004 s`, `0.31 s`, `5.9 s`, `00:41`, `1:02:13`.
pub(crate) fn duration(millis: u64) -> String {
    match millis {
        0..100 => format!("0.{millis:03} s"),
        100..1_000 => format!("0.{:02} s", millis / 10),
        1_000..10_000 => format!("{}.{} s", millis / 1_000, millis / 100 % 10),
        10_000..3_600_000 => format!("{:02}:{:02}", millis / 60_000, millis / 1_000 % 60),
        _ => format!(
            "{}:{:02}:{:02}",
            millis / 3_600_000,
            millis / 60_000 % 60,
            millis / 1_000 % 60
        ),
    }
}

fn age(millis: u64, at: Timestamp) -> String {
    let (minutes, hours, days) = (millis / 60_000, millis / 3_600_000, millis / 86_400_000);
    match (days, hours, minutes) {
        (0, 0, 0) => "just now".to_owned(),
        (0, 0, minutes) => format!("{minutes} min ago"),
        (0, hours, _) => format!("{hours} h ago"),
        (1, _, _) => "yesterday".to_owned(),
        (2..30, _, _) => format!("{days} days ago"),
        _ => at.to_rfc3339().chars().take(10).collect(),
    }
}

/// A text of one line, cut in its middle never and at its end only when it is too long for any page.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let line = text
        .lines()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default();
    let line = line.trim();
    if line.chars().count() <= most {
        return line.to_owned();
    }
    let mut cut: String = line.chars().take(most).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_exact() {
        for (millis, text) in [
            (0, "0.000 s"),
            (4, "0.004 s"),
            (310, "0.31 s"),
            (5_930, "5.9 s"),
            (41_000, "00:41"),
            (133_999, "02:13"),
            (3_733_000, "1:02:13"),
        ] {
            assert_eq!(duration(millis), text, "{millis}");
        }
    }

    #[test]
    fn ages_are_of_one_unit() {
        let at = Timestamp::from_millis(1_795_338_487_123);
        let age = |later: i64| Moment::new(at, at.plus_millis(later)).age;
        assert_eq!(age(0), "just now");
        assert_eq!(age(60_000), "1 min ago");
        assert_eq!(age(3 * 3_600_000), "3 h ago");
        assert_eq!(age(86_400_000), "yesterday");
        assert_eq!(age(5 * 86_400_000), "5 days ago");
        assert_eq!(age(50 * 86_400_000), "2026-11-22");
        // The other clock may be ahead.
        assert_eq!(age(-5_000), "just now");
    }

    #[test]
    fn something_that_runs_says_since_when() {
        let at = Timestamp::from_millis;
        assert_eq!(Lasting::new(None, None, at(9)), None);
        let runs = Lasting::new(Some(at(1_000)), None, at(42_000)).expect("began");
        assert_eq!((runs.text.as_str(), runs.since), ("00:41", Some(1_000)));
        let ended = Lasting::new(Some(at(1_000)), Some(at(3_500)), at(42_000)).expect("began");
        assert_eq!((ended.text.as_str(), ended.since), ("2.5 s", None));
    }

    #[test]
    fn a_cut_text_says_that_it_is_cut() {
        assert_eq!(one_line("\n  first \nsecond", 20), "first");
        assert_eq!(one_line("ééééé", 4), "éééé…");
    }
}
