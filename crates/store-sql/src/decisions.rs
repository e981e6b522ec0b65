//! Writes what the engine decided: changes to rows, the event, queue and stop flags, the outbox. Runs inside
//! transactions that `store` opens. It decides nothing itself.

use airlock_domain::state::{Change, Effect, Event, JobStatus, SliceStatus};
use airlock_domain::{JobId, PipelineId, Timestamp, WorkflowId};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{DecisionRow, StatusChange};
use sqlx::sqlite::SqliteConnection;

use crate::failure::{failed, json, not_written, number};
use crate::fields::Fields;
use crate::statements::decisions as sql;
use crate::{outbox, queue};

pub(crate) async fn commit(c: &mut SqliteConnection, decision: &DecisionRow) -> Result<(), StoreError> {
    let id = decision.workflow;
    let doing = |error: sqlx::Error| failed(format_args!("taking the next version of workflow {id}"), error);
    let raised = sqlx::query(sql::NEXT_VERSION)
        .bind(id.to_string())
        .bind(number(decision.version))
        .fetch_optional(&mut *c)
        .await
        .map_err(doing)?;
    let Some(row) = raised else {
        let there = sqlx::query(sql::WORKFLOW_IS_THERE)
            .bind(id.to_string())
            .fetch_optional(&mut *c)
            .await
            .map_err(doing)?;
        let what = format!("the workflow {id}");
        return Err(match there {
            Some(_) => StoreError::Conflict { what },
            None => StoreError::Missing { what },
        });
    };
    let pipeline: PipelineId = Fields::new("a workflow", &row).parsed("pipeline")?;
    for change in &decision.changes {
        apply(c, pipeline, id, change).await?;
    }
    for effect in &decision.effects {
        carry_out(c, id, effect, decision.at).await?;
    }
    add_event(
        c,
        id,
        decision.version.saturating_add(1),
        &decision.event,
        decision.at,
    )
    .await
}

async fn apply(
    c: &mut SqliteConnection,
    pipeline: PipelineId,
    workflow: WorkflowId,
    change: &Change,
) -> Result<(), StoreError> {
    match change {
        Change::Workflow { status, at } => {
            sqlx::query(sql::SET_WORKFLOW)
                .bind(workflow.to_string())
                .bind(status.as_str())
                .bind(status.is_final())
                .bind(at.as_millis())
                .execute(&mut *c)
                .await
                .map_err(|error| failed(format_args!("changing the workflow {workflow}"), error))?;
            let change = StatusChange::Workflow {
                pipeline,
                workflow,
                status: *status,
            };
            outbox::add(c, &change, *at).await
        }
        Change::Job {
            job,
            status,
            reason,
            at,
        } => {
            let changed = sqlx::query(sql::SET_JOB)
                .bind(job.to_string())
                .bind(workflow.to_string())
                .bind(status.as_str())
                .bind(reason)
                .bind(matches!(status, JobStatus::Running | JobStatus::OnHold))
                .bind(status.outcome().is_some())
                .bind(at.as_millis())
                .fetch_optional(&mut *c)
                .await
                .map_err(|error| failed(format_args!("changing the job {job}"), error))?;
            if changed.is_none() {
                return Ok(());
            }
            let change = StatusChange::Job {
                pipeline,
                workflow,
                job: *job,
                status: *status,
                reason: reason.clone(),
            };
            outbox::add(c, &change, *at).await
        }
        Change::Slice {
            job,
            slice,
            status,
            fence,
            at,
        } => set_slice(c, workflow, *job, *slice, *status, *fence, *at).await,
    }
}

async fn set_slice(
    c: &mut SqliteConnection,
    workflow: WorkflowId,
    job: JobId,
    slice: u32,
    status: SliceStatus,
    fence: u64,
    at: Timestamp,
) -> Result<(), StoreError> {
    let statement = match status {
        SliceStatus::Waiting | SliceStatus::Queued => sql::WAIT_SLICE,
        SliceStatus::Running => sql::RUN_SLICE,
        SliceStatus::Success
        | SliceStatus::Failed
        | SliceStatus::Canceled
        | SliceStatus::TimedOut
        | SliceStatus::InfrastructureFail
        | SliceStatus::NotRun => sql::END_SLICE,
    };
    sqlx::query(statement)
        .bind(job.to_string())
        .bind(i64::from(slice))
        .bind(status.as_str())
        .bind(number(fence))
        .bind(at.as_millis())
        .bind(workflow.to_string())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| failed(format_args!("changing slice {slice} of job {job}"), error))
}

/// Writes what an effect asks for.
pub(crate) async fn carry_out(
    c: &mut SqliteConnection,
    workflow: WorkflowId,
    effect: &Effect,
    at: Timestamp,
) -> Result<(), StoreError> {
    match effect {
        Effect::Enqueue { job, slice } => queue::enqueue(c, workflow, *job, *slice, at).await,
        Effect::Withdraw { job, slice } => queue::withdraw(c, workflow, *job, *slice).await,
        Effect::Stop { job, slice } => sqlx::query(sql::STOP_SLICE)
            .bind(job.to_string())
            .bind(i64::from(*slice))
            .bind(workflow.to_string())
            .execute(c)
            .await
            .map(drop)
            .map_err(|error| failed(format_args!("stopping slice {slice} of job {job}"), error)),
    }
}

/// Adds to a workflow's history.
pub(crate) async fn add_event(
    c: &mut SqliteConnection,
    workflow: WorkflowId,
    position: u64,
    event: &Event,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(sql::ADD_EVENT)
        .bind(workflow.to_string())
        .bind(number(position))
        .bind(json("an event", event)?)
        .bind(at.as_millis())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| {
            not_written(
                format_args!("event {position} of workflow {workflow}"),
                format_args!("the workflow {workflow}"),
                &error,
            )
        })
}
