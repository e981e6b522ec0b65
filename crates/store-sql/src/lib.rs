//! The store in SQL. Today SQLite: one file, nothing to install.
//!
//! [`SqliteStore`] implements `airlock_driver_interfaces::Store`. One task owns the only writing connection and commits
//! waiting transactions in groups ([`writer`]); several connections read. Every writing transaction is `BEGIN
//! IMMEDIATE`, the journal is a WAL with `synchronous=FULL`, so an answer means durable.
//!
//! SQL is static text in [`statements`], one file per concept, in the subset that SQLite and PostgreSQL share: TEXT ids,
//! BIGINT milliseconds, TEXT JSON, INTEGER booleans, `$1` placeholders, `RETURNING`, `ON CONFLICT`. Only [`migrations`]
//! and the connection know which database it is. One module per concept runs the statements inside a transaction that
//! it is given; [`store`] opens the transactions.

mod decisions;
mod failure;
mod fields;
mod identity;
mod limits;
mod migrations;
mod orbs;
mod outbox;
mod pipelines;
mod planning;
mod projects;
mod queue;
mod records;
mod sqlite;
mod ssh;
mod statements;
mod store;
mod workflows;
mod writer;

pub use sqlite::SqliteStore;
