//! What is offered, and what taking an offer does.

use crate::editor::Editor;

fn offers(marked: &str, wanted: &[&str]) {
    let labels = Editor::open(marked).labels();
    for label in wanted {
        assert!(
            labels.iter().any(|offered| offered == label),
            "`{label}` is missing in {labels:?}"
        );
    }
}

fn offers_exactly(marked: &str, wanted: &[&str]) {
    assert_eq!(Editor::open(marked).labels(), wanted);
}

#[test]
fn keys_by_place() {
    offers("‸", &["version", "jobs", "workflows"]);
    offers(
        "version: 2.1\njobs:\n  build:\n    ‸",
        &["docker", "steps", "resource_class"],
    );
    offers(
        "jobs:\n  build:\n    steps:\n      - run:\n          ‸",
        &["command", "name", "when"],
    );
    offers(
        "jobs:\n  build:\n    docker:\n      - ‸",
        &["image", "environment"],
    );
    offers(
        "workflows:\n  w:\n    jobs:\n      - a:\n          fi‸",
        &["filters", "requires", "matrix"],
    );
    offers(
        "workflows:\n  w:\n    jobs:\n      - a:\n          filters:\n            branches:\n              ‸",
        &["only", "ignore"],
    );
    offers(
        "commands:\n  c:\n    parameters:\n      x:\n        ‸",
        &["type", "default", "enum"],
    );
}

#[test]
fn keys_that_are_there_are_not_offered_again() {
    let labels = Editor::open("jobs:\n  a:\n    steps: []\n    ‸\n    shell: sh\n").labels();
    assert!(!labels.contains(&"steps".to_owned()) && !labels.contains(&"shell".to_owned()));
}

#[test]
fn an_offer_is_typed_with_what_follows_it() {
    assert_eq!(Editor::open("jo‸").complete("jobs"), "jobs:");
    assert_eq!(
        Editor::open("jobs:\n  a:\n    she‸").complete("shell"),
        "jobs:\n  a:\n    shell: "
    );
    assert_eq!(
        Editor::open("jobs:\n  a:\n    sh‸ell: sh").complete("shell"),
        "jobs:\n  a:\n    shell: sh"
    );
    let step = "jobs:\n  a:\n    steps:\n      - r‸";
    assert_eq!(Editor::open(step).complete("run"), step.replace("r‸", "run: "));
    let dashless = "jobs:\n  a:\n    steps:\n      ch‸";
    assert_eq!(
        Editor::open(dashless).complete("- checkout"),
        dashless.replace("ch‸", "- checkout")
    );
}

const NAMES: &str = "executors:\n  e: {}\ncommands:\n  greet:\n    parameters:\n      to: {type: string}\n      how: {type: enum, enum: [loud, soft], default: loud}\n      on: {type: boolean, default: true}\n      with: {type: executor, default: e}\n      then: {type: steps, default: []}\n    steps: []\njobs:\n  build:\n    parameters:\n      os: {type: string}\n    steps: []\n  test:\n    steps: []\n";

#[test]
fn names_of_the_document() {
    offers(&format!("{NAMES}  x:\n    executor: ‸"), &["e"]);
    offers(
        &format!("{NAMES}  x:\n    steps:\n      - g‸"),
        &["greet", "checkout", "run"],
    );
    offers(
        &format!("{NAMES}workflows:\n  w:\n    jobs: [‸]"),
        &["build", "test"],
    );
    offers_exactly(
        &format!(
            "{NAMES}workflows:\n  w:\n    jobs:\n      - build: {{name: one}}\n      - test:\n          requires: [‸]"
        ),
        &["one"],
    );
    offers(
        &format!(
            "{NAMES}workflows:\n  w:\n    jobs:\n      - test:\n          requires:\n            - build: ‸"
        ),
        &["success", "failed", "terminal"],
    );
}

#[test]
fn names_below_a_broken_line_are_known() {
    offers(
        "jobs:\n  a:\n    steps:\n      - g‸\n    oh no\n  b: [\ncommands:\n  greet: {steps: []}\n",
        &["greet"],
    );
}

#[test]
fn arguments_and_their_values() {
    let call = format!("{NAMES}  x:\n    steps:\n      - greet:\n          ");
    offers_exactly(&format!("{call}‸"), &["to", "how", "on", "with", "then"]);
    offers_exactly(&format!("{call}how: ‸"), &["loud", "soft"]);
    offers_exactly(&format!("{call}on: ‸"), &["true", "false"]);
    offers_exactly(&format!("{call}with: ‸"), &["e"]);
    offers(&format!("{call}then:\n            - ch‸"), &["checkout"]);
    let entry = format!("{NAMES}workflows:\n  w:\n    jobs:\n      - build:\n          ");
    offers(&format!("{entry}‸"), &["os", "requires"]);
    offers_exactly(
        &format!("{entry}matrix:\n            parameters:\n              ‸"),
        &["os"],
    );
}

#[test]
fn names_in_expressions() {
    let command = "parameters:\n  deep: {type: boolean, default: false}\ncommands:\n  c:\n    parameters:\n      x: {type: string}\n    steps:\n      - run: |\n          echo << par‸\n";
    offers(
        command,
        &["parameters.x", "pipeline.parameters.deep", "pipeline.git.branch"],
    );
    assert!(
        Editor::open(command)
            .complete("parameters.x")
            .contains("echo << parameters.x\n")
    );
    let entry = format!("{NAMES}workflows:\n  w:\n    jobs:\n      - build:\n          name: b-<< ‸ >>");
    offers(&entry, &["matrix.os"]);
    offers("workflows:\n  w:\n    when: pipe‸", &["pipeline.git.branch"]);
}

#[test]
fn words_of_the_language() {
    offers(
        "jobs:\n  a:\n    resource_class: ‸",
        &["medium", "large", "arm.medium"],
    );
    offers(
        "jobs:\n  a:\n    steps:\n      - run: {when: ‸}",
        &["on_fail", "always"],
    );
    offers("parameters:\n  p:\n    type: ‸", &["string", "boolean", "enum"]);
    offers(
        "workflows:\n  w:\n    when:\n      ‸",
        &["and", "or", "equal", "matches"],
    );
    offers_exactly("version: ‸", &["2", "2.0", "2.1"]);
}

#[test]
fn contexts_and_anchors_of_the_document() {
    offers_exactly(
        "workflows:\n  w:\n    jobs:\n      - a: {context: [one, two]}\n      - b: {context: three}\n      - c:\n          context: ‸",
        &["one", "three", "two"],
    );
    offers_exactly("x: &first 1\ny: *‸\nz: &later 2\n", &["first"]);
}

#[test]
fn nothing_is_offered_in_texts_and_comments() {
    offers_exactly("jobs: # ‸", &[]);
    offers_exactly("jobs:\n  a:\n    steps:\n      - run: |\n          mak‸", &[]);
    offers_exactly("jobs:\n  a:\n    environment:\n      A: ‸", &[]);
}
