//! Turns database errors into the store's errors. Called wherever a statement runs; it alone knows what kinds of errors
//! a database reports.

use std::fmt::Display;

use airlock_driver_interfaces::StoreError;
use serde::Serialize;

/// The statement failed while `doing` this.
pub(crate) fn failed(doing: impl Display, error: impl Display) -> StoreError {
    StoreError::Failed {
        doing: doing.to_string(),
        reason: error.to_string(),
    }
}

/// Writing `what` failed: it may be there already, or `owner`, which it belongs to, may not.
pub(crate) fn not_written(what: impl Display, owner: impl Display, error: &sqlx::Error) -> StoreError {
    match error.as_database_error() {
        Some(database) if database.is_unique_violation() => StoreError::Exists {
            what: what.to_string(),
        },
        Some(database) if database.is_foreign_key_violation() => StoreError::Missing {
            what: owner.to_string(),
        },
        Some(_) | None => failed(format_args!("writing {what}"), error),
    }
}

/// A value as JSON text.
pub(crate) fn json<T: Serialize>(what: &str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| failed(format_args!("writing {what} as JSON"), error))
}

/// A number as the database holds it. One beyond its range matches no row.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
