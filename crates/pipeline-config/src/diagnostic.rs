//! Diagnostics as plain data. Everything a reader needs is in them; how they look is `render`'s business.

use airlock_yaml_tree::{Location, Place};
use serde::Serialize;

/// How bad it is. Only errors keep a plan back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The config does not mean what it says, or cannot run.
    Error,
    /// It runs, but somebody should look.
    Warning,
}

/// Stable name of a kind of diagnostic, such as `unknown-key`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Code(&'static str);

/// Where something stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The file as [`crate::Source`] names it.
    pub file: String,
    /// First line, from one.
    pub line: u32,
    /// First column in characters, from one.
    pub column: u32,
    /// Last line.
    pub end_line: u32,
    /// One past the last column.
    pub end_column: u32,
    /// First byte in the file.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A second place that belongs to a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// What it has to do with it.
    pub message: String,
    /// Where.
    pub position: Position,
}

/// One thing to tell the author of a config.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Stable name of its kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// What is wrong, in the user's words.
    pub message: String,
    /// Where.
    pub position: Position,
    /// Other places that belong to it, nearest first.
    pub related: Vec<Related>,
    /// The smallest change that mends it.
    pub hint: Option<String>,
}

impl Code {
    /// A name in `<< >>` or a call that repeats itself without end.
    pub const COMMAND_CYCLE: Self = Self("command-cycle");
    /// A value that the field's rules refuse.
    pub const BAD_VALUE: Self = Self("bad-value");
    /// An expression that cannot be read or evaluated.
    pub const BAD_EXPRESSION: Self = Self("bad-expression");
    /// A name that breaks the rules of its kind.
    pub const BAD_NAME: Self = Self("bad-name");
    /// A declaration under `parameters:` that is not one.
    pub const BAD_PARAMETER: Self = Self("bad-parameter");
    /// A regular expression that cannot be used.
    pub const BAD_REGEX: Self = Self("bad-regex");
    /// Two things with one name.
    pub const DUPLICATE_NAME: Self = Self("duplicate-name");
    /// Nothing in the file.
    pub const EMPTY_CONFIG: Self = Self("empty-config");
    /// Something that has no effect.
    pub const IGNORED: Self = Self("ignored");
    /// A limit of this product was reached.
    pub const LIMIT: Self = Self("limit");
    /// A matrix that makes no sense.
    pub const MATRIX: Self = Self("matrix");
    /// A step whose keys are not below it.
    pub const MISINDENTED: Self = Self("misindented");
    /// An argument that has no default was not given.
    pub const MISSING_ARGUMENT: Self = Self("missing-argument");
    /// A key that must be there.
    pub const MISSING_KEY: Self = Self("missing-key");
    /// Part of CircleCI's language that this version does not honour.
    pub const NOT_YET_SUPPORTED: Self = Self("not-yet-supported");
    /// Jobs that wait for each other.
    pub const REQUIRES_CYCLE: Self = Self("requires-cycle");
    /// `<<` without `>>`.
    pub const UNCLOSED_TAG: Self = Self("unclosed-tag");
    /// An argument nobody declared.
    pub const UNKNOWN_ARGUMENT: Self = Self("unknown-argument");
    /// A step that is neither built in nor a command.
    pub const UNKNOWN_COMMAND: Self = Self("unknown-command");
    /// An executor nobody defined.
    pub const UNKNOWN_EXECUTOR: Self = Self("unknown-executor");
    /// A job nobody defined.
    pub const UNKNOWN_JOB: Self = Self("unknown-job");
    /// A key this kind of map does not have.
    pub const UNKNOWN_KEY: Self = Self("unknown-key");
    /// A name in `<< >>` that does not exist.
    pub const UNKNOWN_VALUE: Self = Self("unknown-value");
    /// A version of the language that does not exist.
    pub const VERSION: Self = Self("version");
    /// A list where a map belongs, and the like.
    pub const WRONG_TYPE: Self = Self("wrong-type");

    /// The code of a problem of the YAML itself.
    pub(crate) fn yaml(code: airlock_yaml_tree::ProblemCode) -> Self {
        Self(code.as_str())
    }

    /// The code as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl Position {
    pub(crate) fn new(file: &str, start: Location, end: Location, place: Place) -> Self {
        Self {
            file: file.to_owned(),
            line: start.line,
            column: start.column,
            end_line: end.line,
            end_column: end.column,
            start: place.span.start,
            end: place.span.end,
        }
    }
}

impl Diagnostic {
    /// True for errors, which keep a plan back.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
