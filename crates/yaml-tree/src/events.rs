//! The border to the parser crate: the only file that names it. It turns the parser's events into ours, with byte spans,
//! and its errors into ours with the place where reading broke off.

use granit_parser::{ErrorKind, Event as Raw, Parser, ScalarStyle, ScanError, StructureStyle};

use crate::limits::{MAX_DEPTH, MAX_KEY_CHARS};
use crate::{Span, Style};

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
        tag: Option<String>,
    },
    MappingStart {
        flow: bool,
        tag: Option<String>,
    },
    CollectionEnd,
    Comment,
}

/// Why reading broke off, told apart as far as the user's words differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Collections nest too deep.
    Depth,
    /// A colon where no key can be.
    Colon,
    Tab,
    /// A text in quotes goes on at the margin.
    QuoteMargin,
    BadStart(char),
    /// `&` or `*` without a name.
    NoName,
    /// A line that needs a colon.
    NoColon,
    /// A line among keys that is none.
    NoKey,
    /// A line among list items that is none.
    NoItem,
    /// `-` in the line of a key.
    ItemInLine,
    ItemInBrackets,
    Indentation,
    OpenQuote,
    OpenBracket(char),
    OtherBracket(char, char),
    /// A closing bracket that closes nothing.
    NoBracket,
    MapSeparator,
    ListSeparator,
    Escape,
    /// Text behind a closing quote.
    AfterQuote,
    /// Something behind `|` or `>`.
    BlockHeader,
    /// A blank line at the start of a block of text is wider than the text.
    BlockBlanks,
    /// A `#` right behind a value.
    GluedComment,
    /// Rare; in the parser's words.
    Other(String),
}

/// Where and why reading broke off.
#[derive(Clone, Debug)]
pub(crate) struct Break {
    pub(crate) cause: Cause,
    pub(crate) offset: usize,
}

/// Reads `source` and hands each event with its span to `sink` until the end, an error, or `sink` says stop.
pub(crate) fn read(source: &str, mut sink: impl FnMut(Event, Span) -> bool) -> Option<Break> {
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
        emit_comments: true,
        // A file is bounded already, and so are the comments in it.
        max_buffered_comment_events: usize::MAX,
        flow_nesting_limit: MAX_DEPTH,
        block_nesting_limit: MAX_DEPTH,
        simple_key_max_lookahead: MAX_KEY_CHARS,
    };
    for next in Parser::new_from_str_with_options(text, options) {
        let (raw, span) = match next {
            Ok(pair) => pair,
            Err(error) => return Some(broken(source, shift, &error)),
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
            tag: tag.map(|tag| tag_name(&tag)),
        }),
        Raw::SequenceStart(style, _, tag) => Some(Event::SequenceStart {
            flow: is_flow(style),
            tag: tag.map(|tag| tag_name(&tag)),
        }),
        Raw::MappingStart(style, _, tag) => Some(Event::MappingStart {
            flow: is_flow(style),
            tag: tag.map(|tag| tag_name(&tag)),
        }),
        Raw::Comment(..) => Some(Event::Comment),
        Raw::SequenceEnd | Raw::MappingEnd => Some(Event::CollectionEnd),
        // Stream marks carry nothing.
        _ => None,
    }
}

/// A tag as it would be written without a handle of its own.
fn tag_name(tag: &granit_parser::Tag) -> String {
    let name = tag.to_string();
    match name.strip_prefix("tag:yaml.org,2002:") {
        Some(suffix) => format!("!!{suffix}"),
        None => name,
    }
}

fn broken(source: &str, shift: usize, error: &ScanError) -> Break {
    let offset = match error.marker().byte_offset() {
        Some(offset) => offset + shift,
        None => source.len(),
    };
    let offset = crate::span::floor_char_boundary(source, offset);
    let cause = cause(error.kind());
    let offset = if cause == Cause::Tab {
        the_tab(source, offset)
    } else {
        offset
    };
    Break { cause, offset }
}

/// The parser reports a tab at the character after it, or at the start of the text it interrupts.
fn the_tab(source: &str, offset: usize) -> usize {
    let line = source[..offset].rfind('\n').map_or(0, |at| at + 1);
    match source[line..offset].find('\t') {
        Some(tab) => line + tab,
        None => source[offset..]
            .find("\n\t")
            .map_or(offset, |tab| offset + tab + 1),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a table of exceptions over 90 foreign variants"
)]
fn cause(kind: &ErrorKind) -> Cause {
    match kind {
        ErrorKind::RecursionLimitExceeded => Cause::Depth,
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::MappingKeyNotAllowed => Cause::Colon,
        ErrorKind::TabNotAllowed
        | ErrorKind::TabInBlockIndentation
        | ErrorKind::TabInIndentation
        | ErrorKind::TabAtBlockScalarStart
        | ErrorKind::TabInPlainScalar
        | ErrorKind::UnexpectedCharacter { character: '\t' } => Cause::Tab,
        ErrorKind::InvalidQuotedScalarIndent => Cause::QuoteMargin,
        ErrorKind::UnexpectedCharacter { character } => Cause::BadStart(*character),
        ErrorKind::MissingAnchorOrAliasName => Cause::NoName,
        ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => Cause::NoColon,
        ErrorKind::ExpectedBlockMappingKey => Cause::NoKey,
        ErrorKind::ExpectedBlockSequenceEntry => Cause::NoItem,
        ErrorKind::BlockSequenceEntryNotAllowed => Cause::ItemInLine,
        ErrorKind::BlockEntryInFlowCollection | ErrorKind::PlainScalarStartsWithDashFlowIndicator => {
            Cause::ItemInBrackets
        }
        ErrorKind::InvalidIndentation | ErrorKind::InvalidFlowScalarIndent => Cause::Indentation,
        ErrorKind::InvalidBlockScalarIndent => Cause::BlockBlanks,
        ErrorKind::UnclosedQuotedScalar | ErrorKind::DocumentIndicatorInQuotedScalar => Cause::OpenQuote,
        ErrorKind::UnclosedFlowCollection { open } => Cause::OpenBracket(*open),
        ErrorKind::UnexpectedEofFlowSequence => Cause::OpenBracket('['),
        ErrorKind::UnexpectedEofFlowMapping | ErrorKind::UnexpectedEofImplicitFlowMapping => {
            Cause::OpenBracket('{')
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => Cause::OtherBracket(*open, *close),
        ErrorKind::MisplacedFlowCollectionEnd => Cause::NoBracket,
        ErrorKind::ExpectedFlowMappingSeparator => Cause::MapSeparator,
        ErrorKind::ExpectedFlowSequenceSeparator => Cause::ListSeparator,
        ErrorKind::UnknownQuotedScalarEscape => Cause::Escape,
        ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
            Cause::AfterQuote
        }
        ErrorKind::InvalidBlockScalarHeader | ErrorKind::ZeroBlockScalarIndent => Cause::BlockHeader,
        ErrorKind::CommentNotSeparated => Cause::GluedComment,
        other => Cause::Other(other.to_string()),
    }
}
