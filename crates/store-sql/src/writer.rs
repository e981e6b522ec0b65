//! The one writer. A task owns the writing connection and runs transactions in the order they come in; those that wait
//! together share one `COMMIT` and so one sync to disk. Nobody is answered before the commit, and a caller that goes
//! away in the middle leaves no transaction open, because the work runs here and not in the caller's task.

use std::future::Future;
use std::pin::Pin;

use airlock_driver_interfaces::StoreError;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Executor};
use tokio::sync::{mpsc, oneshot};

use crate::failure::failed;
use crate::limits::{GROUP, WAITING};

#[cfg(test)]
mod tests;

/// What a transaction's body returns.
pub(crate) type Doing<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// Hands work to the writing task. The task ends when the last of these is gone.
#[derive(Clone)]
pub(crate) struct Writer {
    waiting: mpsc::Sender<Box<dyn Work>>,
}

impl Writer {
    /// Starts the writing task on this connection.
    pub(crate) fn start(connection: SqliteConnection) -> Self {
        let (waiting, work) = mpsc::channel(WAITING);
        tokio::spawn(serve(connection, work));
        Self { waiting }
    }

    /// Runs `body` in a transaction: all of it when it returns `Ok`, nothing of it otherwise.
    pub(crate) async fn run<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut SqliteConnection) -> Doing<'c, T> + Send + 'static,
    {
        let (tell, told) = oneshot::channel();
        let gone = || failed("writing to the database", "the writing task has ended");
        self.waiting
            .send(Box::new(Waiting { body, tell }))
            .await
            .map_err(|_| gone())?;
        told.await.map_err(|_| gone())?
    }
}

/// A transaction that waits for its turn.
trait Work: Send {
    /// Runs its body.
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> RunningWork<'_>;
    /// Answers its caller without having run.
    fn refuse(self: Box<Self>, reason: &str);
}

type RunningWork<'c> = Pin<Box<dyn Future<Output = Ran> + Send + 'c>>;

/// A body that ran.
struct Ran {
    /// Whether its changes are to stay.
    keep: bool,
    /// Tells the caller, given how the commit went.
    answer: Answer,
}

type Answer = Box<dyn FnOnce(Result<(), &str>) + Send>;

struct Waiting<T, F> {
    body: F,
    tell: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Work for Waiting<T, F>
where
    T: Send + 'static,
    F: for<'c> FnOnce(&'c mut SqliteConnection) -> Doing<'c, T> + Send + 'static,
{
    fn run(self: Box<Self>, connection: &mut SqliteConnection) -> RunningWork<'_> {
        Box::pin(async move {
            let Self { body, tell } = *self;
            let result = body(connection).await;
            Ran {
                keep: result.is_ok(),
                answer: Box::new(move |committed| {
                    // A refusal may rest on what an earlier member of the group wrote, so a failed commit wins over it;
                    // a failure of its own says more than the failed commit does.
                    let answer = match (result, committed) {
                        (result, Ok(())) => result,
                        (Err(own @ StoreError::Failed { .. }), Err(_)) => Err(own),
                        (Ok(_) | Err(_), Err(reason)) => Err(failed("committing to the database", reason)),
                    };
                    // A caller that has gone away needs no answer.
                    drop(tell.send(answer));
                }),
            }
        })
    }

    fn refuse(self: Box<Self>, reason: &str) {
        drop(self.tell.send(Err(failed("writing to the database", reason))));
    }
}

async fn serve(mut connection: SqliteConnection, mut work: mpsc::Receiver<Box<dyn Work>>) {
    let mut group = Vec::with_capacity(GROUP);
    while work.recv_many(&mut group, GROUP).await > 0 {
        commit_group(&mut connection, &mut group).await;
    }
    // Nobody is left to hear of a failure, and SQLite recovers from an unclean end by itself.
    drop(connection.close().await);
}

/// Runs every member of the group inside one transaction, each behind a savepoint of its own, and answers them all.
async fn commit_group(connection: &mut SqliteConnection, group: &mut Vec<Box<dyn Work>>) {
    if let Err(error) = begin(connection).await {
        let reason = error.to_string();
        group.drain(..).for_each(|work| work.refuse(&reason));
        return;
    }
    let single = group.len() == 1;
    let mut answers = Vec::with_capacity(group.len());
    let mut outcome = Ok(());
    for work in group.drain(..) {
        if outcome.is_err() {
            work.refuse("an earlier transaction of the group broke the connection's transaction");
            continue;
        }
        if single {
            let ran = work.run(connection).await;
            if ran.keep {
                outcome = commit(connection).await;
            } else {
                // Where SQLite gave the transaction up already, there is nothing left to roll back.
                drop(connection.execute("ROLLBACK").await);
            }
            answers.push(ran.answer);
        } else {
            match connection.execute("SAVEPOINT member").await {
                Ok(_) => {
                    let ran = work.run(connection).await;
                    // SQLite gives up the whole transaction on some errors (disk full, I/O). The savepoint is gone
                    // then, this fails, and nobody of the group is told that anything was written.
                    outcome = end_member(connection, ran.keep).await;
                    answers.push(ran.answer);
                }
                Err(error) => {
                    work.refuse(&error.to_string());
                    outcome = Err(error);
                }
            }
        }
    }
    if !single && outcome.is_ok() {
        outcome = commit(connection).await;
    }
    if outcome.is_err() {
        // There may be nothing to roll back any more, which is what is wanted.
        drop(connection.execute("ROLLBACK").await);
    }
    let told = outcome.map_err(|error| error.to_string());
    for answer in answers {
        match &told {
            Ok(()) => answer(Ok(())),
            Err(reason) => answer(Err(reason)),
        }
    }
}

/// Begins a writing transaction; one that was left open by a failure is ended first.
async fn begin(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    if connection.execute("BEGIN IMMEDIATE").await.is_ok() {
        return Ok(());
    }
    drop(connection.execute("ROLLBACK").await);
    connection.execute("BEGIN IMMEDIATE").await.map(drop)
}

async fn commit(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    connection.execute("COMMIT").await.map(drop)
}

async fn end_member(connection: &mut SqliteConnection, keep: bool) -> Result<(), sqlx::Error> {
    if !keep {
        connection.execute("ROLLBACK TO member").await?;
    }
    connection.execute("RELEASE member").await.map(drop)
}
