//! How a session reaches orbs: the caller finds them, this crate keeps what was found and reads it.

use std::collections::BTreeMap;
use std::rc::Rc;

use airlock_pipeline_config::{
    Catalogue, Inputs, OrbProblem, OrbReference, OrbSource, Orbs, Source, gather, orb_references,
};
use airlock_yaml_tree::{FileId, Node, Tree, parse_file};

use crate::names::{Names, OrbFile};
use crate::text::{Encoding, Text};

/// Finds the sources of orbs.
pub trait Library {
    /// The orb of a reference.
    fn find(&mut self, reference: &OrbReference) -> Result<OrbSource, OrbProblem>;

    /// References that can be named, such as `circleci/node@5.2.0`, for completion.
    fn references(&self) -> Vec<String>;

    /// Where an editor can open an orb, by the name that diagnostics call its file; nothing when it is no file.
    fn uri(&self, file: &str) -> Option<String>;
}

/// A library with nothing in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLibrary;

impl Library for NoLibrary {
    fn find(&mut self, _reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
        Err(OrbProblem::NotFound(Catalogue::default()))
    }

    fn references(&self) -> Vec<String> {
        Vec::new()
    }

    fn uri(&self, _file: &str) -> Option<String> {
        None
    }
}

/// A library with what it has given so far.
pub(crate) struct Shelf {
    library: Box<dyn Library>,
    orbs: Orbs,
    files: BTreeMap<OrbReference, Rc<OrbFile>>,
}

impl Shelf {
    pub(crate) fn new(library: Box<dyn Library>) -> Self {
        Self {
            library,
            orbs: Orbs::default(),
            files: BTreeMap::new(),
        }
    }

    /// Forgets what was found: somebody has written a file.
    pub(crate) fn clear(&mut self) {
        self.orbs = Orbs::default();
        self.files.clear();
    }

    pub(crate) fn references(&self) -> Vec<String> {
        self.library.references()
    }

    pub(crate) fn uri(&self, file: &str) -> Option<String> {
        self.library.uri(file)
    }

    /// The inputs of a compilation, with all orbs that the source needs.
    pub(crate) fn inputs(&mut self, source: &Source, inputs: &Inputs) -> Inputs {
        let mut inputs = inputs.clone();
        inputs.orbs = self.orbs.clone();
        let library = &mut self.library;
        inputs.orbs = gather(source, &inputs, &mut |reference| library.find(reference));
        self.orbs = inputs.orbs.clone();
        inputs
    }

    /// The names of a document, its orbs' names included.
    pub(crate) fn names(
        &mut self,
        tree: &Tree,
        source: &Source,
        inputs: &Inputs,
        encoding: Encoding,
    ) -> Names {
        let filled_in: BTreeMap<String, OrbReference> = orb_references(source, inputs)
            .into_iter()
            .map(|request| (request.need.alias, request.reference))
            .collect();
        Names::collect(tree, &mut |alias, text| {
            let parsed = OrbReference::parse(text).ok();
            let reference = parsed.or_else(|| filled_in.get(alias).cloned())?;
            self.file(&reference, encoding)
        })
    }

    fn file(&mut self, reference: &OrbReference, encoding: Encoding) -> Option<Rc<OrbFile>> {
        if let Some(file) = self.files.get(reference) {
            return Some(Rc::clone(file));
        }
        let orb = match self.orbs.get(reference) {
            Some(Ok(orb)) => orb.clone(),
            Some(Err(_)) => return None,
            None => self.library.find(reference).ok()?,
        };
        let source = orb.source();
        let parsed = parse_file(FileId(0), &source.bytes);
        let description = parsed
            .tree
            .root()
            .and_then(Node::as_mapping)
            .and_then(|top| top.get("description"))
            .and_then(|entry| entry.value().as_scalar())
            .map(|scalar| scalar.text.trim().to_owned());
        let file = Rc::new(OrbFile {
            uri: self.library.uri(&source.file),
            resolved: orb.resolved().to_owned(),
            text: Text::new(parsed.tree.source().to_owned(), encoding),
            // An orb's own orbs say nothing about the names it offers.
            names: Names::collect(&parsed.tree, &mut |_, _| None),
            description,
        });
        self.files.insert(reference.clone(), Rc::clone(&file));
        Some(file)
    }
}
