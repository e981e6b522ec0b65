//! Values while compiling: what an expression gives and what an argument is.

use std::rc::Rc;

use airlock_yaml_tree::Place;

use crate::scope::{Scope, View};

/// A typed value.
#[derive(Clone, Debug)]
pub(crate) enum Value<'s> {
    /// Absent.
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// The name of an executor: text that is looked up where it was written, not where it is used.
    Named(Named<'s>),
    /// A list of steps or an executor with parameters: still a piece of the file, with the scope of its caller.
    Node(View<'s>),
    /// Something was wrong and has been reported; whoever reads it stays silent.
    Broken,
}

/// A name with what it means.
#[derive(Clone, Debug)]
pub(crate) struct Named<'s> {
    pub(crate) text: String,
    pub(crate) place: Place,
    pub(crate) scope: Rc<Scope<'s>>,
}

impl Value<'_> {
    /// As one value among others: a name is text there.
    pub(crate) fn unnamed(self) -> Self {
        match self {
            Self::Named(name) => Self::Text(name.text),
            Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::Node(_)
            | Self::Broken => self,
        }
    }
}

impl Value<'_> {
    /// The type in CircleCI's words.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null | Self::Broken => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) => "integer",
            Self::Float(_) => "number",
            Self::Text(_) | Self::Named(_) => "string",
            Self::Node(view) if view.node.as_sequence().is_some() => "list",
            Self::Node(_) => "map",
        }
    }

    /// Reported already.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }

    /// CircleCI's truth: false, null, zero, NaN and empty text are false.
    pub(crate) fn is_truthy(&self) -> bool {
        match self {
            Self::Null | Self::Broken => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Float(value) => *value != 0.0 && !value.is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Named(name) => !name.text.is_empty(),
            Self::Node(_) => true,
        }
    }

    /// Type and value alike.
    #[expect(clippy::float_cmp, reason = "equal means written equally here, not nearly")]
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (
                Self::Null
                | Self::Bool(_)
                | Self::Int(_)
                | Self::Float(_)
                | Self::Text(_)
                | Self::Named(_)
                | Self::Node(_)
                | Self::Broken,
                _,
            ) => false,
        }
    }

    /// As it appears inside text; nothing for what is not text.
    pub(crate) fn to_text(&self) -> Option<String> {
        match self {
            Self::Null => Some(String::new()),
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => Some(value.to_string()),
            Self::Text(text) => Some(text.clone()),
            Self::Named(name) => Some(name.text.clone()),
            Self::Node(_) | Self::Broken => None,
        }
    }

    /// How a message shows it: text in quotes, cut when long.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Text(text) => {
                let cut: String = text.chars().take(60).collect();
                format!("{cut:?}")
            }
            Self::Null | Self::Broken => "null".to_owned(),
            Self::Node(view) => format!(
                "a {}",
                if view.node.as_sequence().is_some() {
                    "list"
                } else {
                    "map"
                }
            ),
            Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Named(_) => {
                self.to_text().unwrap_or_default()
            }
        }
    }
}
