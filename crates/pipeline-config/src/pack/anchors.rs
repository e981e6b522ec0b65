//! Anchors over several files. YAML ends an anchor with its file; authors of split configs like to keep shared values in
//! a file of their own. A file that only lacks anchors is read again with their definitions on a line above it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use airlock_yaml_tree::{Data, Node, NodeKind, Parsed, ProblemCode, Severity};

use crate::diagnostic::{Diagnostic, Position};

/// The key that holds the definitions; no config has it.
pub(super) const KEY: &str = "__anchors of other files__";

/// Anchors by their name; of two with one name the later file's.
pub(super) type Anchors = BTreeMap<String, Data>;

/// Adds the anchors of a file.
pub(super) fn collect(parsed: &Parsed, found: &mut Anchors) {
    if let Some(root) = parsed.tree.root() {
        walk(root, found);
    }
}

fn walk(node: Node<'_>, found: &mut Anchors) {
    if node.alias().is_some() {
        return;
    }
    if let Some(name) = node.anchor() {
        found.insert(name.to_owned(), Data::of(node));
    }
    match node.kind() {
        NodeKind::Scalar(_) => {}
        NodeKind::Sequence(sequence) => sequence.iter().for_each(|item| walk(item, found)),
        NodeKind::Mapping(mapping) => mapping
            .iter()
            .filter(|entry| entry.merged().is_none())
            .for_each(|entry| walk(entry.value(), found)),
    }
}

/// A line above a file's text.
pub(super) struct Prefix {
    /// The text with the line.
    pub(super) text: String,
    /// Where the line begins, and its length with its end.
    at: usize,
    length: usize,
}

/// The file with the anchors it lacks, when it lacks nothing else.
pub(super) fn supplied(parsed: &Parsed, anchors: &Anchors) -> Option<Prefix> {
    let mut line = String::new();
    let mut named = Vec::new();
    let lacks = |span| {
        let mut all = parsed.problems.iter();
        all.any(|problem| problem.code == ProblemCode::UnknownAlias && problem.span == span)
    };
    for problem in parsed.problems.iter().filter(|p| p.severity == Severity::Error) {
        // To merge what is not there is wrong twice.
        if problem.code == ProblemCode::BadMerge && lacks(problem.span) {
            continue;
        }
        if problem.code != ProblemCode::UnknownAlias {
            return None;
        }
        let name = parsed.tree.slice(problem.span).trim_start_matches('*');
        if named.contains(&name) {
            continue;
        }
        named.push(name);
        let separator = if line.is_empty() { "" } else { ", " };
        let _ = write!(line, "{separator}&{name} ");
        flow(anchors.get(name)?, &mut line);
    }
    if line.is_empty() {
        return None;
    }
    let line = format!("{KEY}: [{line}]\n");
    let source = parsed.tree.source();
    let at = start_of_document(source);
    let (before, after) = source.split_at(at);
    Some(Prefix {
        text: format!("{before}{line}{after}"),
        at,
        length: line.len(),
    })
}

/// Where the document begins: after the `---` that some files open with.
fn start_of_document(source: &str) -> usize {
    let mut at = 0;
    for line in source.split_inclusive('\n') {
        let content = line.trim();
        at += line.len();
        if content == "---" || content.starts_with("--- #") {
            return at;
        }
        if !content.is_empty() && !content.starts_with(['#', '%']) {
            break;
        }
    }
    0
}

/// A value on one line.
fn flow(data: &Data, out: &mut String) {
    match data {
        Data::Null => out.push_str("null"),
        Data::Bool(value) => {
            let _ = write!(out, "{value}");
        }
        Data::Number(text) => out.push_str(text),
        Data::Text(text) => quoted(text, out),
        Data::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                flow(item, out);
            }
            out.push(']');
        }
        Data::Map(entries) => {
            out.push('{');
            for (at, (name, value)) in entries.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                quoted(name, out);
                out.push_str(": ");
                flow(value, out);
            }
            out.push('}');
        }
    }
}

/// JSON's quotes are YAML's double ones.
fn quoted(text: &str, out: &mut String) {
    let text = serde_json::Value::String(text.to_owned());
    let _ = write!(out, "{text}");
}

impl Prefix {
    /// Moves the places of a diagnostic to where they are without the line.
    pub(super) fn undo(&self, file: &str, diagnostic: &mut Diagnostic) {
        self.shift(file, &mut diagnostic.position);
        for related in &mut diagnostic.related {
            self.shift(file, &mut related.position);
        }
    }

    fn shift(&self, file: &str, position: &mut Position) {
        if position.file != file || (position.start as usize) < self.at {
            return;
        }
        let length = u32::try_from(self.length).unwrap_or(u32::MAX);
        position.line = position.line.saturating_sub(1).max(1);
        position.end_line = position.end_line.saturating_sub(1).max(1);
        position.start = position.start.saturating_sub(length);
        position.end = position.end.saturating_sub(length);
    }
}
