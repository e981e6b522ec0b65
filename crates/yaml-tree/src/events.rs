//! The border to the parser crate: the only file that names it. It turns the parser's events into ours, with
//! byte spans, and its errors into the user's words.

use granit_parser::{ErrorKind, Event as Raw, Parser, ScalarStyle, ScanError, StructureStyle};

use crate::limits::{MAX_DEPTH, MAX_KEY_CHARS};
use crate::{Problem, ProblemCode, Span, Style};

/// What the builder is fed with.
#[derive(Debug)]
pub(crate) enum Event {
    DocumentStart,
    DocumentEnd,
    /// Properties of the node whose event came just before.
    Anchor {
        id: usize,
        name: String,
    },
    Alias(usize),
    UnresolvedAlias(String),
    Scalar {
        text: String,
        style: Style,
        tag: Option<String>,
    },
    SequenceStart {
        flow: bool,
    },
    MappingStart {
        flow: bool,
    },
    CollectionEnd,
}

/// Reads `source` and hands each event with its span to `sink` until the end, an error, or `sink` says stop.
pub(crate) fn read(source: &str, mut sink: impl FnMut(Event, Span) -> bool) -> Option<Problem> {
    // The mark is no part of the document; without it all offsets are shifted back by its length.
    let shift = if source.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let text = &source[shift..];
    let options = granit_parser::options! {
        emit_anchor_events: true,
        emit_unresolved_aliases: true,
        emit_comments: false,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        simple_key_max_lookahead: MAX_KEY_CHARS,
    };
    for next in Parser::new_from_str_with_options(text, options) {
        let (raw, span) = match next {
            Ok(pair) => pair,
            Err(error) => return Some(problem(source, shift, &error)),
        };
        let range = span.byte_range().unwrap_or(0..0);
        let span = Span::new(range.start + shift, range.end + shift);
        let Some(event) = translate(raw) else { continue };
        if !sink(event, span) {
            return None;
        }
    }
    None
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the parser's events may grow; new ones carry no values"
)]
fn translate(raw: Raw<'_>) -> Option<Event> {
    let is_flow = |style| matches!(style, StructureStyle::Flow);
    match raw {
        Raw::DocumentStart(..) => Some(Event::DocumentStart),
        Raw::DocumentEnd => Some(Event::DocumentEnd),
        Raw::Alias(id) => Some(Event::Alias(id)),
        Raw::Anchor(id, name) => Some(Event::Anchor {
            id,
            name: name.into_owned(),
        }),
        Raw::UnresolvedAlias(name) => Some(Event::UnresolvedAlias(name.into_owned())),
        Raw::Scalar(text, style, _, tag) => Some(Event::Scalar {
            text: text.into_owned(),
            style: match style {
                ScalarStyle::Plain => Style::Plain,
                ScalarStyle::SingleQuoted => Style::SingleQuoted,
                ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                ScalarStyle::Literal => Style::Literal,
                ScalarStyle::Folded => Style::Folded,
            },
            tag: tag.map(|tag| tag.to_string()),
        }),
        Raw::SequenceStart(style, ..) => Some(Event::SequenceStart { flow: is_flow(style) }),
        Raw::MappingStart(style, ..) => Some(Event::MappingStart { flow: is_flow(style) }),
        Raw::SequenceEnd | Raw::MappingEnd => Some(Event::CollectionEnd),
        // Stream marks carry nothing, comments are switched off above.
        _ => None,
    }
}

fn problem(source: &str, shift: usize, error: &ScanError) -> Problem {
    let offset = match error.marker().byte_offset() {
        Some(offset) => offset + shift,
        None => source.len(),
    };
    let offset = crate::span::floor_char_boundary(source, offset);
    let (code, message, hint) = explain(error.kind());
    // The parser reports a tab at the character after it, or at the start of the text it interrupts.
    let line = source[..offset].rfind('\n').map_or(0, |at| at + 1);
    let offset = match source[line..offset].find('\t') {
        Some(tab) if message == TAB => line + tab,
        None if message == TAB => source[offset..]
            .find("\n\t")
            .map_or(offset, |tab| offset + tab + 1),
        Some(_) | None => offset,
    };
    let width = source[offset..]
        .chars()
        .next()
        .filter(|c| !c.is_control())
        .map_or(0, char::len_utf8);
    let span = Span::new(offset, offset + width);
    let mut problem = Problem::error(code, span, message);
    if let Some(hint) = hint {
        problem = problem.hint(hint);
    }
    problem
}

const TAB: &str = "a tab cannot be used as indentation";

/// The parser's errors that authors of configs meet, in their words; the rest keep the parser's.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a table of exceptions over 90 foreign variants"
)]
fn explain(kind: &ErrorKind) -> (ProblemCode, String, Option<&'static str>) {
    let syntax = |message: &str, hint| (ProblemCode::Syntax, message.to_owned(), Some(hint));
    match kind {
        ErrorKind::RecursionLimitExceeded => (
            ProblemCode::Limit,
            format!("this is nested more than {MAX_DEPTH} levels deep"),
            Some("check the brackets and the indentation around here"),
        ),
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::MappingKeyNotAllowed => syntax(
            "mapping values are not allowed here",
            "put quotes around text that holds a `: `, or check the indentation of this line and the one before",
        ),
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar
        | ErrorKind::UnexpectedCharacter { character: '\t' } => syntax(TAB, "indent with spaces"),
        ErrorKind::InvalidQuotedScalarIndent => syntax(
            "text in quotes goes on in this line, which is not indented as part of it",
            "close the quote in the line above, or indent this line",
        ),
        ErrorKind::UnexpectedCharacter { character } => (
            ProblemCode::Syntax,
            format!("a value cannot start with `{}`", character.escape_default()),
            Some("put quotes around the text"),
        ),
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => syntax(
            "a key needs a `:` after it",
            "add the `:`, or indent the line so that it belongs to the value above",
        ),
        ErrorKind::ExpectedBlockMappingKey => syntax(
            "a key was expected here",
            "this line is indented differently from the other keys of its map",
        ),
        ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::BlockSequenceEntryNotAllowed => syntax(
            "a list item was not expected at this indentation",
            "line up the `-` with the other items of its list",
        ),
        ErrorKind::InvalidIndentation | ErrorKind::InvalidBlockScalarIndent => syntax(
            "this line's indentation fits nothing above it",
            "line it up with the keys it belongs to",
        ),
        ErrorKind::UnclosedQuotedScalar => syntax("a quote is not closed", "add the closing quote"),
        ErrorKind::UnclosedFlowCollection { open } => (
            ProblemCode::Syntax,
            format!("the bracket `{open}` is not closed"),
            Some("add the closing bracket"),
        ),
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => (
            ProblemCode::Syntax,
            format!("the bracket `{open}` is closed by `{close}`"),
            None,
        ),
        ErrorKind::ExpectedFlowMappingSeparator => syntax(
            "a `,` or `}` was expected here",
            "separate the entries of `{…}` with commas",
        ),
        ErrorKind::ExpectedFlowSequenceSeparator => syntax(
            "a `,` or `]` was expected here",
            "separate the items of `[…]` with commas",
        ),
        ErrorKind::UnknownQuotedScalarEscape => syntax(
            "this escape is not known inside double quotes",
            "write `\\\\` for a backslash, or use single quotes",
        ),
        other => (ProblemCode::Syntax, other.to_string(), None),
    }
}
