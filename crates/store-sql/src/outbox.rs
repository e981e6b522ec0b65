//! The outbox: status changes that the outside must hear of. Rows are written by the transactions that change a status.

use airlock_domain::Timestamp;
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::rows::{OutboxRow, StatusChange};
use sqlx::sqlite::SqliteConnection;

use crate::failure::{failed, json, number};
use crate::fields::Fields;
use crate::statements::outbox as sql;

pub(crate) async fn add(
    c: &mut SqliteConnection,
    change: &StatusChange,
    at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(sql::ADD)
        .bind(change.kind())
        .bind(json("a status change", change)?)
        .bind(at.as_millis())
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| failed("adding to the outbox", error))
}

pub(crate) async fn take(c: &mut SqliteConnection, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
    sqlx::query(sql::OLDEST)
        .bind(i64::from(limit))
        .fetch_all(c)
        .await
        .map_err(|error| failed("reading the outbox", error))?
        .iter()
        .map(|row| {
            let fields = Fields::new("an outbox entry", row);
            Ok(OutboxRow {
                id: fields.number("seq")?,
                change: fields.json("payload")?,
                at: fields.time("at")?,
            })
        })
        .collect()
}

pub(crate) async fn acknowledge(c: &mut SqliteConnection, id: u64) -> Result<(), StoreError> {
    sqlx::query(sql::REMOVE)
        .bind(number(id))
        .execute(c)
        .await
        .map(drop)
        .map_err(|error| failed(format_args!("acknowledging the outbox entry {id}"), error))
}
