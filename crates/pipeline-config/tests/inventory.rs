//! The inventory of the language against the cases: which of its rows have an accepted and a refused case. `inventory.tsv`
//! lists the rows; a case says in its `config.yml` which of them it covers (`# covers: §2 string; §9 alias`). A case whose
//! config compiles is an accepted one, every other a refused one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use airlock_pipeline_config::{Source, compile};

use crate::corpus_folder::corpus_folder;
use crate::inputs;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Both,
    Accepted,
    Refused,
    None,
}

fn rows() -> Vec<(String, Wanted)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/inventory.tsv");
    let text = std::fs::read_to_string(path).expect("the inventory is there");
    let rows: Vec<(String, Wanted)> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let mut columns = line.split('\t');
            let id = columns.next().unwrap_or_default();
            let wanted = match columns.next() {
                Some("both") => Wanted::Both,
                Some("accepted") => Wanted::Accepted,
                Some("refused") => Wanted::Refused,
                Some("none") => Wanted::None,
                other => panic!("{id}: {other:?} is none of both, accepted, refused, none"),
            };
            let reason = columns.next().unwrap_or_default();
            assert_eq!(
                wanted == Wanted::Both,
                reason.is_empty(),
                "{id}: a reason says what is left out"
            );
            (id.to_owned(), wanted)
        })
        .collect();
    let ids: BTreeSet<&str> = rows.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "every row stands once");
    rows
}

fn configs(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("the folder of cases is there") {
        let path = entry.expect("a folder can be listed").path();
        if path.is_dir() {
            configs(&path, found);
        } else if path.file_name().is_some_and(|name| name == "config.yml") {
            found.push(path);
        }
    }
}

fn covered(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix('#')?.trim().strip_prefix("covers:"))
        .flat_map(|ids| ids.split([';', ',']))
        .map(|id| id.trim().replace('`', ""))
        .filter(|id| !id.is_empty())
        .collect()
}

#[test]
fn every_row_of_the_language_has_its_cases() {
    let rows = rows();
    let mut files = Vec::new();
    configs(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"),
        &mut files,
    );
    files.sort();
    let mut found: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    let mut report = String::new();
    for path in files {
        let bytes = std::fs::read(&path).expect("a case can be read");
        let folder = path.parent().expect("a case stands in a folder");
        let covered = covered(&String::from_utf8_lossy(&bytes));
        if covered.is_empty() {
            continue;
        }
        let (plan, _) = compile(&Source::new("config.yml", bytes), &inputs::of_case(folder));
        for id in covered {
            if !rows.iter().any(|(row, _)| *row == id) {
                let _ = writeln!(report, "{}: no row is called `{id}`", folder.display());
            }
            let entry = found.entry(id).or_default();
            entry.0 |= plan.is_some();
            entry.1 |= plan.is_none();
        }
    }
    for (id, wanted) in rows {
        let (accepted, refused) = found.get(&id).copied().unwrap_or_default();
        if matches!(wanted, Wanted::Both | Wanted::Accepted) && !accepted {
            let _ = writeln!(report, "{id}: no accepted case");
        }
        if matches!(wanted, Wanted::Both | Wanted::Refused) && !refused {
            let _ = writeln!(report, "{id}: no refused case");
        }
    }
    assert!(report.is_empty(), "\n{report}");
}

/// The reference describes the language in tables; a row that is new there is wanted here too.
#[test]
fn the_inventory_has_every_row_of_the_reference() {
    let reference =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/reference/circleci/config-language.md");
    if corpus_folder().is_none() {
        return;
    }
    let Ok(reference) = std::fs::read_to_string(&reference) else {
        // It lies beside the real configs, unless those were named by themselves.
        let is_named = std::env::var_os("AIRLOCK_CORPUS").is_some();
        assert!(is_named, "there is no {}", reference.display());
        return;
    };
    let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
    let mut section = String::new();
    let mut lines = reference.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(heading) = line.strip_prefix("## ").or_else(|| line.strip_prefix("### ")) {
            let number = heading.split(' ').next().unwrap_or_default();
            section = number.trim_end_matches('.').to_owned();
        }
        let is_head = lines.peek().is_some_and(|next| next.starts_with("|--"));
        if line.starts_with('|') && !line.starts_with("|--") && !is_head {
            *wanted.entry(section.clone()).or_default() += 1;
        }
    }
    let rows = rows();
    for (section, count) in wanted {
        let chapter: u32 = section
            .split('.')
            .next()
            .and_then(|number| number.parse().ok())
            .unwrap_or(0);
        if !(1..=13).contains(&chapter) {
            continue;
        }
        let prefix = format!("§{section} ");
        let found = rows.iter().filter(|(id, _)| id.starts_with(&prefix)).count();
        assert!(
            found >= count,
            "{prefix}has {count} rows in the reference and {found} here"
        );
    }
}
