use airlock_driver_interfaces::StoreError;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Executor, Row};

use super::{MIGRATIONS, Migration, migrate};

const TWO: &[Migration] = &[
    Migration {
        version: 1,
        name: "first",
        sql: "CREATE TABLE a (x TEXT); CREATE TABLE b (y TEXT);",
    },
    Migration {
        version: 2,
        name: "second",
        sql: "INSERT INTO a (x) VALUES ('moved');",
    },
];

async fn database() -> SqliteConnection {
    SqliteConnectOptions::new()
        .in_memory(true)
        .connect()
        .await
        .expect("a database")
}

async fn count(c: &mut SqliteConnection, statement: &'static str) -> i64 {
    let row = sqlx::query(statement).fetch_one(c).await.expect("it counts");
    row.get(0)
}

#[test]
fn migrations_are_numbered_without_gaps() {
    let versions: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    assert_eq!(versions, (1..).take(MIGRATIONS.len()).collect::<Vec<_>>());
}

#[tokio::test]
async fn only_what_is_missing_runs() {
    let mut c = database().await;
    migrate(&mut c, "x", &TWO[..1]).await.expect("the first runs");
    assert_eq!(count(&mut c, "SELECT COUNT(*) FROM a").await, 0);
    for _ in 0..2 {
        migrate(&mut c, "x", TWO).await.expect("the second runs once");
        assert_eq!(count(&mut c, "SELECT COUNT(*) FROM a").await, 1);
        assert_eq!(count(&mut c, "SELECT MAX(version) FROM schema_versions").await, 2);
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let mut c = database().await;
    migrate(&mut c, "x", TWO).await.expect("a newer program ran");
    let refused = migrate(&mut c, "/data/airlock.db", &TWO[..1])
        .await
        .expect_err("it is newer");
    assert!(
        matches!(
            refused,
            StoreError::Newer {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("/data/airlock.db"));
    assert_eq!(count(&mut c, "SELECT MAX(version) FROM schema_versions").await, 2);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    const BROKEN: &[Migration] = &[
        Migration {
            version: 1,
            name: "good",
            sql: "CREATE TABLE a (x TEXT);",
        },
        Migration {
            version: 2,
            name: "bad",
            sql: "CREATE TABLE b (y TEXT); INSERT INTO no_such_table VALUES (1);",
        },
    ];
    let mut c = database().await;
    let failed = migrate(&mut c, "x", BROKEN).await.expect_err("it fails");
    assert!(failed.to_string().contains("migration 2 (bad)"), "{failed}");
    let tables = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table'";
    assert_eq!(count(&mut c, tables).await, 0);
    migrate(&mut c, "x", TWO)
        .await
        .expect("the connection can be used again");
}

/// Rows that must stay as they are, whoever holds the connection.
#[tokio::test]
async fn audit_and_events_refuse_to_be_changed() {
    let mut c = database().await;
    migrate(&mut c, "x", MIGRATIONS).await.expect("it runs");
    c.execute("PRAGMA foreign_keys = OFF")
        .await
        .expect("an event without its workflow will do");
    c.execute("INSERT INTO audit (action, actor, target, at) VALUES ('a', 'b', 'c', 1)")
        .await
        .expect("adding is allowed");
    c.execute("INSERT INTO events (workflow, number, event, at) VALUES ('w', 1, '{}', 1)")
        .await
        .expect("adding is allowed");
    for statement in [
        "UPDATE audit SET actor = 'x'",
        "DELETE FROM audit",
        "UPDATE events SET event = 'x'",
    ] {
        let refused = c.execute(statement).await.expect_err(statement);
        assert!(refused.to_string().contains("never"), "{refused}");
    }
    assert_eq!(
        count(&mut c, "SELECT COUNT(*) FROM audit WHERE actor = 'b'").await,
        1
    );
}

/// A release is the same for ever, whoever holds the connection; a development version is not.
#[tokio::test]
async fn releases_of_orbs_refuse_to_be_changed() {
    let mut c = database().await;
    migrate(&mut c, "x", MIGRATIONS).await.expect("it runs");
    for (version, end) in [("1.0.0", "NULL"), ("dev:x", "9")] {
        let add = format!(
            "INSERT INTO orb_versions VALUES ('a/b', '{version}', 'd', 1, '', '[]', 1, 'ada', {end}, 's')"
        );
        c.execute(sqlx::AssertSqlSafe(add))
            .await
            .expect("adding is allowed");
    }
    for statement in [
        "UPDATE orb_versions SET source = 'x' WHERE version = '1.0.0'",
        "DELETE FROM orb_versions WHERE version = '1.0.0'",
    ] {
        let refused = c.execute(statement).await.expect_err(statement);
        assert!(refused.to_string().contains("never"), "{refused}");
    }
    c.execute("UPDATE orb_versions SET source = 'x' WHERE version = 'dev:x'")
        .await
        .expect("a development version is replaced");
    let there = "SELECT COUNT(*) FROM orb_versions WHERE source = 's' AND version = '1.0.0'";
    assert_eq!(count(&mut c, there).await, 1);
}
