//! Brings a database to the schema this version knows. Each migration is plain SQL in a file of its own, embedded, run
//! in one transaction with the row that says it ran. It never goes back: a newer schema is refused before anything
//! is read or written.

use airlock_driver_interfaces::StoreError;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Executor, Row};

use crate::failure::failed;
use crate::statements::schema as sql;

#[cfg(test)]
mod tests;

/// One step of the schema.
pub(crate) struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

/// All of them, in order, numbered from 1 without gaps. A released one is never edited.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        sql: include_str!("migrations/sqlite/0001_initial.sql"),
    },
    Migration {
        version: 2,
        name: "orbs",
        sql: include_str!("migrations/sqlite/0002_orbs.sql"),
    },
    Migration {
        version: 3,
        name: "fetched orbs",
        sql: include_str!("migrations/sqlite/0003_fetched_orbs.sql"),
    },
    Migration {
        version: 4,
        name: "explanations",
        sql: include_str!("migrations/sqlite/0004_explanations.sql"),
    },
    Migration {
        version: 5,
        name: "platforms",
        sql: include_str!("migrations/sqlite/0005_platforms.sql"),
    },
    Migration {
        version: 6,
        name: "egress policies",
        sql: include_str!("migrations/sqlite/0006_egress_policies.sql"),
    },
    Migration {
        version: 7,
        name: "SSH access",
        sql: include_str!("migrations/sqlite/0007_ssh_access.sql"),
    },
];

/// Runs what is missing. Safe when several processes open the same database at once.
pub(crate) async fn migrate(
    connection: &mut SqliteConnection,
    path: &str,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let doing = || format!("bringing the schema of the database {path} up to date");
    connection
        .execute("BEGIN IMMEDIATE")
        .await
        .map_err(|error| failed(doing(), error))?;
    let done = run_missing(connection, path, migrations).await;
    let end = if done.is_ok() { "COMMIT" } else { "ROLLBACK" };
    let ended = connection.execute(end).await;
    done?;
    ended.map(drop).map_err(|error| failed(doing(), error))
}

async fn run_missing(
    connection: &mut SqliteConnection,
    path: &str,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let reading = |error: sqlx::Error| failed(format_args!("reading the schema version of {path}"), error);
    connection.execute(sql::MAKE_VERSIONS).await.map_err(reading)?;
    let row = sqlx::query(sql::VERSION)
        .fetch_one(&mut *connection)
        .await
        .map_err(reading)?;
    let found: i64 = row.try_get("version").map_err(reading)?;
    let known = migrations.last().map_or(0, |migration| migration.version);
    if found > known {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for migration in migrations.iter().filter(|migration| migration.version > found) {
        let Migration {
            version,
            name,
            sql: text,
        } = migration;
        let running = |error: sqlx::Error| {
            failed(
                format_args!("running migration {version} ({name}) on {path}"),
                error,
            )
        };
        sqlx::raw_sql(*text)
            .execute(&mut *connection)
            .await
            .map_err(running)?;
        sqlx::query(sql::ADD_VERSION)
            .bind(*version)
            .bind(*name)
            .execute(&mut *connection)
            .await
            .map_err(running)?;
    }
    Ok(())
}
