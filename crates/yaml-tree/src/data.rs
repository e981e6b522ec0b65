//! Values without places: what a tree says once anchors, merge keys and styles are done with. This is what gets
//! *written*: packed folders and compiled configs are built from it. It owns nothing of a file and knows no spans;
//! numbers keep their source text, because `1.10` is often a version and `010` somebody's habit.

use crate::{Mapping, Node, NodeKind, Scalar, Value};

/// A value as YAML 1.1 types it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Nothing, `~` or `null`.
    Null,
    /// `true`, `yes`, `on` and their opposites.
    Bool(bool),
    /// A whole number or one with a fraction, as it was written.
    Number(String),
    /// Everything else, and everything in quotes.
    Text(String),
    /// A list.
    List(Vec<Data>),
    /// A map in its order; each name once.
    Map(Vec<(String, Data)>),
}

impl Data {
    /// What a node says, aliases followed. The parser has bounded how much that can be.
    pub fn of(node: Node<'_>) -> Self {
        match node.kind() {
            NodeKind::Scalar(scalar) => Self::of_scalar(scalar),
            NodeKind::Sequence(sequence) => Self::List(sequence.iter().map(Self::of).collect()),
            NodeKind::Mapping(mapping) => Self::Map(of_mapping(mapping)),
        }
    }

    /// What a scalar says.
    pub fn of_scalar(scalar: Scalar<'_>) -> Self {
        match scalar.resolve() {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(value),
            Value::Int(_) | Value::Float(_) => Self::Number(scalar.text.to_owned()),
            Value::Text(text) => Self::Text(text),
        }
    }

    /// The value of a key, when this is a map that has it.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries
                .iter()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }
}

fn of_mapping(mapping: Mapping<'_>) -> Vec<(String, Data)> {
    mapping
        .iter()
        .map(|entry| (entry.name().to_owned(), Data::of(entry.value())))
        .collect()
}
