//! Bytes by key: logs that grow, files that are written once.

use std::fmt;

use airlock_domain::{ArtifactId, JobId};
use async_trait::async_trait;
use bytes::Bytes;

/// Where a blob lives. Made only from ids and numbers, so that no name given by a stranger becomes a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlobKey(String);

impl BlobKey {
    /// A step's log.
    #[must_use]
    pub fn step_log(job: JobId, slice: u32, step: u32) -> Self {
        Self(format!("logs/{job}/{slice}/{step}"))
    }

    /// An artifact's content.
    #[must_use]
    pub fn artifact(job: JobId, artifact: ArtifactId) -> Self {
        Self(format!("artifacts/{job}/{artifact}"))
    }

    /// Who a slice spoke to.
    #[must_use]
    pub fn egress(job: JobId, slice: u32) -> Self {
        Self(format!("egress/{job}/{slice}"))
    }

    /// What a slice used.
    #[must_use]
    pub fn resources(job: JobId, slice: u32) -> Self {
        Self(format!("resources/{job}/{slice}"))
    }

    /// The key as a relative path of safe characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BlobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Stores bytes. Called from many tasks at once; calls for one growing key come from one task at a time.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Adds bytes to a growing blob at `offset`. Bytes that are there already are left as they are, so a repeated call
    /// changes nothing. Returns the new length, durable. An offset beyond the end is [`BlobError::Gap`].
    async fn append(&self, key: &BlobKey, offset: u64, bytes: Bytes) -> Result<u64, BlobError>;
    /// Length of a blob; zero when there is none.
    async fn len(&self, key: &BlobKey) -> Result<u64, BlobError>;
    /// Up to `max` bytes from `offset`; fewer at the end.
    async fn read(&self, key: &BlobKey, offset: u64, max: usize) -> Result<Bytes, BlobError>;
    /// Begins a blob that appears whole or not at all.
    async fn create(&self, key: &BlobKey) -> Result<Box<dyn BlobWriter>, BlobError>;
    /// Removes a blob; removing what is not there is no error.
    async fn remove(&self, key: &BlobKey) -> Result<(), BlobError>;
}

/// A blob being written. Dropping it without [`BlobWriter::finish`] leaves nothing.
#[async_trait]
pub trait BlobWriter: Send {
    /// Adds bytes.
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError>;
    /// Makes the blob appear, durable. Returns its length.
    async fn finish(self: Box<Self>) -> Result<u64, BlobError>;
}

/// What can go wrong with a blob.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The offset is beyond the end.
    #[error("the blob {key} ends at byte {len}, before the offset {offset}")]
    Gap {
        /// Which.
        key: String,
        /// Its length.
        len: u64,
        /// The offset asked for.
        offset: u64,
    },
    /// There is none.
    #[error("there is no blob {key}")]
    Missing {
        /// Which.
        key: String,
    },
    /// The outside world failed.
    #[error("{doing} the blob {key}: {source}")]
    Io {
        /// Which.
        key: String,
        /// What was being done.
        doing: &'static str,
        /// What went wrong.
        source: std::io::Error,
    },
}
