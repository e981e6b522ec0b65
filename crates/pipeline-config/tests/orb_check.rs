//! Checking orbs on their own: what an author is told before anybody uses the orb.

use std::collections::BTreeMap;
use std::path::Path;

use airlock_pipeline_config::{
    Catalogue, Diagnostic, OrbProblem, OrbReference, OrbSource, Source, check_orb, render, select,
};

use crate::corpus_folder::corpus_folder;

/// Severity, code and line of each diagnostic.
fn checked(text: &str) -> Vec<String> {
    let orb = OrbSource::new(Source::new("orb.yml", text), "my/orb@1.2.3");
    let told = check_orb(&orb, &mut |_| Err(OrbProblem::NotFound(Catalogue::default())));
    told.iter().map(short).collect()
}

fn short(diagnostic: &Diagnostic) -> String {
    assert_eq!(diagnostic.position.file, "orb.yml", "{diagnostic:?}");
    assert!(
        diagnostic
            .related
            .iter()
            .all(|related| related.position.file == "orb.yml"),
        "{diagnostic:?}"
    );
    let mark = if diagnostic.is_error() { "error" } else { "warning" };
    format!("{mark} {} {}", diagnostic.code.as_str(), diagnostic.position.line)
}

#[test]
fn an_orb_that_can_be_used_is_told_nothing() {
    let text = "version: 2.1
description: Says hello.
commands:
  greet:
    parameters:
      to: {type: string}
      loud: {type: boolean, default: false}
      how: {type: enum, enum: [a, b]}
      after: {type: steps}
      token: {type: env_var_name}
      times: {type: integer}
    steps:
      - run: echo Hello << parameters.to >> $<< parameters.token >> << parameters.times >> << parameters.how >>
      - steps: << parameters.after >>
      - when: {condition: << parameters.loud >>, steps: [run: echo loud]}
executors:
  default:
    parameters: {tag: {type: string}}
    docker: [{image: \"cimg/base:<< parameters.tag >>\"}]
jobs:
  hello:
    parameters:
      where: {type: executor}
      to: {type: string, default: world}
    executor: << parameters.where >>
    steps:
      - greet: {to: << parameters.to >>, how: a, after: [], token: X, times: 1}
examples:
  simple:
    usage:
      version: 2.1
      orbs: {hello: my/orb@1}
      workflows:
        w: {jobs: [hello/hello: {where: {name: hello/default, tag: x}}]}
";
    assert_eq!(checked(text), Vec::<String>::new());
}

#[test]
fn what_nobody_calls_is_checked_all_the_same() {
    let text = "version: 2.1
commands:
  greet:
    parameters: {to: {type: string}}
    steps:
      - run: echo << parameters.too >>
executors:
  default: {docker: [{imag: cimg/base}]}
jobs:
  hello:
    executor: missing
    steps: [gret: {to: x}]
";
    let told = checked(text);
    for wanted in [
        "error unknown-value 6",
        "error unknown-executor 11",
        "error unknown-command 12",
    ] {
        assert!(told.contains(&wanted.to_owned()), "no {wanted} in {told:?}");
    }
    assert!(told.iter().any(|line| line.ends_with(" 8")), "{told:?}");
}

#[test]
fn a_value_refused_for_a_stand_in_is_a_warning() {
    let text = "version: 2.1
jobs:
  given:
    parameters: {n: {type: string}}
    docker: [{image: cimg/base:current}]
    parallelism: << parameters.n >>
    steps: [run: 'true']
  fixed:
    docker: [{image: cimg/base:current}]
    parallelism: many
    steps: [run: 'true']
";
    let told = checked(text);
    assert!(
        told.iter()
            .any(|line| line.starts_with("error") && line.ends_with(" 10")),
        "{told:?}"
    );
    assert!(
        !told
            .iter()
            .any(|line| line.starts_with("error") && line.ends_with(" 6")),
        "{told:?}"
    );
}

#[test]
fn an_example_that_is_wrong_is_a_warning_at_its_place() {
    let text = "version: 2.1
# ü: places after it stay where they are
commands:
  greet: {steps: [run: 'true']}
examples:
  other_orbs_are_unknown:
    usage: {version: 2.1, orbs: {a: some/other@1}, workflows: {w: {jobs: [a/b]}}}
  wrong:
    usage:
      version: 2.1
      orbs:
        o: my/orb@1.0
      jobs:
        j:
          docker: [{image: cimg/base:current}]
          steps: [o/gret]
      workflows: {w: {jobs: [j]}}
";
    assert_eq!(checked(text), ["warning unknown-command 16"]);
}

#[test]
fn a_text_that_is_no_orb_is_an_error() {
    for text in [
        "",
        "- a",
        "jobs: [",
        "version: 2.1\njobs: 3\n",
        "version: 2\njobs: {}\n",
    ] {
        let told = checked(text);
        assert!(
            told.iter().any(|line| line.starts_with("error")),
            "{text:?}: {told:?}"
        );
    }
}

/// A mirror need not hold everything: what can be used without it can be used.
#[test]
fn an_orb_that_is_not_at_hand_is_a_warning_at_its_place() {
    let text = "# ü
orbs:
  unused: some/other@1
  used: 'some/more@1.2.3'
version: 2.1
commands:
  greet: {steps: [used/greet]}
  wave: {steps: [run: echo << parameters.none >>]}
";
    assert_eq!(
        checked(text),
        [
            "error unknown-value 8",
            "warning unknown-orb 3",
            "warning unknown-orb 4"
        ]
    );
}

/// An address may hold something else tomorrow, and a released orb may not.
#[test]
fn an_orb_with_a_name_uses_none_at_an_address() {
    let text = "version: 2.1
orbs:
  say: https://example.com/orbs/say.yml
commands:
  greet: {steps: [say/say]}
";
    assert_eq!(checked(text), ["error orb-refused 3"]);
}

/// Every published orb of the corpus was accepted by its registry.
#[test]
fn published_orbs_can_be_used() {
    let Some(folder) = corpus_folder() else { return };
    let folder = folder.join("orb-dir");
    let orbs = read_orbs(&folder);
    assert!(orbs.len() > 80, "only {} orbs were read", orbs.len());
    let mut wrong = String::new();
    for (reference, source) in &orbs {
        let orb = OrbSource::new(source.clone(), reference.clone());
        let told = check_orb(&orb, &mut |wanted| find(&orbs, wanted));
        if told.iter().any(Diagnostic::is_error) {
            let errors: Vec<Diagnostic> = told.into_iter().filter(Diagnostic::is_error).collect();
            wrong.push_str(&render::text(
                &errors,
                std::slice::from_ref(source),
                render::Color::Never,
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn find(orbs: &BTreeMap<String, Source>, wanted: &OrbReference) -> Result<OrbSource, OrbProblem> {
    let missing = || OrbProblem::NotFound(Catalogue::default());
    let OrbReference::Registry { name, version } = wanted else {
        return Err(missing());
    };
    let beginning = format!("{name}@");
    let versions = orbs.keys().filter_map(|orb| orb.strip_prefix(&beginning));
    let selected = select(version, versions).ok_or_else(missing)?;
    let resolved = format!("{name}@{selected}");
    let source = orbs.get(&resolved).ok_or_else(missing)?;
    Ok(OrbSource::new(source.clone(), resolved))
}

fn read_orbs(folder: &Path) -> BTreeMap<String, Source> {
    let entries = |folder: &Path| -> Vec<std::path::PathBuf> {
        let read = std::fs::read_dir(folder).expect("the corpus lies beside the project");
        read.map(|entry| entry.expect("an entry").path()).collect()
    };
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let mut orbs = BTreeMap::new();
    for namespace in entries(folder).into_iter().filter(|path| path.is_dir()) {
        for orb in entries(&namespace) {
            for version in entries(&orb) {
                let number = name(&version).trim_end_matches(".yml").to_owned();
                let reference = format!("{}/{}@{number}", name(&namespace), name(&orb));
                let bytes = std::fs::read(&version).expect("an orb");
                orbs.insert(reference.clone(), Source::new(reference, bytes));
            }
        }
    }
    orbs
}
