use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::store::Identity;
use sqlx::Row;
use sqlx::sqlite::SqliteConnection;

use super::SqliteStore;
use crate::failure::failed;
use crate::writer::Doing;

fn ask<'c>(c: &'c mut SqliteConnection, statement: &'static str) -> Doing<'c, String> {
    Box::pin(async move {
        let row = sqlx::query(statement)
            .fetch_one(c)
            .await
            .map_err(|error| failed("asking", error))?;
        Ok(row
            .try_get::<i64, _>(0)
            .map_or_else(|_| row.get::<String, _>(0), |number| number.to_string()))
    })
}

async fn pragma(store: &SqliteStore, statement: &'static str, writing: bool) -> String {
    let answer = if writing {
        store.write(move |c| ask(c, statement)).await
    } else {
        store.read(move |c| ask(c, statement)).await
    };
    answer.expect("it answers")
}

#[tokio::test]
async fn an_answer_means_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("airlock.db"))
        .await
        .expect("it opens");
    for (statement, expected) in [
        ("PRAGMA journal_mode", "wal"),
        ("PRAGMA synchronous", "2"),
        ("PRAGMA foreign_keys", "1"),
        ("PRAGMA busy_timeout", "5000"),
    ] {
        assert_eq!(pragma(&store, statement, true).await, expected, "{statement}");
    }
    assert_eq!(pragma(&store, "PRAGMA query_only", true).await, "0");
    assert_eq!(pragma(&store, "PRAGMA query_only", false).await, "1");
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("airlock.db"))
        .await
        .expect("it opens");
    let refused = store
        .read(|c| {
            Box::pin(async move {
                sqlx::query("INSERT INTO settings (name, value) VALUES ('a', 'b')")
                    .execute(c)
                    .await
                    .map(drop)
                    .map_err(|error| failed("writing", error))
            })
        })
        .await;
    assert!(
        refused
            .expect_err("it only reads")
            .to_string()
            .contains("readonly")
    );
    assert_eq!(store.setting("a").await.expect("reads"), None);
}

#[tokio::test]
async fn what_was_written_is_there_when_it_is_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("airlock.db");
    let first = SqliteStore::open(&path).await.expect("it opens");
    first
        .setting_or_insert("instance", "one")
        .await
        .expect("it is set");
    let second = SqliteStore::open(&path).await.expect("it opens beside the first");
    assert_eq!(
        second.setting("instance").await.expect("reads").as_deref(),
        Some("one")
    );
    drop((first, second));
    let third = SqliteStore::open(&path).await.expect("it opens again");
    assert_eq!(
        third.setting_or_insert("instance", "two").await.expect("reads"),
        "one"
    );
}

#[tokio::test]
async fn only_its_owner_reads_the_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("airlock.db");
    let store = SqliteStore::open(&path).await.expect("it opens");
    store.setting_or_insert("a", "b").await.expect("it is set");
    for file in [
        path.clone(),
        path.with_extension("db-wal"),
        path.with_extension("db-shm"),
    ] {
        let mode = std::fs::metadata(&file)
            .expect("it is there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[tokio::test]
async fn what_cannot_be_opened_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let garbage = folder.path().join("garbage.db");
    std::fs::write(
        &garbage,
        "this is no database, but long enough to look like a file ".repeat(20),
    )
    .expect("it is written");
    for path in [garbage.as_path(), Path::new("/no/such/folder/airlock.db")] {
        let refused = SqliteStore::open(path).await.expect_err("it cannot be opened");
        assert!(
            refused.to_string().contains(&path.display().to_string()),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("airlock.db");
    let store = SqliteStore::open(&path).await.expect("it opens");
    store
        .write(|c| {
            Box::pin(async move {
                sqlx::query("INSERT INTO schema_versions (version, name) VALUES (999, 'from the future')")
                    .execute(c)
                    .await
                    .map(drop)
                    .map_err(|error| failed("writing", error))
            })
        })
        .await
        .expect("it is written");
    drop(store);
    let refused = SqliteStore::open(&path).await.expect_err("it is newer");
    assert!(
        matches!(refused, StoreError::Newer { found: 999, .. }),
        "{refused:?}"
    );
}

/// A row that this version cannot read is an error that names it, not a guess.
#[tokio::test]
async fn an_unreadable_row_is_named() {
    let store = SqliteStore::in_memory().await.expect("it opens");
    store
        .write(|c| {
            Box::pin(async move {
                sqlx::query("INSERT INTO tokens (hash, purpose, user_name, created_at) VALUES ('h', 'api', 'ada', 'soon')")
                    .execute(c)
                    .await
                    .map(drop)
                    .map_err(|error| failed("writing", error))
            })
        })
        .await
        .expect("it is written");
    let purpose = airlock_driver_interfaces::rows::TokenPurpose::Api;
    let now = airlock_domain::Timestamp::from_millis(1);
    let refused = store
        .token("h", purpose, now)
        .await
        .expect_err("it cannot be read");
    assert!(
        matches!(&refused, StoreError::Unreadable { what, .. } if what.contains("created_at of a token")),
        "{refused}"
    );
}
