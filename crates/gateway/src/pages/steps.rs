//! The steps of one slice with their logs, as the job page shows them: what failed or runs stands open.

use airlock_control_plane::ControlPlane;
use airlock_control_plane::rows::StepRow;
use airlock_domain::state::StepStatus;
use airlock_domain::{JobId, Timestamp};

use super::limits::{LOG_TAIL_BYTES, PAGE_LOG_BYTES, WANTED_LOG_TAIL_BYTES};
use super::log::{LogView, tail};
use super::words::{Lasting, Mark};
use crate::http::answer::Problem;

/// A step with its log.
pub(crate) struct StepView {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mark: Mark,
    pub(crate) lasting: Option<Lasting>,
    pub(crate) note: Option<String>,
    pub(crate) open: bool,
    pub(crate) running: bool,
    pub(crate) skipped: bool,
    /// `None` when the page's budget for logs was spent, or when only the heads of steps are wanted.
    pub(crate) log: Option<LogView>,
    /// The number of the first line that looks like what went wrong.
    pub(crate) first_hit: Option<u64>,
    /// Where to get all of it.
    pub(crate) whole: String,
}

/// The steps of a slice. Without `logs` only their heads are given, and where the failing lines are: a browser that has
/// the page keeps its logs.
pub(crate) async fn steps(
    plane: &ControlPlane,
    job: JobId,
    slice: u32,
    now: Timestamp,
    logs: bool,
) -> Result<Vec<StepView>, Problem> {
    let rows = plane.steps(job, slice).await?;
    let mut views: Vec<StepView> = rows.iter().map(|row| head(row, now)).collect();
    let mut budget = PAGE_LOG_BYTES;
    // What one came for is read first, from the end: the last failure is the one that counts.
    for wanted in [true, false] {
        for (view, row) in views.iter_mut().zip(&rows).rev() {
            let failed = failed(row.status);
            if view.open != wanted || view.skipped || !(logs || failed) {
                continue;
            }
            let most = if wanted {
                WANTED_LOG_TAIL_BYTES
            } else {
                LOG_TAIL_BYTES
            };
            if most > budget {
                continue;
            }
            let log = tail(plane, (job, slice, row.step), most, failed).await?;
            let shown: usize = log.lines.iter().map(|line| line.line.text().len()).sum();
            budget = budget.saturating_sub(shown as u64);
            view.first_hit = log
                .lines
                .iter()
                .find(|line| line.hit)
                .and_then(|line| line.number);
            view.log = Some(log).filter(|_| logs);
        }
    }
    Ok(views)
}

const fn failed(status: StepStatus) -> bool {
    match status {
        StepStatus::Failed | StepStatus::TimedOut | StepStatus::InfrastructureFail => true,
        StepStatus::Running | StepStatus::Success | StepStatus::Skipped | StepStatus::Canceled => false,
    }
}

fn head(row: &StepRow, now: Timestamp) -> StepView {
    let running = row.status == StepStatus::Running;
    let code = row.exit_code.filter(|code| *code != 0);
    let note = match (&row.reason, code) {
        (Some(reason), _) => Some(reason.clone()),
        (None, Some(code)) => Some(format!("exit code {code}")),
        (None, None) => None,
    };
    StepView {
        index: row.step,
        name: row.name.clone(),
        mark: Mark::of_step(row.status),
        lasting: Lasting::new(row.started_at, row.stopped_at, now),
        note,
        open: running || failed(row.status),
        running,
        skipped: row.status == StepStatus::Skipped,
        log: None,
        first_hit: None,
        whole: format!("/jobs/{}/log?slice={}&step={}", row.job, row.slice, row.step),
    }
}
