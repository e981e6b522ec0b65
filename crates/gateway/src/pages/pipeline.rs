//! One pipeline: its workflows with their jobs, or what is wrong with its config as the compiler said it; stopping it,
//! and building the same commit again.

use airlock_control_plane::rows::{PipelineRow, Selection, TriggerKind};
use airlock_control_plane::{Reference, TriggerRequest};
use airlock_domain::PipelineId;
use airlock_domain::state::PipelineState;
use askama::Template;
use axum::extract::State as With;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::access::Viewer;
use super::pipelines::{overall, reference, subject};
use super::shell::{Shell, answer_living};
use super::words::{Mark, Moment, one_line, timestamp};
use super::workflow::{WorkflowCard, went_wrong};
use crate::http::answer::Problem;
use crate::http::input::PathParts;
use crate::http::state::State;

#[derive(Template)]
#[template(path = "pipeline.html", blocks = ["live"])]
struct PipelinePage {
    shell: Shell,
    id: PipelineId,
    number: u64,
    mark: Mark,
    subject: String,
    project: String,
    reference: String,
    sha: String,
    author: String,
    how: &'static str,
    actor: String,
    created: Moment,
    errors: Vec<ErrorView>,
    planning: bool,
    workflows: Vec<WorkflowCard>,
    may_cancel: bool,
    failed_job: Option<JobLink>,
    orbs: Vec<OrbView>,
}

/// What a reference of the config was answered with.
struct OrbView {
    reference: String,
    exact: String,
    /// Its page; an orb of an address has none.
    path: Option<String>,
    digest: String,
}

struct ErrorView {
    heading: &'static str,
    message: String,
}

struct JobLink {
    path: String,
    name: String,
    reason: Option<String>,
}

/// `GET /pipelines/{id}`
pub(crate) async fn show(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let now = timestamp((state.now)());
    let view = state.plane.pipeline(id_in(&path)?).await?;
    let explanation = state.plane.explanation(view.pipeline.id).await?;
    let (mut workflows, mut jobs) = (Vec::new(), Vec::new());
    for row in &view.workflows {
        let of_it = state.plane.jobs(row.id).await?;
        workflows.push(WorkflowCard::new(
            row,
            &of_it,
            explanation.as_ref(),
            now,
            "pipeline",
        ));
        jobs.extend(of_it);
    }
    let orbs = state.plane.pipeline_orbs(view.pipeline.id).await?;
    let at_addresses = state.plane.fetched_orbs(view.pipeline.id).await?;
    let failed = jobs.iter().find(|job| went_wrong(job.status));
    let mark = overall(&view, &jobs);
    let row = &view.pipeline;
    let project = view.project.slug.short();
    let title = format!("{} · {project} #{}", mark.word, row.number);
    let channel = format!("private-pipeline-{}", row.id);
    let page = PipelinePage {
        shell: Shell::new(title, "pipelines", &viewer).live(vec![channel]),
        id: row.id,
        number: row.number,
        mark,
        subject: subject(row),
        reference: reference(row),
        sha: row.revision.sha.as_str().chars().take(7).collect(),
        author: one_line(&row.revision.author, 60),
        how: match row.trigger.kind {
            TriggerKind::Push => "pushed",
            TriggerKind::Api => "started",
            TriggerKind::Local => "run locally",
        },
        actor: row.trigger.actor.clone(),
        created: Moment::new(row.created_at, now),
        errors: row
            .errors
            .iter()
            .map(|error| ErrorView {
                heading: match error.kind.as_str() {
                    "config" => "The config cannot be used",
                    "config-fetch" => "The config cannot be read",
                    _ => "No workflow could be planned",
                },
                message: error.message.trim_end().to_owned(),
            })
            .collect(),
        planning: row.state == PipelineState::Pending,
        may_cancel: view.workflows.iter().any(|workflow| !workflow.status.is_final()),
        workflows,
        failed_job: failed.map(|job| JobLink {
            path: format!("/jobs/{}", job.id),
            name: job.name.to_string(),
            reason: job.reason.clone(),
        }),
        orbs: orbs
            .into_iter()
            .map(|orb| OrbView {
                exact: format!("{}@{}", orb.name, orb.version),
                path: Some(super::orbs::address_of(&orb.name, &orb.version)),
                reference: orb.reference,
                digest: orb.digest.to_string(),
            })
            .chain(at_addresses.into_iter().map(|(url, digest)| OrbView {
                reference: url.clone(),
                exact: url,
                path: None,
                digest: digest.to_string(),
            }))
            .collect(),
        project,
    };
    answer_living!(&headers, page)
}

/// `POST /pipelines/{id}/cancel`
pub(crate) async fn cancel(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
) -> Result<Response, Problem> {
    let view = state.plane.pipeline(id_in(&path)?).await?;
    for workflow in view
        .workflows
        .iter()
        .filter(|workflow| !workflow.status.is_final())
    {
        match state
            .plane
            .cancel(workflow.id, &viewer.0)
            .await
            .map_err(Problem::from)
        {
            // It ended while the form was on its way, which is as good.
            Ok(()) => {}
            Err(problem) if problem.is_conflict() => {}
            Err(problem) => return Err(problem),
        }
    }
    Ok(Redirect::to(&format!("/pipelines/{}", view.pipeline.id)).into_response())
}

/// `POST /pipelines/{id}/again`: a new pipeline of the same commit.
pub(crate) async fn again(
    With(state): With<State>,
    viewer: Viewer,
    path: PathParts,
) -> Result<Response, Problem> {
    let view = state.plane.pipeline(id_in(&path)?).await?;
    let PipelineRow {
        id,
        revision,
        trigger,
        ..
    } = view.pipeline;
    let reference = match (revision.branch, revision.tag) {
        (Some(branch), _) => Reference::Branch(branch),
        (None, Some(tag)) => Reference::Tag(tag),
        (None, None) => return Err(Problem::bad("this pipeline was of no branch and no tag")),
    };
    let request = TriggerRequest {
        project: view.project.slug,
        reference,
        sha: Some(revision.sha),
        parameters: trigger.parameters,
        only: Selection::default(),
        again: Some(id),
        actor: viewer.0,
        kind: TriggerKind::Api,
        // Never more than the commit was trusted before, whoever presses the button.
        trust: trigger.trust,
        delivery: None,
    };
    let row = state.plane.trigger(request).await?;
    Ok(Redirect::to(&format!("/pipelines/{}", row.id)).into_response())
}

/// What is no id at all is not found, as for people there is no difference.
fn id_in(path: &PathParts) -> Result<PipelineId, Problem> {
    path.get("id")
        .map_err(|_| Problem::not_found(&format!("pipeline {}", path.text("id"))))
}
