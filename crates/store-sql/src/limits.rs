//! Limits of the store, each with its reason.

use std::time::Duration;

/// Reading connections: pages and long polls read in parallel, and each connection is a thread of its own.
pub(crate) const READERS: u32 = 4;
/// How long to wait for another process that holds the database, such as a backup.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a reader waits for a free connection before it says so.
pub(crate) const READER_TIMEOUT: Duration = Duration::from_secs(10);
/// Transactions committed together: enough to share one sync among all who wait, few enough that the first of them does
/// not wait long for the last.
pub(crate) const GROUP: usize = 64;
/// Transactions that may wait for the writer before callers are held back.
pub(crate) const WAITING: usize = 1024;
