//! The instance's own orb registry: bringing versions in, listing them, and answering what a pipeline's config asks for.
//!
//! Owns the rules of the registry: a release never changes, a development version ends by itself, the orbs that an orb
//! uses are settled when it comes in, and what a pipeline was once answered with stays so, orbs at addresses included.
//! What an orb means is the compiler's, where its text lies is the store's, how it is fetched is a driver's.

mod addresses;
mod answer;
mod import;

pub(crate) use addresses::Kept;
pub use airlock_driver_interfaces::orbs::{AddedOrb, FetchedOrb, NestedOrb, OrbRow, PipelineOrb};
pub use airlock_pipeline_config::{OrbElement, OrbExample, OrbParameter, OrbSummary};
pub use import::{ImportedOrb, OrbImport};

use airlock_domain::{OrbDigest, OrbName, PipelineId};
use airlock_pipeline_config::{OrbVersion as Wanted, Source, select, summarise_orb};

use crate::{ControlPlane, UseCaseError};

impl ControlPlane {
    /// Every version in the registry, by name, newest first.
    pub async fn orbs(&self) -> Result<Vec<OrbRow>, UseCaseError> {
        Ok(self.store().orbs(self.now()).await?)
    }

    /// The versions of one orb, newest first.
    pub async fn orb_versions(&self, name: &OrbName) -> Result<Vec<OrbRow>, UseCaseError> {
        let rows = self.store().orb_versions(name, self.now()).await?;
        if rows.is_empty() {
            return Err(UseCaseError::NotFound(format!("orb {name}")));
        }
        Ok(rows)
    }

    /// One version with its text. `wanted` is what a config may write after the `@`: of `1` the newest is given.
    pub async fn orb(&self, name: &OrbName, wanted: &str) -> Result<(OrbRow, String), UseCaseError> {
        let asked = Wanted::parse(wanted).map_err(|error| {
            UseCaseError::Invalid(format!(
                "{error}: expected 1.2.3, 1.2, 1, volatile or dev:<label>"
            ))
        })?;
        let missing = || UseCaseError::NotFound(format!("orb {name}@{wanted}"));
        let rows = self.orb_versions(name).await?;
        let row = newest(&asked, &rows).ok_or_else(missing)?;
        let found = self.store().orb_source(name, &row.version, self.now()).await?;
        found.ok_or_else(missing)
    }

    /// What an orb of this text offers.
    #[must_use]
    pub fn orb_summary(source: &str) -> OrbSummary {
        summarise_orb(&Source::new("", source.as_bytes()))
    }

    /// What the references of a pipeline's config were answered with, those of its orbs included.
    pub async fn pipeline_orbs(&self, pipeline: PipelineId) -> Result<Vec<PipelineOrb>, UseCaseError> {
        Ok(self.store().pipeline_orbs(pipeline).await?)
    }

    /// The addresses that a pipeline's config took orbs from, each with the digest of what stood there.
    pub async fn fetched_orbs(&self, pipeline: PipelineId) -> Result<Vec<(String, OrbDigest)>, UseCaseError> {
        Ok(self.store().fetched_digests(pipeline).await?)
    }
}

/// The newest of these versions that fits.
fn newest<'r>(wanted: &Wanted, rows: &'r [OrbRow]) -> Option<&'r OrbRow> {
    let versions: Vec<String> = rows.iter().map(|row| row.version.to_string()).collect();
    let selected = select(wanted, versions.iter().map(String::as_str))?;
    let place = versions.iter().position(|version| version == selected)?;
    rows.get(place)
}
