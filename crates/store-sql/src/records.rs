//! Steps, artifacts, audit, agents. Runs inside transactions that `store` opens.

use airlock_domain::JobId;
use airlock_domain::state::StepStatus;
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{AgentRow, ArtifactRow, AuditRow, StepRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::failure::{failed, not_written, number};
use crate::fields::Fields;
use crate::queue::{offered, offers};
use crate::statements::records as sql;

pub(crate) async fn put_step(c: &mut SqliteConnection, row: &StepRow) -> Result<(), StoreError> {
    sqlx::query(sql::PUT_STEP)
        .bind(row.job.to_string())
        .bind(i64::from(row.slice))
        .bind(i64::from(row.step))
        .bind(&row.name)
        .bind(row.status.as_str())
        .bind(row.exit_code)
        .bind(&row.reason)
        .bind(row.started_at.map(airlock_domain::Timestamp::as_millis))
        .bind(row.stopped_at.map(airlock_domain::Timestamp::as_millis))
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| {
            let owner = format!("slice {} of job {}", row.slice, row.job);
            not_written(format_args!("step {} of {owner}", row.step), &owner, &error)
        })
}

pub(crate) async fn steps(
    c: &mut SqliteConnection,
    job: JobId,
    slice: u32,
) -> Result<Vec<StepRow>, StoreError> {
    sqlx::query(sql::STEPS)
        .bind(job.to_string())
        .bind(i64::from(slice))
        .fetch_all(c)
        .await
        .map_err(|error| {
            failed(
                format_args!("reading the steps of slice {slice} of job {job}"),
                error,
            )
        })?
        .iter()
        .map(|row| {
            let fields = Fields::new("a step", row);
            Ok(StepRow {
                job: fields.parsed("job")?,
                slice: fields.number("slice")?,
                step: fields.number("step")?,
                name: fields.text("name")?,
                status: fields.word("status", StepStatus::parse)?,
                exit_code: fields.number_opt("exit_code")?,
                reason: fields.text_opt("reason")?,
                started_at: fields.time_opt("started_at")?,
                stopped_at: fields.time_opt("stopped_at")?,
            })
        })
        .collect()
}

pub(crate) async fn put_artifact(
    c: &mut SqliteConnection,
    row: &ArtifactRow,
) -> Result<Option<ArtifactRow>, StoreError> {
    let (job, slice) = (row.job.to_string(), i64::from(row.slice));
    let replaced = sqlx::query(sql::TAKE_ARTIFACT)
        .bind(&job)
        .bind(slice)
        .bind(&row.path)
        .fetch_optional(&mut *c)
        .await
        .map_err(|error| failed(format_args!("replacing the artifact {}", row.path), error))?
        .as_ref()
        .map(artifact)
        .transpose()?;
    sqlx::query(sql::ADD_ARTIFACT)
        .bind(row.id.to_string())
        .bind(&job)
        .bind(slice)
        .bind(&row.path)
        .bind(number(row.size))
        .bind(row.created_at.as_millis())
        .execute(&mut *c)
        .await
        .map_err(|error| {
            not_written(
                format_args!("the artifact {} ({})", row.id, row.path),
                format_args!("slice {} of job {}", row.slice, row.job),
                &error,
            )
        })?;
    // A repeated call must not hand back its own row: the caller would remove the blob it just stored.
    Ok(replaced.filter(|old| old.id != row.id))
}

pub(crate) async fn artifacts(c: &mut SqliteConnection, job: JobId) -> Result<Vec<ArtifactRow>, StoreError> {
    sqlx::query(sql::ARTIFACTS)
        .bind(job.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading the artifacts of job {job}"), error))?
        .iter()
        .map(artifact)
        .collect()
}

pub(crate) async fn add_audit(c: &mut SqliteConnection, row: &AuditRow) -> Result<(), StoreError> {
    sqlx::query(sql::ADD_AUDIT)
        .bind(&row.action)
        .bind(&row.actor)
        .bind(&row.target)
        .bind(row.at.as_millis())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| failed(format_args!("adding the audit row '{}'", row.action), error))
}

pub(crate) async fn audit(
    c: &mut SqliteConnection,
    after: u64,
    limit: u32,
) -> Result<Vec<AuditRow>, StoreError> {
    sqlx::query(sql::AUDIT)
        .bind(number(after))
        .bind(i64::from(limit))
        .fetch_all(c)
        .await
        .map_err(|error| failed("reading the audit", error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("an audit row", row);
            Ok(AuditRow {
                number: fields.number("number")?,
                action: fields.text("action")?,
                actor: fields.text("actor")?,
                target: fields.text("target")?,
                at: fields.time("at")?,
            })
        })
        .collect()
}

pub(crate) async fn agent_seen(c: &mut SqliteConnection, row: &AgentRow) -> Result<(), StoreError> {
    sqlx::query(sql::AGENT_SEEN)
        .bind(row.id.to_string())
        .bind(&row.name)
        .bind(row.seen_at.as_millis())
        .bind(offered(&row.offers))
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| failed(format_args!("writing that agent {} was heard", row.id), error))
}

pub(crate) async fn agents(c: &mut SqliteConnection) -> Result<Vec<AgentRow>, StoreError> {
    sqlx::query(sql::AGENTS)
        .fetch_all(c)
        .await
        .map_err(|error| failed("reading the agents", error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("an agent", row);
            Ok(AgentRow {
                id: fields.parsed("id")?,
                name: fields.text("name")?,
                seen_at: fields.time("seen_at")?,
                offers: fields.with("offers", offers)?,
            })
        })
        .collect()
}

fn artifact(row: &SqliteRow) -> Result<ArtifactRow, StoreError> {
    let fields = Fields::new("an artifact", row);
    Ok(ArtifactRow {
        id: fields.parsed("id")?,
        job: fields.parsed("job")?,
        slice: fields.number("slice")?,
        path: fields.text("path")?,
        size: fields.number("size")?,
        created_at: fields.time("created_at")?,
    })
}
