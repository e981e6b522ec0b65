//! Reads workflows, jobs and slices: as the engine needs them and as pages show them. Runs inside transactions that
//! `store` opens, so that what belongs together is of one moment.

use std::collections::HashMap;

use airlock_domain::state::{Job, JobKind, JobStatus, Slice, SliceStatus, Workflow, WorkflowStatus};
use airlock_domain::{JobId, PipelineId, ProjectId, WorkflowId};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{EventRow, JobRow, SliceRow, WorkflowRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::failure::{failed, number};
use crate::fields::Fields;
use crate::statements::workflows as sql;

pub(crate) async fn load(
    c: &mut SqliteConnection,
    id: WorkflowId,
) -> Result<Option<(Workflow, u64)>, StoreError> {
    let loading = |error: sqlx::Error| failed(format_args!("loading the workflow {id}"), error);
    let key = id.to_string();
    let state = sqlx::query(sql::STATE)
        .bind(&key)
        .fetch_optional(&mut *c)
        .await
        .map_err(loading)?;
    let Some(state) = state else {
        return Ok(None);
    };
    let fields = Fields::new("a workflow", &state);
    let slices = sqlx::query(sql::SLICES_OF_WORKFLOW)
        .bind(&key)
        .fetch_all(&mut *c)
        .await
        .map_err(loading)?;
    let mut slices = by_job(&slices, |fields| {
        Ok(Slice {
            index: fields.number("slice")?,
            status: fields.word("status", SliceStatus::parse)?,
            fence: fields.number("decided_fence")?,
        })
    })?;
    let jobs = sqlx::query(sql::JOB_STATES)
        .bind(&key)
        .fetch_all(&mut *c)
        .await
        .map_err(loading)?
        .iter()
        .map(|row| {
            let fields = Fields::new("a job", row);
            let id = fields.parsed("id")?;
            Ok(Job {
                id,
                name: fields.parsed("name")?,
                kind: fields.word("kind", read_kind)?,
                requires: fields.json("requires")?,
                left_out: fields.text_opt("left_out")?,
                status: fields.word("status", JobStatus::parse)?,
                reason: fields.text_opt("reason")?,
                slices: slices.remove(&id).unwrap_or_default(),
            })
        })
        .collect::<Result<_, StoreError>>()?;
    let workflow = Workflow {
        id: fields.parsed("id")?,
        name: fields.parsed("name")?,
        status: fields.word("status", WorkflowStatus::parse)?,
        jobs,
    };
    Ok(Some((workflow, fields.number("version")?)))
}

pub(crate) async fn by_id(
    c: &mut SqliteConnection,
    id: WorkflowId,
) -> Result<Option<WorkflowRow>, StoreError> {
    sqlx::query(sql::WORKFLOW)
        .bind(id.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading the workflow {id}"), error))?
        .as_ref()
        .map(workflow)
        .transpose()
}

pub(crate) async fn of_pipeline(
    c: &mut SqliteConnection,
    pipeline: PipelineId,
) -> Result<Vec<WorkflowRow>, StoreError> {
    sqlx::query(sql::WORKFLOWS)
        .bind(pipeline.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| {
            failed(
                format_args!("reading the workflows of pipeline {pipeline}"),
                error,
            )
        })?
        .iter()
        .map(workflow)
        .collect()
}

pub(crate) async fn jobs(c: &mut SqliteConnection, workflow: WorkflowId) -> Result<Vec<JobRow>, StoreError> {
    let reading = |error: sqlx::Error| failed(format_args!("reading the jobs of workflow {workflow}"), error);
    let key = workflow.to_string();
    let slices = sqlx::query(sql::SLICES_OF_WORKFLOW)
        .bind(&key)
        .fetch_all(&mut *c)
        .await
        .map_err(reading)?;
    let mut slices = by_job(&slices, slice)?;
    sqlx::query(sql::JOBS)
        .bind(&key)
        .fetch_all(&mut *c)
        .await
        .map_err(reading)?
        .iter()
        .map(|row| {
            let mut found = job(row)?;
            found.slices = slices.remove(&found.id).unwrap_or_default();
            Ok(found)
        })
        .collect()
}

pub(crate) async fn job_by_id(c: &mut SqliteConnection, id: JobId) -> Result<Option<JobRow>, StoreError> {
    let row = sqlx::query(sql::JOB)
        .bind(id.to_string())
        .fetch_optional(&mut *c)
        .await
        .map_err(|error| failed(format_args!("reading the job {id}"), error))?;
    with_slices(c, row).await
}

pub(crate) async fn job_by_number(
    c: &mut SqliteConnection,
    project: ProjectId,
    counted: u64,
) -> Result<Option<JobRow>, StoreError> {
    let row = sqlx::query(sql::JOB_BY_NUMBER)
        .bind(project.to_string())
        .bind(number(counted))
        .fetch_optional(&mut *c)
        .await
        .map_err(|error| failed(format_args!("reading job {counted} of project {project}"), error))?;
    with_slices(c, row).await
}

pub(crate) async fn events(
    c: &mut SqliteConnection,
    workflow: WorkflowId,
) -> Result<Vec<EventRow>, StoreError> {
    sqlx::query(sql::EVENTS)
        .bind(workflow.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading the events of workflow {workflow}"), error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("an event", row);
            Ok(EventRow {
                number: fields.number("number")?,
                event: fields.json("event")?,
                at: fields.time("at")?,
            })
        })
        .collect()
}

/// A job's kind as its row holds it.
pub(crate) const fn kind_word(kind: JobKind) -> &'static str {
    match kind {
        JobKind::Build => "build",
        JobKind::Approval => "approval",
        JobKind::NoOp => "no-op",
    }
}

fn read_kind(word: &str) -> Option<JobKind> {
    [JobKind::Build, JobKind::Approval, JobKind::NoOp]
        .into_iter()
        .find(|kind| kind_word(*kind) == word)
}

async fn with_slices(c: &mut SqliteConnection, row: Option<SqliteRow>) -> Result<Option<JobRow>, StoreError> {
    let Some(row) = row else {
        return Ok(None);
    };
    let mut found = job(&row)?;
    found.slices = sqlx::query(sql::SLICES_OF_JOB)
        .bind(found.id.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading the slices of job {}", found.id), error))?
        .iter()
        .map(|row| slice(&Fields::new("a slice", row)))
        .collect::<Result<_, _>>()?;
    Ok(Some(found))
}

/// Slices in order, under the job they belong to.
fn by_job<T>(
    rows: &[SqliteRow],
    read: impl Fn(&Fields<'_>) -> Result<T, StoreError>,
) -> Result<HashMap<JobId, Vec<T>>, StoreError> {
    let mut jobs: HashMap<JobId, Vec<T>> = HashMap::new();
    for row in rows {
        let fields = Fields::new("a slice", row);
        jobs.entry(fields.parsed("job")?)
            .or_default()
            .push(read(&fields)?);
    }
    Ok(jobs)
}

fn workflow(row: &SqliteRow) -> Result<WorkflowRow, StoreError> {
    let fields = Fields::new("a workflow", row);
    Ok(WorkflowRow {
        id: fields.parsed("id")?,
        pipeline: fields.parsed("pipeline")?,
        name: fields.parsed("name")?,
        status: fields.word("status", WorkflowStatus::parse)?,
        left_out: fields.text_opt("left_out")?,
        created_at: fields.time("created_at")?,
        stopped_at: fields.time_opt("stopped_at")?,
    })
}

/// A job without its slices.
fn job(row: &SqliteRow) -> Result<JobRow, StoreError> {
    let fields = Fields::new("a job", row);
    Ok(JobRow {
        id: fields.parsed("id")?,
        workflow: fields.parsed("workflow")?,
        pipeline: fields.parsed("pipeline")?,
        project: fields.parsed("project")?,
        number: fields.number_opt("number")?,
        name: fields.parsed("name")?,
        kind: fields.word("kind", read_kind)?,
        requires: fields.json("requires")?,
        status: fields.word("status", JobStatus::parse)?,
        reason: fields.text_opt("reason")?,
        body: fields.json_opt("body")?,
        started_at: fields.time_opt("started_at")?,
        stopped_at: fields.time_opt("stopped_at")?,
        slices: Vec::new(),
    })
}

fn slice(fields: &Fields<'_>) -> Result<SliceRow, StoreError> {
    Ok(SliceRow {
        index: fields.number("slice")?,
        status: fields.word("status", SliceStatus::parse)?,
        fence: fields.number("fence")?,
        agent: fields.parsed_opt("agent")?,
        lease_until: fields.time_opt("lease_until")?,
        stop: fields.flag("stop")?,
        started_at: fields.time_opt("started_at")?,
        stopped_at: fields.time_opt("stopped_at")?,
    })
}
