//! CircleCI's own language server against the compiler: its test cases, compiled, and where the two differ, who is right.
//! `language_server.tsv` has a line for each case: its name, what the language server says of it, and a word on the
//! difference. A case that is a fragment is completed first: with `version: 2.1`,
//! with a job for each executor when it has none, and with a workflow that runs all jobs.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use airlock_pipeline_config::{Diagnostic, Source, compile};
use serde_json::Value;

use crate::corpus_folder::corpus_folder;
use crate::inputs;
use crate::orb_folder::OrbFolder;

/// What the language server says: nothing, a note, or an error. A case may also not be about configs at all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Theirs {
    Fine,
    Note,
    Error,
    Other,
}

struct Line<'a> {
    name: &'a str,
    theirs: Theirs,
    said: &'a str,
    word: &'a str,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let theirs = match columns.get(1) {
                Some(&"fine") => Theirs::Fine,
                Some(&"note") => Theirs::Note,
                Some(&"error") => Theirs::Error,
                Some(&"other") => Theirs::Other,
                other => panic!("{line}: {other:?} is none of fine, note, error, other"),
            };
            Line {
                name: columns.first().copied().unwrap_or_default(),
                theirs,
                said: columns.get(2).copied().unwrap_or_default(),
                word: columns.get(3).copied().unwrap_or_default(),
            }
        })
        .collect()
}

fn completed(text: &str) -> String {
    let parsed = airlock_yaml_tree::parse(text.as_bytes());
    let Some(map) = parsed.tree.root().and_then(airlock_yaml_tree::Node::as_mapping) else {
        return text.to_owned();
    };
    let mut out = text.to_owned();
    let names = |key: &str| -> Vec<String> {
        let map = map.get(key).and_then(|entry| entry.value().as_mapping());
        map.into_iter()
            .flat_map(|map| map.iter().map(|entry| entry.name().to_owned()))
            .collect()
    };
    if map.get("workflows").is_none() {
        let mut jobs = names("jobs");
        if jobs.is_empty() {
            out.push_str("\njobs:\n  build: {docker: [image: cimg/base:current], steps: [checkout]}\n");
            jobs.push("build".to_owned());
            for executor in names("executors") {
                let _ = writeln!(
                    out,
                    "  of-{executor}: {{executor: {executor}, steps: [checkout]}}"
                );
                jobs.push(format!("of-{executor}"));
            }
        }
        let _ = writeln!(out, "\nworkflows: {{all: {{jobs: {jobs:?}}}}}");
    }
    if map.get("version").is_none() {
        out.insert_str(0, "version: 2.1\n");
    }
    out
}

fn compiled(text: &str, corpus: &Path) -> Vec<Diagnostic> {
    let source = Source::new("config.yml", completed(text).into_bytes());
    let mut inputs = inputs::push();
    let orbs = OrbFolder {
        root: corpus.join("orb-dir"),
        shown: "orb-dir/",
    };
    inputs.orbs = orbs.gather(&source, &inputs);
    compile(&source, &inputs).1
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[test]
fn every_difference_has_its_reason() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(corpus) = corpus_folder() else { return };
    let cases = corpus.join("cases/language-server/cases.json");
    let cases = std::fs::read_to_string(&cases).expect("the cases are there");
    let cases: Vec<Value> = serde_json::from_str(&cases).expect("the cases are JSON");
    let judged =
        std::fs::read_to_string(here.join("tests/language_server.tsv")).expect("the judgements are there");
    let judged = lines(&judged);
    assert_eq!(cases.len(), judged.len(), "every case has its line");
    let mut out = INTRODUCTION.to_owned();
    let (mut problems, mut counts) = (String::new(), [0; 3]);
    for (number, (case, line)) in cases.iter().zip(&judged).enumerate() {
        assert_eq!(
            case["name"].as_str().map(str::trim),
            Some(line.name),
            "case {number}"
        );
        let found = compiled(case["yaml"].as_str().unwrap_or_default(), &corpus);
        let refused = found.iter().any(Diagnostic::is_error);
        let codes: BTreeSet<&str> = found
            .iter()
            .filter(|diagnostic| diagnostic.is_error() || !refused)
            .map(|diagnostic| diagnostic.code.as_str())
            .collect();
        let shown = codes.iter().copied().collect::<Vec<_>>().join(", ");
        let noted = !refused && !found.is_empty();
        let agree = match line.theirs {
            Theirs::Fine => !refused,
            Theirs::Note => noted,
            Theirs::Error => refused,
            Theirs::Other => true,
        };
        let later = codes.contains("not-yet-supported");
        if agree != line.word.is_empty() && line.theirs != Theirs::Other && !later {
            let _ = writeln!(
                problems,
                "{number} {}: agree: {agree}, word: {:?}, ours: {shown}",
                line.name, line.word
            );
        }
        let kind = usize::from(line.theirs == Theirs::Other) * 2 + usize::from(!agree);
        counts[kind.min(2)] += 1;
        let theirs = match (line.theirs, line.said) {
            (Theirs::Fine, "") => "nothing",
            (Theirs::Other, "") => "not about configs",
            (_, said) => said,
        };
        let ours = match (refused, noted) {
            _ if line.theirs == Theirs::Other => "–".to_owned(),
            (true, _) => format!("refuses: {shown}"),
            (false, true) => format!("accepts, with a warning: {shown}"),
            (false, false) => "accepts".to_owned(),
        };
        let word = match (agree, line.theirs) {
            (true, Theirs::Other) => "",
            (true, _) => "agree",
            (false, _) if line.word.is_empty() => "Airlock does not do this yet, and says so.",
            (false, _) => line.word,
        };
        let _ = writeln!(
            out,
            "| {number} | {} | {} | {} | {} |",
            cell(line.name),
            cell(theirs),
            cell(&ours),
            cell(word)
        );
    }
    let _ = writeln!(
        out,
        "\nAgreements: {}. Differences: {}. Not about configs: {}.",
        counts[0], counts[1], counts[2]
    );
    out.push_str(WHOLE_FILES);
    for (file, codes, why) in REFUSED {
        let _ = writeln!(out, "| `{file}` | refuses: {} | {why} |", codes.join(", "));
    }
    let path = here.join("../../docs/language-server-comparison.md");
    if std::env::var_os("AIRLOCK_UPDATE_DOCS").is_some() {
        std::fs::write(&path, &out).expect("the table can be written");
    }
    assert!(
        problems.is_empty(),
        "these need a word, or have one too many:\n{problems}"
    );
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == out,
        "docs/language-server-comparison.md is out of date: run this test with AIRLOCK_UPDATE_DOCS=1"
    );
}

const INTRODUCTION: &str = "# CircleCI's language server and this compiler

CircleCI's own language server has test cases: pieces of configs, each with what it says of them. Here each of them is
compiled, and where the two differ stands who is right and why. A piece that is no whole config is completed first, with
`version: 2.1`, jobs and a workflow that runs all of them. A test writes this table, and fails when it is out of date.

| No. | Case | The language server says | Airlock | |
| --- | --- | --- | --- | --- |
";

const WHOLE_FILES: &str = "
## Whole files

Beside the cases lie whole files, which it calls right or wrong. Both agree on them but for these, which it calls right. Where
an orb cannot be had, everything else is compared.

| File | Airlock | |
| --- | --- | --- |
";

/// Files that it calls right and the compiler refuses, with the codes and the reason.
const REFUSED: &[(&str, &[&str], &str)] = &[
    (
        "pkg/services/testdata/noErrors.yml",
        &["missing-argument"],
        "The workflow calls `deploy` without its parameter `myparam`, which has no default. The file's test is about shapes alone.",
    ),
    (
        "pkg/services/testdata/anchorNoErrors.yml",
        &["unknown-argument", "unknown-value"],
        "`dummyJob` has no parameter `py_version`, and `<< matrix.py_version >>` stands in an entry without a matrix. The \
         file's test is about anchors alone.",
    ),
];

/// Files of its tests that it calls right, and files it calls wrong.
const FILES: &[(&str, bool)] = &[
    ("pkg/parser/validate/testdata/correct_param_type.yml", true),
    ("pkg/parser/validate/testdata/valid_checkout_method.yml", true),
    (
        "pkg/parser/validate/testdata/valid_checkout_method_shallow.yml",
        true,
    ),
    ("pkg/parser/validate/testdata/orb_steps_used_in_params.yml", true),
    ("pkg/parser/validate/testdata/orbs/local-orb-used-parts.yml", true),
    ("pkg/parser/validate/testdata/wrong_param_type.yml", false),
    ("pkg/parser/validate/testdata/wrong_param_type_boolean.yml", false),
    ("pkg/parser/validate/testdata/wrong_param_type_integer.yml", false),
    ("pkg/parser/validate/testdata/invalid_checkout_method.yml", false),
    (
        "pkg/parser/validate/testdata/invalid_checkout_method_shallow.yml",
        false,
    ),
    ("pkg/services/testdata/requiresNoErrors.yml", true),
    ("pkg/services/testdata/schemaError.yml", false),
    ("test-files/.circleci/invalid-files/unused-job.yml", true),
    ("test-files/.circleci/invalid-files/job-without-steps.yml", false),
    ("test-files/.circleci/invalid-files/not-defined-param.yml", false),
    ("test-files/.circleci/invalid-files/yaml-errors.yml", false),
];

#[test]
fn files_that_it_calls_right_compile_and_others_do_not() {
    let Some(corpus) = corpus_folder() else { return };
    let folder = corpus.join("cases/language-server");
    let refused = |file: &str| -> BTreeSet<String> {
        let text = std::fs::read_to_string(folder.join(file)).expect("the file is there");
        // The language server looks orbs up; some of them are not in the corpus.
        let found = compiled(&text, &corpus).into_iter().filter(Diagnostic::is_error);
        let codes = found.map(|diagnostic| diagnostic.code.as_str().to_owned());
        codes.filter(|code| code != "unknown-orb").collect()
    };
    for (file, right) in FILES {
        let refused = refused(file);
        assert_eq!(refused.is_empty(), *right, "{file}: {refused:?}");
    }
    for (file, codes, _) in REFUSED {
        let refused = refused(file);
        assert!(refused.iter().eq(*codes), "{file}: {refused:?}");
    }
}
