//! Organisations, projects, their keys and sealed variables. Runs inside transactions that `store` opens.

use airlock_domain::{EgressPolicy, EnvName, OrgId, OrgName, ProjectId, ProjectSlug, Timestamp};
use airlock_driver_interfaces::rows::{EnvironmentRow, ProjectRow, RepositoryKeyRow};
use airlock_driver_interfaces::{Sealed, StoreError};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::failure::{failed, not_written};
use crate::fields::Fields;
use crate::statements::projects as sql;

pub(crate) async fn add(c: &mut SqliteConnection, row: &ProjectRow) -> Result<ProjectRow, StoreError> {
    let name = row.slug.org.as_str();
    let what = || format!("the project {}", row.slug.short());
    sqlx::query(sql::ADD_ORGANISATION)
        .bind(row.org.to_string())
        .bind(name)
        .execute(&mut *c)
        .await
        .map_err(|error| not_written(format_args!("the organisation id {}", row.org), what(), &error))?;
    let found = sqlx::query(sql::ORGANISATION_ID)
        .bind(name)
        .fetch_one(&mut *c)
        .await
        .map_err(|error| failed(format_args!("reading the organisation {name}"), error))?;
    let org: OrgId = Fields::new("an organisation", &found).parsed("id")?;
    sqlx::query(sql::ADD)
        .bind(row.id.to_string())
        .bind(org.to_string())
        .bind(row.slug.repo.as_str())
        .bind(row.pass_secrets_to_outsiders)
        .bind(&row.deploy_key_public)
        .bind(row.deploy_key.as_str())
        .bind(row.created_at.as_millis())
        .execute(&mut *c)
        .await
        .map_err(|error| not_written(what(), format_args!("the organisation {name}"), &error))?;
    Ok(ProjectRow { org, ..row.clone() })
}

pub(crate) async fn by_id(c: &mut SqliteConnection, id: ProjectId) -> Result<Option<ProjectRow>, StoreError> {
    sqlx::query(sql::BY_ID)
        .bind(id.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading the project {id}"), error))?
        .as_ref()
        .map(project)
        .transpose()
}

pub(crate) async fn by_slug(
    c: &mut SqliteConnection,
    slug: &ProjectSlug,
) -> Result<Option<ProjectRow>, StoreError> {
    sqlx::query(sql::BY_SLUG)
        .bind(slug.org.as_str())
        .bind(slug.repo.as_str())
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading the project {}", slug.short()), error))?
        .as_ref()
        .map(project)
        .transpose()
}

pub(crate) async fn all(c: &mut SqliteConnection) -> Result<Vec<ProjectRow>, StoreError> {
    sqlx::query(sql::ALL_BY_NAME)
        .fetch_all(c)
        .await
        .map_err(|error| failed("reading the projects", error))?
        .iter()
        .map(project)
        .collect()
}

pub(crate) async fn organisations(c: &mut SqliteConnection) -> Result<Vec<OrgName>, StoreError> {
    sqlx::query(sql::ORGANISATIONS)
        .fetch_all(c)
        .await
        .map_err(|error| failed("reading the organisations", error))?
        .iter()
        .map(|row| Fields::new("an organisation", row).parsed("name"))
        .collect()
}

pub(crate) async fn put_key(c: &mut SqliteConnection, row: &RepositoryKeyRow) -> Result<(), StoreError> {
    sqlx::query(sql::PUT_KEY)
        .bind(row.project.to_string())
        .bind(&row.fingerprint)
        .bind(&row.public_key)
        .bind(row.may_push)
        .bind(&row.label)
        .bind(row.created_at.as_millis())
        .execute(c)
        .await
        .map_err(|error| {
            not_written(
                format_args!("the repository key {}", row.fingerprint),
                format_args!("the project {}", row.project),
                &error,
            )
        })?;
    Ok(())
}

pub(crate) async fn keys(
    c: &mut SqliteConnection,
    fingerprint: &str,
) -> Result<Vec<RepositoryKeyRow>, StoreError> {
    sqlx::query(sql::KEYS)
        .bind(fingerprint)
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading the repository key {fingerprint}"), error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("a repository key", row);
            Ok(RepositoryKeyRow {
                project: fields.parsed("project")?,
                fingerprint: fields.text("fingerprint")?,
                public_key: fields.text("public_key")?,
                may_push: fields.flag("may_push")?,
                label: fields.text("label")?,
                created_at: fields.time("created_at")?,
            })
        })
        .collect()
}

pub(crate) async fn put_variable(c: &mut SqliteConnection, row: &EnvironmentRow) -> Result<(), StoreError> {
    sqlx::query(sql::PUT_VARIABLE)
        .bind(row.project.to_string())
        .bind(row.name.as_str())
        .bind(row.value.as_str())
        .bind(row.updated_at.as_millis())
        .execute(c)
        .await
        .map_err(|error| {
            not_written(
                format_args!("the variable {}", row.name),
                format_args!("the project {}", row.project),
                &error,
            )
        })?;
    Ok(())
}

pub(crate) async fn remove_variable(
    c: &mut SqliteConnection,
    project: ProjectId,
    name: &EnvName,
) -> Result<bool, StoreError> {
    sqlx::query(sql::REMOVE_VARIABLE)
        .bind(project.to_string())
        .bind(name.as_str())
        .execute(c)
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(|error| {
            failed(
                format_args!("removing the variable {name} of project {project}"),
                error,
            )
        })
}

pub(crate) async fn variables(
    c: &mut SqliteConnection,
    project: ProjectId,
) -> Result<Vec<EnvironmentRow>, StoreError> {
    sqlx::query(sql::VARIABLES)
        .bind(project.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading the variables of project {project}"), error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("a variable", row);
            Ok(EnvironmentRow {
                project: fields.parsed("project")?,
                name: fields.parsed("name")?,
                value: fields.with("value", |text| Sealed::parse(text))?,
                updated_at: fields.time("updated_at")?,
            })
        })
        .collect()
}

pub(crate) async fn put_egress(
    c: &mut SqliteConnection,
    project: ProjectId,
    policy: &EgressPolicy,
    at: Timestamp,
) -> Result<(), StoreError> {
    let text = serde_json::to_string(policy).map_err(|error| {
        failed(
            format_args!("writing the egress policy of project {project}"),
            error,
        )
    })?;
    sqlx::query(sql::PUT_EGRESS)
        .bind(project.to_string())
        .bind(text)
        .bind(at.as_millis())
        .execute(c)
        .await
        .map_err(|error| not_written("the egress policy", format_args!("the project {project}"), &error))?;
    Ok(())
}

pub(crate) async fn egress(c: &mut SqliteConnection, project: ProjectId) -> Result<EgressPolicy, StoreError> {
    let row = sqlx::query(sql::EGRESS)
        .bind(project.to_string())
        .fetch_optional(c)
        .await
        .map_err(|error| {
            failed(
                format_args!("reading the egress policy of project {project}"),
                error,
            )
        })?;
    match row {
        Some(row) => Fields::new("an egress policy", &row).json("policy"),
        None => Ok(EgressPolicy::Allow),
    }
}

fn project(row: &SqliteRow) -> Result<ProjectRow, StoreError> {
    let fields = Fields::new("a project", row);
    Ok(ProjectRow {
        id: fields.parsed("id")?,
        org: fields.parsed("organisation")?,
        slug: ProjectSlug {
            org: fields.parsed("organisation_name")?,
            repo: fields.parsed("repository")?,
        },
        pass_secrets_to_outsiders: fields.flag("pass_secrets_to_outsiders")?,
        deploy_key_public: fields.text("deploy_key_public")?,
        deploy_key: fields.with("deploy_key", |text| Sealed::parse(text))?,
        created_at: fields.time("created_at")?,
    })
}
