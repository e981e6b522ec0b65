//! The whole corpus as an oracle: every real config compiles, or stands in a list with a reason, or wants an orb that is
//! not at hand; every block of the public docs compiles but for the excerpts, each by its name. What is listed must go on
//! being wrong in the same way, so that neither list outlives its reason. Nothing is skipped without a word (see `corpus`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use airlock_pipeline_config::{Diagnostic, ParameterValue, Source, compile};

use crate::corpus::corpus;
use crate::inputs;
use crate::orb_folder::OrbFolder;

/// Real configs that are refused, with the reason.
const REFUSED: [(&str, &str); 7] = [
    (
        "CircleCI-Public__circleci-demo-workflows+config+b6b477b.yml",
        "`triggers` is a list; a map of `type`, `cron` and `branches` was an early form",
    ),
    (
        "CircleCI-Public__continuation-orb+config+b1e9594.yml",
        "a template: `<namespace>/<orb-name>` is to be filled in",
    ),
    (
        "aeternity__aeternity+config+7bb9746.yml",
        "`setup_remote_docker` is a step, and here it is a key of jobs",
    ),
    (
        "heroku__cli+config+05af87e.yml",
        "`- type: checkout` is an early form of steps, refused since",
    ),
    (
        "heroku__cli+config+6689c96.yml",
        "`- type: checkout` is an early form of steps, refused since",
    ),
    (
        "openbao__openbao+config_build-release+820b529.yml",
        "no config but a part of one: it has no `version`",
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
    let Some(root) = corpus() else { return };
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

#[test]
fn blocks_of_the_docs_compile_but_for_the_excerpts() {
    let Some(root) = corpus() else { return };
    let found = errors_of(&root, "cases/docs-blocks");
    assert!(found.len() >= 153, "{} blocks", found.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/docs-blocks.tsv");
    let text = std::fs::read_to_string(path).expect("the list is there");
    let mut listed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let [file, codes, reason] = columns.as_slice() else {
            panic!("a line has three columns: {line}");
        };
        assert!(found.contains_key(*file) && !reason.is_empty(), "{line}");
        listed.insert(file, codes.split(' ').collect());
    }
    let mut wrong = String::new();
    for (file, errors) in &found {
        let own = errors.iter().filter(|error| error.code.as_str() != "unknown-orb");
        let codes: BTreeSet<&str> = own.clone().map(|error| error.code.as_str()).collect();
        if codes != listed.get(file.as_str()).cloned().unwrap_or_default() {
            let _ = writeln!(wrong, "{file} gives {codes:?}");
            own.for_each(|error| {
                let _ = writeln!(wrong, "  {}", shown(error));
            });
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
