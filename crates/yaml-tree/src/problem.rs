//! What can be wrong with a file as YAML, as plain data: a stable code, the user's words, the place, a way out.
//! Rendering is the caller's.

use crate::Span;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing; the tree is what the author meant in all likelihood.
    Warning,
    /// The tree is not what was written.
    Error,
}

/// Stable names of the problems, for filters and tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemCode {
    /// The text breaks the grammar of YAML.
    Syntax,
    /// The bytes are not UTF-8.
    Encoding,
    /// A limit of this product was reached.
    Limit,
    /// `*name` without an earlier `&name`.
    UnknownAlias,
    /// `&name [*name]`.
    RecursiveAlias,
    /// `<<` with something that is not a mapping.
    BadMerge,
    /// The same key twice in one mapping.
    DuplicateKey,
    /// A key that is a list or a mapping.
    BadKey,
    /// A second document after `---`.
    ManyDocuments,
    /// A tag such as `!include`.
    UnknownTag,
}

impl ProblemCode {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Syntax,
        Self::Encoding,
        Self::Limit,
        Self::UnknownAlias,
        Self::RecursiveAlias,
        Self::BadMerge,
        Self::DuplicateKey,
        Self::BadKey,
        Self::ManyDocuments,
        Self::UnknownTag,
    ];

    /// The code as text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "yaml-syntax",
            Self::Encoding => "yaml-encoding",
            Self::Limit => "yaml-limit",
            Self::UnknownAlias => "yaml-unknown-alias",
            Self::RecursiveAlias => "yaml-recursive-alias",
            Self::BadMerge => "yaml-bad-merge",
            Self::DuplicateKey => "yaml-duplicate-key",
            Self::BadKey => "yaml-bad-key",
            Self::ManyDocuments => "yaml-many-documents",
            Self::UnknownTag => "yaml-unknown-tag",
        }
    }
}

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Stable name.
    pub code: ProblemCode,
    /// How bad.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// Where.
    pub span: Span,
    /// Other places that belong to it, each with its role.
    pub related: Vec<(Span, String)>,
    /// The smallest change that mends it, in words.
    pub hint: Option<String>,
    /// The same change as an edit, where it is mechanical.
    pub fix: Option<Fix>,
}

/// An edit that mends a problem: the text of a span gives way to another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What it does, as a button would say it.
    pub title: String,
    /// The bytes to replace; empty to insert.
    pub span: Span,
    /// What stands there afterwards.
    pub text: String,
}

impl Problem {
    pub(crate) fn error(code: ProblemCode, span: Span, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            span,
            related: Vec::new(),
            hint: None,
            fix: None,
        }
    }

    pub(crate) fn warning(code: ProblemCode, span: Span, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, span, message)
        }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn fix(mut self, fix: Option<Fix>) -> Self {
        self.fix = fix.or(self.fix);
        self
    }

    pub(crate) fn related(mut self, span: Span, role: impl Into<String>) -> Self {
        self.related.push((span, role.into()));
        self
    }
}
