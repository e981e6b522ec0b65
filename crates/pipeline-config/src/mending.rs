//! Changes to the text that mend a problem, as far as a program may make them: a name that is nearly right, a pair of
//! quotes, an indentation. Called where the problem is found; what would need thought is left to the hint. A change is
//! offered only where the text reads as expected, so that a value made by an expression or written in an unusual
//! style gets none.

use airlock_yaml_tree::{Place, Span, Style, Tree};

use crate::compile::Compiler;
use crate::scope::Pair;

/// A fix before its places are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) title: String,
    pub(crate) edits: Vec<(Place, String)>,
}

/// Columns by which what stands below something is indented.
const INDENT: usize = 2;

impl<'s> Compiler<'s> {
    /// Puts quotes around an unquoted value.
    pub(crate) fn quote(&self, place: Place) -> Option<Change> {
        let raw = self.sink.tree(place)?.slice(place.span);
        let plain = !raw.is_empty() && !raw.starts_with(['"', '\'', '|', '>', '[', '{', '&', '*', '!']);
        let quoted = quoted(raw);
        (plain && !raw.contains('\n')).then(|| Change {
            title: format!("write {quoted}"),
            edits: vec![(place, quoted)],
        })
    }

    /// Takes the quotes off a value.
    pub(crate) fn unquote(&self, place: Place) -> Option<Change> {
        let raw = self.sink.tree(place)?.slice(place.span);
        let inner = strip_quotes(raw)?.trim();
        (!inner.is_empty() && is_simple(inner)).then(|| Change {
            title: format!("take the quotes off `{inner}`"),
            edits: vec![(place, inner.to_owned())],
        })
    }

    /// Puts the backslash before a `<<` that is meant as itself.
    pub(crate) fn escape(&self, place: Place, style: Style) -> Option<Change> {
        let raw = self.sink.tree(place)?.slice(place.span);
        // In double quotes YAML wants the backslash itself escaped.
        let backslash = if style == Style::DoubleQuoted {
            "\\\\"
        } else {
            "\\"
        };
        raw.starts_with("<<").then(|| Change {
            title: format!("write `{backslash}<<`"),
            edits: vec![(at(place, place.span.start), backslash.to_owned())],
        })
    }

    /// Indents keys that stand beside the key they belong under.
    pub(crate) fn indent_below(&self, pairs: &[Pair<'s>]) -> Option<Change> {
        let (first, rest) = pairs.split_first()?;
        let (begin, last) = (rest.first()?, rest.last()?);
        let tree = self.sink.tree(begin.key)?;
        let source = tree.source();
        let column = tree.locate(first.key.span.start).column;
        for pair in rest {
            let own = pair.value.node.alias().is_none() && pair.key.span.start > first.key.span.start;
            let lines_up = tree.locate(pair.key.span.start).column == column;
            if !own || !lines_up || !indentation(source, pair.key.span.start)?.trim().is_empty() {
                return None;
            }
        }
        let end = (last.value.place().span.end as usize).max(last.key.span.end as usize);
        let mut edits = Vec::new();
        let mut line = line_start(source, begin.key.span.start as usize);
        while line < end {
            let next = source[line..]
                .find('\n')
                .map_or(source.len(), |found| line + found + 1);
            if !source[line..next].trim().is_empty() {
                let start = u32::try_from(line).ok()?;
                edits.push((at(begin.key, start), " ".repeat(INDENT)));
            }
            line = next;
        }
        let names: Vec<String> = rest.iter().map(|pair| format!("`{}`", pair.name)).collect();
        Some(Change {
            title: format!("indent {} below `{}`", names.join(", "), first.name),
            edits,
        })
    }

    /// Puts a line above the first key of the file.
    pub(crate) fn first_line(&self, root: Place, line: &str) -> Option<Change> {
        let tree = self.sink.tree(root)?;
        let start = root.span.start;
        let begins_line = tree.locate(start).column == 1 && !tree.slice(root.span).starts_with('{');
        begins_line.then(|| Change {
            title: format!("add `{line}`"),
            edits: vec![(at(root, start), format!("{line}\n"))],
        })
    }

    /// Removes the lines of an entry, given its key.
    pub(crate) fn remove_entry(&self, key: Place) -> Option<Change> {
        let tree = self.sink.tree(key)?;
        let source = tree.source();
        let indent = indentation(source, key.span.start)?;
        if !indent.chars().all(|c| c == ' ') || tree.slice(key.span).is_empty() {
            return None;
        }
        let start = line_start(source, key.span.start as usize);
        let end = end_of_entry(source, start, indent.len());
        let text = &source[start..end];
        // Another place of the file may speak of what is defined here.
        (!text.contains('&')).then(|| Change {
            title: format!("remove this `{}`", tree.slice(key.span)),
            edits: vec![(
                Place {
                    span: Span::new(start, end),
                    ..key
                },
                String::new(),
            )],
        })
    }
}

/// A name inside the text of a place replaced by another.
pub(crate) fn rename(tree: &Tree, place: Place, from: &str, to: &str) -> Option<Change> {
    let raw = tree.slice(place.span);
    if from.is_empty() || raw.contains('\n') {
        return None;
    }
    let title = format!("replace `{from}` with `{to}`");
    if raw == from {
        let text = if is_simple(to) { to.to_owned() } else { quoted(to) };
        return Some(Change {
            title,
            edits: vec![(place, text)],
        });
    }
    if !is_simple(to) {
        return None;
    }
    let mut found = raw.match_indices(from).filter(|(start, _)| {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        !raw[..*start].ends_with(word) && !raw[start + from.len()..].starts_with(word)
    });
    let (Some((start, _)), None) = (found.next(), found.next()) else {
        return None;
    };
    let start = place.span.start as usize + start;
    let place = Place {
        span: Span::new(start, start + from.len()),
        ..place
    };
    Some(Change {
        title,
        edits: vec![(place, to.to_owned())],
    })
}

/// The empty place before a byte.
fn at(place: Place, start: u32) -> Place {
    Place {
        span: Span { start, end: start },
        ..place
    }
}

fn line_start(source: &str, offset: usize) -> usize {
    source[..offset].rfind('\n').map_or(0, |found| found + 1)
}

/// What stands before a byte in its line.
fn indentation(source: &str, offset: u32) -> Option<&str> {
    let offset = offset as usize;
    source.get(line_start(source, offset)..offset)
}

/// The byte after the lines of an entry of a block map that begins at `start`.
fn end_of_entry(source: &str, start: usize, indent: usize) -> usize {
    let line = |from: usize| {
        source[from..]
            .find('\n')
            .map_or(source.len(), |found| from + found + 1)
    };
    let mut end = line(start);
    let mut next = end;
    while next < source.len() {
        let after = line(next);
        let text = source[next..after].trim_end();
        let depth = text.len() - text.trim_start_matches(' ').len();
        // A list may stand at the indentation of its key.
        let inside = depth > indent || (depth == indent && text[depth..].starts_with("- "));
        if !text.is_empty() && !inside {
            break;
        }
        next = after;
        if !text.is_empty() {
            end = next;
        }
    }
    end
}

/// The text between a pair of quotes.
fn strip_quotes(raw: &str) -> Option<&str> {
    raw.strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .or_else(|| raw.strip_prefix('\'')?.strip_suffix('\''))
}

/// Whether a text means itself without quotes.
fn is_simple(text: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | '@' | '+' | '*');
    text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '/' | '*'))
        && text.chars().all(inside)
}

/// In double quotes, which YAML reads as JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_end_where_the_next_begins() {
        let source = "a:\n  b: 1\n\n  c: |\n    x\na: 2\n";
        assert_eq!(
            &source[..end_of_entry(source, 0, 0)],
            "a:\n  b: 1\n\n  c: |\n    x\n"
        );
        let source = "steps:\n- a\n- b\n# next\nname: x";
        assert_eq!(&source[..end_of_entry(source, 0, 0)], "steps:\n- a\n- b\n");
        assert_eq!(end_of_entry("a: 1", 0, 0), 4);
    }

    #[test]
    fn texts_that_need_no_quotes() {
        assert!(is_simple("node/test") && is_simple("medium+") && is_simple("*defaults"));
        assert!(!is_simple("a b") && !is_simple("") && !is_simple("-x") && !is_simple("a: b"));
        assert_eq!(quoted("a\"b"), r#""a\"b""#);
        assert_eq!(strip_quotes("'x'"), Some("x"));
        assert_eq!(strip_quotes("\"x"), None);
    }
}
