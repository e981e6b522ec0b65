//! The orb registry: versions with their text, what pipelines took of them, and what their projects met before. Runs
//! inside transactions that `store` opens.

use airlock_domain::{OrbDigest, OrbName, OrbVersion, PipelineId, ProjectId, Timestamp};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::orbs::{AddedOrb, FetchedOrb, NewOrb, OrbConflict, OrbRow, PipelineOrb};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::failure::{failed, json, not_written, number};
use crate::fields::Fields;
use crate::statements::orbs as sql;

/// Looks at all of them before the first is written, so that nothing has to be taken back.
pub(crate) async fn add(
    c: &mut SqliteConnection,
    orbs: &[NewOrb],
    now: Timestamp,
) -> Result<Vec<AddedOrb>, StoreError> {
    sqlx::query(sql::REMOVE_ENDED)
        .bind(now.as_millis())
        .execute(&mut *c)
        .await
        .map_err(|error| failed("removing development versions that have ended", error))?;
    let mut answers = Vec::with_capacity(orbs.len());
    for (place, orb) in orbs.iter().enumerate() {
        // The same version may stand twice in one call; then the earlier one is what is there, unless a release stays.
        let same = |other: &&NewOrb| other.row.name == orb.row.name && other.row.version == orb.row.version;
        let earlier = orbs[..place].iter().rev().find(same);
        let earlier = earlier.map(|earlier| earlier.row.digest.clone());
        let stored = digest(c, &orb.row).await?;
        let there = if orb.row.version.is_release() {
            stored.or(earlier)
        } else {
            earlier.or(stored)
        };
        answers.push(match there {
            None => AddedOrb::New,
            Some(there) if there == orb.row.digest => AddedOrb::Same,
            Some(there) if orb.row.version.is_release() => AddedOrb::Differs { there },
            Some(before) => AddedOrb::Replaced { before },
        });
    }
    if answers
        .iter()
        .any(|answer| matches!(answer, AddedOrb::Differs { .. }))
    {
        return Ok(answers);
    }
    for (orb, answer) in orbs.iter().zip(&answers) {
        match answer {
            AddedOrb::Same if orb.row.version.is_release() => {}
            AddedOrb::New | AddedOrb::Same | AddedOrb::Replaced { .. } => put(c, orb).await?,
            AddedOrb::Differs { .. } => {}
        }
    }
    Ok(answers)
}

async fn digest(c: &mut SqliteConnection, row: &OrbRow) -> Result<Option<OrbDigest>, StoreError> {
    sqlx::query(sql::DIGEST)
        .bind(row.name.as_str())
        .bind(row.version.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("looking for {}@{}", row.name, row.version), error))?
        .map(|found| Fields::new("an orb version", &found).parsed("digest"))
        .transpose()
}

async fn put(c: &mut SqliteConnection, orb: &NewOrb) -> Result<(), StoreError> {
    let row = &orb.row;
    sqlx::query(sql::PUT)
        .bind(row.name.as_str())
        .bind(row.version.to_string())
        .bind(row.digest.as_str())
        .bind(number(row.size))
        .bind(&row.description)
        .bind(json("the orbs that an orb uses", &row.nested)?)
        .bind(row.imported_at.as_millis())
        .bind(&row.imported_by)
        .bind(row.expires_at.map(Timestamp::as_millis))
        .bind(&orb.source)
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| failed(format_args!("writing {}@{}", row.name, row.version), error))
}

pub(crate) async fn all(c: &mut SqliteConnection, now: Timestamp) -> Result<Vec<OrbRow>, StoreError> {
    let rows = sqlx::query(sql::EVERY)
        .bind(now.as_millis())
        .fetch_all(c)
        .await
        .map_err(|error| failed("reading the orbs", error))?;
    in_order(&rows)
}

pub(crate) async fn versions(
    c: &mut SqliteConnection,
    name: &OrbName,
    now: Timestamp,
) -> Result<Vec<OrbRow>, StoreError> {
    let rows = sqlx::query(sql::VERSIONS)
        .bind(name.as_str())
        .bind(now.as_millis())
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading the versions of {name}"), error))?;
    in_order(&rows)
}

/// Versions are ordered as numbers, which their text in the database is not.
fn in_order(rows: &[SqliteRow]) -> Result<Vec<OrbRow>, StoreError> {
    let mut rows: Vec<OrbRow> = rows.iter().map(read).collect::<Result<_, _>>()?;
    rows.sort_by(|a, b| a.name.cmp(&b.name).then_with(|| b.version.cmp(&a.version)));
    Ok(rows)
}

pub(crate) async fn source(
    c: &mut SqliteConnection,
    name: &OrbName,
    version: &OrbVersion,
    now: Timestamp,
) -> Result<Option<(OrbRow, String)>, StoreError> {
    sqlx::query(sql::SOURCE)
        .bind(name.as_str())
        .bind(version.to_string())
        .bind(now.as_millis())
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading {name}@{version}"), error))?
        .map(|row| Ok((read(&row)?, Fields::new("an orb version", &row).text("source")?)))
        .transpose()
}

pub(crate) async fn lock(
    c: &mut SqliteConnection,
    pipeline: PipelineId,
    orbs: &[PipelineOrb],
    at: Timestamp,
) -> Result<Vec<OrbConflict>, StoreError> {
    let project = project(c, pipeline).await?;
    let mut conflicts = Vec::new();
    for orb in orbs.iter().filter(|orb| orb.version.is_release()) {
        if let Some(before) = locked(c, project, orb)
            .await?
            .filter(|before| *before != orb.digest)
        {
            conflicts.push(OrbConflict {
                name: orb.name.clone(),
                version: orb.version.clone(),
                before,
                now: orb.digest.clone(),
            });
        }
    }
    if !conflicts.is_empty() {
        return Ok(conflicts);
    }
    for orb in orbs {
        let doing = |error: sqlx::Error| {
            not_written(
                format_args!("that pipeline {pipeline} took {}@{}", orb.name, orb.version),
                format_args!("the pipeline {pipeline}"),
                &error,
            )
        };
        if orb.version.is_release() {
            sqlx::query(sql::ADD_LOCK)
                .bind(project.to_string())
                .bind(orb.name.as_str())
                .bind(orb.version.to_string())
                .bind(orb.digest.as_str())
                .bind(at.as_millis())
                .execute(&mut *c)
                .await
                .map_err(doing)?;
        }
        sqlx::query(sql::ADD_TAKEN)
            .bind(pipeline.to_string())
            .bind(&orb.reference)
            .bind(orb.name.as_str())
            .bind(orb.version.to_string())
            .bind(orb.digest.as_str())
            .execute(&mut *c)
            .await
            .map_err(doing)?;
    }
    Ok(conflicts)
}

async fn project(c: &mut SqliteConnection, pipeline: PipelineId) -> Result<ProjectId, StoreError> {
    let found = sqlx::query(sql::PROJECT)
        .bind(pipeline.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading the project of pipeline {pipeline}"), error))?;
    let found = found.ok_or_else(|| StoreError::Missing {
        what: format!("the pipeline {pipeline}"),
    })?;
    Fields::new("a pipeline", &found).parsed("project")
}

async fn locked(
    c: &mut SqliteConnection,
    project: ProjectId,
    orb: &PipelineOrb,
) -> Result<Option<OrbDigest>, StoreError> {
    sqlx::query(sql::LOCKED)
        .bind(project.to_string())
        .bind(orb.name.as_str())
        .bind(orb.version.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| {
            failed(
                format_args!("looking up what {}@{} was before", orb.name, orb.version),
                error,
            )
        })?
        .map(|row| Fields::new("a lock of an orb", &row).parsed("digest"))
        .transpose()
}

pub(crate) async fn of_pipeline(
    c: &mut SqliteConnection,
    pipeline: PipelineId,
) -> Result<Vec<PipelineOrb>, StoreError> {
    sqlx::query(sql::TAKEN)
        .bind(pipeline.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading the orbs of pipeline {pipeline}"), error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("an orb of a pipeline", row);
            Ok(PipelineOrb {
                reference: fields.text("reference")?,
                name: fields.parsed("name")?,
                version: fields.parsed("version")?,
                digest: fields.parsed("digest")?,
            })
        })
        .collect()
}

pub(crate) async fn lock_fetched(
    c: &mut SqliteConnection,
    pipeline: PipelineId,
    orbs: &[FetchedOrb],
    at: Timestamp,
) -> Result<(), StoreError> {
    for orb in orbs {
        let doing = |error: sqlx::Error| {
            not_written(
                format_args!("that pipeline {pipeline} took an orb from an address"),
                format_args!("the pipeline {pipeline}"),
                &error,
            )
        };
        sqlx::query(sql::ADD_TEXT)
            .bind(orb.digest.as_str())
            .bind(&orb.source)
            .execute(&mut *c)
            .await
            .map_err(doing)?;
        sqlx::query(sql::ADD_FETCHED)
            .bind(pipeline.to_string())
            .bind(&orb.url)
            .bind(orb.digest.as_str())
            .bind(at.as_millis())
            .execute(&mut *c)
            .await
            .map_err(doing)?;
    }
    Ok(())
}

pub(crate) async fn fetched(
    c: &mut SqliteConnection,
    pipeline: PipelineId,
) -> Result<Vec<FetchedOrb>, StoreError> {
    sqlx::query(sql::FETCHED)
        .bind(pipeline.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| {
            failed(
                format_args!("reading the orbs that pipeline {pipeline} fetched"),
                error,
            )
        })?
        .iter()
        .map(|row| {
            let fields = Fields::new("a fetched orb", row);
            Ok(FetchedOrb {
                url: fields.text("url")?,
                digest: fields.parsed("digest")?,
                source: fields.text("source")?,
            })
        })
        .collect()
}

pub(crate) async fn fetched_digests(
    c: &mut SqliteConnection,
    pipeline: PipelineId,
) -> Result<Vec<(String, OrbDigest)>, StoreError> {
    sqlx::query(sql::FETCHED_DIGESTS)
        .bind(pipeline.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| {
            failed(
                format_args!("reading which orbs pipeline {pipeline} fetched"),
                error,
            )
        })?
        .iter()
        .map(|row| {
            let fields = Fields::new("a fetched orb", row);
            Ok((fields.text("url")?, fields.parsed("digest")?))
        })
        .collect()
}

fn read(row: &SqliteRow) -> Result<OrbRow, StoreError> {
    let fields = Fields::new("an orb version", row);
    Ok(OrbRow {
        name: fields.parsed("name")?,
        version: fields.parsed("version")?,
        digest: fields.parsed("digest")?,
        size: fields.number("size")?,
        description: fields.text("description")?,
        nested: fields.json("nested")?,
        imported_at: fields.time("imported_at")?,
        imported_by: fields.text("imported_by")?,
        expires_at: fields.time_opt("expires_at")?,
    })
}
