//! Reads columns into the words of the domain. Every value a row holds is checked again on its way out: what this version
//! cannot read is an error with the row's and the column's name, never a guess.

use std::fmt::Display;
use std::str::FromStr;

use airlock_domain::Timestamp;
use airlock_driver_interfaces::StoreError;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

/// One row, with what it is for messages.
pub(crate) struct Fields<'r> {
    row: &'r SqliteRow,
    what: &'static str,
}

impl<'r> Fields<'r> {
    pub(crate) fn new(what: &'static str, row: &'r SqliteRow) -> Self {
        Self { row, what }
    }

    fn unreadable(&self, column: &str, reason: impl Display) -> StoreError {
        StoreError::Unreadable {
            what: format!("column {column} of {}", self.what),
            reason: reason.to_string(),
        }
    }

    fn raw<T: Decode<'r, Sqlite> + Type<Sqlite>>(&self, column: &str) -> Result<T, StoreError> {
        self.row
            .try_get(column)
            .map_err(|error| self.unreadable(column, error))
    }

    pub(crate) fn text(&self, column: &str) -> Result<String, StoreError> {
        self.raw(column)
    }

    pub(crate) fn text_opt(&self, column: &str) -> Result<Option<String>, StoreError> {
        self.raw(column)
    }

    /// Ids and names.
    pub(crate) fn parsed<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.with(column, str::parse)
    }

    pub(crate) fn parsed_opt<T>(&self, column: &str) -> Result<Option<T>, StoreError>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.raw::<Option<&str>>(column)?
            .map(|text| text.parse().map_err(|error| self.unreadable(column, error)))
            .transpose()
    }

    /// Whatever `read` makes of the text.
    pub(crate) fn with<T, E: Display>(
        &self,
        column: &str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        read(self.raw(column)?).map_err(|error| self.unreadable(column, error))
    }

    /// One of a fixed set of words.
    pub(crate) fn word<T>(
        &self,
        column: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        self.with(column, |text| {
            read(text).ok_or_else(|| format!("'{text}' is no word this version knows"))
        })
    }

    pub(crate) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<T, StoreError> {
        self.with(column, |text| serde_json::from_str(text))
    }

    pub(crate) fn json_opt<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, StoreError> {
        self.raw::<Option<&str>>(column)?
            .map(|text| serde_json::from_str(text).map_err(|error| self.unreadable(column, error)))
            .transpose()
    }

    pub(crate) fn time(&self, column: &str) -> Result<Timestamp, StoreError> {
        self.raw(column).map(Timestamp::from_millis)
    }

    pub(crate) fn time_opt(&self, column: &str) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.raw::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }

    /// A number of any width; negative ones are unreadable where the type has no sign.
    pub(crate) fn number<T>(&self, column: &str) -> Result<T, StoreError>
    where
        T: TryFrom<i64>,
        T::Error: Display,
    {
        T::try_from(self.raw(column)?).map_err(|error| self.unreadable(column, error))
    }

    pub(crate) fn number_opt<T>(&self, column: &str) -> Result<Option<T>, StoreError>
    where
        T: TryFrom<i64>,
        T::Error: Display,
    {
        self.raw::<Option<i64>>(column)?
            .map(|number| T::try_from(number).map_err(|error| self.unreadable(column, error)))
            .transpose()
    }

    pub(crate) fn flag(&self, column: &str) -> Result<bool, StoreError> {
        match self.raw::<i64>(column)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.unreadable(column, format_args!("{other} is neither 0 nor 1"))),
        }
    }
}
