//! What is known of one version of a document: its tree, its names and where they are used. Made when the first request
//! asks for it and kept until the text changes.

use std::cell::OnceCell;
use std::rc::Rc;

use airlock_yaml_tree::{Span, Tree};
use gen_lsp_types::{Location, Range, Uri};

use crate::index::{Index, Role, Symbol};
use crate::names::{Names, OrbFile, Parameter};
use crate::place::ElementKind;
use crate::text::Text;

/// A read document.
#[derive(Debug)]
pub(crate) struct Analysis {
    pub(crate) uri: String,
    pub(crate) text: Text,
    pub(crate) tree: Tree,
    pub(crate) names: Names,
    index: OnceCell<Index>,
}

/// A place in the document or in an orb's file.
pub(crate) enum Target {
    Here(Span),
    There(Rc<OrbFile>, Span),
}

impl Analysis {
    pub(crate) fn new(uri: String, text: Text, tree: Tree, names: Names) -> Self {
        Self {
            uri,
            text,
            tree,
            names,
            index: OnceCell::new(),
        }
    }

    /// Where names are used; only some requests need it.
    pub(crate) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::build(&self.tree, &self.names))
    }

    pub(crate) fn range(&self, span: Span) -> Range {
        self.text.range(span.range())
    }

    pub(crate) fn here(&self, span: Span) -> Location {
        Location {
            uri: Uri(self.uri.clone()),
            range: self.range(span),
        }
    }

    /// Where a symbol is defined, in this file or in an orb's.
    pub(crate) fn definition(&self, symbol: &Symbol) -> Option<Target> {
        if let Some(found) = self.index().definition(symbol) {
            return Some(Target::Here(found.span));
        }
        match symbol {
            Symbol::Element(scope, kind, name) => {
                let found = self.names.element(scope, *kind, name)?;
                let key = found.element.key;
                Some(
                    found
                        .file
                        .map_or(Target::Here(key), |file| Target::There(Rc::clone(file), key)),
                )
            }
            Symbol::Parameter(scope, owner, name) => {
                let found = self.names.element(scope, owner.kind, &owner.name)?;
                let key = found.element.parameter(name)?.key;
                Some(
                    found
                        .file
                        .map_or(Target::Here(key), |file| Target::There(Rc::clone(file), key)),
                )
            }
            Symbol::Orb(..)
            | Symbol::Group(_)
            | Symbol::PipelineParameter(_)
            | Symbol::Workflow(_)
            | Symbol::Entry(..)
            | Symbol::Anchor(_) => None,
        }
    }

    /// The declaration of a parameter.
    pub(crate) fn parameter(&self, symbol: &Symbol) -> Option<&Parameter> {
        match symbol {
            Symbol::Parameter(scope, owner, name) => {
                let found = self.names.element(scope, owner.kind, &owner.name)?;
                found.element.parameter(name)
            }
            Symbol::PipelineParameter(name) => self.names.of("")?.parameter(name),
            Symbol::Element(..)
            | Symbol::Group(_)
            | Symbol::Orb(..)
            | Symbol::Workflow(_)
            | Symbol::Entry(..)
            | Symbol::Anchor(_) => None,
        }
    }

    pub(crate) fn location(&self, target: &Target) -> Option<Location> {
        match target {
            Target::Here(span) => Some(self.here(*span)),
            Target::There(file, span) => Some(Location {
                uri: Uri(file.uri.clone()?),
                range: file.text.range(span.range()),
            }),
        }
    }

    /// The symbol that a rename or a search for uses is about. An entry that goes by its job's name is its job.
    pub(crate) fn subject(&self, offset: usize) -> Option<(Span, Symbol)> {
        let found = self.index().at(offset);
        let entry = |symbol: &Symbol| matches!(symbol, Symbol::Entry(..));
        let chosen = found
            .iter()
            .find(|occurrence| !entry(&occurrence.symbol))
            .or(found.first())?;
        Some((chosen.span, chosen.symbol.clone()))
    }

    /// Where the name at a byte comes from. For a requirement that is the entry, not the job.
    pub(crate) fn definitions_at(&self, offset: usize) -> Vec<Target> {
        let found = self.index().at(offset);
        let uses = found.iter().filter(|occurrence| occurrence.role == Role::Use);
        let entry = |symbol: &Symbol| matches!(symbol, Symbol::Entry(..));
        let mut uses: Vec<_> = uses.collect();
        uses.sort_by_key(|occurrence| !entry(&occurrence.symbol));
        let target = uses
            .iter()
            .find_map(|occurrence| self.definition(&occurrence.symbol));
        if let Some(target) = target {
            return vec![target];
        }
        let defined = found
            .iter()
            .find(|occurrence| occurrence.role == Role::Definition);
        defined
            .map(|occurrence| Target::Here(occurrence.span))
            .into_iter()
            .collect()
    }
}

impl ElementKind {
    /// In the user's words.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Command => "command",
            Self::Executor => "executor",
        }
    }
}
