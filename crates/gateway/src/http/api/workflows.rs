//! Workflows: reading, stopping, approving.

use std::collections::HashMap;

use airlock_control_plane::queries::PipelineView;
use airlock_control_plane::rows::{JobRow, WorkflowRow};
use airlock_domain::state::{JobKind, JobStatus, WorkflowStatus};
use airlock_domain::{JobId, JobName, WorkflowId};
use axum::Json as Reply;
use axum::extract::State as With;
use axum::http::StatusCode;
use axum::{Extension, Json};

use super::paging::Page;
use super::pipelines::user_id;
use super::shapes::{Id, Nullable, Time, shapes};
use crate::http::answer::Problem;
use crate::http::auth::Caller;
use crate::http::input::{PathParts, Queries};
use crate::http::state::State;

shapes! { reply:
    /// A workflow run.
    Workflow {
        /// Its id.
        id: Id,
        /// Its name.
        name: String,
        /// Its pipeline.
        pipeline_id: Id,
        /// Its pipeline's number.
        pipeline_number: u64,
        /// Its project.
        project_slug: String,
        /// Its status.
        status: WorkflowStatus,
        /// Why it does not run, if it does not.
        reason: Option<String>,
        /// Who started its pipeline.
        started_by: Id,
        /// When it was created.
        created_at: Time,
        /// When it ended.
        stopped_at: Nullable<Time>,
    }

    /// A job of a workflow.
    WorkflowJob {
        /// Its id.
        id: Id,
        /// Its name.
        name: String,
        /// Its number in the project; approvals have none.
        job_number: Option<u64>,
        /// Its project.
        project_slug: String,
        /// build or approval.
        r#type: &'static str,
        /// Its status.
        status: JobStatus,
        /// Why it is so, where that is not plain.
        reason: Option<String>,
        /// The jobs it waits for.
        dependencies: Vec<Id>,
        /// When it began to run, or went on hold.
        started_at: Nullable<Time>,
        /// When it ended.
        stopped_at: Nullable<Time>,
        /// What to approve, for an approval.
        approval_request_id: Option<Id>,
    }

    /// A word that all is well.
    Message {
        /// The word.
        message: &'static str,
    }
}

/// The answer to what was accepted.
const ACCEPTED: (StatusCode, Reply<Message>) = (StatusCode::ACCEPTED, Json(Message { message: "Accepted." }));

/// `GET /workflow/{id}`
pub(crate) async fn get(With(state): With<State>, path: PathParts) -> Result<Reply<Workflow>, Problem> {
    let row = state.plane.workflow(path.get("id")?).await?;
    let view = state.plane.pipeline(row.pipeline).await?;
    Ok(Json(workflow_shape(&row, &view)))
}

/// `GET /workflow/{id}/job`
pub(crate) async fn jobs(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Reply<Page<WorkflowJob>>, Problem> {
    query.only_page()?;
    let row = state.plane.workflow(path.get("id")?).await?;
    let view = state.plane.pipeline(row.pipeline).await?;
    let jobs = state.plane.jobs(row.id).await?;
    let ids: HashMap<&JobName, JobId> = jobs.iter().map(|job| (&job.name, job.id)).collect();
    let slug = view.project.slug.to_string();
    Ok(Page::only(
        jobs.iter().map(|job| job_shape(job, &slug, &ids)).collect(),
    ))
}

/// `POST /workflow/{id}/cancel`
pub(crate) async fn cancel(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    path: PathParts,
) -> Result<(StatusCode, Reply<Message>), Problem> {
    state.plane.cancel(path.get("id")?, &actor).await?;
    Ok(ACCEPTED)
}

/// `POST /workflow/{id}/approve/{approval_request_id}`
pub(crate) async fn approve(
    With(state): With<State>,
    Extension(Caller(actor)): Extension<Caller>,
    path: PathParts,
) -> Result<(StatusCode, Reply<Message>), Problem> {
    let workflow: WorkflowId = path.get("id")?;
    let job: JobId = path.get("approval_request_id")?;
    if state.plane.job(job).await?.workflow != workflow {
        return Err(Problem::not_found(&format!(
            "approval {job} of workflow {workflow}"
        )));
    }
    state.plane.approve(job, &actor).await?;
    Ok(ACCEPTED)
}

/// A workflow as the API shows it.
pub(crate) fn workflow_shape(row: &WorkflowRow, view: &PipelineView) -> Workflow {
    Workflow {
        id: Id::of(row.id),
        name: row.name.to_string(),
        pipeline_id: Id::of(row.pipeline),
        pipeline_number: view.pipeline.number,
        project_slug: view.project.slug.to_string(),
        status: row.status,
        reason: row.left_out.clone(),
        started_by: user_id(&view.pipeline.trigger.actor),
        created_at: Time::at(row.created_at),
        stopped_at: Time::nullable(row.stopped_at),
    }
}

fn job_shape(job: &JobRow, slug: &str, ids: &HashMap<&JobName, JobId>) -> WorkflowJob {
    let (kind, approval) = match job.kind {
        JobKind::Build => ("build", None),
        JobKind::Approval => ("approval", Some(Id::of(job.id))),
        JobKind::NoOp => ("no-op", None),
    };
    WorkflowJob {
        id: Id::of(job.id),
        name: job.name.to_string(),
        job_number: job.number,
        project_slug: slug.to_owned(),
        r#type: kind,
        status: job.status,
        reason: job.reason.clone(),
        dependencies: job
            .requires
            .iter()
            .filter_map(|wanted| ids.get(&wanted.job))
            .map(Id::of)
            .collect(),
        started_at: Time::nullable(job.started_at),
        stopped_at: Time::nullable(job.stopped_at),
        approval_request_id: approval,
    }
}
