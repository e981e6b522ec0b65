//! Handles for reading a tree: small, copyable, and the only way in. A handle knows through which alias it was
//! reached, so a message can show both the use and the definition.

use crate::tree::{Link, Merged, StoredEntry, StoredKind, Tree};
use crate::{Place, Span, Style, Value, merge, scalar};

/// One value in a tree.
#[derive(Clone, Copy, Debug)]
pub struct Node<'t> {
    tree: &'t Tree,
    link: Link,
}

/// What a node is.
#[derive(Clone, Copy, Debug)]
pub enum NodeKind<'t> {
    /// Text.
    Scalar(Scalar<'t>),
    /// A list.
    Sequence(Sequence<'t>),
    /// A map.
    Mapping(Mapping<'t>),
}

/// Text with its style.
#[derive(Clone, Copy, Debug)]
pub struct Scalar<'t> {
    /// The text after quotes, escapes and folding.
    pub text: &'t str,
    /// How it was written.
    pub style: Style,
    /// Its tag, such as `!!str`, when it has one.
    pub tag: Option<&'t str>,
}

/// A list of nodes.
#[derive(Clone, Copy, Debug)]
pub struct Sequence<'t> {
    tree: &'t Tree,
    items: &'t [Link],
}

/// A map from text to nodes, merge keys applied, in the order of first appearance.
#[derive(Clone, Copy, Debug)]
pub struct Mapping<'t> {
    tree: &'t Tree,
    entries: &'t [StoredEntry],
}

/// One key with its value.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'t> {
    tree: &'t Tree,
    stored: &'t StoredEntry,
}

impl<'t> Node<'t> {
    pub(crate) fn new(tree: &'t Tree, link: Link) -> Self {
        Self { tree, link }
    }

    /// The tree it is of.
    pub fn tree(self) -> &'t Tree {
        self.tree
    }

    /// The bytes of its definition.
    pub fn span(self) -> Span {
        self.tree.stored(self.link.node).span
    }

    /// Its definition, with the file.
    pub fn place(self) -> Place {
        self.tree.place(self.span())
    }

    /// The `*name` it was reached through.
    pub fn alias(self) -> Option<Span> {
        self.link.alias
    }

    /// The name of its anchor.
    pub fn anchor(self) -> Option<&'t str> {
        self.tree
            .stored(self.link.node)
            .anchor
            .as_ref()
            .map(|anchor| anchor.name.as_str())
    }

    /// The place of its anchor.
    pub fn anchor_span(self) -> Option<Span> {
        self.tree
            .stored(self.link.node)
            .anchor
            .as_ref()
            .map(|anchor| anchor.span)
    }

    /// Its tag, such as `!!str`.
    pub fn tag(self) -> Option<&'t str> {
        let tag = self.tree.stored(self.link.node).tag.as_ref();
        tag.map(|tag| tag.name.as_str())
    }

    /// The place of its tag.
    pub fn tag_span(self) -> Option<Span> {
        let tag = self.tree.stored(self.link.node).tag.as_ref();
        tag.map(|tag| tag.span)
    }

    /// What it is.
    pub fn kind(self) -> NodeKind<'t> {
        match &self.tree.stored(self.link.node).kind {
            StoredKind::Scalar { text, style } => NodeKind::Scalar(Scalar {
                text,
                style: *style,
                tag: self.tag(),
            }),
            StoredKind::Sequence { items, .. } => NodeKind::Sequence(Sequence {
                tree: self.tree,
                items,
            }),
            StoredKind::Mapping { entries, .. } => NodeKind::Mapping(Mapping {
                tree: self.tree,
                entries,
            }),
        }
    }

    /// True for `[…]` and `{…}`.
    pub fn is_flow(self) -> bool {
        match &self.tree.stored(self.link.node).kind {
            StoredKind::Scalar { .. } => false,
            StoredKind::Sequence { flow, .. } | StoredKind::Mapping { flow, .. } => *flow,
        }
    }

    /// The text, when it is text.
    pub fn as_scalar(self) -> Option<Scalar<'t>> {
        match self.kind() {
            NodeKind::Scalar(scalar) => Some(scalar),
            NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
        }
    }

    /// The list, when it is one.
    pub fn as_sequence(self) -> Option<Sequence<'t>> {
        match self.kind() {
            NodeKind::Sequence(sequence) => Some(sequence),
            NodeKind::Scalar(_) | NodeKind::Mapping(_) => None,
        }
    }

    /// The map, when it is one.
    pub fn as_mapping(self) -> Option<Mapping<'t>> {
        match self.kind() {
            NodeKind::Mapping(mapping) => Some(mapping),
            NodeKind::Scalar(_) | NodeKind::Sequence(_) => None,
        }
    }

    /// True for a value left out and for `null`.
    pub fn is_null(self) -> bool {
        self.as_scalar().is_some_and(Scalar::is_null)
    }
}

impl Scalar<'_> {
    /// True when the text must stay text: quoted, block style, or tagged `!!str`. A tag of another type lifts quotes.
    pub fn is_quoted(self) -> bool {
        match self.tag.map(core_type) {
            Some(Some("str")) => true,
            Some(Some(_)) => false,
            Some(None) | None => self.style != Style::Plain,
        }
    }

    /// True for a value left out and for `null`.
    pub fn is_null(self) -> bool {
        !self.is_quoted() && scalar::is_null(self.text)
    }

    /// Read as a boolean of YAML 1.1, single letters included.
    pub fn as_bool(self) -> Option<bool> {
        if self.is_quoted() {
            None
        } else {
            scalar::boolean(self.text)
        }
    }

    /// Read as a whole number.
    pub fn as_int(self) -> Option<i64> {
        if self.is_quoted() {
            None
        } else {
            scalar::integer(self.text)
        }
    }

    /// Read as whatever the text looks like.
    pub fn resolve(self) -> Value {
        if self.is_quoted() {
            Value::Text(self.text.to_owned())
        } else {
            scalar::resolve(self.text)
        }
    }
}

/// The type a tag of YAML's own names; `!` alone says text.
fn core_type(tag: &str) -> Option<&str> {
    match tag {
        "!" => Some("str"),
        _ => tag.strip_prefix("!!"),
    }
}

impl<'t> Sequence<'t> {
    /// Number of items.
    pub fn len(self) -> usize {
        self.items.len()
    }

    /// True when there are none.
    pub fn is_empty(self) -> bool {
        self.items.is_empty()
    }

    /// The items in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Node<'t>> + use<'t> {
        let tree = self.tree;
        self.items.iter().map(move |link| Node::new(tree, *link))
    }
}

impl<'t> Mapping<'t> {
    /// Number of entries.
    pub fn len(self) -> usize {
        self.entries.len()
    }

    /// True when there are none.
    pub fn is_empty(self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in order.
    pub fn iter(self) -> impl ExactSizeIterator<Item = Entry<'t>> + use<'t> {
        let tree = self.tree;
        self.entries.iter().map(move |stored| Entry { tree, stored })
    }

    /// The entry of a key.
    pub fn get(self, name: &str) -> Option<Entry<'t>> {
        self.iter().find(|entry| entry.name() == name)
    }
}

impl<'t> Entry<'t> {
    /// The key's text.
    pub fn name(self) -> &'t str {
        merge::name_of(&self.tree.nodes, self.stored.key)
    }

    /// The key.
    pub fn key(self) -> Node<'t> {
        Node::new(self.tree, self.stored.key)
    }

    /// The value.
    pub fn value(self) -> Node<'t> {
        Node::new(self.tree, self.stored.value)
    }

    /// The merge key it came through, when it did.
    pub fn merged(self) -> Option<&'t Merged> {
        self.stored.merged.as_ref()
    }
}
