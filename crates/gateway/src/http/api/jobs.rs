//! Jobs: CircleCI's view of one by its number, ours by its id with the steps of every slice, and its artifacts.

use airlock_control_plane::queries::PipelineView;
use airlock_control_plane::rows::{JobRow, SliceRow, StepRow};
use airlock_domain::plan::Executor;
use airlock_domain::state::{JobStatus, SliceStatus, StepStatus};
use axum::Json as Reply;
use axum::Json;
use axum::extract::State as With;

use super::paging::Page;
use super::shapes::{Id, Nullable, Time, shapes};
use crate::http::answer::Problem;
use crate::http::input::{PathParts, Queries};
use crate::http::state::State;

shapes! { reply:
    /// A job.
    Job {
        /// Its number in the project.
        number: Nullable<u64>,
        /// Its name.
        name: String,
        /// Its status.
        status: JobStatus,
        /// Why it is so, where that is not plain.
        reason: Option<String>,
        /// Its page.
        web_url: String,
        /// Its project.
        project: JobProject,
        /// Its organisation.
        organization: Named,
        /// Its pipeline.
        pipeline: Reference,
        /// Its workflow.
        latest_workflow: NamedReference,
        /// Where its steps run.
        executor: JobExecutor,
        /// Slices in all.
        parallelism: u32,
        /// The slices.
        parallel_runs: Vec<ParallelRun>,
        /// When it was created.
        created_at: Time,
        /// Not kept.
        queued_at: Nullable<Time>,
        /// When it began to run.
        started_at: Nullable<Time>,
        /// When it ended.
        stopped_at: Nullable<Time>,
        /// How long it ran, in milliseconds.
        duration: Nullable<u64>,
        /// Contexts it may use.
        contexts: Vec<Named>,
        /// Nothing today.
        messages: Vec<String>,
    }

    /// The project of a job.
    JobProject {
        /// Its id.
        id: Id,
        /// Its slug.
        slug: String,
        /// Its name.
        name: String,
        /// Where to push and clone.
        external_url: String,
    }

    /// Something known by its name.
    Named {
        /// The name.
        name: String,
    }

    /// Something known by its id.
    Reference {
        /// The id.
        id: Id,
    }

    /// Something known by id and name.
    NamedReference {
        /// The id.
        id: Id,
        /// The name.
        name: String,
    }

    /// Where the steps of a job run.
    JobExecutor {
        /// docker.
        r#type: Nullable<&'static str>,
        /// How much of a machine it gets.
        resource_class: Nullable<String>,
    }

    /// One slice, as CircleCI shows it.
    ParallelRun {
        /// From 0.
        index: u32,
        /// Its status.
        status: SliceStatus,
    }

    /// A kept file of a job.
    Artifact {
        /// Its path.
        path: String,
        /// The slice that kept it.
        node_index: u32,
        /// Where to get it.
        url: String,
    }

    /// A job with everything its page shows.
    JobDetail {
        /// Its id.
        id: Id,
        /// Its number in the project; approvals have none.
        number: Option<u64>,
        /// Its name.
        name: String,
        /// Its project.
        project_slug: String,
        /// Its pipeline.
        pipeline_id: Id,
        /// Its workflow.
        workflow_id: Id,
        /// Its status.
        status: JobStatus,
        /// Why it is so, where that is not plain.
        reason: Option<String>,
        /// When it began to run, or went on hold.
        started_at: Nullable<Time>,
        /// When it ended.
        stopped_at: Nullable<Time>,
        /// Its slices.
        slices: Vec<Slice>,
    }

    /// One slice with its steps.
    Slice {
        /// From 0.
        index: u32,
        /// Its status.
        status: SliceStatus,
        /// The agent that has or had it.
        agent: Option<Id>,
        /// When it was claimed.
        started_at: Nullable<Time>,
        /// When it ended.
        stopped_at: Nullable<Time>,
        /// Its steps so far.
        steps: Vec<Step>,
    }

    /// One step of a slice.
    Step {
        /// From 0.
        index: u32,
        /// Its name.
        name: String,
        /// Its status.
        status: StepStatus,
        /// Its exit code, where it ran to an end.
        exit_code: Option<i32>,
        /// Why, where that is not plain.
        reason: Option<String>,
        /// When it began.
        started_at: Nullable<Time>,
        /// When it ended.
        stopped_at: Nullable<Time>,
    }
}

/// `GET /project/{vcs}/{org}/{repo}/job/{number}`
pub(crate) async fn get(With(state): With<State>, path: PathParts) -> Result<Reply<Job>, Problem> {
    let job = state
        .plane
        .job_by_number(&path.slug()?, path.get("number")?)
        .await?;
    let view = state.plane.pipeline(job.pipeline).await?;
    job_shape(&state, job, &view).map(Json)
}

/// `GET /project/{vcs}/{org}/{repo}/{number}/artifacts`
pub(crate) async fn artifacts(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Reply<Page<Artifact>>, Problem> {
    query.only_page()?;
    let job = state
        .plane
        .job_by_number(&path.slug()?, path.get("number")?)
        .await?;
    let web = &state.plane.addresses()?.web;
    let rows = state.plane.artifacts(job.id).await?.into_iter();
    let items = rows.map(|row| Artifact {
        path: row.path,
        node_index: row.slice,
        url: format!("{web}/api/v2/airlock/job/{}/artifact/{}", row.job, row.id),
    });
    Ok(Page::only(items.collect()))
}

/// `GET /airlock/job/{id}`
pub(crate) async fn detail(With(state): With<State>, path: PathParts) -> Result<Reply<JobDetail>, Problem> {
    let job = state.plane.job(path.get("id")?).await?;
    let view = state.plane.pipeline(job.pipeline).await?;
    let mut slices = Vec::with_capacity(job.slices.len());
    for row in &job.slices {
        slices.push(slice_shape(row, state.plane.steps(job.id, row.index).await?));
    }
    Ok(Json(JobDetail {
        id: Id::of(job.id),
        number: job.number,
        name: job.name.to_string(),
        project_slug: view.project.slug.to_string(),
        pipeline_id: Id::of(job.pipeline),
        workflow_id: Id::of(job.workflow),
        status: job.status,
        reason: job.reason,
        started_at: Time::nullable(job.started_at),
        stopped_at: Time::nullable(job.stopped_at),
        slices,
    }))
}

fn slice_shape(row: &SliceRow, steps: Vec<StepRow>) -> Slice {
    let step = |step: StepRow| Step {
        index: step.step,
        name: step.name,
        status: step.status,
        exit_code: step.exit_code,
        reason: step.reason,
        started_at: Time::nullable(step.started_at),
        stopped_at: Time::nullable(step.stopped_at),
    };
    Slice {
        index: row.index,
        status: row.status,
        agent: row.agent.map(Id::of),
        started_at: Time::nullable(row.started_at),
        stopped_at: Time::nullable(row.stopped_at),
        steps: steps.into_iter().map(step).collect(),
    }
}

fn job_shape(state: &State, job: JobRow, view: &PipelineView) -> Result<Job, Problem> {
    let addresses = state.plane.addresses()?;
    let slug = &view.project.slug;
    let workflow = view.workflows.iter().find(|row| row.id == job.workflow);
    let workflow = workflow.ok_or_else(|| Problem::not_found(&format!("workflow {}", job.workflow)))?;
    let duration = job
        .started_at
        .zip(job.stopped_at)
        .map(|(start, stop)| stop.millis_since(start));
    let runs = job.slices.iter().map(|row| ParallelRun {
        index: row.index,
        status: row.status,
    });
    Ok(Job {
        number: Nullable(job.number),
        name: job.name.to_string(),
        status: job.status,
        reason: job.reason,
        web_url: format!("{}/jobs/{}", addresses.web, job.id),
        project: JobProject {
            id: Id::of(view.project.id),
            slug: slug.to_string(),
            name: slug.repo.to_string(),
            external_url: addresses.git_url(slug),
        },
        organization: Named {
            name: slug.org.to_string(),
        },
        pipeline: Reference {
            id: Id::of(job.pipeline),
        },
        latest_workflow: NamedReference {
            id: Id::of(job.workflow),
            name: workflow.name.to_string(),
        },
        executor: JobExecutor {
            r#type: Nullable(job.body.as_ref().map(|body| match body.executor {
                Executor::Docker { .. } => "docker",
                Executor::Machine(_) => "machine",
                Executor::MacOs(_) => "macos",
            })),
            resource_class: Nullable(job.body.as_ref().map(|body| body.resource_class.to_string())),
        },
        parallelism: job.body.as_ref().map_or(1, |body| body.parallelism),
        parallel_runs: runs.collect(),
        created_at: Time::at(workflow.created_at),
        queued_at: Nullable(None),
        started_at: Time::nullable(job.started_at),
        stopped_at: Time::nullable(job.stopped_at),
        duration: Nullable(duration),
        contexts: Vec::new(),
        messages: Vec::new(),
    })
}
