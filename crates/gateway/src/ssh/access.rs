//! What the door asks the rest of the system. Implemented by the server; the door itself knows no users and no projects.

use std::fmt;
use std::path::PathBuf;

use airlock_domain::names::{BranchName, CommitSha, ProjectSlug, TagName};
use airlock_transport::ssh::SshPublicKey;
use async_trait::async_trait;

/// Who may do what, and what follows.
#[async_trait]
pub trait GitAccess: Send + Sync + 'static {
    /// Who a key proves to be: a person, or one project's deploy key.
    type Principal: PrincipalName + Clone + Send + Sync + 'static;

    /// The principal of this key; `None` for an unknown one. Called before the client has proved that it holds the
    /// key and again afterwards, so it must have no effect.
    async fn authenticate(&self, key: &SshPublicKey) -> Option<Self::Principal>;

    /// The repository on disk, if this principal may do this to it. To somebody who may not even read it, a
    /// repository that exists must look like one that does not.
    async fn open(
        &self,
        principal: &Self::Principal,
        repo: &ProjectSlug,
        action: GitAction,
    ) -> Result<BareRepo, Denied>;

    /// Refs have moved. The lines returned are shown to the pusher. Called after git has made the change durable,
    /// even when the pusher is gone by then; not called when the process dies in between, so what depends on it
    /// compares refs at start.
    async fn pushed(
        &self,
        principal: &Self::Principal,
        repo: &ProjectSlug,
        updates: Vec<RefUpdate>,
    ) -> Vec<String>;
}

/// How the door addresses a principal.
pub trait PrincipalName {
    /// A short name for a greeting and for logs.
    fn name(&self) -> &str;
}

/// What a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GitAction {
    /// Clone or fetch.
    Fetch,
    /// Push.
    Push,
}

/// A repository on this machine's disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BareRepo {
    /// Its folder.
    pub path: PathBuf,
}

/// A refusal, with what the client is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    /// Shown to the client; may have several lines.
    pub message: String,
}

impl Denied {
    /// A refusal with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }
}

/// A ref that moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefUpdate {
    /// Which.
    pub name: RefName,
    /// Where it pointed; `None` when it is new.
    pub old: Option<CommitSha>,
    /// Where it points; `None` when it was deleted. For an annotated tag this is the tag object.
    pub new: Option<CommitSha>,
}

/// A ref's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RefName {
    /// Below `refs/heads/`.
    Branch(BranchName),
    /// Below `refs/tags/`.
    Tag(TagName),
    /// Anything else below `refs/`, such as notes.
    Other(String),
}

impl fmt::Display for RefName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Branch(name) => write!(f, "refs/heads/{name}"),
            Self::Tag(name) => write!(f, "refs/tags/{name}"),
            Self::Other(name) => f.write_str(name),
        }
    }
}
