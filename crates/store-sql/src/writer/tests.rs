use airlock_driver_interfaces::StoreError;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Executor, Row};
use tokio::sync::oneshot;

use super::{Doing, Writer};
use crate::failure::failed;

async fn writer() -> Writer {
    let mut connection = SqliteConnectOptions::new()
        .in_memory(true)
        .connect()
        .await
        .expect("a database");
    connection
        .execute("CREATE TABLE notes (text TEXT NOT NULL UNIQUE)")
        .await
        .expect("a table");
    Writer::start(connection)
}

/// Adds a note; refuses afterwards if it says so.
fn note(
    text: &'static str,
    then: Result<(), &'static str>,
) -> impl for<'c> FnOnce(&'c mut sqlx::sqlite::SqliteConnection) -> Doing<'c, ()> + Send + 'static {
    move |c| {
        Box::pin(async move {
            sqlx::query("INSERT INTO notes (text) VALUES ($1)")
                .bind(text)
                .execute(c)
                .await
                .map_err(|error| failed("adding a note", error))?;
            then.map_err(|what| StoreError::Conflict {
                what: what.to_owned(),
            })
        })
    }
}

async fn notes(writer: &Writer) -> Vec<String> {
    writer
        .run(|c| {
            Box::pin(async move {
                let rows = sqlx::query("SELECT text FROM notes ORDER BY text")
                    .fetch_all(c)
                    .await
                    .map_err(|error| failed("reading notes", error))?;
                Ok(rows.iter().map(|row| row.get("text")).collect())
            })
        })
        .await
        .expect("they are read")
}

/// Holds the writing task until the returned sender fires, so that what is sent meanwhile becomes one group.
async fn hold(writer: &Writer) -> (oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
    let (begun, has_begun) = oneshot::channel();
    let (release, released) = oneshot::channel();
    let writer = writer.clone();
    let held = tokio::spawn(async move {
        writer
            .run(move |_| {
                Box::pin(async move {
                    begun.send(()).expect("the test waits");
                    drop(released.await);
                    Ok(())
                })
            })
            .await
            .expect("it only waits");
    });
    has_begun.await.expect("it begins");
    (release, held)
}

#[tokio::test]
async fn a_refused_member_of_a_group_takes_nobody_with_it() {
    let writer = writer().await;
    let (release, held) = hold(&writer).await;
    // All four are queued before the last branch lets the writer go on.
    let answers = tokio::join!(
        biased;
        writer.run(note("first", Ok(()))),
        writer.run(note("second", Err("the second"))),
        writer.run(note("third", Ok(()))),
        writer.run(note("third", Ok(()))),
        async { release.send(()).expect("the writer waits") },
    );
    held.await.expect("it ends");
    assert!(answers.0.is_ok() && answers.2.is_ok());
    assert!(matches!(answers.1, Err(StoreError::Conflict { .. })));
    assert!(matches!(answers.3, Err(StoreError::Failed { .. })));
    assert_eq!(notes(&writer).await, ["first", "third"]);
}

#[tokio::test]
async fn when_sqlite_gives_up_the_transaction_nobody_of_the_group_is_told_success() {
    let writer = writer().await;
    let (release, held) = hold(&writer).await;
    let (first, broken, last, ()) = tokio::join!(
        biased;
        writer.run(note("first", Ok(()))),
        // What SQLite does by itself when the disk is full.
        writer.run(|c| {
            Box::pin(async move {
                let given_up = c.execute("ROLLBACK").await;
                Err::<(), _>(failed(
                    "writing a page",
                    format_args!("disk full ({})", given_up.is_ok()),
                ))
            })
        }),
        writer.run(note("last", Ok(()))),
        async { release.send(()).expect("the writer waits") },
    );
    held.await.expect("it ends");
    assert!(first.is_err(), "its row is gone, so it must not be acknowledged");
    assert!(
        broken
            .expect_err("it failed")
            .to_string()
            .contains("disk full (true)")
    );
    assert!(last.is_err());
    assert_eq!(notes(&writer).await, Vec::<String>::new());
    writer
        .run(note("later", Ok(())))
        .await
        .expect("the writer goes on");
    assert_eq!(notes(&writer).await, ["later"]);
}

#[tokio::test]
async fn a_full_database_refuses_and_goes_on() {
    let writer = writer().await;
    writer
        .run(|c| {
            Box::pin(async move {
                c.execute("PRAGMA max_page_count = 8")
                    .await
                    .map(drop)
                    .map_err(|error| failed("limiting the database", error))
            })
        })
        .await
        .expect("it is limited");
    let big = |size: i64| {
        writer.run(move |c| {
            Box::pin(async move {
                sqlx::query("INSERT INTO notes (text) VALUES (hex(zeroblob($1)))")
                    .bind(size)
                    .execute(c)
                    .await
                    .map(drop)
                    .map_err(|error| failed("adding a note", error))
            })
        })
    };
    let refused = big(100_000).await.expect_err("there is no room");
    assert!(refused.to_string().contains("full"), "{refused}");
    big(10).await.expect("a small one fits");
    assert_eq!(notes(&writer).await.len(), 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_no_transaction_open() {
    let writer = writer().await;
    let (release, held) = hold(&writer).await;
    let gone = {
        let writer = writer.clone();
        tokio::spawn(async move { writer.run(note("abandoned", Ok(()))).await })
    };
    tokio::task::yield_now().await;
    gone.abort();
    assert!(gone.await.expect_err("it was aborted").is_cancelled());
    release.send(()).expect("the writer waits");
    held.await.expect("it ends");
    writer
        .run(note("next", Ok(())))
        .await
        .expect("the writer goes on");
    assert!(notes(&writer).await.contains(&"next".to_owned()));
}
