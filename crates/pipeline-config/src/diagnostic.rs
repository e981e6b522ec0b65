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

/// A change that mends a problem and that a program may make.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fix {
    /// What it does, such as ``replace `step` with `steps` ``.
    pub title: String,
    /// The changes, in the order of the text; none overlaps another.
    pub edits: Vec<Edit>,
}

/// One place whose text is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edit {
    /// What is replaced; an empty place means that text is put in.
    pub position: Position,
    /// The text that stands there afterwards.
    pub replacement: String,
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
    /// The smallest change that mends it, in words.
    pub hint: Option<String>,
    /// Changes that a program may make; each of them alone mends it.
    pub fixes: Vec<Fix>,
}

/// The text of a code's page.
macro_rules! page {
    ($text:literal) => {
        include_str!(concat!("../../../docs/diagnostics/", $text, ".md"))
    };
}

/// Names every code once, so that the list of all of them cannot forget one.
macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+) => {
        impl Code {
            $($(#[doc = $doc])+ pub const $name: Self = Self($text);)+

            /// The codes of this crate; [`Code::all`] has those of the YAML too.
            const OWN: &'static [Self] = &[$(Self::$name),+];

            /// The pages of the codes of this crate; one without a page does not compile.
            const OWN_PAGES: &'static [(&'static str, &'static str)] =
                &[$(($text, page!($text))),+];
        }
    };
}

codes! {
    /// An expression that cannot be read or evaluated.
    BAD_EXPRESSION = "bad-expression";
    /// Something under `orbs:` that is neither a reference nor an orb.
    BAD_ORB = "bad-orb";
    /// A name that breaks the rules of its kind.
    BAD_NAME = "bad-name";
    /// A declaration under `parameters:` that is not one.
    BAD_PARAMETER = "bad-parameter";
    /// A regular expression that cannot be used.
    BAD_REGEX = "bad-regex";
    /// A value that the field's rules refuse.
    BAD_VALUE = "bad-value";
    /// A key of a cache that is no template.
    CACHE_KEY = "cache-key";
    /// A name in `<< >>` or a call that repeats itself without end.
    COMMAND_CYCLE = "command-cycle";
    /// A time of a schedule that is none.
    CRON = "cron";
    /// A form that still works and that something else has replaced.
    DEPRECATED = "deprecated";
    /// Two things with one name.
    DUPLICATE_NAME = "duplicate-name";
    /// Nothing in the file.
    EMPTY_CONFIG = "empty-config";
    /// Something that has no effect.
    IGNORED = "ignored";
    /// A limit of this product was reached.
    LIMIT = "limit";
    /// A matrix that makes no sense.
    MATRIX = "matrix";
    /// A step whose keys are not below it.
    MISINDENTED = "misindented";
    /// An argument that has no default was not given.
    MISSING_ARGUMENT = "missing-argument";
    /// A key that must be there.
    MISSING_KEY = "missing-key";
    /// An orb that may not be used here.
    ORB_REFUSED = "orb-refused";
    /// An orb that could not be read or fetched.
    ORB_UNAVAILABLE = "orb-unavailable";
    /// Two files of a split config that are one key.
    PACK_CONFLICT = "pack-conflict";
    /// An include of a split orb that cannot be followed.
    PACK_INCLUDE = "pack-include";
    /// Jobs that wait for each other.
    REQUIRES_CYCLE = "requires-cycle";
    /// A value that reaches the job as other text than was written.
    REWRITTEN_VALUE = "rewritten-value";
    /// `<<` without `>>`.
    UNCLOSED_TAG = "unclosed-tag";
    /// An argument nobody declared.
    UNKNOWN_ARGUMENT = "unknown-argument";
    /// A step that is neither built in nor a command.
    UNKNOWN_COMMAND = "unknown-command";
    /// An executor nobody defined.
    UNKNOWN_EXECUTOR = "unknown-executor";
    /// A job nobody defined.
    UNKNOWN_JOB = "unknown-job";
    /// A key this kind of map does not have.
    UNKNOWN_KEY = "unknown-key";
    /// An orb, or a version of one, that is nowhere.
    UNKNOWN_ORB = "unknown-orb";
    /// A name in `<< >>` that does not exist.
    UNKNOWN_VALUE = "unknown-value";
    /// A version of the language that does not exist.
    VERSION = "version";
    /// A list where a map belongs, and the like.
    WRONG_TYPE = "wrong-type";
}

impl Code {
    /// Every code there is. Each has a page, see [`Code::page`].
    pub fn all() -> impl Iterator<Item = Self> {
        let yaml = airlock_yaml_tree::ProblemCode::ALL.into_iter().map(Self::yaml);
        Self::OWN.iter().copied().chain(yaml)
    }

    /// The code of a problem of the YAML itself.
    pub(crate) fn yaml(code: airlock_yaml_tree::ProblemCode) -> Self {
        Self(code.as_str())
    }

    /// Whether it is about the YAML itself.
    pub(crate) fn is_of_yaml(self) -> bool {
        self.0.starts_with("yaml-")
    }

    /// Whether the service's schema would have refused it.
    pub(crate) fn is_of_shape(self) -> bool {
        [Self::UNKNOWN_KEY, Self::MISSING_KEY, Self::WRONG_TYPE].contains(&self)
    }

    /// The code as text.
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// The page of a code of this crate or of the YAML.
    pub(crate) fn page_text(self) -> &'static str {
        const YAML: [(&str, &str); 10] = [
            ("yaml-syntax", page!("yaml-syntax")),
            ("yaml-encoding", page!("yaml-encoding")),
            ("yaml-limit", page!("yaml-limit")),
            ("yaml-unknown-alias", page!("yaml-unknown-alias")),
            ("yaml-recursive-alias", page!("yaml-recursive-alias")),
            ("yaml-bad-merge", page!("yaml-bad-merge")),
            ("yaml-duplicate-key", page!("yaml-duplicate-key")),
            ("yaml-bad-key", page!("yaml-bad-key")),
            ("yaml-many-documents", page!("yaml-many-documents")),
            ("yaml-unknown-tag", page!("yaml-unknown-tag")),
        ];
        let mut pages = Self::OWN_PAGES.iter().chain(&YAML);
        pages
            .find(|(name, _)| *name == self.0)
            .map_or("", |(_, page)| page)
    }

    /// Its page of the documentation, as a path in the project.
    pub fn page(self) -> String {
        format!("docs/diagnostics/{}.md", self.0)
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
