//! The instance's own orb registry: versions with their text, and which of them a pipeline was built with. Part of the
//! store; callers are the registry's use cases and planning, from many tasks at once.

use airlock_domain::{OrbDigest, OrbName, OrbVersion, PipelineId, Timestamp};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::StoreError;

/// Versions of orbs, and what pipelines took of them.
#[async_trait]
pub trait Orbs: Send + Sync {
    /// Adds versions in one transaction, with one answer for each in their order. All or nothing: when one is
    /// [`AddedOrb::Differs`], nothing at all is written. A release that is there already stays exactly as it is; a
    /// development version is replaced and its time begins anew. Development versions whose time is over are removed.
    async fn add_orbs(&self, orbs: &[NewOrb], now: Timestamp) -> Result<Vec<AddedOrb>, StoreError>;
    /// Every version that is valid now, by name, newest first.
    async fn orbs(&self, now: Timestamp) -> Result<Vec<OrbRow>, StoreError>;
    /// The versions of one orb that are valid now, newest first; empty when there is no such orb.
    async fn orb_versions(&self, name: &OrbName, now: Timestamp) -> Result<Vec<OrbRow>, StoreError>;
    /// One version with its text, if it is valid now.
    async fn orb_source(
        &self,
        name: &OrbName,
        version: &OrbVersion,
        now: Timestamp,
    ) -> Result<Option<(OrbRow, String)>, StoreError>;
    /// Records which version each reference of a pipeline's config was answered with. What was recorded for a reference
    /// before stays. Where this project took a release with another digest before, nothing is written and the conflicts
    /// are returned.
    async fn lock_orbs(
        &self,
        pipeline: PipelineId,
        orbs: &[PipelineOrb],
        at: Timestamp,
    ) -> Result<Vec<OrbConflict>, StoreError>;
    /// What was recorded for a pipeline, by reference.
    async fn pipeline_orbs(&self, pipeline: PipelineId) -> Result<Vec<PipelineOrb>, StoreError>;
    /// Records, all or none, what stood at the addresses that a pipeline's config takes orbs from. What was recorded for
    /// an address before stays.
    async fn lock_fetched_orbs(
        &self,
        pipeline: PipelineId,
        orbs: &[FetchedOrb],
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// What was recorded for a pipeline, by address.
    async fn fetched_orbs(&self, pipeline: PipelineId) -> Result<Vec<FetchedOrb>, StoreError>;
    /// The addresses of the same, each with the digest of its text.
    async fn fetched_digests(&self, pipeline: PipelineId) -> Result<Vec<(String, OrbDigest)>, StoreError>;
}

/// Fetches orbs from addresses that an operator, or whoever gives a command, allows. Called from many tasks at once.
#[async_trait]
pub trait OrbAddresses: Send + Sync {
    /// The allowed beginnings of addresses, each `https://…/` with the slash at its end.
    fn prefixes(&self) -> Vec<String>;
    /// The text that stands at an address now. Refuses what none of the prefixes allows, also where a redirect leads there.
    async fn fetch(&self, url: &str) -> Result<String, OrbFetchError>;
}

/// An orb that was not fetched. Each text is one sentence for the author of the config, without the address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrbFetchError {
    /// It may not be; the text says who may change that.
    #[error("{0}")]
    Refused(String),
    /// It could not be; the text says why.
    #[error("{0}")]
    Unavailable(String),
    /// It is larger than an orb may be.
    #[error("{0}")]
    TooLarge(String),
}

/// A version as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrbRow {
    /// Whose version.
    pub name: OrbName,
    /// Which.
    pub version: OrbVersion,
    /// Of its text.
    pub digest: OrbDigest,
    /// Bytes of its text.
    pub size: u64,
    /// What it says of itself, in one line.
    pub description: String,
    /// The orbs it uses, as they were answered when it came in: they never move afterwards.
    pub nested: Vec<NestedOrb>,
    /// When it came in.
    pub imported_at: Timestamp,
    /// Who brought it.
    pub imported_by: String,
    /// When it ends by itself; for development versions only.
    pub expires_at: Option<Timestamp>,
}

/// An orb that another one uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NestedOrb {
    /// The reference as the text has it, such as `circleci/node@5`.
    pub reference: String,
    /// The orb.
    pub name: OrbName,
    /// The version it was answered with.
    pub version: OrbVersion,
    /// The digest of that version then.
    pub digest: OrbDigest,
}

/// A version to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrb {
    /// All but its text.
    pub row: OrbRow,
    /// Its text.
    pub source: String,
}

/// What adding a version led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddedOrb {
    /// It is there now.
    New,
    /// It was there with the same text.
    Same,
    /// A development version took the place of another text.
    Replaced {
        /// The digest of the text before.
        before: OrbDigest,
    },
    /// A release is there with another text, so nothing of the whole call was written.
    Differs {
        /// The digest of the text that is there.
        there: OrbDigest,
    },
}

/// Which version a reference of a pipeline's config was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineOrb {
    /// The reference as the config has it, such as `circleci/node@5`.
    pub reference: String,
    /// The orb.
    pub name: OrbName,
    /// The version.
    pub version: OrbVersion,
    /// Its digest.
    pub digest: OrbDigest,
}

/// What stood at an address when a pipeline's config took an orb from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedOrb {
    /// The address as the config has it.
    pub url: String,
    /// The digest of the text.
    pub digest: OrbDigest,
    /// The text.
    pub source: String,
}

/// A release whose text is not the one this project was built with before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrbConflict {
    /// The orb.
    pub name: OrbName,
    /// The version.
    pub version: OrbVersion,
    /// The digest that was recorded first.
    pub before: OrbDigest,
    /// The digest it has now.
    pub now: OrbDigest,
}
