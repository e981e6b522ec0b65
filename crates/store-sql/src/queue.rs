//! The queue and the leases on what was taken from it. Runs inside transactions that `store` opens.

use airlock_domain::plan::{Platform, UnknownPlatform};
use airlock_domain::{AgentId, JobId, Timestamp, WorkflowId};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{Claimed, ExpiredLease};
use sqlx::sqlite::SqliteConnection;

use crate::failure::{failed, not_written, number};
use crate::fields::Fields;
use crate::statements::queue as sql;

pub(crate) async fn enqueue(
    c: &mut SqliteConnection,
    workflow: WorkflowId,
    job: JobId,
    slice: u32,
    at: Timestamp,
) -> Result<(), StoreError> {
    let what = format!("slice {slice} of job {job}");
    // A slice that is offered again belongs to nobody: its old lease must not run out a second time.
    sqlx::query(sql::RELEASE)
        .bind(job.to_string())
        .bind(i64::from(slice))
        .execute(&mut *c)
        .await
        .map_err(|error| failed(format_args!("releasing {what}"), error))?;
    sqlx::query(sql::ENQUEUE)
        .bind(workflow.to_string())
        .bind(job.to_string())
        .bind(i64::from(slice))
        .bind(at.as_millis())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| not_written(format_args!("the queue entry of {what}"), &what, &error))
}

pub(crate) async fn withdraw(
    c: &mut SqliteConnection,
    workflow: WorkflowId,
    job: JobId,
    slice: u32,
) -> Result<(), StoreError> {
    sqlx::query(sql::WITHDRAW)
        .bind(workflow.to_string())
        .bind(job.to_string())
        .bind(i64::from(slice))
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| failed(format_args!("withdrawing slice {slice} of job {job}"), error))
}

pub(crate) async fn claim(
    c: &mut SqliteConnection,
    agent: AgentId,
    offers: &[Platform],
    lease_until: Timestamp,
    now: Timestamp,
) -> Result<Option<Claimed>, StoreError> {
    let offers = offered(offers);
    let taking = |error: sqlx::Error| failed(format_args!("claiming a slice for agent {agent}"), error);
    loop {
        let taken = sqlx::query(sql::TAKE)
            .bind(&offers)
            .fetch_optional(&mut *c)
            .await
            .map_err(taking)?;
        let Some(taken) = taken else {
            return Ok(None);
        };
        let entry = Fields::new("a queue entry", &taken);
        let (workflow, job, slice) = (
            entry.parsed("workflow")?,
            entry.parsed::<JobId>("job")?,
            entry.number::<u32>("slice")?,
        );
        let leased = sqlx::query(sql::LEASE)
            .bind(job.to_string())
            .bind(i64::from(slice))
            .bind(agent.to_string())
            .bind(lease_until.as_millis())
            .bind(now.as_millis())
            .fetch_optional(&mut *c)
            .await
            .map_err(taking)?;
        // An entry whose slice has ended is nobody's work any more: the next one.
        if let Some(leased) = leased {
            let fence = Fields::new("a slice", &leased).number("fence")?;
            return Ok(Some(Claimed {
                workflow,
                job,
                slice,
                fence,
            }));
        }
    }
}

pub(crate) async fn renew(
    c: &mut SqliteConnection,
    job: JobId,
    slice: u32,
    fence: u64,
    until: Timestamp,
) -> Result<Option<bool>, StoreError> {
    sqlx::query(sql::RENEW)
        .bind(job.to_string())
        .bind(i64::from(slice))
        .bind(number(fence))
        .bind(until.as_millis())
        .fetch_optional(c)
        .await
        .map_err(|error| {
            failed(
                format_args!("renewing the lease of slice {slice} of job {job}"),
                error,
            )
        })?
        .map(|row| Fields::new("a slice", &row).flag("stop"))
        .transpose()
}

pub(crate) async fn lease(
    c: &mut SqliteConnection,
    job: JobId,
    slice: u32,
    fence: u64,
) -> Result<Option<bool>, StoreError> {
    sqlx::query(sql::LEASE_OF)
        .bind(job.to_string())
        .bind(i64::from(slice))
        .bind(number(fence))
        .fetch_optional(c)
        .await
        .map_err(|error| {
            failed(
                format_args!("reading the lease of slice {slice} of job {job}"),
                error,
            )
        })?
        .map(|row| Fields::new("a slice", &row).flag("stop"))
        .transpose()
}

pub(crate) async fn expired(
    c: &mut SqliteConnection,
    now: Timestamp,
) -> Result<Vec<ExpiredLease>, StoreError> {
    sqlx::query(sql::EXPIRED)
        .bind(now.as_millis())
        .fetch_all(c)
        .await
        .map_err(|error| failed("looking for expired leases", error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("a slice", row);
            Ok(ExpiredLease {
                workflow: fields.parsed("workflow")?,
                job: fields.parsed("job")?,
                slice: fields.number("slice")?,
                fence: fields.number("fence")?,
            })
        })
        .collect()
}

pub(crate) async fn waiting(c: &mut SqliteConnection) -> Result<Vec<(Platform, Timestamp)>, StoreError> {
    sqlx::query(sql::WAITING)
        .fetch_all(c)
        .await
        .map_err(|error| failed("looking for what the queue waits for", error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("a queue entry", row);
            Ok((fields.parsed("platform")?, fields.time("since")?))
        })
        .collect()
}

/// Platforms as one text, each with commas around it.
pub(crate) fn offered(platforms: &[Platform]) -> String {
    let words: Vec<&str> = platforms.iter().map(|platform| platform.as_str()).collect();
    format!(",{},", words.join(","))
}

/// The platforms of such a text.
pub(crate) fn offers(text: &str) -> Result<Vec<Platform>, UnknownPlatform> {
    text.split(',')
        .filter(|word| !word.is_empty())
        .map(str::parse)
        .collect()
}

pub(crate) async fn length(c: &mut SqliteConnection) -> Result<u64, StoreError> {
    let row = sqlx::query(sql::LENGTH)
        .fetch_one(c)
        .await
        .map_err(|error| failed("counting the queue", error))?;
    Fields::new("the queue", &row).number("number")
}
