//! The whole corpus as an oracle: every real config compiles, or stands in a list with a reason, or wants an orb that is
//! not at hand; every block of the public docs compiles but for the excerpts, each by its name. What is listed must go on
//! being wrong in the same way, so that neither list outlives its reason. Nothing is skipped without a word (see `corpus`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use airlock_pipeline_config::{Diagnostic, OrbReference, OrbSource, ParameterValue, Source, compile, gather};

use crate::corpus_folder::corpus_folder;
use crate::inputs;
use crate::orb_folder::OrbFolder;

/// Real configs that are refused, with the reason.
const REFUSED: [(&str, &str); 4] = [
    (
        "CircleCI-Public__circleci-demo-workflows+config+b6b477b.yml",
        "`triggers` is a list; a map of `type`, `cron` and `branches` was a form on trial for some weeks",
    ),
    (
        "CircleCI-Public__continuation-orb+config+b1e9594.yml",
        "a template: `<namespace>/<orb-name>` is to be filled in",
    ),
    (
        "openbao__openbao+config_build-release+820b529.yml",
        "no config but a part of one, for `config pack`: it has no `version`",
    ),
    (
        "react-native-async-storage__async-storage+config+d28308e.yml",
        "`-root` without a blank is a key, and `root` is missing",
    ),
];

/// The errors of every config of a folder, by file.
fn errors_of(root: &Path, folder: &str) -> BTreeMap<String, Vec<Diagnostic>> {
    let orbs = OrbFolder {
        root: root.join("orb-dir"),
        shown: "orb-dir/",
    };
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(root.join(folder)).expect("the folder can be listed") {
        let path = entry.expect("an entry can be listed").path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let source = Source::new(name.clone(), std::fs::read(&path).expect("it can be read"));
        let mut inputs = inputs::push();
        // Configs of orbs pass it on to parameters that take nothing else.
        let host = ParameterValue::Text("github".to_owned());
        inputs
            .pipeline
            .other
            .insert("pipeline.project.type".to_owned(), host);
        inputs.orbs = orbs.gather(&source, &inputs);
        let (plan, diagnostics) = compile(&source, &inputs);
        let errors: Vec<Diagnostic> = diagnostics.into_iter().filter(Diagnostic::is_error).collect();
        assert_eq!(plan.is_some(), errors.is_empty(), "{name}");
        found.insert(name, errors);
    }
    found
}

/// Whether an error comes of an orb that is not at hand: not in the registry, or put in by the pipeline that tests it.
fn wants_an_orb(error: &Diagnostic) -> bool {
    let hint = error.hint.as_deref().unwrap_or_default();
    let unknown = ["unknown-command", "unknown-executor", "unknown-job"].contains(&error.code.as_str());
    error.code.as_str() == "unknown-orb" || unknown && hint.starts_with("no orb is imported as")
}

fn shown(error: &Diagnostic) -> String {
    let at = &error.position;
    format!(
        "{}:{}:{}: {}: {}",
        at.file,
        at.line,
        at.column,
        error.code.as_str(),
        error.message
    )
}

#[test]
fn real_configs_compile() {
    let Some(root) = corpus_folder() else { return };
    let found = errors_of(&root, "configs");
    assert!(found.len() >= 181, "{} configs", found.len());
    let listed: BTreeMap<&str, &str> = REFUSED.into_iter().collect();
    let mut wrong = String::new();
    for (file, errors) in &found {
        let own: Vec<&Diagnostic> = errors.iter().filter(|error| !wants_an_orb(error)).collect();
        match listed.get(file.as_str()) {
            Some(reason) if own.is_empty() => {
                let _ = writeln!(wrong, "{file} compiles, and is listed: {reason}");
            }
            Some(_) => {}
            None => {
                for error in own {
                    let _ = writeln!(wrong, "{}", shown(error));
                }
            }
        }
    }
    assert!(
        listed.keys().all(|file| found.contains_key(*file)),
        "all are there"
    );
    assert!(wrong.is_empty(), "{wrong}");
}

/// A line of `docs-blocks.tsv`.
struct Listed {
    codes: BTreeSet<String>,
    /// What makes it whole; nothing for an excerpt and for what is wrong.
    additions: Vec<String>,
}

fn listed_blocks() -> BTreeMap<String, Listed> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docs-blocks.tsv");
    let text = std::fs::read_to_string(path).expect("the list is there");
    let mut listed = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, codes, additions, reason] = columns.as_slice() else {
            panic!("a line has four columns: {line}");
        };
        assert!(!reason.is_empty(), "{line}");
        let additions = additions.split(" ;; ").filter(|addition| *addition != "-");
        let row = Listed {
            codes: codes.split(' ').map(str::to_owned).collect(),
            additions: additions.map(str::to_owned).collect(),
        };
        listed.insert((*file).to_owned(), row);
    }
    listed
}

#[test]
fn blocks_of_the_docs_compile_but_for_the_excerpts() {
    let Some(root) = corpus_folder() else { return };
    let found = errors_of(&root, "cases/docs-blocks");
    assert!(found.len() >= 153, "{} blocks", found.len());
    let listed = listed_blocks();
    assert!(
        listed.keys().all(|file| found.contains_key(file)),
        "all are there"
    );
    let mut wrong = String::new();
    for (file, errors) in &found {
        let own = errors.iter().filter(|error| error.code.as_str() != "unknown-orb");
        let codes: BTreeSet<String> = own.clone().map(|error| error.code.as_str().to_owned()).collect();
        let wanted = listed.get(file).map(|row| row.codes.clone());
        if codes != wanted.unwrap_or_default() {
            let _ = writeln!(wrong, "{file} gives {codes:?}");
            own.for_each(|error| {
                let _ = writeln!(wrong, "  {}", shown(error));
            });
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The lines below `jobs:` of a block.
fn jobs_of(text: &str) -> String {
    let mut lines = text.lines().skip_while(|line| *line != "jobs:").skip(1);
    let below = lines.by_ref();
    let below: Vec<&str> = below
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .collect();
    below.join("\n") + "\n"
}

/// A workflow of all jobs that a block defines.
fn workflow_of(text: &str) -> String {
    let names = jobs_of(text);
    let is_name = |line: &&str| line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':');
    let names: Vec<&str> = names.lines().filter(is_name).map(str::trim).collect();
    let names: Vec<&str> = names.iter().map(|name| name.trim_end_matches(':')).collect();
    assert!(!names.is_empty(), "the block has jobs: {text}");
    format!("\nworkflows: {{all: {{jobs: [{}]}}}}\n", names.join(", "))
}

/// What the pages leave to their readers makes whole configs of most blocks; nothing else is wrong with those.
#[test]
fn blocks_of_the_docs_compile_when_they_are_made_whole() {
    let Some(root) = corpus_folder() else { return };
    let folder = root.join("cases/docs-blocks");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("a block can be read");
    let orbs = OrbFolder {
        root: root.join("orb-dir"),
        shown: "orb-dir/",
    };
    let mut wrong = String::new();
    for (file, row) in listed_blocks()
        .into_iter()
        .filter(|(_, row)| !row.additions.is_empty())
    {
        let mut text = read(&file);
        let mut by_address = None;
        for addition in &row.additions {
            if let Some((from, to)) = addition.split_once(" => ") {
                assert!(text.contains(from), "{file} holds {from}");
                text = text.replace(from, to);
            } else if let Some(block) = addition.strip_prefix("+jobs ") {
                let jobs = jobs_of(&read(&format!("{block}.yml")));
                text = text.replacen("jobs:\n", &format!("jobs:\n{jobs}"), 1);
            } else if let Some(block) = addition.strip_prefix("+orb ") {
                by_address = Some(read(&format!("{block}.yml")));
            } else if addition == "+workflow" {
                text.push_str(&workflow_of(&text));
            } else {
                panic!("{file}: {addition}");
            }
        }
        let source = Source::new(file.clone(), text.into_bytes());
        let mut inputs = inputs::push();
        inputs.orb_url_prefixes = vec!["https://raw.githubusercontent.com/my-org/".to_owned()];
        inputs.orbs = gather(
            &source,
            &inputs,
            &mut |reference| match (reference, &by_address) {
                (OrbReference::Url(url), Some(orb)) => {
                    let source = Source::new("orb.yml", orb.clone().into_bytes());
                    Ok(OrbSource::new(source, url))
                }
                _ => orbs.find(reference),
            },
        );
        let (_, diagnostics) = compile(&source, &inputs);
        for error in diagnostics
            .iter()
            .filter(|error| error.is_error() && !wants_an_orb(error))
        {
            let _ = writeln!(wrong, "{}", shown(error));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
