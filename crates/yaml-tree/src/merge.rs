//! Merge keys and duplicate keys: turns the entries of a mapping as written into the entries readers see.
//!
//! The rules are those of the parser CircleCI's service uses: a key written in the map wins over a merged one wherever
//! it stands; of several merged maps (a list, or several `<<`) the first wins; a key written twice takes the
//! last value and keeps the first position.

use std::collections::BTreeMap;

use crate::builder::Raw;
use crate::tree::{Link, Merged, NodeId, Stored, StoredEntry, StoredKind};
use crate::{Problem, ProblemCode, Span, Style};

/// Entries after merging, with what was wrong.
pub(crate) struct Outcome {
    pub(crate) entries: Vec<StoredEntry>,
    pub(crate) problems: Vec<Problem>,
}

pub(crate) fn merge(nodes: &[Stored], raw: Vec<Raw>) -> Outcome {
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
    index: BTreeMap<String, usize>,
    problems: Vec<Problem>,
}

impl Merger<'_> {
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
        let name = text.clone();
        let entry = StoredEntry {
            name: name.clone(),
            key: raw.key,
            value: raw.value,
            merged: None,
        };
        let Some(&at) = self.index.get(&name) else {
            self.index.insert(name, self.entries.len());
            self.entries.push(entry);
            return;
        };
        if self.entries[at].merged.is_none() {
            let first = self.use_span(self.entries[at].key);
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
                for item in items.clone() {
                    if matches!(self.node(item).kind, StoredKind::Mapping { .. }) {
                        self.merge_map(key, item);
                    } else {
                        self.refuse(item);
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
            if self.index.contains_key(&entry.name) {
                continue;
            }
            self.index.insert(entry.name.clone(), self.entries.len());
            self.entries.push(StoredEntry {
                merged: Some(merged.clone()),
                ..entry.clone()
            });
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

    fn node(&self, link: Link) -> &Stored {
        let NodeId(id) = link.node;
        &self.nodes[id as usize]
    }

    fn use_span(&self, link: Link) -> Span {
        link.alias.unwrap_or(self.node(link).span)
    }
}
