//! Merge keys and duplicate keys: turns the entries of a mapping as written into the entries readers see.
//!
//! The rules are those of the parser CircleCI's service uses: a key written in the map wins over a merged one wherever
//! it stands; of several merged maps (a list, or several `<<`) the first wins; a key written twice takes the
//! last value and keeps the first position.

use std::collections::BTreeMap;

use crate::builder::Raw;
use crate::tree::{Link, Merged, NodeId, Stored, StoredEntry, StoredKind};
use crate::{Fix, Problem, ProblemCode, Span, Style};

/// Entries after merging, with what was wrong.
pub(crate) struct Outcome {
    pub(crate) entries: Vec<StoredEntry>,
    pub(crate) problems: Vec<Problem>,
}

pub(crate) fn merge(nodes: &[Stored], raw: impl Iterator<Item = Raw>) -> Outcome {
    let mut merger = Merger {
        nodes,
        entries: Vec::new(),
        index: BTreeMap::new(),
        problems: Vec::new(),
    };
    for entry in raw {
        merger.add(entry);
    }
    Outcome {
        entries: merger.entries,
        problems: merger.problems,
    }
}

struct Merger<'n> {
    nodes: &'n [Stored],
    entries: Vec<StoredEntry>,
    /// Positions by name, once there are more than a few.
    index: BTreeMap<&'n str, usize>,
    problems: Vec<Problem>,
}

/// Up to here looking at each entry is quicker than an index.
const FEW: usize = 12;

/// Comes with text copied from web pages and looks like a space.
const NO_BREAK_SPACE: char = '\u{a0}';

/// The text of a key; keys that are not text never become entries.
pub(crate) fn name_of(nodes: &[Stored], key: Link) -> &str {
    match &nodes[key.node.0 as usize].kind {
        StoredKind::Scalar { text, .. } => text,
        StoredKind::Sequence { .. } | StoredKind::Mapping { .. } => "",
    }
}

/// A name for a message; a key may have a thousand letters.
fn shortened(name: &str) -> String {
    const SHOWN: usize = 60;
    if name.chars().count() <= SHOWN {
        return name.to_owned();
    }
    name.chars().take(SHOWN).chain(['…']).collect()
}

impl<'n> Merger<'n> {
    fn add(&mut self, raw: Raw) {
        let key_span = self.use_span(raw.key);
        let key = self.node(raw.key);
        let StoredKind::Scalar { text, style, .. } = &key.kind else {
            let problem = Problem::error(ProblemCode::BadKey, key_span, "a key must be text")
                .hint("a `{` or `[` at the start of a value needs quotes: \"{{ … }}\"");
            self.problems.push(problem);
            return;
        };
        if text == "<<" && *style == Style::Plain {
            self.merge_value(key_span, raw.value);
            return;
        }
        if *style == Style::Plain {
            self.check_plain_key(text, key_span);
        }
        let entry = StoredEntry {
            key: raw.key,
            value: raw.value,
            merged: None,
        };
        let name = text.as_str();
        let Some(at) = self.find(name) else {
            self.push(name, entry);
            return;
        };
        if self.entries[at].merged.is_none() {
            let first = self.use_span(self.entries[at].key);
            let name = shortened(name);
            let message = format!("the key `{name}` stands twice in this map; the last one counts");
            self.problems.push(
                Problem::warning(ProblemCode::DuplicateKey, key_span, message)
                    .related(first, "the first one, which is ignored")
                    .hint("remove one of them"),
            );
        }
        self.entries[at] = entry;
    }

    fn merge_value(&mut self, key: Span, value: Link) {
        let node = self.node(value);
        match &node.kind {
            StoredKind::Mapping { .. } => self.merge_map(key, value),
            StoredKind::Sequence { items, .. } => {
                for item in items {
                    if matches!(self.node(*item).kind, StoredKind::Mapping { .. }) {
                        self.merge_map(key, *item);
                    } else {
                        self.refuse(*item);
                    }
                }
            }
            StoredKind::Scalar { .. } => self.refuse(value),
        }
    }

    fn merge_map(&mut self, key: Span, value: Link) {
        let nodes = self.nodes;
        let node = &nodes[value.node.0 as usize];
        let StoredKind::Mapping { entries, .. } = &node.kind else {
            return;
        };
        let merged = Merged {
            key,
            alias: value.alias,
            anchor: node.anchor.as_ref().map(|anchor| anchor.name.clone()),
        };
        for entry in entries {
            let name = name_of(nodes, entry.key);
            if self.find(name).is_none() {
                let entry = StoredEntry {
                    merged: Some(merged.clone()),
                    ..entry.clone()
                };
                self.push(name, entry);
            }
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        if self.entries.len() <= FEW {
            let named = |entry: &StoredEntry| name_of(self.nodes, entry.key) == name;
            return self.entries.iter().position(named);
        }
        self.index.get(name).copied()
    }

    fn push(&mut self, name: &'n str, entry: StoredEntry) {
        if self.entries.len() == FEW {
            let names = self.entries.iter().map(|entry| name_of(self.nodes, entry.key));
            self.index.extend(names.zip(0..));
        }
        if self.entries.len() >= FEW {
            self.index.insert(name, self.entries.len());
        }
        self.entries.push(entry);
    }

    /// A key left out, and one that begins with a blank that is none to YAML, are never what was meant.
    fn check_plain_key(&mut self, text: &str, span: Span) {
        if text.is_empty() {
            let problem = Problem::error(ProblemCode::BadKey, span, "the key before this `:` is missing")
                .hint("write the key, or put quotes around text that starts with `:`");
            self.problems.push(problem);
        }
        let kept = text.trim_start_matches(NO_BREAK_SPACE);
        if kept.len() < text.len() {
            let width = text.len() - kept.len();
            let blanks = Span::new(span.start as usize, span.start as usize + width);
            let message = "this line is indented with no-break spaces, which count as letters";
            let fix = Fix {
                title: "make them plain spaces".to_owned(),
                span: blanks,
                text: " ".repeat(width / NO_BREAK_SPACE.len_utf8()),
            };
            let problem = Problem::error(ProblemCode::BadKey, blanks, message)
                .hint("type the spaces again; they came along with copied text")
                .fix(Some(fix));
            self.problems.push(problem);
        }
    }

    fn refuse(&mut self, value: Link) {
        let span = self.use_span(value);
        self.problems.push(
            Problem::error(
                ProblemCode::BadMerge,
                span,
                "`<<` takes a map, or a list of maps, to merge",
            )
            .hint("name an anchor that stands on a map: `<<: *defaults`"),
        );
    }

    fn node(&self, link: Link) -> &'n Stored {
        let NodeId(id) = link.node;
        &self.nodes[id as usize]
    }

    fn use_span(&self, link: Link) -> Span {
        link.alias.unwrap_or(self.node(link).span)
    }
}
