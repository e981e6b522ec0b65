//! The compiled form: what it looks like, and that it means what its source means.

use std::collections::BTreeSet;
use std::path::Path;

use airlock_domain::plan::Plan;
use airlock_pipeline_config::{Inputs, PackKind, Source, compile, gather, pack, process, render};
use airlock_yaml_tree::{Node, NodeKind, Span, parse};
use serde_json::Value;

use crate::corpus_folder::corpus_folder;
use crate::{inputs, pairs};

fn processed(text: &str, inputs: &Inputs) -> String {
    let source = Source::new("config.yml", text.as_bytes());
    let (processed, diagnostics) = process(&source, inputs);
    match processed {
        Some(processed) => processed.to_yaml(),
        None => render::text(&diagnostics, [&source], render::Color::Never),
    }
}

#[test]
fn commands_executors_and_conditions_are_gone() {
    let config = r#"
version: 2.1
description: not kept
parameters:
  deep: {type: boolean, default: false}
executors:
  go:
    description: where Go runs
    parameters: {tag: {type: string}}
    docker: [{image: "golang:<< parameters.tag >>", environment: {JOBS: 2}}]
    environment: {B: b, A: 1, NONE: null}
    shell: bash -e
commands:
  greet:
    description: says something
    parameters: {to: {type: string, default: you}, more: {type: steps, default: []}}
    steps:
      - run: echo << parameters.to >>
      - steps: << parameters.more >>
jobs:
  build:
    description: builds
    parameters: {deep: {type: boolean}}
    executor: {name: go, tag: "1.20"}
    environment: [{A: 2}, "C=c d"]
    parallelism: 2
    working_directory: null
    steps:
      - checkout
      - greet: {to: me, more: [{run: {name: more, command: "cat \\<<EOF\nx\nEOF", background: on}}]}
      - when: {condition: << parameters.deep >>, steps: [{run: deep}]}
      - unless: {condition: << parameters.deep >>, steps: [{store-artifacts: {path: .}}]}
  never: {machine: true, steps: [checkout]}
workflows:
  w:
    when: {not: << pipeline.parameters.deep >>}
    jobs:
      - hold: {type: approval}
      - build:
          deep: << pipeline.parameters.deep >>
          context: [a, b]
          requires: [hold]
          pre-steps: [{run: before}]
          post-steps: [{run: {command: after, when: always}}]
          filters: {branches: {only: /.*/}}
  left-out: {unless: true, jobs: [never]}
"#;
    let want = r"version: 2
jobs:
  build:
    docker:
    - image: golang:1.20
      environment:
        JOBS: 2
    shell: bash -e
    parallelism: 2
    environment:
    - B: b
    - A: 2
    - NONE: null
    - C: c d
    steps:
    - run:
        command: before
    - checkout
    - run:
        command: echo me
    - run:
        name: more
        command: |-
          cat <<EOF
          x
          EOF
        background: true
    - store_artifacts:
        path: .
    - run:
        command: after
        when: always
workflows:
  w:
    jobs:
    - hold:
        type: approval
    - build:
        context:
        - a
        - b
        filters:
          branches:
            only: /.*/
        requires:
        - hold
  version: 2
";
    assert_eq!(processed(config, &inputs::push()), want);
}

#[test]
fn each_job_of_a_matrix_and_each_repetition_has_its_own_entry() {
    let config = r#"
version: 2.1
jobs:
  test:
    parameters: {v: {type: string}, os: {type: enum, enum: [a, b]}}
    docker: [{image: "x:<< parameters.v >>"}]
    steps: [{run: "echo << parameters.os >>"}]
  lint: {docker: [{image: l}], steps: [checkout]}
workflows:
  w:
    jobs:
      - lint
      - lint
      - test: {matrix: {alias: all, parameters: {v: ["1", "2"], os: [a, b]}, exclude: [{v: "1", os: b}]}}
      - lint: {name: after, requires: [all, {lint-1: failed}, {lint-2: [failed, canceled]}]}
      - lint: {name: end, requires: [{after: terminal}]}
"#;
    let text = processed(config, &inputs::push());
    let end = text.find("workflows:").expect("there are workflows");
    let want = "workflows:
  w:
    jobs:
    - lint-1
    - lint-2
    - test-a-1
    - test-a-2
    - test-b-2
    - after:
        requires:
        - test-a-1
        - test-a-2
        - test-b-2
        - lint-1: failed
        - lint-2:
          - failed
          - canceled
    - end:
        requires:
        - after: terminal
  version: 2
";
    assert_eq!(&text[end..], want);
    assert!(
        text.contains("  test-b-2:\n    docker:\n    - image: x:2\n"),
        "{text}"
    );
}

#[test]
fn one_name_for_different_jobs_of_two_workflows() {
    let config = r"
version: 2.1
jobs:
  x: {parameters: {a: {type: string, default: '1'}}, docker: [{image: << parameters.a >>}], steps: [checkout]}
workflows:
  one: {jobs: [x, x: {name: x-2, a: '2'}]}
  two: {jobs: [x: {a: '3'}, x: {name: z, requires: [x]}]}
  three: {jobs: [x, x: {name: X2, a: '3'}]}
";
    let text = processed(config, &inputs::push());
    let end = text.find("workflows:").expect("there are workflows");
    let want = "workflows:
  one:
    jobs:
    - x
    - x-2
  two:
    jobs:
    - x-3:
        name: x
    - z:
        requires:
        - x
  three:
    jobs:
    - x
    - X2
  version: 2
";
    assert_eq!(&text[end..], want);
}

#[test]
fn the_job_of_a_file_without_workflows_gets_one() {
    let config = "version: 2\njobs:\n  build:\n    branches: {only: main}\n    docker: [{image: x}]\n    steps: [checkout]\n  other: {docker: [{image: x}], steps: [checkout]}\n";
    let want = "version: 2
jobs:
  build:
    docker:
    - image: x
    steps:
    - checkout
workflows:
  workflow:
    jobs:
    - build:
        filters:
          branches:
            only: main
  version: 2
";
    assert_eq!(processed(config, &inputs::push()), want);
}

#[test]
fn values_that_only_this_pipeline_decides_are_decided() {
    let config = r#"
version: 2.1
jobs:
  a:
    docker: [{image: x}]
    environment: {TAG: << pipeline.git.tag >>, NR: << pipeline.number >>, BRANCH: "on << pipeline.git.branch >>"}
    steps: [{run: "true"}]
workflows:
  w:
    jobs:
      - a: {filters: pipeline.git.branch == "main"}
      - a: {name: b, filters: pipeline.git.branch == "other"}
"#;
    let text = processed(config, &inputs::push());
    for part in [
        "    - TAG: <nil>\n    - NR: 7\n    - BRANCH: on main\n",
        "        command: 'true'\n",
        "    - a:\n        filters:\n          branches:\n            only: /.*/\n          tags:\n            only: /.*/\n",
        "    - b:\n        filters:\n          branches:\n            ignore: /.*/\n",
    ] {
        assert!(text.contains(part), "{part}\nis not in\n{text}");
    }
}

#[test]
fn a_config_with_errors_has_no_compiled_form() {
    let told = processed(
        "version: 2.1\njobs: {build: {steps: [chekout]}}\n",
        &inputs::push(),
    );
    assert!(told.contains("error["), "{told}");
}

/// A plan without what a second compilation may change: places, and under which key a job stood.
fn meaning(plan: &Plan) -> Value {
    fn strip(value: &mut Value) {
        match value {
            Value::Object(map) => {
                map.remove("place");
                map.remove("definition");
                if let Some(reason) = map.get_mut("left_out") {
                    *reason = Value::Bool(!reason.is_null());
                }
                map.values_mut().for_each(strip);
            }
            Value::Array(items) => items.iter_mut().for_each(strip),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut value = serde_json::to_value(plan).expect("a plan can be written");
    value["setup"] = Value::Bool(plan.setup.is_some());
    if let Some(workflows) = value["workflows"].as_array_mut() {
        workflows.retain(|workflow| workflow["left_out"].is_null() || workflow.get("schedules").is_some());
    }
    strip(&mut value);
    value
}

/// Every anchor of a file by another name.
fn renamed(text: &str) -> String {
    fn walk(node: Node<'_>, names: &mut BTreeSet<(u32, u32)>) {
        let mut note = |span: Span| names.insert((span.start, span.end));
        if let Some(alias) = node.alias() {
            note(alias);
            return;
        }
        if let Some(span) = node.anchor_span() {
            note(span);
        }
        match node.kind() {
            NodeKind::Scalar(_) => {}
            NodeKind::Sequence(sequence) => sequence.iter().for_each(|item| walk(item, names)),
            NodeKind::Mapping(mapping) => {
                for entry in mapping.iter() {
                    if let Some(merged) = entry.merged() {
                        if let Some(alias) = merged.alias {
                            names.insert((alias.start, alias.end));
                        }
                        continue;
                    }
                    walk(entry.key(), names);
                    walk(entry.value(), names);
                }
            }
        }
    }
    let parsed = parse(text.as_bytes());
    let mut names = BTreeSet::new();
    if let Some(root) = parsed.tree.root() {
        walk(root, &mut names);
    }
    let mut out = text.to_owned();
    for (start, end) in names.into_iter().rev() {
        let name = &text[start as usize..end as usize];
        assert!(name.starts_with(['&', '*']), "{name}");
        out.insert_str(start as usize + 1, "renamed-");
    }
    out
}

/// What must hold of every config; nothing when it does not compile.
fn check(name: &str, source: &Source, inputs: &Inputs) -> Option<()> {
    let (first, _) = process(source, inputs);
    let first = first?;
    let text = first.to_yaml();
    let again = process(source, inputs).0.expect("it compiled a moment ago");
    assert_eq!(text, again.to_yaml(), "{name}: compiled twice");
    let other = renamed(std::str::from_utf8(&source.bytes).expect("it was parsed"));
    let other = Source::new(source.file.clone(), other);
    match process(&other, inputs) {
        (Some(other), _) => assert_eq!(text, other.to_yaml(), "{name}: anchors renamed"),
        // An alias in a value that another one replaced is in no tree, and was not renamed.
        (None, diagnostics) => assert!(
            diagnostics
                .iter()
                .any(|told| told.code.as_str() == "yaml-unknown-alias"),
            "{name}: {diagnostics:?}"
        ),
    }
    let second = Source::new("compiled.yml", text.clone());
    let told = |diagnostics: &[airlock_pipeline_config::Diagnostic]| {
        render::text(diagnostics, [&second], render::Color::Never)
    };
    let nothing_runs = first.config().get("jobs") == Some(&airlock_yaml_tree::Data::Map(Vec::new()));
    // What the trigger gave has been filled in, and version 2 has no parameters.
    let bare = Inputs {
        parameters: std::collections::BTreeMap::new(),
        continuation: None,
        ..inputs.clone()
    };
    let (twice, diagnostics) = process(&second, &bare);
    let Some(twice) = twice else {
        // Without any workflow there is nothing to compile again.
        assert!(
            nothing_runs,
            "{name}: its compiled form is wrong:\n{}{text}",
            told(&diagnostics)
        );
        return Some(());
    };
    let body = text.lines().filter(|line| !line.starts_with("# Orb '"));
    let body: String = body.flat_map(|line| [line, "\n"]).collect();
    assert_eq!(body, twice.to_yaml(), "{name}: compiled again");
    let plan = |source, inputs| compile(source, inputs).0.expect("it compiled a moment ago");
    let (before, after) = (meaning(&plan(source, inputs)), meaning(&plan(&second, &bare)));
    assert_eq!(
        before, after,
        "{name}: its compiled form means something else:\n{text}"
    );
    Some(())
}

fn configs(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    let entries = std::fs::read_dir(folder).expect("the folder can be listed");
    for entry in entries {
        let path = entry.expect("an entry can be listed").path();
        let hidden = path.file_name().is_some_and(|name| name == ".git");
        if path.is_dir() && !hidden {
            configs(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yml") {
            found.push(path);
        }
    }
}

fn check_all(files: &[std::path::PathBuf], root: Option<&Path>) -> usize {
    let mut compiled = 0;
    for path in files {
        let bytes = std::fs::read(path).expect("a config can be read");
        let source = Source::new(path.display().to_string(), bytes);
        let mut inputs = inputs::push();
        match root {
            Some(root) => {
                inputs.orbs = gather(&source, &inputs, &mut |reference| pairs::orb(root, reference));
            }
            None => inputs = inputs::of_case(path.parent().expect("it lies in a folder")),
        }
        compiled += usize::from(check(&path.display().to_string(), &source, &inputs).is_some());
    }
    compiled
}

#[test]
fn compiled_forms_of_cases_and_examples_mean_the_same() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    configs(&here.join("tests/cases"), &mut files);
    configs(&here.join("../../examples"), &mut files);
    files.retain(|path| path.file_name().is_some_and(|name| name == "config.yml"));
    assert!(check_all(&files, None) > 20);
}

#[test]
fn compiled_forms_of_real_configs_mean_the_same() {
    let Some(root) = corpus_folder() else { return };
    let mut files = Vec::new();
    configs(&root.join("configs"), &mut files);
    configs(&root.join("cases/orb-usage"), &mut files);
    configs(&root.join("cases/docs-blocks"), &mut files);
    let compiled = check_all(&files, Some(&root));
    assert!(compiled > 20, "{compiled} of {} compile", files.len());
}

#[test]
fn compiled_forms_of_the_pairs_mean_the_same() {
    let Some(root) = corpus_folder() else { return };
    let folder = root.join("pairs/openbao-vault-history");
    for entry in std::fs::read_dir(&folder).expect("the pairs are there") {
        let pair = entry.expect("a pair can be listed").path();
        let files = pairs::tree(&pair.join("source"));
        let (packed, _) = pack(&files, PackKind::Config, &std::collections::BTreeMap::new());
        let source = Source::new("packed.yml", packed.expect("pairs can be packed"));
        let mut inputs = inputs::push();
        inputs.orbs = gather(&source, &inputs, &mut |reference| pairs::orb(&root, reference));
        check(&pair.display().to_string(), &source, &inputs);
    }
}
