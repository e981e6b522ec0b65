//! The tree as stored: one vector of nodes, children by number, aliases as links. Built by `builder`, read through
//! the handles in `node`.

use std::sync::Arc;

use crate::span::LineIndex;
use crate::{Comment, FileId, Location, Node, Place, Span, Style};

/// One parsed file. Clones share what was parsed.
#[derive(Clone, Debug)]
pub struct Tree {
    pub(crate) file: FileId,
    pub(crate) source: Arc<str>,
    pub(crate) lines: Arc<LineIndex>,
    pub(crate) comments: Arc<Vec<Comment>>,
    pub(crate) nodes: Arc<Vec<Stored>>,
    pub(crate) root: Option<Link>,
    pub(crate) aliases: Vec<Link>,
}

/// Number of a node in [`Tree::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(pub(crate) u32);

/// A reference to a node, with the place of the alias when it was reached through one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) node: NodeId,
    pub(crate) alias: Option<Span>,
}

#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) span: Span,
    pub(crate) anchor: Option<Anchor>,
    pub(crate) tag: Option<Tag>,
    /// Nodes below and including this one, aliases written out.
    pub(crate) size: usize,
    /// Levels of collections, this one included.
    pub(crate) height: usize,
    pub(crate) kind: StoredKind,
}

#[derive(Clone, Debug)]
pub(crate) struct Anchor {
    pub(crate) name: String,
    pub(crate) span: Span,
}

/// What stands before a value as `!!str`.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum StoredKind {
    Scalar { text: String, style: Style },
    Sequence { items: Vec<Link>, flow: bool },
    Mapping { entries: Vec<StoredEntry>, flow: bool },
}

/// One entry of a mapping after merge keys and duplicates were dealt with.
#[derive(Clone, Debug)]
pub(crate) struct StoredEntry {
    pub(crate) key: Link,
    pub(crate) value: Link,
    pub(crate) merged: Option<Merged>,
}

/// Where a merged entry came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The `<<` in the mapping that has the entry.
    pub key: Span,
    /// The `*name` after it; absent when the mapping was written in place.
    pub alias: Option<Span>,
    /// The anchor's name.
    pub anchor: Option<String>,
}

impl Tree {
    /// The file this tree was parsed from.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// The same tree as another one of several files: what is parsed once can stand in many runs.
    #[must_use]
    pub fn in_file(&self, file: FileId) -> Self {
        Self { file, ..self.clone() }
    }

    /// The text that spans point into.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The document; absent when the file holds none (empty, or comments only).
    pub fn root(&self) -> Option<Node<'_>> {
        self.root.map(|link| Node::new(self, link))
    }

    /// Every value that has an anchor, in the order of their ends.
    pub fn anchors(&self) -> impl Iterator<Item = Node<'_>> {
        let ids = (0..self.nodes.len()).filter(|id| self.nodes[*id].anchor.is_some());
        ids.map(|id| {
            let node = NodeId(u32::try_from(id).unwrap_or(u32::MAX));
            Node::new(self, Link { node, alias: None })
        })
    }

    /// Every alias that leads to a value, merged ones included, in the order of the text.
    pub fn aliases(&self) -> impl Iterator<Item = Node<'_>> {
        self.aliases.iter().map(|link| Node::new(self, *link))
    }

    /// Line and column of a byte offset.
    pub fn locate(&self, offset: u32) -> Location {
        self.lines.locate(&self.source, offset)
    }

    /// A line's text (counted from one) without its end.
    pub fn line(&self, line: u32) -> &str {
        self.lines.line(&self.source, line)
    }

    /// The text of a span; empty when the span is not of this file.
    pub fn slice(&self, span: Span) -> &str {
        self.source.get(span.range()).unwrap_or("")
    }

    /// A span of this file with the file's number.
    pub fn place(&self, span: Span) -> Place {
        Place {
            file: self.file,
            span,
        }
    }

    pub(crate) fn stored(&self, id: NodeId) -> &Stored {
        &self.nodes[id.0 as usize]
    }
}
