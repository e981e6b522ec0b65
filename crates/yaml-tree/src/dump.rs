//! The tree as text, for tests and for looking at: every value with its line and column, aliases and merges with
//! where they came from.

use std::fmt::Write as _;

use crate::{Node, NodeKind, Scalar, Style, Tree};

impl Tree {
    /// Writes the tree out, one value a line.
    pub fn dump(&self) -> String {
        let mut out = String::new();
        match self.root() {
            Some(root) => write_node(&mut out, root, 0),
            None => out.push_str("(no document)\n"),
        }
        out
    }
}

fn write_node(out: &mut String, node: Node<'_>, depth: usize) {
    let mut head = range(node);
    if let Some(anchor) = node.anchor() {
        head = format!("&{anchor} {head}");
    }
    if let Some(tag) = node.tag().filter(|_| node.as_scalar().is_none()) {
        head = format!("{tag} {head}");
    }
    if let Some(alias) = node.alias() {
        let at = node.tree().locate(alias.start);
        let _ = write!(
            head,
            " by {} at {}:{}",
            node.tree().slice(alias),
            at.line,
            at.column
        );
    }
    match node.kind() {
        NodeKind::Scalar(scalar) => {
            let _ = writeln!(out, "{} {head}", text(scalar));
        }
        NodeKind::Sequence(sequence) => {
            let _ = writeln!(out, "list {head}");
            for item in sequence.iter() {
                let _ = write!(out, "{:1$}- ", "", depth * 2 + 2);
                write_node(out, item, depth + 1);
            }
        }
        NodeKind::Mapping(mapping) => {
            let _ = writeln!(out, "map {head}");
            for entry in mapping.iter() {
                let _ = write!(
                    out,
                    "{:1$}{2:?} {3}",
                    "",
                    depth * 2 + 2,
                    entry.name(),
                    range(entry.key())
                );
                if let Some(merged) = entry.merged() {
                    let at = node.tree().locate(merged.key.start);
                    let from = merged
                        .anchor
                        .as_deref()
                        .map_or(String::new(), |name| format!(" from *{name}"));
                    let _ = write!(out, " (merged{from} at {}:{})", at.line, at.column);
                }
                out.push_str(": ");
                write_node(out, entry.value(), depth + 1);
            }
        }
    }
}

fn range(node: Node<'_>) -> String {
    let (start, end) = (
        node.tree().locate(node.span().start),
        node.tree().locate(node.span().end),
    );
    format!("@{}:{}-{}:{}", start.line, start.column, end.line, end.column)
}

fn text(scalar: Scalar<'_>) -> String {
    let tag = scalar.tag.map_or(String::new(), |tag| format!("{tag} "));
    let style = match scalar.style {
        Style::Plain => "",
        Style::SingleQuoted => "'",
        Style::DoubleQuoted => "\"",
        Style::Literal => "|",
        Style::Folded => ">",
    };
    if scalar.is_null() {
        return format!("{tag}null");
    }
    format!("{tag}{style}{:?}", scalar.text)
}
