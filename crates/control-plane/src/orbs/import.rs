//! Bringing versions in: everything is checked before anything is written, and all of a call is written or nothing.

use std::collections::{BTreeMap, BTreeSet};

use airlock_domain::limits::ORB_BYTES;
use airlock_domain::{OrbDigest, OrbName, OrbVersion};
use airlock_driver_interfaces::orbs::{AddedOrb, NestedOrb, NewOrb, OrbRow};
use airlock_pipeline_config::{
    Diagnostic, OrbCheck, OrbProblem, OrbReference, OrbSource, Source, needs, render, summarise_orb,
};

use super::answer::{as_source, domain_name};
use super::newest;
use crate::{Actor, ControlPlane, UseCaseError, limits};

/// A version to bring in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrbImport {
    /// Whose version.
    pub name: OrbName,
    /// Which.
    pub version: OrbVersion,
    /// Its text.
    pub source: String,
}

/// A version that was brought in, or was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedOrb {
    /// What stands in the registry now.
    pub row: OrbRow,
    /// What that changed.
    pub added: AddedOrb,
    /// What somebody should look at, as text; empty when there is nothing.
    pub warnings: String,
}

impl ControlPlane {
    /// Brings versions into the registry, all or none. They may use each other and what is there already; which versions
    /// they use is settled here and does not move afterwards.
    pub async fn import_orbs(
        &self,
        orbs: Vec<OrbImport>,
        actor: &Actor,
    ) -> Result<Vec<ImportedOrb>, UseCaseError> {
        if orbs.is_empty() || orbs.len() > limits::ORBS_PER_IMPORT {
            let text = format!(
                "an import takes 1 to {} versions of orbs at a time, and this one has {}",
                limits::ORBS_PER_IMPORT,
                orbs.len()
            );
            return Err(UseCaseError::Invalid(text));
        }
        if let Some(large) = orbs.iter().find(|orb| orb.source.len() > ORB_BYTES) {
            let text = format!(
                "{}@{} has {} bytes, more than the {ORB_BYTES} an orb may have",
                large.name,
                large.version,
                large.source.len()
            );
            return Err(UseCaseError::Invalid(text));
        }
        let orbs = self.settled(orbs, actor).await?;
        let warnings = self.checked(&orbs).await?;
        let answers = self.store().add_orbs(&orbs, self.now()).await?;
        let differing = orbs
            .iter()
            .zip(&answers)
            .filter_map(|(orb, answer)| match answer {
                AddedOrb::Differs { there } => Some(differs(&orb.row, there)),
                AddedOrb::New | AddedOrb::Same | AddedOrb::Replaced { .. } => None,
            });
        let differing: Vec<String> = differing.collect();
        if !differing.is_empty() {
            return Err(UseCaseError::Conflict(differing.join("\n")));
        }
        for (orb, answer) in orbs.iter().zip(&answers) {
            if *answer != AddedOrb::Same {
                let target = format!("{}@{} {}", orb.row.name, orb.row.version, orb.row.digest);
                self.audit("orb.import", &actor.name, &target).await?;
            }
        }
        let imported = orbs.into_iter().zip(answers).zip(warnings);
        Ok(imported
            .map(|((orb, added), warnings)| ImportedOrb {
                row: orb.row,
                added,
                warnings,
            })
            .collect())
    }

    /// The rows to be written, with the orbs that each uses settled.
    async fn settled(&self, orbs: Vec<OrbImport>, actor: &Actor) -> Result<Vec<NewOrb>, UseCaseError> {
        let now = self.now();
        let mut rows: Vec<NewOrb> = orbs
            .into_iter()
            .map(|orb| {
                let summary = summarise_orb(&Source::new("", orb.source.as_bytes()));
                NewOrb {
                    row: OrbRow {
                        digest: digest_of(&orb.source),
                        size: orb.source.len() as u64,
                        description: one_line(&summary.description),
                        nested: Vec::new(),
                        imported_at: now,
                        imported_by: actor.name.clone(),
                        expires_at: (!orb.version.is_release()).then(|| now.plus_millis(limits::DEV_ORB_MS)),
                        name: orb.name,
                        version: orb.version,
                    },
                    source: orb.source,
                }
            })
            .collect();
        // What can be chosen among: the registry's versions of an orb, and those that come with this import.
        let mut choices: BTreeMap<OrbName, Vec<OrbRow>> = BTreeMap::new();
        for orb in &rows {
            choices
                .entry(orb.row.name.clone())
                .or_default()
                .push(orb.row.clone());
        }
        let coming = choices.clone();
        let mut fetched: BTreeSet<OrbName> = BTreeSet::new();
        for orb in &mut rows {
            let known = self.store().orb_versions(&orb.row.name, now).await?;
            let there = known.into_iter().find(|row| row.version == orb.row.version);
            if let Some(there) = there
                && there.version.is_release()
                && there.digest == orb.row.digest
            {
                // It came in before, and what it uses was settled then.
                orb.row = there;
                continue;
            }
            for need in needs(&Source::new("", orb.source.as_bytes())).orbs {
                let Ok(OrbReference::Registry { name, version }) = OrbReference::parse(&need.reference)
                else {
                    // Addresses are refused when the orb is checked, and so is what is no reference.
                    continue;
                };
                let Some(name) = domain_name(&name) else { continue };
                if fetched.insert(name.clone()) {
                    let mut known = self.store().orb_versions(&name, now).await?;
                    for row in coming.get(&name).into_iter().flatten() {
                        known.retain(|other| other.version != row.version);
                        known.push(row.clone());
                    }
                    choices.insert(name.clone(), known);
                }
                let known = choices.get(&name).map(Vec::as_slice).unwrap_or_default();
                // What is missing is told by the check. It is looked for again by whoever needs it.
                if let Some(row) = newest(&version, known) {
                    orb.row.nested.push(NestedOrb {
                        reference: need.reference,
                        name,
                        version: row.version.clone(),
                        digest: row.digest.clone(),
                    });
                }
            }
        }
        Ok(rows)
    }

    /// Checks every version as the compiler would see it; the warnings of each. What is in the registry already was
    /// checked when it came in.
    async fn checked(&self, orbs: &[NewOrb]) -> Result<Vec<String>, UseCaseError> {
        let mut texts = Vec::with_capacity(orbs.len());
        let mut wrong = Vec::new();
        for orb in orbs {
            let orb_source = as_source(&orb.row, &orb.source);
            let check = blocking({
                let orb_source = orb_source.clone();
                move || {
                    let check = OrbCheck::new(&orb_source);
                    let gathering = check.gathering();
                    (check, gathering)
                }
            });
            let (check, mut gathering) = check.await?;
            while let Some(reference) = gathering.wanted().cloned() {
                let found = self.found_for_import(&reference, orbs).await?;
                let read = blocking(move || {
                    gathering.answer(found);
                    gathering
                });
                gathering = read.await?;
            }
            let (diagnostics, text) = blocking(move || {
                let gathered = gathering.finish();
                let sources = std::iter::once(orb_source.source()).chain(gathered.sources());
                let diagnostics = check.run(&gathered);
                let text = render::text(&diagnostics, sources, render::Color::Never);
                (diagnostics, text)
            })
            .await?;
            if diagnostics.iter().any(Diagnostic::is_error) {
                wrong.push(format!(
                    "{}@{} cannot be used, so nothing was imported:\n{text}",
                    orb.row.name, orb.row.version
                ));
            }
            texts.push(text);
        }
        if wrong.is_empty() {
            Ok(texts)
        } else {
            wrong.truncate(limits::SHOWN_WRONG_ORBS);
            Err(UseCaseError::Invalid(wrong.join("\n")))
        }
    }

    /// An orb that another one uses: of this import, or of the registry.
    async fn found_for_import(
        &self,
        reference: &OrbReference,
        orbs: &[NewOrb],
    ) -> Result<Result<OrbSource, OrbProblem>, UseCaseError> {
        let text = reference.to_string();
        let coming = orbs
            .iter()
            .find(|orb| format!("{}@{}", orb.row.name, orb.row.version) == text);
        match coming {
            Some(orb) => Ok(Ok(as_source(&orb.row, &orb.source))),
            None => Ok(self.find_orb(reference, &[]).await?.map(|(_, source)| source)),
        }
    }
}

/// Reading a stranger's text is work of the processor.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, UseCaseError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        UseCaseError::Invalid(
            "Airlock failed while checking this orb. That is a mistake in Airlock, not in the orb; the server's log says \
             where."
                .to_owned(),
        )
    })
}

fn differs(row: &OrbRow, there: &OrbDigest) -> String {
    format!(
        "{name}@{version} is in the registry with other content, and a released version never changes: the registry has \
         {there}, this is {this}. Publish the change as a new version.",
        name = row.name,
        version = row.version,
        this = row.digest
    )
}

pub(crate) fn digest_of(source: &str) -> OrbDigest {
    OrbDigest::of_sha256(&crate::access::sha256(source.as_bytes()))
}

/// The beginning of a description, for lists.
fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(limits::DESCRIPTION_CHARACTERS) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None => line,
    }
}
