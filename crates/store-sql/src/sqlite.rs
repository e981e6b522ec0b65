//! Opens SQLite databases and hands out transactions on them: writing ones through the one writer, reading ones on a
//! few connections of their own, each seeing one moment of the database.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use airlock_driver_interfaces::StoreError;
use sqlx::ConnectOptions;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};

use crate::failure::failed;
use crate::limits::{BUSY_TIMEOUT, READER_TIMEOUT, READERS};
use crate::migrations::{MIGRATIONS, migrate};
use crate::writer::{Doing, Writer};

#[cfg(test)]
mod tests;

/// The store in one SQLite file, or in memory. Clones share their connections.
///
/// It belongs to the runtime it was opened in. What was answered is durable: nothing needs to be closed.
#[derive(Clone)]
pub struct SqliteStore {
    writer: Writer,
    /// None in memory, where the one connection is the database.
    readers: Option<SqlitePool>,
}

impl SqliteStore {
    /// Opens the database at this path, makes it if there is none (readable for its owner only), and brings its schema
    /// up to date.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let opening =
            |error: &dyn std::fmt::Display| failed(format_args!("opening the database {name}"), error);
        // SQLite gives its WAL the mode of the database, so this one file decides for all of them.
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| opening(&error))?;
        let options = options().filename(path);
        let mut writing = options.connect().await.map_err(|error| opening(&error))?;
        migrate(&mut writing, &name, MIGRATIONS).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(READER_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_lazy_with(options.pragma("query_only", "ON"));
        Ok(Self {
            writer: Writer::start(writing),
            readers: Some(readers),
        })
    }

    /// A fresh database that lives as long as this store.
    pub async fn in_memory() -> Result<Self, StoreError> {
        let mut connection = options()
            .in_memory(true)
            .connect()
            .await
            .map_err(|error| failed("opening a database in memory", error))?;
        migrate(&mut connection, ":memory:", MIGRATIONS).await?;
        Ok(Self {
            writer: Writer::start(connection),
            readers: None,
        })
    }

    /// Runs `body` in a writing transaction: all of it when it returns `Ok`, nothing of it otherwise.
    pub(crate) async fn write<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Doing<'c, T> + Send + 'static,
    {
        self.writer.run(body).await
    }

    /// Runs `body`, which only reads, on one moment of the database.
    pub(crate) async fn read<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Doing<'c, T> + Send + 'static,
    {
        let Some(readers) = &self.readers else {
            return self.writer.run(body).await;
        };
        let reading = |error: sqlx::Error| failed("reading the database", error);
        let mut transaction = readers.begin().await.map_err(reading)?;
        let result = body(&mut transaction).await;
        // Nothing was written, so how it ends changes no answer; a connection in doubt is dropped by the pool.
        drop(transaction.rollback().await);
        result
    }
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore")
            .field("in_memory", &self.readers.is_none())
            .finish_non_exhaustive()
    }
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
}
