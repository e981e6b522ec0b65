//! Comments, kept beside the tree. A comment belongs to no value; whoever wants the words that stand above a key or behind
//! a value asks by place, and the lines of the text decide.

use crate::{Entry, Node, NodeKind, Span, Style, Tree};

/// One comment, from its `#` to the end of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The bytes, the `#` included.
    pub span: Span,
    /// Whether nothing but blanks stands before it in its line.
    pub own_line: bool,
}

impl Tree {
    /// All comments in the order of the text.
    pub fn comments(&self) -> &[Comment] {
        &self.comments
    }

    /// A comment's words, without the `#` and the blank after it.
    pub fn comment_text(&self, comment: Comment) -> &str {
        let text = self.slice(comment.span);
        let text = text.strip_prefix('#').unwrap_or(text);
        text.strip_prefix(' ').unwrap_or(text)
    }

    /// The comments in the lines directly above the line of `offset`, without a blank line between.
    pub fn comments_above(&self, offset: u32) -> &[Comment] {
        let line_start = self.line_start(offset);
        let end = self
            .comments
            .partition_point(|comment| comment.span.start < line_start);
        let (mut first, mut below) = (end, line_start);
        while let Some(comment) = first.checked_sub(1).and_then(|at| self.comments.get(at)) {
            let between = self.slice(Span {
                start: comment.span.end,
                end: below,
            });
            if !comment.own_line || !matches!(between, "\n" | "\r\n" | "\r") {
                break;
            }
            first -= 1;
            below = self.line_start(comment.span.start);
        }
        &self.comments[first..end]
    }

    /// The comment that follows in the line of `offset`, with nothing but blanks and a comma between.
    pub fn comment_after(&self, offset: u32) -> Option<Comment> {
        let at = self
            .comments
            .partition_point(|comment| comment.span.start < offset);
        let comment = *self.comments.get(at)?;
        let between = self.slice(Span {
            start: offset,
            end: comment.span.start,
        });
        between
            .chars()
            .all(|c| matches!(c, ' ' | '\t' | ','))
            .then_some(comment)
    }

    /// Where the line of `offset` begins.
    fn line_start(&self, offset: u32) -> u32 {
        let end = crate::span::floor_char_boundary(self.source(), offset as usize);
        let start = self.source()[..end].rfind(['\n', '\r']).map_or(0, |at| at + 1);
        Span::new(start, start).start
    }
}

impl<'t> Entry<'t> {
    /// The comments above the key.
    pub fn comments_above(self) -> &'t [Comment] {
        let key = self.key();
        key.tree().comments_above(key.span().start)
    }

    /// The comment behind the value when it ends in the key's line or is a plain value, else the one behind the key.
    pub fn comment_after(self) -> Option<Comment> {
        let (key, value) = (self.key(), self.value());
        let tree = key.tree();
        if !hangs_below(value) || value.alias().is_some() {
            return tree.comment_after(value.alias().unwrap_or(value.span()).end);
        }
        // After the key stand a colon, properties of the value and perhaps the head of a block scalar.
        let key_end = key.alias().unwrap_or(key.span()).end;
        let at = tree
            .comments()
            .partition_point(|comment| comment.span.start < key_end);
        let comment = *tree.comments().get(at)?;
        let between = tree.slice(Span {
            start: key_end,
            end: comment.span.start,
        });
        (!between.contains(['\n', '\r'])).then_some(comment)
    }
}

impl<'t> Node<'t> {
    /// The comments above the line where the value begins, or where the alias stands that it was reached through.
    pub fn comments_above(self) -> &'t [Comment] {
        self.tree()
            .comments_above(self.alias().unwrap_or(self.span()).start)
    }

    /// The comment behind the value.
    pub fn comment_after(self) -> Option<Comment> {
        self.tree().comment_after(self.alias().unwrap_or(self.span()).end)
    }
}

/// Whether a value stands in the lines below its key, so that a comment at its end belongs to something inside it.
fn hangs_below(value: Node<'_>) -> bool {
    match value.kind() {
        NodeKind::Scalar(scalar) => matches!(scalar.style, Style::Literal | Style::Folded),
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => !value.is_flow(),
    }
}
