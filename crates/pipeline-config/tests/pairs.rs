//! Split configs with what CircleCI's own compiler made of them: packed and compiled here, the result must be the same
//! as parsed YAML.

use std::collections::BTreeMap;
use std::path::Path;

use airlock_pipeline_config::{
    Catalogue, OrbProblem, OrbReference, OrbSource, PackFile, PackKind, Source, gather, pack, process,
    render, select,
};
use airlock_yaml_tree::{Data, Value, parse};

use crate::corpus_folder::corpus_folder;
use crate::inputs;

/// The files of a folder, by their path below it.
pub(crate) fn tree(root: &Path) -> Vec<PackFile> {
    fn walk(root: &Path, folder: &Path, found: &mut Vec<PackFile>) {
        let entries = std::fs::read_dir(folder).expect("a folder of the corpus can be listed");
        for entry in entries {
            let path = entry.expect("an entry can be listed").path();
            if path.is_dir() {
                walk(root, &path, found);
                continue;
            }
            let below = path.strip_prefix(root).expect("it was found below the root");
            let name = below.to_str().expect("names of the corpus are text").to_owned();
            let bytes = std::fs::read(&path).expect("a file of the corpus can be read");
            found.push(PackFile {
                source: Source::new(name.clone(), bytes),
                path: name,
            });
        }
    }
    let mut found = Vec::new();
    walk(root, root, &mut found);
    found
}

/// An orb of the corpus.
pub(crate) fn orb(root: &Path, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
    let missing = || OrbProblem::NotFound(Catalogue::default());
    let OrbReference::Registry { name, version } = reference else {
        return Err(missing());
    };
    let folder = root.join("orb-dir").join(name.to_string());
    let versions: Vec<String> = std::fs::read_dir(&folder)
        .map_err(|_| missing())?
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".yml")?.to_owned()))
        .collect();
    let found = select(version, versions.iter().map(String::as_str)).ok_or_else(missing)?;
    let bytes = std::fs::read(folder.join(format!("{found}.yml"))).map_err(|_| missing())?;
    let resolved = format!("{name}@{found}");
    Ok(OrbSource::new(
        Source::new(format!("{resolved}.yml"), bytes),
        resolved,
    ))
}

/// Where two values differ first, as a reader of YAML 1.1 sees them.
pub(crate) fn difference(path: &str, want: &Data, got: &Data) -> Option<String> {
    let short = |data: &Data| {
        let text = format!("{data:?}");
        text.chars().take(300).collect::<String>()
    };
    let told = || {
        Some(format!(
            "{path}:\n    want {}\n    got  {}",
            short(want),
            short(got)
        ))
    };
    match (want, got) {
        (Data::Map(want), Data::Map(got)) => {
            let want: BTreeMap<_, _> = want.iter().map(|(key, value)| (key, value)).collect();
            let got: BTreeMap<_, _> = got.iter().map(|(key, value)| (key, value)).collect();
            for (key, want) in &want {
                let inner = format!("{path}.{key}");
                match got.get(key) {
                    None => return Some(format!("{inner}: missing, want {}", short(want))),
                    Some(got) => {
                        if let Some(found) = difference(&inner, want, got) {
                            return Some(found);
                        }
                    }
                }
            }
            let surplus = got.keys().find(|key| !want.contains_key(*key))?;
            Some(format!("{path}.{surplus}: surplus, {}", short(got[*surplus])))
        }
        (Data::List(want), Data::List(got)) => {
            let inner = want.iter().zip(got).enumerate();
            for (at, (want, got)) in inner {
                if let Some(found) = difference(&format!("{path}[{at}]"), want, got) {
                    return Some(found);
                }
            }
            if want.len() == got.len() {
                return None;
            }
            Some(format!("{path}: {} items, want {}", got.len(), want.len()))
        }
        (Data::Number(a), Data::Number(b)) if Value::of_plain(a) == Value::of_plain(b) => None,
        (want, got) if want == got => None,
        _ => told(),
    }
}

/// How a pair came out.
enum Outcome {
    Same,
    Differs(String),
}

fn compared(root: &Path, pair: &Path) -> Outcome {
    let files = tree(&pair.join("source"));
    let (packed, diagnostics) = pack(&files, PackKind::Config, &BTreeMap::new());
    let sources: Vec<Source> = files.into_iter().map(|file| file.source).collect();
    let Some(packed) = packed else {
        return Outcome::Differs(render::text(&diagnostics, &sources, render::Color::Never));
    };
    let source = Source::new("packed.yml", packed);
    let mut inputs = inputs::push();
    inputs.orbs = gather(&source, &inputs, &mut |reference| orb(root, reference));
    let (processed, diagnostics) = process(&source, &inputs);
    let Some(processed) = processed else {
        let errors: Vec<_> = diagnostics
            .into_iter()
            .filter(airlock_pipeline_config::Diagnostic::is_error)
            .take(2)
            .collect();
        return Outcome::Differs(render::text(&errors, [&source], render::Color::Never));
    };
    let expected = std::fs::read(pair.join("expected.yml")).expect("a pair has its result");
    let expected = parse(&expected);
    let want = Data::of(expected.tree.root().expect("a result is a config"));
    let written = processed.to_yaml();
    let orbs = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| line.starts_with("# Orb '"));
        lines.map(str::to_owned).collect()
    };
    if orbs(expected.tree.source()) != orbs(&written) {
        return Outcome::Differs(format!("the lines on orbs: {:?}", orbs(&written)));
    }
    let parsed = parse(written.as_bytes());
    let got = Data::of(parsed.tree.root().expect("a processed config is one"));
    difference("", &want, &got).map_or(Outcome::Same, Outcome::Differs)
}

#[test]
fn compiled_forms_are_those_of_the_original() {
    let Some(root) = corpus_folder() else { return };
    let folder = root.join("pairs/openbao-vault-history");
    let mut pairs: Vec<_> = std::fs::read_dir(&folder)
        .expect("the pairs are there")
        .map(|entry| entry.expect("a pair can be listed").path())
        .filter(|path| path.is_dir())
        .collect();
    pairs.sort();
    assert!(!pairs.is_empty(), "there are pairs");
    let mut wrong = Vec::new();
    for pair in &pairs {
        if let Outcome::Differs(reason) = compared(&root, pair) {
            let name = pair
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            wrong.push(format!("{name}: {reason}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        pairs.len(),
        wrong.join("\n")
    );
}

#[test]
fn differences_are_found() {
    let of = |text: &str| Data::of(parse(text.as_bytes()).tree.root().expect("a document"));
    let same = |a, b| difference("", &of(a), &of(b)).is_none();
    assert!(same("a: 1.10\nb: [yes, x]", "b: [true, 'x']\na: 1.1"));
    assert!(!same("a: 1", "a: '1'"));
    assert!(!same("a: [1, 2]", "a: [2, 1]"));
    assert!(!same("a: 1", "a: 1\nb: 2"));
    assert!(!same("a: {b: {c: 1}}", "a: {b: {d: 1}}"));
    assert!(!same("a: [1]", "a: [1, 1]"));
}
