//! People's keys, and who was let into what. Runs inside transactions that `store` opens.

use airlock_domain::Timestamp;
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::ssh::UserKeyRow;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use uuid::Uuid;

use crate::failure::{failed, not_written};
use crate::fields::Fields;
use crate::statements::ssh as sql;

pub(crate) async fn add_key(c: &mut SqliteConnection, row: &UserKeyRow) -> Result<(), StoreError> {
    sqlx::query(sql::ADD_KEY)
        .bind(&row.fingerprint)
        .bind(&row.user)
        .bind(&row.public_key)
        .bind(&row.label)
        .bind(row.created_at.as_millis())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| not_written(format_args!("the key {}", row.fingerprint), &row.user, &error))
}

pub(crate) async fn key(
    c: &mut SqliteConnection,
    fingerprint: &str,
) -> Result<Option<UserKeyRow>, StoreError> {
    sqlx::query(sql::KEY)
        .bind(fingerprint)
        .fetch_optional(c)
        .await
        .map_err(|error| failed(format_args!("reading the key {fingerprint}"), error))?
        .as_ref()
        .map(read_key)
        .transpose()
}

pub(crate) async fn keys_of(c: &mut SqliteConnection, user: &str) -> Result<Vec<UserKeyRow>, StoreError> {
    sqlx::query(sql::KEYS_OF)
        .bind(user)
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading the keys of {user}"), error))?
        .iter()
        .map(read_key)
        .collect()
}

pub(crate) async fn remove_key(
    c: &mut SqliteConnection,
    user: &str,
    fingerprint: &str,
) -> Result<bool, StoreError> {
    sqlx::query(sql::REMOVE_KEY)
        .bind(user)
        .bind(fingerprint)
        .execute(c)
        .await
        .map(|done| done.rows_affected() > 0)
        .map_err(|error| failed(format_args!("removing the key {fingerprint}"), error))
}

pub(crate) async fn grant(
    c: &mut SqliteConnection,
    subject: Uuid,
    user: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(sql::GRANT)
        .bind(subject.to_string())
        .bind(user)
        .bind(at.as_millis())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| failed(format_args!("letting {user} into {subject}"), error))
}

pub(crate) async fn grants(c: &mut SqliteConnection, subject: Uuid) -> Result<Vec<String>, StoreError> {
    sqlx::query(sql::GRANTS)
        .bind(subject.to_string())
        .fetch_all(c)
        .await
        .map_err(|error| failed(format_args!("reading who may enter {subject}"), error))?
        .iter()
        .map(|row| Fields::new("an SSH grant", row).text("user_name"))
        .collect()
}

fn read_key(row: &SqliteRow) -> Result<UserKeyRow, StoreError> {
    let fields = Fields::new("a person's key", row);
    Ok(UserKeyRow {
        user: fields.text("user_name")?,
        fingerprint: fields.text("fingerprint")?,
        public_key: fields.text("public_key")?,
        label: fields.text("label")?,
        created_at: fields.time("created_at")?,
    })
}
