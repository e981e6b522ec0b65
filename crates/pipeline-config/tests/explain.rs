//! Why workflows and jobs run or do not run: every kind of rule, with the place and the values it saw.

use std::path::Path;

use airlock_domain::explanation::Explanation;
use airlock_pipeline_config::{Inputs, ParameterValue, Source, explain, render};

use crate::inputs;

const CONFIG: &str = r#"version: 2.1
parameters:
  nightly: {type: boolean, default: false}
  level: {type: string, default: info}
jobs:
  build: &job
    docker: [image: cimg/base]
    steps: [checkout]
  deploy: *job
workflows:
  all:
    jobs:
      - build
      - deploy:
          requires: [build]
          filters:
            branches:
              only: [/release-.*/, stable]
      - hold: {type: approval, requires: [deploy]}
      - build:
          name: tagged
          filters: {tags: {only: /v.*/}, branches: {ignore: /.*/}}
      - build: {name: expression, filters: pipeline.git.branch == "main" and not pipeline.parameters.nightly}
      - build: {name: not-here, filters: {branches: {ignore: [other, main]}}}
  nightly:
    when: << pipeline.parameters.nightly >>
    jobs: [build]
  long:
    when:
      and:
        - not: << pipeline.parameters.nightly >>
        - or:
            - equal: [info, << pipeline.parameters.level >>]
            - matches: {pattern: ^main$, value: << pipeline.git.branch >>}
    jobs: [build]
  bare:
    unless: pipeline.git.branch starts-with "ma"
    jobs: [build]
"#;

fn explained(text: &str, inputs: &Inputs, changed: Option<&[&str]>) -> (Explanation, String) {
    let source = Source::new("config.yml", text);
    let changed: Option<Vec<String>> =
        changed.map(|files| files.iter().map(|&file| file.to_owned()).collect());
    let (explanation, diagnostics) = explain(&source, inputs, changed.as_deref());
    let explanation = explanation.unwrap_or_else(|| panic!("{diagnostics:?}"));
    let shown = render::explanation(&explanation);
    (explanation, shown)
}

#[test]
fn on_a_branch() {
    insta::assert_snapshot!(explained(CONFIG, &inputs::push(), None).1, @r#"
    workflow `all` runs: it has no `when` and no `unless`
      build runs: it has no filters, so it runs on every branch
          --> config.yml:13:9
          13 |       - build
      deploy is left out: filters.branches.only does not match 'main'
          --> config.yml:18:15
          18 |               only: [/release-.*/, stable]
      approval hold is left out: every job it requires is left out: 'deploy'
          --> config.yml:19:43
          19 |       - hold: {type: approval, requires: [deploy]}
      tagged is left out: filters.branches.ignore has '/.*/', which matches 'main'
          --> config.yml:22:61
          22 |           filters: {tags: {only: /v.*/}, branches: {ignore: /.*/}}
      expression runs: its filters expression is true
          --> config.yml:23:35
          23 |       - build: {name: expression, filters: pipeline.git.branch == "main" and not pipeline.parameters.nightly}
            pipeline.git.branch == "main" and not pipeline.parameters.nightly is true
              pipeline.git.branch is "main"
              pipeline.parameters.nightly is false
      not-here is left out: filters.branches.ignore has 'main', which matches 'main'
          --> config.yml:24:70
          24 |       - build: {name: not-here, filters: {branches: {ignore: [other, main]}}}

    workflow `nightly` is left out: its `when` is false for this pipeline
      --> config.yml:26:5
      26 |     when: << pipeline.parameters.nightly >>
        << pipeline.parameters.nightly >> is false

    workflow `long` runs: its `when` is true for this pipeline
      --> config.yml:29:5
      29 |     when:
        and is true
          not is true
            << pipeline.parameters.nightly >> is false
          or is true
            equal is true
              info
              << pipeline.parameters.level >> is "info"
            matches is true
              ^main$
              << pipeline.git.branch >> is "main"
      build runs: it has no filters, so it runs on every branch
          --> config.yml:35:12
          35 |     jobs: [build]

    workflow `bare` is left out: its `unless` is true for this pipeline
      --> config.yml:37:5
      37 |     unless: pipeline.git.branch starts-with "ma"
        pipeline.git.branch starts-with "ma" is true
          pipeline.git.branch is "main"
    "#);
}

#[test]
fn on_a_tag() {
    let mut inputs = inputs::push();
    inputs.pipeline.tag = Some("v1.0".to_owned());
    inputs.pipeline.branch = None;
    inputs
        .parameters
        .insert("nightly".to_owned(), ParameterValue::Bool(true));
    insta::assert_snapshot!(explained(CONFIG, &inputs, None).1, @r#"
    workflow `all` runs: it has no `when` and no `unless`
      build is left out: it has no filters.tags, and this is the tag 'v1.0'
          --> config.yml:13:9
          13 |       - build
      deploy is left out: it has no filters.tags, and this is the tag 'v1.0'
          --> config.yml:16:11
          16 |           filters:
      approval hold is left out: it has no filters.tags, and this is the tag 'v1.0'
          --> config.yml:19:9
          19 |       - hold: {type: approval, requires: [deploy]}
      tagged runs: filters.tags.only has '/v.*/', which matches 'v1.0'
          --> config.yml:22:34
          22 |           filters: {tags: {only: /v.*/}, branches: {ignore: /.*/}}
      expression is left out: its filters expression is false
          --> config.yml:23:44
          23 |       - build: {name: expression, filters: pipeline.git.branch == "main" and not pipeline.parameters.nightly}
            pipeline.git.branch == "main" and not pipeline.parameters.nightly is false
              pipeline.git.branch is ""
              pipeline.parameters.nightly is true
      not-here is left out: it has no filters.tags, and this is the tag 'v1.0'
          --> config.yml:24:33
          24 |       - build: {name: not-here, filters: {branches: {ignore: [other, main]}}}

    workflow `nightly` runs: its `when` is true for this pipeline
      --> config.yml:26:5
      26 |     when: << pipeline.parameters.nightly >>
        << pipeline.parameters.nightly >> is true
      build is left out: it has no filters.tags, and this is the tag 'v1.0'
          --> config.yml:27:12
          27 |     jobs: [build]

    workflow `long` is left out: its `when` is false for this pipeline
      --> config.yml:29:5
      29 |     when:
        and is false
          not is false
            << pipeline.parameters.nightly >> is true
          or is true
            equal is true
              info
              << pipeline.parameters.level >> is "info"
            matches is false
              ^main$
              << pipeline.git.branch >> is ""

    workflow `bare` runs: its `unless` is false for this pipeline
      --> config.yml:37:5
      37 |     unless: pipeline.git.branch starts-with "ma"
        pipeline.git.branch starts-with "ma" is false
          pipeline.git.branch is ""
      build is left out: it has no filters.tags, and this is the tag 'v1.0'
          --> config.yml:38:12
          38 |     jobs: [build]
    "#);
}

#[test]
fn without_workflows() {
    let text = "version: 2.1\njobs:\n  build:\n    docker: [image: a]\n    branches: {only: other}\n    steps: [checkout]\n";
    insta::assert_snapshot!(explained(text, &inputs::push(), None).1, @r#"
    workflow `workflow` runs: it has no `when` and no `unless`
      build is left out: branches.only does not match 'main'
          --> config.yml:5:16
          5 |     branches: {only: other}
    "#);
}

#[test]
fn as_data() {
    let text = "version: 2.1\njobs:\n  build:\n    docker: [image: a]\n    steps: [checkout]\nworkflows:\n  w:\n    when: \
                {equal: [1, << pipeline.number >>]}\n    jobs: [build]\n";
    let (explanation, _) = explained(text, &inputs::push(), None);
    let json = serde_json::to_string_pretty(&explanation).expect("it can be written");
    insta::assert_snapshot!(json, @r#"
    {
      "file": "config.yml",
      "workflows": [
        {
          "name": "w",
          "runs": false,
          "reason": "its `when` is false for this pipeline",
          "place": {
            "line": 8,
            "column": 5
          },
          "line": "    when: {equal: [1, << pipeline.number >>]}",
          "values": [
            {
              "depth": 0,
              "text": "equal",
              "value": "false",
              "place": {
                "line": 8,
                "column": 12
              }
            },
            {
              "depth": 1,
              "text": "1",
              "value": "1",
              "place": {
                "line": 8,
                "column": 20
              }
            },
            {
              "depth": 1,
              "text": "<< pipeline.number >>",
              "value": "7",
              "place": {
                "line": 8,
                "column": 23
              }
            }
          ],
          "jobs": []
        }
      ],
      "path_filtering": []
    }
    "#);
}

#[test]
fn a_config_with_errors_is_not_explained() {
    let source = Source::new("config.yml", "version: 2.1\njobs: {}\n");
    let (explanation, diagnostics) = explain(&source, &inputs::push(), None);
    assert!(explanation.is_none() && !diagnostics.is_empty());
}

#[test]
fn every_plan_is_explained_as_it_is() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut jobs = 0;
    for folder in std::fs::read_dir(root).expect("the folder of cases is there") {
        let folder = folder.expect("a folder can be listed").path();
        let Ok(bytes) = std::fs::read(folder.join("config.yml")) else {
            continue;
        };
        let (source, inputs) = (Source::new("config.yml", bytes), inputs::of_case(&folder));
        let (plan, diagnostics) = airlock_pipeline_config::compile(&source, &inputs);
        let (explanation, told) = explain(&source, &inputs, None);
        assert_eq!(diagnostics, told, "{}", folder.display());
        let Some((plan, explanation)) = plan.zip(explanation) else {
            continue;
        };
        for (planned, explained) in plan.workflows.iter().zip(&explanation.workflows) {
            assert_eq!(planned.left_out.is_none(), explained.decision.runs);
            for (planned, explained) in planned.jobs.iter().zip(&explained.jobs) {
                jobs += 1;
                assert_eq!(planned.left_out.is_none(), explained.decision.runs);
                assert!(!explained.decision.reason.is_empty());
            }
        }
    }
    assert!(jobs > 50, "only {jobs} jobs");
}

/// A job with the step that the orb's job and command compile to.
fn filtering(mapping: &str) -> String {
    let config = r#"version: 2.1
orbs:
  path-filtering:
    jobs:
      filter:
        docker: [image: cimg/python:3.8]
        parameters: {mapping: {type: string}, exclude: {type: string, default: ""}}
        steps:
          - run:
              name: Set parameters
              environment:
                BASE_REVISION: main
                MAPPING: << parameters.mapping >>
                OUTPUT_PATH: /tmp/pipeline-parameters.json
                CONFIG_PATH: .circleci/next.yml
                EXCLUDE: << parameters.exclude >>
              command: ./create-parameters
workflows:
  setup:
    jobs:
      - path-filtering/filter:
          exclude: src/generated/.*
          mapping: |
"#;
    let indented = mapping.lines().map(|line| format!("            {line}\n"));
    config.to_owned() + &indented.collect::<String>()
}

#[test]
fn path_filtering() {
    let text = filtering(
        "# comments count for nothing\nsrc/.* run-src true\nsrc/.*|docs/.* level \"some\"\ndocs/.* level \"all\"\nsrc/[ broken true\n",
    );
    let inputs = inputs::push();
    let changed = ["README.md", "src/generated/x.rs", "src/main.rs"];
    insta::assert_snapshot!(explained(&text, &inputs, Some(&changed)).1, @r#"
    workflow `setup` runs: it has no `when` and no `unless`
      path-filtering/filter runs: it has no filters, so it runs on every branch
          --> config.yml:21:9
          21 |       - path-filtering/filter:

    path filtering of path-filtering/filter in setup
      src/.* -> run-src true: src/main.rs matches
          --> config.yml:25:13
      src/.*|docs/.* -> level "some": src/main.rs matches
          --> config.yml:26:13
      docs/.* -> level "all": no changed file matches
          --> config.yml:27:13
      src/[ -> broken true: the pattern `src/[` cannot be used: unclosed character class
          --> config.yml:28:13
      sets level="some" run-src=true
      continues with .circleci/next.yml
    "#);
    let unknown = explained(&text, &inputs, None).0;
    assert_eq!(unknown.path_filtering[0].sets, None);
    let (none, shown) = explained(&text, &inputs, Some(&["src/generated/x.rs"]));
    assert!(
        none.path_filtering[0]
            .sets
            .as_ref()
            .is_some_and(std::collections::BTreeMap::is_empty)
    );
    assert!(shown.contains("  sets nothing\n"), "{shown}");
    let configs = filtering("src/.* a true .circleci/src.yml\ndocs/.* b true .circleci/docs.yml\n");
    let docs = explained(&configs, &inputs, Some(&["docs/a.md"])).0;
    assert_eq!(docs.path_filtering[0].configs, [".circleci/docs.yml"]);
}
