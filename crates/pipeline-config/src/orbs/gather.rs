//! Collects all orbs that a config needs, its orbs' orbs included. Asks its caller for one reference after the other and
//! never for the same twice, so orbs that import each other in a circle end it too. Fetches nothing itself.

use std::collections::{BTreeSet, VecDeque};

use super::reference::{OrbReference, url_is_allowed};
use super::source::{OrbProblem, OrbSource, Orbs};
use crate::inputs::{Inputs, Source};
use crate::limits::{MAX_ORB_BYTES, MAX_ORB_DEPTH, MAX_ORBS};
use crate::needs::{orb_references, orbs_of};

/// Gathers with a function that finds one orb: a folder, a cache in memory. The result belongs into [`Inputs::orbs`].
///
/// Orbs that `inputs.orbs` holds already are taken from there, so an editor asks only for what is new.
pub fn gather(
    source: &Source,
    inputs: &Inputs,
    find: &mut dyn FnMut(&OrbReference) -> Result<OrbSource, OrbProblem>,
) -> Orbs {
    let mut gathering = Gathering::begin(source, inputs);
    while let Some(reference) = gathering.wanted() {
        let found = find(reference);
        gathering.answer(found);
    }
    gathering.finish()
}

/// Gathering step by step, for callers that wait for a network or a database between the steps:
///
/// ```ignore
/// let mut gathering = Gathering::begin(&source, &inputs);
/// while let Some(reference) = gathering.wanted().cloned() {
///     gathering.answer(registry.fetch(&reference).await);
/// }
/// inputs.orbs = gathering.finish();
/// ```
#[derive(Debug)]
pub struct Gathering {
    orbs: Orbs,
    known: Orbs,
    allowed: Vec<String>,
    asked: BTreeSet<OrbReference>,
    open: VecDeque<(OrbReference, usize)>,
    bytes: usize,
}

impl Gathering {
    /// Begins with the references of the config itself. Pipeline values and parameters in them are filled in from the
    /// inputs; what is no reference then is left to [`crate::compile`] to report.
    pub fn begin(source: &Source, inputs: &Inputs) -> Self {
        let mut gathering = Self {
            orbs: Orbs::default(),
            known: inputs.orbs.clone(),
            allowed: inputs.orb_url_prefixes.clone(),
            asked: BTreeSet::new(),
            open: VecDeque::new(),
            bytes: 0,
        };
        for request in orb_references(source, inputs) {
            gathering.add(request.reference, 1);
        }
        gathering.settle();
        gathering
    }

    /// The reference to find next; nothing when all is gathered. Stays the same until it is answered.
    pub fn wanted(&self) -> Option<&OrbReference> {
        self.open.front().map(|(reference, _)| reference)
    }

    /// Takes the answer for [`Gathering::wanted`]. Without a wanted one it is dropped.
    pub fn answer(&mut self, found: Result<OrbSource, OrbProblem>) {
        if let Some((reference, depth)) = self.open.pop_front() {
            self.take(reference, depth, found);
            self.settle();
        }
    }

    /// What was gathered. References that were not answered are missing in it.
    pub fn finish(self) -> Orbs {
        self.orbs
    }

    fn add(&mut self, reference: OrbReference, depth: usize) {
        if self.asked.contains(&reference) {
            return;
        }
        if self.asked.len() >= MAX_ORBS {
            let message = format!("a config may need at most {MAX_ORBS} orbs, those of its orbs included");
            self.orbs.insert(reference, Err(OrbProblem::Limit(message)));
            return;
        }
        self.asked.insert(reference.clone());
        self.open.push_back((reference, depth));
    }

    /// Answers what needs nobody's help.
    fn settle(&mut self) {
        while let Some((reference, depth)) = self.open.front() {
            let depth = *depth;
            let found = if let OrbReference::Url(url) = reference
                && !url_is_allowed(url, &self.allowed)
            {
                Err(not_allowed())
            } else if depth > MAX_ORB_DEPTH {
                let message = format!("orbs import each other more than {MAX_ORB_DEPTH} deep");
                Err(OrbProblem::Limit(message))
            } else if let Some(Ok(orb)) = self.known.get(reference) {
                Ok(orb.clone())
            } else {
                return;
            };
            if let Some((reference, depth)) = self.open.pop_front() {
                self.take(reference, depth, found);
            }
        }
    }

    fn take(&mut self, reference: OrbReference, depth: usize, found: Result<OrbSource, OrbProblem>) {
        let found = found.and_then(|orb| {
            self.bytes = self.bytes.saturating_add(orb.source().bytes.len());
            if self.bytes > MAX_ORB_BYTES {
                let message = format!("the orbs of a config may have at most {MAX_ORB_BYTES} bytes together");
                return Err(OrbProblem::Limit(message));
            }
            Ok(orb)
        });
        if let Ok(orb) = &found {
            let is_of_registry = orb.is_of_registry();
            for reference in orbs_of(orb) {
                // The compiler refuses it there, and nothing is fetched for that.
                if is_of_registry && matches!(reference, OrbReference::Url(_)) {
                    continue;
                }
                self.add(reference, depth + 1);
            }
        }
        self.orbs.insert(reference, found);
    }
}

/// The answer for an address that no prefix allows.
fn not_allowed() -> OrbProblem {
    OrbProblem::Refused("orbs may not be fetched from this address: no allowed prefix matches it".to_owned())
}
