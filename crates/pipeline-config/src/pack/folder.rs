//! Which key a file's value goes to.

use std::collections::{BTreeMap, BTreeSet};

use airlock_yaml_tree::Data;

use super::reading::Reading;
use super::{Piece, order};

/// The section whose folders are orbs written in place.
const ORBS: &str = "orbs";

/// Whether a path is packed: YAML, and nothing hidden on the way to it.
pub(super) fn is_packed(path: &str) -> bool {
    let named = |ending: &str| {
        path.strip_suffix(ending)
            .is_some_and(|stem| !stem.is_empty() && !stem.ends_with('/'))
    };
    (named(".yml") || named(".yaml")) && !path.split('/').any(|part| part.starts_with('.'))
}

/// The top-level key a path belongs to; nothing for files at the top.
pub(super) fn section(path: &str) -> Option<&str> {
    path.split_once('/').map(|(section, _)| section)
}

/// What belongs to one folder.
#[derive(Default)]
struct Folder<'a> {
    /// Files by name, in the order of their paths.
    files: Vec<(&'a str, usize)>,
    folders: BTreeMap<&'a str, Folder<'a>>,
}

/// Entries of a map, each with the file that gave it.
type Entries = Vec<(String, Data, usize)>;

/// Puts the pieces together, sorted.
pub(super) fn merge(reading: &Reading<'_, '_>, pieces: Vec<Piece>) -> Data {
    let mut root = Folder::default();
    for piece in &pieces {
        let mut folder = &mut root;
        let mut parts = reading.files[piece.file].path.split('/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                folder.files.push((part, piece.file));
            } else {
                folder = folder.folders.entry(part).or_default();
            }
        }
    }
    let mut data: BTreeMap<usize, Vec<(String, Data)>> = BTreeMap::new();
    for piece in pieces {
        if let Data::Map(entries) = piece.data {
            data.insert(piece.file, entries);
        }
    }
    let mut merger = Merger { reading, data };
    let mut whole = map(merger.root(&root));
    order::sort(&mut whole);
    whole
}

fn map(entries: Entries) -> Data {
    let entries = entries.into_iter().map(|(name, value, _)| (name, value));
    Data::Map(entries.collect())
}

struct Merger<'r, 'a, 's> {
    reading: &'r Reading<'a, 's>,
    data: BTreeMap<usize, Vec<(String, Data)>>,
}

impl Merger<'_, '_, '_> {
    fn take(&mut self, file: usize) -> Vec<(String, Data)> {
        self.data.remove(&file).unwrap_or_default()
    }

    /// The top of a config or an orb: files are merged, folders are sections.
    fn root(&mut self, folder: &Folder<'_>) -> Entries {
        let mut entries = Entries::new();
        for (_, file) in &folder.files {
            for (name, value) in self.take(*file) {
                self.add_at_top(&mut entries, name, value, *file);
            }
        }
        for (name, inner) in &folder.folders {
            let section = if *name == ORBS {
                self.orbs(inner)
            } else {
                self.section(inner)
            };
            // A folder without YAML, such as one of scripts, is no section.
            let Some((_, _, file)) = section.first() else {
                continue;
            };
            let file = *file;
            self.add_at_top(&mut entries, (*name).to_owned(), map(section), file);
        }
        entries
    }

    /// Sections of several files are one; of anything else the last counts.
    fn add_at_top(&self, entries: &mut Entries, name: String, value: Data, file: usize) {
        let Some(present) = entries.iter_mut().find(|(key, _, _)| *key == name) else {
            entries.push((name, value, file));
            return;
        };
        match (&mut present.1, value) {
            (Data::Map(there), Data::Map(here)) => {
                for (key, value) in here {
                    match there.iter_mut().find(|(present, _)| *present == key) {
                        Some(entry) => {
                            self.reading.replaced(&name, present.2, file);
                            entry.1 = value;
                        }
                        None => there.push((key, value)),
                    }
                }
            }
            (_, Data::Null) => {}
            (there, value) => {
                if *there != value && *there != Data::Null {
                    self.reading.replaced(&name, present.2, file);
                }
                *there = value;
                present.2 = file;
            }
        }
    }

    /// A section: each file is a key, and folders only sort them.
    fn section(&mut self, folder: &Folder<'_>) -> Entries {
        let mut entries = Entries::new();
        // Keys that a file of that name has taken.
        let mut named = BTreeMap::new();
        self.section_into(folder, &mut entries, &mut named);
        entries
    }

    fn section_into(
        &mut self,
        folder: &Folder<'_>,
        entries: &mut Entries,
        named: &mut BTreeMap<String, usize>,
    ) {
        for (name, file) in &folder.files {
            let stem = name.rsplit_once('.').map_or(*name, |(stem, _)| stem);
            let content = self.take(*file);
            if stem.starts_with('@') {
                for (key, value) in content {
                    self.add_to_section(entries, key, value, *file);
                }
                continue;
            }
            if let Some(first) = named.insert(stem.to_owned(), *file) {
                self.reading.conflict(stem, first, *file);
            }
            self.add_to_section(entries, stem.to_owned(), Data::Map(content), *file);
        }
        for inner in folder.folders.values() {
            self.section_into(inner, entries, named);
        }
    }

    /// One thing may be told in two files, its keys in one and further keys in the other.
    fn add_to_section(&self, entries: &mut Entries, name: String, value: Data, file: usize) {
        match entries.iter_mut().find(|(key, _, _)| *key == name) {
            None => entries.push((name, value, file)),
            Some((_, Data::Map(there), first)) if matches!(value, Data::Map(_)) => {
                let keys: BTreeSet<String> = there.iter().map(|(key, _)| key.clone()).collect();
                let Data::Map(here) = value else { return };
                if here.iter().any(|(key, _)| keys.contains(key)) {
                    self.reading.conflict(&name, *first, file);
                }
                there.extend(here);
            }
            Some((_, _, first)) => self.reading.conflict(&name, *first, file),
        }
    }

    /// Orbs written in place: a file or a folder each.
    fn orbs(&mut self, folder: &Folder<'_>) -> Entries {
        let mut entries = Entries::new();
        let files = Folder {
            files: folder.files.clone(),
            folders: BTreeMap::new(),
        };
        self.section_into(&files, &mut entries, &mut BTreeMap::new());
        for (name, inner) in &folder.folders {
            let orb = self.root(inner);
            if let Some((_, _, file)) = orb.first() {
                let file = *file;
                self.add_to_section(&mut entries, (*name).to_owned(), map(orb), file);
            }
        }
        entries
    }
}
