//! Pipelines: taking a delivery in once, counting numbers, listing. Runs inside transactions that `store` opens.

use airlock_domain::state::PipelineState;
use airlock_domain::{PipelineId, ProjectId};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{PipelineRow, Revision, StatusChange};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::failure::{failed, json, not_written};
use crate::fields::Fields;
use crate::outbox;
use crate::statements::pipelines as sql;

pub(crate) async fn add(
    c: &mut SqliteConnection,
    row: &PipelineRow,
) -> Result<(PipelineRow, bool), StoreError> {
    let delivery = row.trigger.delivery.to_string();
    let known = sqlx::query(sql::BY_DELIVERY)
        .bind(&delivery)
        .fetch_optional(&mut *c)
        .await
        .map_err(|error| failed(format_args!("looking for the delivery {delivery}"), error))?;
    if let Some(known) = known {
        return Ok((pipeline(&known)?, false));
    }
    let what = || format!("the pipeline {}", row.id);
    let owner = || format!("the project {}", row.project);
    let number: u64 = sqlx::query(sql::NEXT_NUMBER)
        .bind(row.project.to_string())
        .fetch_optional(&mut *c)
        .await
        .map_err(|error| failed(format_args!("counting the pipelines of {}", owner()), error))?
        .map(|counted| Fields::new("a project", &counted).number("number"))
        .ok_or_else(|| StoreError::Missing { what: owner() })??;
    let added = PipelineRow {
        number,
        state: PipelineState::Pending,
        ..row.clone()
    };
    let revision = &added.revision;
    sqlx::query(sql::ADD)
        .bind(added.id.to_string())
        .bind(added.project.to_string())
        .bind(crate::failure::number(number))
        .bind(added.state.as_str())
        .bind(revision.sha.as_str())
        .bind(revision.branch.as_ref().map(airlock_domain::BranchName::as_str))
        .bind(revision.tag.as_ref().map(airlock_domain::TagName::as_str))
        .bind(&revision.subject)
        .bind(&revision.author)
        .bind(&delivery)
        .bind(json("a trigger", &added.trigger)?)
        .bind(json("a pipeline's errors", &added.errors)?)
        .bind(added.created_at.as_millis())
        .execute(&mut *c)
        .await
        .map_err(|error| not_written(what(), owner(), &error))?;
    let change = StatusChange::Pipeline {
        pipeline: added.id,
        state: added.state,
    };
    outbox::add(c, &change, added.created_at).await?;
    Ok((added, true))
}

pub(crate) async fn by_id(
    c: &mut SqliteConnection,
    id: PipelineId,
) -> Result<Option<PipelineRow>, StoreError> {
    sqlx::query(sql::BY_ID)
        .bind(id.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading the pipeline {id}"), error))?
        .as_ref()
        .map(pipeline)
        .transpose()
}

pub(crate) async fn list(
    c: &mut SqliteConnection,
    project: Option<ProjectId>,
    before: Option<PipelineId>,
    limit: u32,
) -> Result<Vec<PipelineRow>, StoreError> {
    let reading = |error: sqlx::Error| failed("listing pipelines", error);
    let bound = match before {
        None => i64::MAX,
        Some(id) => {
            let found = sqlx::query(sql::SEQUENCE)
                .bind(id.to_string())
                .fetch_optional(&mut *c)
                .await
                .map_err(reading)?;
            match found {
                Some(row) => Fields::new("a pipeline", &row).number("seq")?,
                // Nothing is older than what never was.
                None => return Ok(Vec::new()),
            }
        }
    };
    let query = match project {
        Some(project) => sqlx::query(sql::NEWEST_OF_PROJECT)
            .bind(bound)
            .bind(i64::from(limit))
            .bind(project.to_string()),
        None => sqlx::query(sql::NEWEST).bind(bound).bind(i64::from(limit)),
    };
    query
        .fetch_all(c)
        .await
        .map_err(reading)?
        .iter()
        .map(pipeline)
        .collect()
}

pub(crate) async fn pending(c: &mut SqliteConnection) -> Result<Vec<PipelineRow>, StoreError> {
    sqlx::query(sql::PENDING)
        .fetch_all(c)
        .await
        .map_err(|error| failed("listing pending pipelines", error))?
        .iter()
        .map(pipeline)
        .collect()
}

fn pipeline(row: &SqliteRow) -> Result<PipelineRow, StoreError> {
    let fields = Fields::new("a pipeline", row);
    Ok(PipelineRow {
        id: fields.parsed("id")?,
        project: fields.parsed("project")?,
        number: fields.number("number")?,
        state: fields.word("state", PipelineState::parse)?,
        revision: Revision {
            sha: fields.parsed("sha")?,
            branch: fields.parsed_opt("branch")?,
            tag: fields.parsed_opt("tag")?,
            subject: fields.text("subject")?,
            author: fields.text("author")?,
        },
        trigger: fields.json("started_by")?,
        errors: fields.json("errors")?,
        created_at: fields.time("created_at")?,
    })
}
