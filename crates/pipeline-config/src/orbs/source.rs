//! Orbs as the compiler is handed them: the source of each, under the reference that asked for it, or why there is none.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use airlock_yaml_tree::{FileId, Parsed, parse_file};
use thiserror::Error;

use super::reference::OrbReference;
use crate::inputs::Source;

/// One orb's source. Cheap to clone: clones share the bytes and what was parsed of them, so a caller that keeps its orbs
/// (a server, an editor) has each parsed once.
#[derive(Clone, Debug)]
pub struct OrbSource {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    resolved: String,
    pins: BTreeMap<String, OrbReference>,
    parsed: OnceLock<Parsed>,
}

impl OrbSource {
    /// An orb. `source.file` is its name in diagnostics, a path or `circleci/node@5.2.0`; `resolved` is the reference with
    /// the version that was found, such as `circleci/node@5.2.0`, or the address.
    pub fn new(source: Source, resolved: impl Into<String>) -> Self {
        Self::with_pins(source, resolved, BTreeMap::new())
    }

    /// An orb whose own orbs were settled when it was published: for each reference as its source writes it, the one that
    /// is meant. References that are not in the map are taken as they are written.
    pub fn with_pins(
        source: Source,
        resolved: impl Into<String>,
        pins: BTreeMap<String, OrbReference>,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                source,
                resolved: resolved.into(),
                pins,
                parsed: OnceLock::new(),
            }),
        }
    }

    /// Whether it has a name and a version, and so never changes; what stands at an address may.
    pub(crate) fn is_of_registry(&self) -> bool {
        !matches!(
            OrbReference::parse(&self.inner.resolved),
            Ok(OrbReference::Url(_))
        )
    }

    /// File name and bytes, as [`crate::needs`] and the renderers take them.
    pub fn source(&self) -> &Source {
        &self.inner.source
    }

    /// The reference with the version that was found.
    pub fn resolved(&self) -> &str {
        &self.inner.resolved
    }

    /// What a reference in this orb's source means.
    pub fn pinned(&self, text: &str) -> Option<&OrbReference> {
        self.inner.pins.get(text.trim())
    }

    /// The source as a tree; its file number is nobody's.
    pub(crate) fn parsed(&self) -> &Parsed {
        self.inner
            .parsed
            .get_or_init(|| parse_file(FileId(u32::MAX), &self.inner.source.bytes))
    }
}

impl PartialEq for OrbSource {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&self.inner, &other.inner);
        Arc::ptr_eq(a, b) || (a.source == b.source && a.resolved == b.resolved && a.pins == b.pins)
    }
}

impl Eq for OrbSource {}

/// Why there is no source for a reference. The compiler reports each once, where the orb is declared.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrbProblem {
    /// No such orb, or none of its versions fits.
    #[error("there is no such orb or version")]
    NotFound(Catalogue),
    /// It is there and may not be used, such as one of a stranger; the text says why and who may change it.
    #[error("{0}")]
    Refused(String),
    /// It could not be read or fetched; the text says why.
    #[error("{0}")]
    Unavailable(String),
    /// A limit was reached, one of this crate's or of the caller's; the text says which.
    #[error("{0}")]
    Limit(String),
}

impl OrbProblem {
    /// Why an orb of a registry may not use one at an address.
    pub fn address_in_registry() -> Self {
        Self::Refused(
            "an orb of the registry does not change, so what it uses is of the registry too: import that file, and refer \
             to it by its name"
                .to_owned(),
        )
    }
}

/// What there is instead, as far as the caller can list it, for "did you mean". Each list may be left empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// All namespaces.
    pub namespaces: Vec<String>,
    /// The orbs of the wanted namespace, without the `namespace/`.
    pub orbs: Vec<String>,
    /// The versions of the wanted orb, `5.2.0` or `dev:label`.
    pub versions: Vec<String>,
}

/// All orbs that a config needs, its orbs' orbs included, by the reference that asks for each. Made by
/// [`gather`](super::gather), or by hand with [`Orbs::insert`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orbs {
    all: BTreeMap<OrbReference, Result<OrbSource, OrbProblem>>,
}

impl Orbs {
    /// Puts an orb, or why there is none, under its reference.
    pub fn insert(&mut self, reference: OrbReference, found: Result<OrbSource, OrbProblem>) {
        self.all.insert(reference, found);
    }

    /// What is known of a reference; nothing when nobody looked for it.
    pub fn get(&self, reference: &OrbReference) -> Option<&Result<OrbSource, OrbProblem>> {
        self.all.get(reference)
    }

    /// Every reference with what was found, in the order of the references.
    pub fn iter(&self) -> impl Iterator<Item = (&OrbReference, &Result<OrbSource, OrbProblem>)> {
        self.all.iter()
    }

    /// The orbs that were found, by reference.
    pub fn found(&self) -> impl Iterator<Item = (&OrbReference, &OrbSource)> {
        self.all
            .iter()
            .filter_map(|(reference, found)| Some((reference, found.as_ref().ok()?)))
    }

    /// The files that diagnostics may point into beside the config itself, as renderers want them.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.found().map(|(_, orb)| orb.source())
    }
}
