//! Answers what a config asks for: from what its pipeline was answered before, else from the registry.

use std::collections::BTreeSet;

use airlock_domain::{OrbName, OrbVersion};
use airlock_driver_interfaces::orbs::{OrbConflict, OrbRow, PipelineOrb};
use airlock_driver_interfaces::rows::PipelineRow;
use airlock_pipeline_config::{
    Catalogue, Gathering, OrbName as AskedName, OrbProblem, OrbReference, OrbSource, Orbs, Source,
};

use super::addresses::{self, Patience};
use super::newest;
use crate::planning::COMPILER_FAILED;
use crate::{ControlPlane, UseCaseError};

/// The orbs of one pipeline.
pub(crate) struct Answered {
    /// For the compiler.
    pub(crate) orbs: Orbs,
    /// What keeps the pipeline from being built, as text: a release that is not what it was.
    pub(crate) changed: Option<String>,
}

impl ControlPlane {
    /// Answers every question of a gathering and records the answers before anything is compiled. A pipeline that was
    /// planned before, or is another one built again, is answered as then.
    pub(crate) async fn answer_orbs(
        &self,
        pipeline: &PipelineRow,
        mut gathering: Gathering,
    ) -> Result<Answered, UseCaseError> {
        let mut recorded = self.store().pipeline_orbs(pipeline.id).await?;
        let mut fetched = self.store().fetched_orbs(pipeline.id).await?;
        if let Some(before) = pipeline.trigger.again {
            for orb in self.store().pipeline_orbs(before).await? {
                if recorded.iter().all(|known| known.reference != orb.reference) {
                    recorded.push(orb);
                }
            }
            for orb in self.store().fetched_orbs(before).await? {
                if fetched.iter().all(|known| known.url != orb.url) {
                    fetched.push(orb);
                }
            }
        }
        let (mut taken, mut at_addresses) = (Vec::new(), Vec::new());
        let patience = Patience::begin();
        while let Some(reference) = gathering.wanted().cloned() {
            let found = match &reference {
                OrbReference::Url(url) => self.orb_at(url, &fetched, &patience).await.map(|orb| {
                    let source = addresses::as_source(&orb);
                    at_addresses.push(orb);
                    source
                }),
                OrbReference::Registry { .. } => match self.local_orb(&reference).await? {
                    Some(found) => found,
                    None => self.find_orb(&reference, &recorded).await?.map(|(row, source)| {
                        taken.push(PipelineOrb {
                            reference: reference.to_string(),
                            name: row.name,
                            version: row.version,
                            digest: row.digest,
                        });
                        source
                    }),
                },
            };
            // Reading a stranger's orb is work of the processor, and a panic in it must cost this pipeline only.
            let read = tokio::task::spawn_blocking(move || {
                gathering.answer(found);
                gathering
            });
            let Ok(next) = read.await else {
                return Ok(Answered {
                    orbs: Orbs::default(),
                    changed: Some(COMPILER_FAILED.to_owned()),
                });
            };
            gathering = next;
        }
        let mut changed = changes(&recorded, &taken);
        if changed.is_empty() && !taken.is_empty() {
            let conflicts = self.store().lock_orbs(pipeline.id, &taken, self.now()).await?;
            changed.extend(conflicts.iter().map(told));
        }
        if changed.is_empty() && !at_addresses.is_empty() {
            let now = self.now();
            self.store()
                .lock_fetched_orbs(pipeline.id, &at_addresses, now)
                .await?;
        }
        Ok(Answered {
            orbs: gathering.finish(),
            changed: (!changed.is_empty()).then(|| changed.join("\n")),
        })
    }

    /// One orb of the registry with its row. `recorded` says which version a reference was answered with before.
    pub(crate) async fn find_orb(
        &self,
        reference: &OrbReference,
        recorded: &[PipelineOrb],
    ) -> Result<Result<(OrbRow, OrbSource), OrbProblem>, UseCaseError> {
        let (asked, version) = match reference {
            OrbReference::Registry { name, version } => (name, version),
            OrbReference::Url(_) => return Ok(Err(OrbProblem::address_in_registry())),
        };
        let Some(name) = domain_name(asked) else {
            return Ok(Err(OrbProblem::NotFound(Catalogue::default())));
        };
        let text = reference.to_string();
        let before = recorded
            .iter()
            .find(|orb| orb.reference == text && orb.name == name);
        let version = if let Some(orb) = before {
            Some(orb.version.clone())
        } else {
            let rows = self.store().orb_versions(&name, self.now()).await?;
            newest(version, &rows).map(|row| row.version.clone())
        };
        let found = match version {
            Some(version) => self.store().orb_source(&name, &version, self.now()).await?,
            None => None,
        };
        match found {
            Some((row, text)) => {
                let source = as_source(&row, &text);
                Ok(Ok((row, source)))
            }
            None => Ok(Err(OrbProblem::NotFound(self.catalogue(&name).await?))),
        }
    }

    /// What there is instead.
    async fn catalogue(&self, wanted: &OrbName) -> Result<Catalogue, UseCaseError> {
        let rows = self.store().orbs(self.now()).await?;
        let mut namespaces = BTreeSet::new();
        let mut orbs = BTreeSet::new();
        let mut versions = Vec::new();
        for row in &rows {
            namespaces.insert(row.name.namespace().to_owned());
            if row.name.namespace() == wanted.namespace() {
                orbs.insert(row.name.orb().to_owned());
            }
            if row.name == *wanted {
                versions.push(row.version.to_string());
            }
        }
        Ok(Catalogue {
            namespaces: namespaces.into_iter().collect(),
            orbs: orbs.into_iter().collect(),
            versions,
        })
    }
}

/// An orb as the compiler takes it, with the orbs it uses as they were settled when it came in.
pub(crate) fn as_source(row: &OrbRow, text: &str) -> OrbSource {
    let name = format!("{}@{}", row.name, row.version);
    let pins = row.nested.iter().filter_map(|nested| {
        let exact = OrbReference::parse(&format!("{}@{}", nested.name, nested.version)).ok()?;
        Some((nested.reference.clone(), exact))
    });
    OrbSource::with_pins(Source::new(name.clone(), text.as_bytes()), name, pins.collect())
}

/// The compiler's name as the store's.
pub(crate) fn domain_name(name: &AskedName) -> Option<OrbName> {
    OrbName::new(name.to_string()).ok()
}

/// Releases that were recorded with another digest than they have now.
fn changes(recorded: &[PipelineOrb], taken: &[PipelineOrb]) -> Vec<String> {
    let pairs = taken.iter().filter_map(|orb| {
        let before = recorded.iter().find(|before| before.reference == orb.reference)?;
        let changed = before.version == orb.version && before.digest != orb.digest;
        (changed && is_release(&orb.version)).then(|| OrbConflict {
            name: orb.name.clone(),
            version: orb.version.clone(),
            before: before.digest.clone(),
            now: orb.digest.clone(),
        })
    });
    pairs.map(|conflict| told(&conflict)).collect()
}

const fn is_release(version: &OrbVersion) -> bool {
    version.is_release()
}

fn told(conflict: &OrbConflict) -> String {
    format!(
        "{name}@{version} is not what this project was built with before: it was {before}, and the registry now has \
         {now}. A released version never changes, so somebody changed the registry behind its back (a restored backup, \
         another database). Compare `airlock orb list {name}` with where the orb came from.",
        name = conflict.name,
        version = conflict.version,
        before = conflict.before,
        now = conflict.now
    )
}
