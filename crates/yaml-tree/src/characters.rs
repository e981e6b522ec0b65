//! What the bytes of a file must be before they are read as YAML: UTF-8, and characters that YAML allows. Called by `parse`
//! alone.

use crate::{Fix, Problem, ProblemCode, Span};

/// Which of the wide encodings a file is in, by its mark or by the zeros between plain letters.
pub(crate) fn wide_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [a, 0, 0, 0, ..] | [0, 0, 0, a, ..] if *a != 0 => Some("UTF-32"),
        [a, 0, b, 0, ..] | [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some("UTF-16"),
        _ => None,
    }
}

/// The message for a file in a wide encoding.
pub(crate) fn wide_problem(encoding: &str) -> Problem {
    let message = format!("this file is {encoding}, not UTF-8");
    Problem::error(ProblemCode::Encoding, Span::default(), message).hint("save the file as UTF-8")
}

/// The message for the byte at which a file stops being UTF-8. `lossy` is the text with a mark in the place of each such
/// byte, and what the span points into.
pub(crate) fn utf8_problem(bytes: &[u8], lossy: &str, offset: usize) -> Problem {
    let byte = bytes.get(offset).copied().unwrap_or_default();
    let message = format!("the byte 0x{byte:02x} here is not part of a UTF-8 character");
    let width = lossy[offset..].chars().next().map_or(0, char::len_utf8);
    let hint = if byte >= 0xa0 {
        // Latin-1 is what old editors save, and its numbers are those of Unicode.
        format!(
            "save the file as UTF-8 (in Latin-1 this byte is `{}`)",
            char::from(byte)
        )
    } else {
        "save the file as UTF-8".to_owned()
    };
    Problem::error(ProblemCode::Encoding, Span::new(offset, offset + width), message).hint(hint)
}

/// The first character that may not stand in YAML, not even in quotes.
pub(crate) fn forbidden(source: &str) -> Option<Problem> {
    // Almost all of a file is plain letters, so bytes are looked at before characters.
    let bytes = source.as_bytes();
    let at = (0..bytes.len()).find(|at| is_forbidden(&bytes[*at..]))?;
    let character = source[at..].chars().next()?;
    let span = Span::new(at, at + character.len_utf8());
    let what = if character.is_control() {
        "the control character"
    } else {
        "the character"
    };
    let message = format!("{what} U+{:04X} may not stand in YAML", u32::from(character));
    let problem = Problem::error(ProblemCode::Encoding, span, message)
        .hint("remove it; in double quotes an escape such as `\\x1b` stands for one");
    Some(problem.fix(Some(Fix {
        title: "remove the character".to_owned(),
        span,
        text: String::new(),
    })))
}

fn is_forbidden(bytes: &[u8]) -> bool {
    match bytes {
        [b'\t' | b'\n' | b'\r' | 0x20..=0x7e, ..] => false,
        // The first row of control characters, U+FFFE and U+FFFF.
        [0x00..=0x1f | 0x7f, ..] | [0xef, 0xbf, 0xbe | 0xbf, ..] => true,
        // The second row of control characters, less the line break among them.
        [0xc2, second @ 0x80..=0x9f, ..] => *second != 0x85,
        _ => false,
    }
}
