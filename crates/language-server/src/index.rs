//! Where names are defined and used in a document, and what the keys and words in it mean. Walks the tree once, by the
//! grammar of `place`; what an alias or a merge key brings in is read where it is used as well, because only the use says
//! what it means. Comments are no part of the tree and never found.

mod walk;

use std::rc::Rc;

use airlock_pipeline_config::keys::{BuiltInStep, Key, PipelineValue, Word};
use airlock_yaml_tree::{Span, Tree};

use crate::names::Names;
use crate::place::{ElementKind, Owner, Scope};

/// A thing that has a name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Symbol {
    /// A job, command or executor as the config names it; `orb/name` for one of an orb that is not written in place.
    Element(Scope, ElementKind, Rc<str>),
    Group(Rc<str>),
    Orb(Scope, Rc<str>),
    Parameter(Scope, Owner, Rc<str>),
    PipelineParameter(Rc<str>),
    Workflow(Rc<str>),
    /// An entry of a workflow, by the name others require.
    Entry(Rc<str>, Rc<str>),
    /// An anchor, by the place of its definition: one name can be defined again.
    Anchor(Span),
}

/// Whether a place defines a name or uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Definition,
    Use,
}

/// A name at a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Occurrence {
    pub(crate) span: Span,
    pub(crate) role: Role,
    pub(crate) symbol: Symbol,
}

/// What a key or a word means, for those who point at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    Key(&'static Key),
    Step(&'static BuiltInStep),
    Word(&'static Word),
    Value(&'static PipelineValue),
    ResourceClass,
}

/// Everything found in one document.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// In the order of the text.
    pub(crate) occurrences: Vec<Occurrence>,
    meanings: Vec<(Span, Meaning)>,
    /// Names of expressions with what stands before their last part.
    dotted: Vec<(Span, Span)>,
}

impl Index {
    pub(crate) fn build(tree: &Tree, names: &Names) -> Self {
        let mut index = walk::walk(tree, names);
        index.occurrences.sort();
        index.occurrences.dedup();
        index.meanings.sort_by_key(|(span, _)| *span);
        index
    }

    /// The names at a byte, uses first: what is defined there is seldom what is asked for.
    pub(crate) fn at(&self, offset: usize) -> Vec<&Occurrence> {
        // Of `parameters.x` all of it stands for the parameter, though only its end is the name.
        let dotted = self.dotted.iter().find(|(whole, _)| touches(*whole, offset));
        let offset = dotted.map_or(offset, |(_, name)| offset.max(name.start as usize));
        let mut found: Vec<&Occurrence> = self
            .occurrences
            .iter()
            .filter(|occurrence| touches(occurrence.span, offset))
            .collect();
        // Of `orb/name`, the narrower.
        found.sort_by_key(|found| (found.span.end - found.span.start, found.role == Role::Definition));
        if let Some(first) = found.first().map(|found| found.span) {
            found.retain(|found| found.span == first);
        }
        found
    }

    /// What the word at a byte means.
    pub(crate) fn meaning(&self, offset: usize) -> Option<(Span, Meaning)> {
        let mut found = self.meanings.iter().filter(|(span, _)| touches(*span, offset));
        found.next().copied()
    }

    /// All places of a symbol.
    pub(crate) fn all<'i>(&'i self, symbol: &'i Symbol) -> impl Iterator<Item = &'i Occurrence> {
        self.occurrences
            .iter()
            .filter(move |occurrence| occurrence.symbol == *symbol)
    }

    /// Where a symbol is defined in this document.
    pub(crate) fn definition(&self, symbol: &Symbol) -> Option<&Occurrence> {
        self.occurrences
            .iter()
            .find(|occurrence| occurrence.symbol == *symbol && occurrence.role == Role::Definition)
    }
}

fn touches(span: Span, offset: usize) -> bool {
    (span.start as usize..=span.end as usize).contains(&offset)
}
