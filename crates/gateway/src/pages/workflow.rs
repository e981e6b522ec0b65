//! One workflow: its jobs in columns, each with what it waits for or why it ended as it did; stopping it.

use airlock_control_plane::rows::{JobRow, WorkflowRow};
use airlock_domain::explanation::Explanation;
use airlock_domain::state::{JobKind, JobStatus};
use airlock_domain::{Timestamp, WorkflowId};
use askama::Template;
use axum::extract::State as With;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::access::Viewer;
use super::form::Fields;
use super::graph;
use super::shell::{Shell, answer_living};
use super::why::{self, Why};
use super::words::{Lasting, Mark, timestamp};
use crate::http::answer::Problem;
use crate::http::input::PathParts;
use crate::http::state::State;

#[derive(Template)]
#[template(path = "workflow.html", blocks = ["live"])]
struct WorkflowPage {
    shell: Shell,
    project: String,
    pipeline: String,
    number: u64,
    card: WorkflowCard,
}

/// A workflow as it stands on its own page and on its pipeline's.
pub(crate) struct WorkflowCard {
    pub(crate) id: WorkflowId,
    pub(crate) name: String,
    pub(crate) mark: Mark,
    pub(crate) lasting: Option<Lasting>,
    pub(crate) left_out: Option<String>,
    /// Where the rule stands that leaves it out.
    pub(crate) left_out_at: Option<String>,
    /// What decided about it and its jobs.
    pub(crate) whys: Vec<Why>,
    pub(crate) columns: Vec<Vec<Node>>,
    pub(crate) may_cancel: bool,
    /// Which page a button leads back to.
    pub(crate) from: &'static str,
}

/// A job in its column.
pub(crate) struct Node {
    pub(crate) path: String,
    pub(crate) name: String,
    pub(crate) mark: Mark,
    pub(crate) lasting: Option<Lasting>,
    pub(crate) requires: Vec<String>,
    pub(crate) reason: Option<String>,
    /// Where the rule stands that leaves it out.
    pub(crate) left_out_at: Option<String>,
    /// `2 of 3 slices`, for a parallel job that runs.
    pub(crate) slices: Option<String>,
    pub(crate) may_approve: bool,
}

impl WorkflowCard {
    pub(crate) fn new(
        row: &WorkflowRow,
        jobs: &[JobRow],
        explanation: Option<&Explanation>,
        now: Timestamp,
        from: &'static str,
    ) -> Self {
        let name = row.name.as_str();
        let place = |job: Option<&str>| why::left_out_at(explanation?, name, job);
        let whys = explanation.and_then(|explanation| {
            let workflow = explanation.workflow(name)?;
            Some(why::of_workflow(&explanation.file, workflow))
        });
        let began = jobs.iter().filter_map(|job| job.started_at).min();
        let columns = graph::columns(jobs).into_iter();
        Self {
            id: row.id,
            name: row.name.to_string(),
            mark: Mark::of_workflow(row.status),
            lasting: Lasting::new(began, row.stopped_at, now),
            left_out: row.left_out.clone(),
            left_out_at: place(None),
            whys: whys.unwrap_or_default(),
            columns: columns
                .map(|column| {
                    let node = |job: &JobRow| Node::new(job, place(Some(job.name.as_str())), now);
                    column.into_iter().map(node).collect()
                })
                .collect(),
            may_cancel: !row.status.is_final(),
            from,
        }
    }
}

impl Node {
    fn new(job: &JobRow, left_out_at: Option<String>, now: Timestamp) -> Self {
        let ended = job.slices.iter().filter(|slice| slice.status.is_final()).count();
        let parallel = job.slices.len() > 1;
        let hold = job.kind == JobKind::Approval && job.status == JobStatus::OnHold;
        let requires = job.requires.iter().map(|wanted| wanted.job.to_string());
        Self {
            path: format!("/jobs/{}", job.id),
            name: job.name.to_string(),
            mark: Mark::of_job(job.status),
            lasting: if job.kind == JobKind::Build {
                Lasting::new(job.started_at, job.stopped_at, now)
            } else {
                None
            },
            requires: requires.collect(),
            reason: job.reason.clone(),
            left_out_at: left_out_at.filter(|_| job.status == JobStatus::NotRun),
            slices: parallel.then(|| {
                if job.status.outcome().is_some() {
                    format!("{} slices", job.slices.len())
                } else {
                    format!("{ended} of {} slices", job.slices.len())
                }
            }),
            may_approve: hold,
        }
    }
}

/// `GET /workflows/{id}`
pub(crate) async fn show(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = state.plane.workflow(id_in(&path)?).await?;
    let view = state.plane.pipeline(row.pipeline).await?;
    let jobs = state.plane.jobs(row.id).await?;
    let explanation = state.plane.explanation(row.pipeline).await?;
    let now = timestamp((state.now)());
    let card = WorkflowCard::new(&row, &jobs, explanation.as_ref(), now, "workflow");
    let project = view.project.slug.short();
    let title = format!("{} · {} · {project}", card.mark.word, card.name);
    let channel = format!("private-pipeline-{}", row.pipeline);
    let page = WorkflowPage {
        shell: Shell::new(title, "pipelines", &viewer).live(vec![channel]),
        project,
        pipeline: format!("/pipelines/{}", row.pipeline),
        number: view.pipeline.number,
        card,
    };
    answer_living!(&headers, page)
}

/// `POST /workflows/{id}/cancel`
pub(crate) async fn cancel(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    fields: Fields,
) -> Result<Response, Problem> {
    let row = state.plane.workflow(id_in(&path)?).await?;
    match state.plane.cancel(row.id, &viewer.0).await.map_err(Problem::from) {
        Ok(()) => {}
        // It ended while the form was on its way, which is as good.
        Err(problem) if problem.is_conflict() => {}
        Err(problem) => return Err(problem),
    }
    let back = if fields.text("from") == "pipeline" {
        format!("/pipelines/{}", row.pipeline)
    } else {
        format!("/workflows/{}", row.id)
    };
    Ok(Redirect::to(&back).into_response())
}

/// Whether the job ended in a way that somebody must look at.
pub(crate) const fn went_wrong(status: JobStatus) -> bool {
    matches!(
        status,
        JobStatus::Failed | JobStatus::TimedOut | JobStatus::InfrastructureFail
    )
}

/// What is no id at all is not found, as for people there is no difference.
fn id_in(path: &PathParts) -> Result<WorkflowId, Problem> {
    path.get("id")
        .map_err(|_| Problem::not_found(&format!("workflow {}", path.text("id"))))
}
