//! What a line could have been lined up with: the keys and list items above it that are still open by their columns. Works
//! on the text alone, because the parser gives up before it has an opinion. Called by `explain`.

use crate::{Fix, Span};

/// One line of the source.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'s> {
    pub(crate) start: usize,
    pub(crate) text: &'s str,
}

/// Something that begins in a line, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark<'s> {
    pub(crate) offset: usize,
    /// Bytes before it in its line; indentation is plain spaces, so these are columns.
    pub(crate) column: usize,
    /// The key, the text, or `-`.
    pub(crate) name: &'s str,
}

impl<'s> Line<'s> {
    /// The line that holds an offset.
    pub(crate) fn at(source: &'s str, offset: usize) -> Self {
        let start = source[..offset].rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let end = source[start..]
            .find(['\n', '\r'])
            .map_or(source.len(), |at| start + at);
        Self {
            start,
            text: &source[start..end],
        }
    }

    /// The nearest line above with something other than a comment.
    pub(crate) fn above(self, source: &'s str) -> Option<Self> {
        let mut line = self;
        loop {
            let before = source[..line.start].trim_end_matches(['\n', '\r', ' ', '\t']);
            if before.is_empty() {
                return None;
            }
            line = Self::at(source, before.len());
            if !line.text.trim_start().starts_with('#') {
                return Some(line);
            }
        }
    }

    pub(crate) fn end(self) -> usize {
        self.start + self.text.len()
    }

    /// The bytes before anything else.
    pub(crate) fn indentation(self) -> usize {
        self.text.len() - self.text.trim_start_matches([' ', '\t']).len()
    }

    /// What begins in this line: its dashes, then its key or text.
    pub(crate) fn marks(self) -> Vec<Mark<'s>> {
        let mut marks = Vec::new();
        let mut column = self.indentation();
        loop {
            let rest = &self.text[column..];
            let dash = rest == "-" || rest.starts_with("- ");
            let name = if dash { "-" } else { name(rest) };
            if !name.is_empty() {
                marks.push(Mark {
                    offset: self.start + column,
                    column,
                    name,
                });
            }
            if !dash {
                return marks;
            }
            let after = rest[1..].trim_start_matches(' ');
            column = self.text.len() - after.len();
        }
    }

    /// The text without a comment and blanks at its end.
    pub(crate) fn code(self) -> &'s str {
        let text = self.text.find(" #").map_or(self.text, |at| &self.text[..at]);
        text.trim_end()
    }
}

/// The key a piece of text begins with, or its first word.
fn name(text: &str) -> &str {
    let end = text
        .find(": ")
        .or_else(|| text.trim_end().strip_suffix(':').map(str::len))
        .or_else(|| text.find([' ', '\t']))
        .unwrap_or(text.len());
    const LONGEST: usize = 40;
    let name = &text[..end];
    if name.chars().count() <= LONGEST { name } else { "" }
}

/// The marks above a line that a new line may be lined up with, nearest first: each stands further left than those
/// before it.
pub(crate) fn open_marks<'s>(source: &'s str, line: Line<'s>) -> Vec<Mark<'s>> {
    const LOOKED_AT: usize = 2000;
    let mut marks: Vec<Mark<'s>> = Vec::new();
    let mut next = line.above(source);
    for _ in 0..LOOKED_AT {
        let Some(above) = next else { break };
        for mark in above.marks().into_iter().rev() {
            if marks.last().is_none_or(|last| mark.column < last.column) {
                marks.push(mark);
            }
        }
        if marks.last().is_some_and(|last| last.column == 0) {
            break;
        }
        next = above.above(source);
    }
    marks
}

/// The mark whose column is nearest; of two as near, the one further in.
pub(crate) fn nearest<'s>(marks: &[Mark<'s>], column: usize) -> Option<Mark<'s>> {
    marks
        .iter()
        .min_by_key(|mark| mark.column.abs_diff(column))
        .copied()
}

/// The edit that lines a line up with a mark; none when lines hang below it that would have to follow.
pub(crate) fn line_up(source: &str, line: Line<'_>, mark: Mark<'_>) -> Option<Fix> {
    let below = &source[line.end()..];
    let below = below.trim_start_matches(['\n', '\r']);
    let next = Line::at(source, source.len() - below.len());
    if !below.is_empty() && next.indentation() > line.indentation().min(mark.column) {
        return None;
    }
    Some(Fix {
        title: format!("line it up with `{}`", mark.name),
        span: Span::new(line.start, line.start + line.indentation()),
        text: " ".repeat(mark.column),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_line_could_be_lined_up_with() {
        let source = "a:\n  b:\n    - c: 1\n\n      # note\n      d: 2\n x";
        let line = Line::at(source, source.len());
        let marks = open_marks(source, line);
        let names: Vec<_> = marks.iter().map(|mark| (mark.name, mark.column)).collect();
        assert_eq!(names, [("d", 6), ("-", 4), ("b", 2), ("a", 0)]);
        assert_eq!(nearest(&marks, 1).map(|mark| mark.name), Some("b"));
    }
}
