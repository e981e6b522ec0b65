use sqlx::{Executor, SqlSafeStr, Statement};

use crate::SqliteStore;
use crate::failure::failed;

use super::{
    decisions, identity, orbs, outbox, pipelines, planning, projects, queue, records, schema, ssh, workflows,
};

const CONCEPTS: &[(&str, &[(&str, &str)])] = &[
    ("decisions", decisions::ALL),
    ("identity", identity::ALL),
    ("orbs", orbs::ALL),
    ("outbox", outbox::ALL),
    ("pipelines", pipelines::ALL),
    ("planning", planning::ALL),
    ("projects", projects::ALL),
    ("queue", queue::ALL),
    ("records", records::ALL),
    ("schema", schema::ALL),
    ("ssh", ssh::ALL),
    ("workflows", workflows::ALL),
];

#[tokio::test]
async fn every_statement_prepares_against_the_newest_schema() {
    let store = SqliteStore::in_memory().await.expect("a store");
    let wrong = store
        .write(|c| {
            Box::pin(async move {
                let mut wrong = Vec::new();
                for (concept, statements) in CONCEPTS {
                    for (name, text) in *statements {
                        if let Err(error) = (&mut *c).prepare(text.into_sql_str()).await {
                            wrong.push(format!("{concept}::{name}: {error}"));
                        }
                    }
                }
                Ok(wrong)
            })
        })
        .await
        .expect("the writer answers");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_statement_that_does_not_fit_the_schema_would_be_seen() {
    let store = SqliteStore::in_memory().await.expect("a store");
    let prepared = store
        .write(|c| {
            Box::pin(async move {
                (&mut *c)
                    .prepare("SELECT no_such_column FROM jobs".into_sql_str())
                    .await
                    .map(|statement| statement.columns().len())
                    .map_err(|error| failed("preparing", error))
            })
        })
        .await;
    assert!(
        prepared
            .expect_err("no such column")
            .to_string()
            .contains("no_such_column")
    );
}

/// What both databases understand: no statement may use what only one of them has.
#[test]
fn statements_keep_to_the_portable_subset() {
    let only_sqlite = [
        "INSERT OR ",
        "REPLACE INTO",
        "IFNULL(",
        "ROWID",
        "DATETIME(",
        "STRFTIME(",
        "GLOB ",
        "?",
    ];
    for (concept, statements) in CONCEPTS {
        for (name, text) in *statements {
            let upper = text.to_uppercase();
            for word in only_sqlite {
                assert!(!upper.contains(word), "{concept}::{name} uses {word}");
            }
        }
    }
}
