//! The end of planning: state, workflows, jobs, slices, events, queue and outbox in one transaction that `store` opens.

use airlock_domain::explanation::Explanation;
use airlock_domain::plan::{BuildJob, Platform};
use airlock_domain::state::{Event, JobKind, JobStatus, PipelineState, SliceStatus};
use airlock_domain::{PipelineId, ProjectId, Timestamp, WorkflowId};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{NewJob, NewWorkflow, PipelineError, StatusChange};
use sqlx::sqlite::SqliteConnection;

use crate::failure::{failed, json, not_written, number};
use crate::fields::Fields;
use crate::statements::pipelines::BY_ID;
use crate::statements::planning as sql;
use crate::workflows::kind_word;
use crate::{decisions, outbox};

/// What all rows of one planned pipeline share.
struct Planned {
    pipeline: PipelineId,
    project: ProjectId,
    at: Timestamp,
}

pub(crate) async fn finish(
    c: &mut SqliteConnection,
    id: PipelineId,
    state: PipelineState,
    errors: &[PipelineError],
    workflows: &[NewWorkflow],
    at: Timestamp,
) -> Result<bool, StoreError> {
    let doing = |error: sqlx::Error| failed(format_args!("ending the planning of pipeline {id}"), error);
    let finished = sqlx::query(sql::FINISH)
        .bind(id.to_string())
        .bind(state.as_str())
        .bind(json("a pipeline's errors", &errors)?)
        .fetch_optional(&mut *c)
        .await
        .map_err(doing)?;
    let Some(row) = finished else {
        let there = sqlx::query(BY_ID)
            .bind(id.to_string())
            .fetch_optional(&mut *c)
            .await
            .map_err(doing)?;
        return match there {
            Some(_) => Ok(false),
            None => Err(StoreError::Missing {
                what: format!("the pipeline {id}"),
            }),
        };
    };
    let planned = Planned {
        pipeline: id,
        project: Fields::new("a pipeline", &row).parsed("project")?,
        at,
    };
    outbox::add(c, &StatusChange::Pipeline { pipeline: id, state }, at).await?;
    for (place, workflow) in (0_i64..).zip(workflows) {
        add_workflow(c, &planned, place, workflow).await?;
    }
    Ok(true)
}

pub(crate) async fn keep_explanation(
    c: &mut SqliteConnection,
    id: PipelineId,
    explanation: &Explanation,
) -> Result<(), StoreError> {
    let owner = || format!("the pipeline {id}");
    sqlx::query(sql::PUT_EXPLANATION)
        .bind(id.to_string())
        .bind(json("an explanation", explanation)?)
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| not_written(format_args!("why parts of {} run", owner()), owner(), &error))
}

pub(crate) async fn explanation(
    c: &mut SqliteConnection,
    id: PipelineId,
) -> Result<Option<Explanation>, StoreError> {
    sqlx::query(sql::EXPLANATION)
        .bind(id.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading why parts of pipeline {id} run"), error))?
        .map(|row| Fields::new("an explanation", &row).json("explanation"))
        .transpose()
}

async fn add_workflow(
    c: &mut SqliteConnection,
    planned: &Planned,
    place: i64,
    workflow: &NewWorkflow,
) -> Result<(), StoreError> {
    let at = planned.at;
    sqlx::query(sql::ADD_WORKFLOW)
        .bind(workflow.id.to_string())
        .bind(planned.pipeline.to_string())
        .bind(place)
        .bind(workflow.name.as_str())
        .bind(workflow.status.as_str())
        .bind(&workflow.left_out)
        .bind(at.as_millis())
        .bind(workflow.status.is_final().then_some(at.as_millis()))
        .execute(&mut *c)
        .await
        .map_err(|error| {
            not_written(
                format_args!("the workflow {}", workflow.id),
                format_args!("the pipeline {}", planned.pipeline),
                &error,
            )
        })?;
    decisions::add_event(c, workflow.id, 1, &Event::Start, at).await?;
    let change = StatusChange::Workflow {
        pipeline: planned.pipeline,
        workflow: workflow.id,
        status: workflow.status,
    };
    outbox::add(c, &change, at).await?;
    for (place, job) in (0_i64..).zip(&workflow.jobs) {
        add_job(c, planned, workflow.id, place, job).await?;
    }
    for effect in &workflow.effects {
        decisions::carry_out(c, workflow.id, effect, at).await?;
    }
    Ok(())
}

async fn add_job(
    c: &mut SqliteConnection,
    planned: &Planned,
    workflow: WorkflowId,
    place: i64,
    job: &NewJob,
) -> Result<(), StoreError> {
    let (id, at) = (job.id.to_string(), planned.at);
    let what = || format!("the job {} ({})", job.id, job.name);
    let owner = || format!("the workflow {workflow}");
    let counted = match job.kind {
        JobKind::Build => Some(next_number(c, planned.project).await?),
        JobKind::Approval | JobKind::NoOp => None,
    };
    let begun = matches!(job.status, JobStatus::Running | JobStatus::OnHold);
    let platform = job.body.as_ref().map_or(Platform::Linux, BuildJob::platform);
    let body = job
        .body
        .as_ref()
        .map(|body| json("a job's body", body))
        .transpose()?;
    sqlx::query(sql::ADD_JOB)
        .bind(&id)
        .bind(workflow.to_string())
        .bind(place)
        .bind(planned.pipeline.to_string())
        .bind(planned.project.to_string())
        .bind(counted.map(number))
        .bind(job.name.as_str())
        .bind(kind_word(job.kind))
        .bind(json("a job's requirements", &job.requires)?)
        .bind(&job.left_out)
        .bind(job.status.as_str())
        .bind(&job.reason)
        .bind(body)
        .bind(begun.then_some(at.as_millis()))
        .bind(job.status.outcome().is_some().then_some(at.as_millis()))
        .bind(platform.as_str())
        .execute(&mut *c)
        .await
        .map_err(|error| not_written(what(), owner(), &error))?;
    for (index, status) in (0_i64..).zip(&job.slices) {
        add_slice(c, &id, index, *status, at)
            .await
            .map_err(|error| not_written(format_args!("slice {index} of {}", what()), owner(), &error))?;
    }
    let change = StatusChange::Job {
        pipeline: planned.pipeline,
        workflow,
        job: job.id,
        status: job.status,
        reason: job.reason.clone(),
    };
    outbox::add(c, &change, at).await
}

async fn add_slice(
    c: &mut SqliteConnection,
    job: &str,
    index: i64,
    status: SliceStatus,
    at: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(sql::ADD_SLICE)
        .bind(job)
        .bind(index)
        .bind(status.as_str())
        .bind(status.is_final().then_some(at.as_millis()))
        .execute(c)
        .await
        .map(drop)
}

async fn next_number(c: &mut SqliteConnection, project: ProjectId) -> Result<u64, StoreError> {
    let row = sqlx::query(sql::NEXT_JOB_NUMBER)
        .bind(project.to_string())
        .fetch_one(c)
        .await
        .map_err(|error| failed(format_args!("counting the jobs of project {project}"), error))?;
    Fields::new("a project", &row).number("number")
}
