//! Text that YAML takes for something else because it has no quotes: `*.js` for an alias, `&&` for an anchor. Says so, and
//! makes the edit that puts quotes around a value.

use crate::limits::MAX_SUGGESTIONS;
use crate::tree::Anchor;
use crate::{Fix, Problem, ProblemCode, Span};

/// What is wrong with a name no anchor could sensibly have: shell text that begins with `&`.
pub(crate) fn bad_anchor(source: &str, name: &str, span: Span) -> Option<Problem> {
    if is_name(name) {
        return None;
    }
    let message = "a value cannot start with `&`, which is the sign of an anchor";
    Some(
        Problem::error(ProblemCode::Syntax, span, message)
            .hint("put quotes around the text")
            .fix(quote(source, span.start as usize)),
    )
}

/// Letters, digits and some signs between them; the parsers of the field agree on no more than that.
fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '-')
        && !name.contains(['&', '*', ':', '$', '"', '\'', '|', ';', '(', ')', '<', '>'])
}

/// What is wrong with each alias that named nothing: defined below, written wrongly, or no alias at all.
pub(crate) fn unknown_aliases<'a>(
    source: &str,
    aliases: &[(String, Span)],
    anchors: impl Iterator<Item = &'a Anchor>,
) -> Vec<Problem> {
    if aliases.is_empty() {
        return Vec::new();
    }
    let anchors: Vec<&Anchor> = anchors.collect();
    let mut problems = Vec::new();
    for (at, (name, span)) in aliases.iter().enumerate() {
        let message = format!("there is no anchor named `{name}` above this line");
        let problem = Problem::error(ProblemCode::UnknownAlias, *span, message);
        let below = anchors
            .iter()
            .find(|anchor| anchor.name == *name && anchor.span.start > span.start);
        let alike = (at < MAX_SUGGESTIONS && is_name(name))
            .then(|| {
                alike(
                    name,
                    anchors.iter().filter(|anchor| anchor.span.start < span.start),
                )
            })
            .flatten();
        problems.push(if let Some(anchor) = below {
            problem
                .related(anchor.span, "it is defined here, below its use")
                .hint("move the definition above the first use")
        } else if let Some(anchor) = alike {
            problem
                .related(anchor.span, format!("`{}` is defined here", anchor.name))
                .hint(format!("did you mean `*{}`?", anchor.name))
                .fix(Some(Fix {
                    title: format!("change it to `*{}`", anchor.name),
                    span: *span,
                    text: format!("*{}", anchor.name),
                }))
        } else if is_name(name) {
            problem.hint(format!(
                "define it first with `&{name}`, or put quotes around text that starts with `*`"
            ))
        } else {
            problem
                .hint("put quotes around text that starts with `*`")
                .fix(quote(source, span.start as usize))
        });
    }
    problems
}

/// The anchor whose name differs least, when it is no more than a slip.
fn alike<'a>(name: &str, anchors: impl Iterator<Item = &'a &'a Anchor>) -> Option<&'a Anchor> {
    let most = 1 + name.chars().count() / 4;
    anchors
        .map(|anchor| (distance(name, &anchor.name), *anchor))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, anchor)| anchor)
}

/// How many letters must be added, removed or changed. `-` and `_` are taken for one.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    let letters = |text: &str| -> Vec<char> {
        let one = |c: char| if c == '_' { '-' } else { c.to_ascii_lowercase() };
        text.chars().take(LONGEST).map(one).collect()
    };
    let (a, b) = (letters(a), letters(b));
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (above, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = above + 1;
        for (left, y) in b.iter().enumerate() {
            let changed = corner + usize::from(x != y);
            corner = row[left + 1];
            row[left + 1] = changed.min(corner + 1).min(row[left] + 1);
        }
    }
    row[b.len()]
}

/// The edit that puts quotes around what stands from `start` to the end of its line, a comment left out.
pub(crate) fn quote(source: &str, start: usize) -> Option<Fix> {
    let rest = source.get(start..)?;
    let line = &rest[..rest.find(['\n', '\r']).unwrap_or(rest.len())];
    let value = line
        .find(" #")
        .map_or(line, |comment| &line[..comment])
        .trim_end();
    if value.is_empty() || value.contains(char::is_control) {
        return None;
    }
    Some(Fix {
        title: "put quotes around the text".to_owned(),
        span: Span::new(start, start + value.len()),
        text: quoted(value),
    })
}

/// A text in the quotes that change it least.
fn quoted(text: &str) -> String {
    if text.contains('\'') && !text.contains(['"', '\\']) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_slip_apart() {
        assert_eq!(distance("defaults", "default"), 1);
        assert_eq!(distance("a_b", "a-b"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn quotes_fit_the_text() {
        assert_eq!(quoted("a && b"), "'a && b'");
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("it's \"b\""), "'it''s \"b\"'");
    }
}
