//! Reads the files of a tree: their YAML with its problems, their values with includes followed.

use std::collections::BTreeMap;

use airlock_domain::limits::CONFIG_BYTES;
use airlock_yaml_tree::{Data, FileId, Node, NodeKind, Parsed, Scalar, Severity, Span, parse_file};

use super::anchors::{self, Anchors, Prefix};
use super::include::{self, Included};
use super::{PackFile, PackKind, Piece, detached, folder};
use crate::diagnostic::{Code, Diagnostic};
use crate::limits::MAX_PACKED_VALUES;
use crate::sink::{Draft, Sink};

/// The parts of an orb in which includes are followed.
const WITH_INCLUDES: [&str; 3] = ["commands", "executors", "jobs"];

/// The files after parsing.
pub(super) struct Reading<'a, 's> {
    pub(super) files: Vec<&'a PackFile>,
    parsed: &'a [Parsed],
    pub(super) sink: &'a Sink<'s>,
}

/// Parses the files, hands them to `work`, and gives what it made when nothing was wrong.
pub(super) fn read(
    files: &[PackFile],
    work: impl FnOnce(Reading<'_, '_>) -> String,
) -> (Option<String>, Vec<Diagnostic>) {
    let mut files: Vec<&PackFile> = files
        .iter()
        .filter(|file| folder::is_packed(&file.path))
        .collect();
    files.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    let mut parsed: Vec<Parsed> = files
        .iter()
        .enumerate()
        .map(|(at, file)| parse_file(file_id(at), &file.source.bytes))
        .collect();
    let prefixes = supply_anchors(&mut parsed);
    let names = files.iter().map(|file| file.source.file.as_str());
    let sink = Sink::new(names.zip(parsed.iter().map(|parsed| &parsed.tree)).collect());
    for parsed in &parsed {
        problems(parsed, &sink);
    }
    let mut text = None;
    if !sink.has_errors() {
        text = Some(work(Reading {
            files: files.clone(),
            parsed: &parsed,
            sink: &sink,
        }));
    }
    let text = text.filter(|_| !sink.has_errors());
    let mut diagnostics = sink.finish();
    for (at, prefix) in &prefixes {
        for diagnostic in &mut diagnostics {
            prefix.undo(&files[*at].source.file, diagnostic);
        }
    }
    (text, diagnostics)
}

fn file_id(at: usize) -> FileId {
    FileId(u32::try_from(at).unwrap_or(u32::MAX))
}

/// Reads files that lack anchors of others once more.
fn supply_anchors(parsed: &mut [Parsed]) -> Vec<(usize, Prefix)> {
    let is_sound = |parsed: &Parsed| parsed.problems.iter().all(|p| p.severity != Severity::Error);
    if parsed.iter().all(is_sound) {
        return Vec::new();
    }
    let mut known = Anchors::new();
    for parsed in parsed.iter().filter(|parsed| is_sound(parsed)) {
        anchors::collect(parsed, &mut known);
    }
    let mut prefixes = Vec::new();
    for (at, parsed) in parsed.iter_mut().enumerate() {
        let Some(prefix) = anchors::supplied(parsed, &known) else {
            continue;
        };
        let again = parse_file(file_id(at), prefix.text.as_bytes());
        if is_sound(&again) {
            *parsed = again;
            prefixes.push((at, prefix));
        }
    }
    prefixes
}

fn problems(parsed: &Parsed, sink: &Sink<'_>) {
    for problem in &parsed.problems {
        let (code, place) = (Code::yaml(problem.code), parsed.tree.place(problem.span));
        let mut draft = match problem.severity {
            Severity::Warning => Draft::warning(code, place, problem.message.clone()),
            Severity::Error => {
                Draft::error(code, place, format!("Unable to parse YAML: {}", problem.message))
            }
        };
        for (span, message) in &problem.related {
            draft = draft.related(parsed.tree.place(*span), message.clone());
        }
        sink.emit(draft.maybe_hint(problem.hint.clone()));
    }
}

impl Reading<'_, '_> {
    /// Refuses what no pipeline would read. The largest file is named: it is where to begin.
    pub(super) fn check_size(&self, text: &str) {
        if text.len() <= CONFIG_BYTES {
            return;
        }
        let largest = (0..self.files.len()).max_by_key(|at| self.files[*at].source.bytes.len());
        let Some(tree) = largest.map(|at| &self.parsed[at].tree) else {
            return;
        };
        let message = format!(
            "the packed text has {} bytes, and a config can have {CONFIG_BYTES}; this file is the largest",
            text.len()
        );
        let draft = Draft::error(Code::LIMIT, tree.place(Span::new(0, 0)), message)
            .hint("share what repeats: a command or an executor is written once and called often");
        self.sink.emit(draft);
    }

    /// The value of every file; always a map.
    pub(super) fn pieces(&self, kind: PackKind, includes: &BTreeMap<String, Included>) -> Vec<Piece> {
        let mut values = Values {
            includes,
            sink: self.sink,
            left: MAX_PACKED_VALUES,
        };
        let mut pieces = Vec::new();
        for (file, (parsed, packed)) in self.parsed.iter().zip(&self.files).enumerate() {
            let section = folder::section(&packed.path);
            let root = parsed.tree.root().filter(|root| !root.is_null());
            let Some(root) = root else {
                let data = Data::Map(Vec::new());
                pieces.push(Piece { data, file });
                continue;
            };
            detached::warn(root, self.sink);
            let NodeKind::Mapping(mapping) = root.kind() else {
                let draft = Draft::error(Code::WRONG_TYPE, root.place(), "a file to pack must be a map")
                    .hint("a file's name is the key, and the file holds what stands below it");
                self.sink.emit(draft);
                continue;
            };
            let follows = |name: &str| kind == PackKind::Orb && WITH_INCLUDES.contains(&name);
            let entries = mapping
                .iter()
                .filter(|entry| entry.name() != anchors::KEY)
                .map(|entry| {
                    let follow = follows(section.unwrap_or(entry.name()));
                    (entry.name().to_owned(), values.of(entry.value(), follow))
                })
                .collect();
            let data = Data::Map(entries);
            pieces.push(Piece { data, file });
        }
        pieces
    }

    /// Refuses two files for one key.
    pub(super) fn conflict(&self, key: &str, first: usize, second: usize) {
        let whole = |file: usize| {
            let tree = &self.parsed[file].tree;
            tree.root()
                .map_or_else(|| tree.place(Span::new(0, 0)), Node::place)
        };
        let (a, b) = (&self.files[first].path, &self.files[second].path);
        let message = format!("`{a}` and `{b}` both are `{key}`");
        let draft = Draft::error(Code::PACK_CONFLICT, whole(second), message)
            .related(whole(first), "the other one")
            .hint("rename one of the files");
        self.sink.emit(draft);
    }

    /// Tells that one file's value takes the place of another's.
    pub(super) fn replaced(&self, key: &str, first: usize, second: usize) {
        let entry = |file: usize| {
            let tree = &self.parsed[file].tree;
            let mapping = tree.root().and_then(Node::as_mapping);
            mapping
                .and_then(|mapping| mapping.get(key))
                .map_or_else(|| tree.place(Span::new(0, 0)), |entry| entry.key().place())
        };
        let (a, b) = (&self.files[first].path, &self.files[second].path);
        let message = format!("`{key}` stands in `{a}` and in `{b}`; the latter counts");
        let draft = Draft::warning(Code::PACK_CONFLICT, entry(second), message)
            .related(entry(first), "the one that is replaced");
        self.sink.emit(draft);
    }
}

/// Turns nodes into values within a limit: a tree of files multiplies what one file may unfold to.
struct Values<'a, 's> {
    includes: &'a BTreeMap<String, Included>,
    sink: &'a Sink<'s>,
    left: usize,
}

impl Values<'_, '_> {
    fn of(&mut self, node: Node<'_>, follow: bool) -> Data {
        let Some(left) = self.left.checked_sub(1) else {
            let message =
                format!("with all aliases written out this tree has more than {MAX_PACKED_VALUES} values");
            self.sink.emit(Draft::error(Code::LIMIT, node.place(), message));
            return Data::Null;
        };
        self.left = left;
        match node.kind() {
            NodeKind::Scalar(scalar) => self.scalar(node, scalar, follow),
            NodeKind::Sequence(sequence) => {
                Data::List(sequence.iter().map(|item| self.of(item, follow)).collect())
            }
            NodeKind::Mapping(mapping) => {
                let entries = mapping
                    .iter()
                    .map(|entry| (entry.name().to_owned(), self.of(entry.value(), follow)));
                Data::Map(entries.collect())
            }
        }
    }

    fn scalar(&self, node: Node<'_>, scalar: Scalar<'_>, follow: bool) -> Data {
        if !follow || !include::is_in(scalar.text) {
            return Data::of_scalar(scalar);
        }
        match include::follow(scalar.text, self.includes) {
            Ok(text) => Data::Text(text),
            Err(message) => {
                let draft = Draft::error(Code::PACK_INCLUDE, node.place(), message)
                    .hint("the path counts from the folder that holds `@orb.yml`");
                self.sink.emit(draft);
                Data::Null
            }
        }
    }
}
