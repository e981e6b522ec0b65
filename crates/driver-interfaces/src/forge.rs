//! Where code comes from. The built-in remote is one forge among others.

use airlock_domain::{BranchName, CommitSha, ProjectSlug};
use async_trait::async_trait;

/// Reads a repository at an exact commit. Called from many tasks at once; changes nothing.
#[async_trait]
pub trait Forge: Send + Sync {
    /// The text of one file at one commit, `None` when there is no such file.
    async fn file_at(
        &self,
        project: &ProjectSlug,
        sha: &CommitSha,
        path: &str,
    ) -> Result<Option<Vec<u8>>, ForgeError>;
    /// Subject and author of a commit.
    async fn commit(&self, project: &ProjectSlug, sha: &CommitSha) -> Result<CommitInfo, ForgeError>;
    /// The commit a branch points to, `None` when there is no such branch.
    async fn branch_head(
        &self,
        project: &ProjectSlug,
        branch: &BranchName,
    ) -> Result<Option<CommitSha>, ForgeError>;
}

/// What pages say of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitInfo {
    /// First line of its message.
    pub subject: String,
    /// Author's name.
    pub author: String,
}

/// What can go wrong with a forge.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// There is no such repository or commit.
    #[error("{what} is not in {project}")]
    Missing {
        /// What was looked for.
        what: String,
        /// Where.
        project: String,
    },
    /// Larger than may be read.
    #[error("{path} in {project} has {size} bytes, more than the {limit} that may be read")]
    TooLarge {
        /// Which file.
        path: String,
        /// Where.
        project: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The outside world failed.
    #[error("{doing} in {project}: {reason}")]
    Failed {
        /// What was being done.
        doing: String,
        /// Where.
        project: String,
        /// What went wrong.
        reason: String,
    },
}
