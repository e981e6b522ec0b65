//! Tags such as `!!str`: where one stands, and whether it means anything. Called by `builder` alone.

use crate::quoting;
use crate::{Problem, ProblemCode, Span};

/// Types of YAML's own that a config can hold. The others (`!!binary`, `!!set`, `!!python/…`) have no place in one.
const KNOWN: [&str; 8] = ["str", "int", "float", "bool", "null", "seq", "map", "merge"];

/// The bytes of the tag before a value that begins at `start`. The parser does not tell; between the two stand blanks, line
/// breaks and perhaps an anchor.
pub(crate) fn span(source: &str, start: u32) -> Span {
    let mut end = start as usize;
    while let Some(before) = source.get(..end) {
        let before = before.trim_end();
        let token = if before.ends_with('>') && before.contains("!<") {
            before.rfind("!<")
        } else {
            // A line separator is white space, and takes three bytes.
            let border = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | '{');
            let after = |(at, c): (usize, char)| at + c.len_utf8();
            Some(before.char_indices().rfind(|(_, c)| border(*c)).map_or(0, after))
        };
        match token {
            Some(token) if before[token..].starts_with('!') => return Span::new(token, before.len()),
            Some(token) if before[token..].starts_with('&') => end = token,
            Some(_) | None => break,
        }
    }
    Span::new(start as usize, start as usize)
}

/// What is wrong with a tag that no reader of a config understands.
pub(crate) fn problem(source: &str, name: &str, span: Span, in_brackets: bool) -> Option<Problem> {
    let known = name == "!" || name.strip_prefix("!!").is_some_and(|core| KNOWN.contains(&core));
    if known {
        return None;
    }
    let message = format!("the tag `{name}` means nothing in a config");
    // Inside brackets nobody knows where the text ends.
    let fix = quoting::quote(source, span.start as usize).filter(|_| !in_brackets && !name.starts_with("!!"));
    Some(
        Problem::error(ProblemCode::UnknownTag, span, message)
            .hint("put quotes around text that starts with `!`, or remove the tag")
            .fix(fix),
    )
}
