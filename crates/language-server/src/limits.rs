//! Every limit of the language server. An editor sends what its user opens, and that may be anybody's file.

/// Largest document that is looked at: what the compiler reads at most.
pub const MAX_DOCUMENT_BYTES: usize = airlock_yaml_tree::limits::MAX_SOURCE_BYTES;

/// Most documents open at a time. An editor with all configs of a large organisation open stays far below.
pub const MAX_DOCUMENTS: usize = 256;

/// Most lines taken out of a broken text until the rest can be read. Half-typed text is broken in one place, seldom two;
/// each attempt reads the file again.
pub const MAX_REPAIRS: usize = 8;

/// Most lines looked at above a break for a bracket that is still open.
pub const MAX_BRACKET_LINES: usize = 100;

/// Most places visited while a document is indexed. The longest public config has 20,000.
pub const MAX_VISITS: usize = 200_000;

/// Deepest nesting that is followed, aliases included.
pub const MAX_DEPTH: usize = 100;

/// Most completions in one answer; whoever needs more goes on typing.
pub const MAX_COMPLETIONS: usize = 500;

/// Most steps named in a summary of a job.
pub const MAX_SUMMARY_STEPS: usize = 30;

/// Longest text shown of a default value or a command, in characters.
pub const MAX_SHOWN_CHARS: usize = 400;

/// Longest chain of orbs inside orbs that a name is followed through.
pub const MAX_ORB_DEPTH: usize = 8;

/// Most lines looked at above a position for where a multi-line value began.
pub const MAX_LINES_ABOVE: usize = 5_000;
