//! Renaming, and its refusals.

use serde_json::json;

use crate::editor::Editor;

fn renamed(marked: &str, new: &str) -> String {
    Editor::open(marked).rename(new).expect("it is renamed")
}

fn refused(marked: &str, new: &str) -> String {
    Editor::open(marked).rename(new).expect_err("it is refused")
}

#[test]
fn a_job_is_renamed_with_its_entries_and_requirements() {
    let before = "jobs:\n  a‸: {} # a\n  b: {}\nworkflows:\n  w:\n    jobs: [a, {b: {requires: [\"a\"]}}]\n";
    let after = "jobs:\n  new job: {} # a\n  b: {}\nworkflows:\n  w:\n    jobs: [new job, {b: {requires: [\"new job\"]}}]\n";
    assert_eq!(renamed(before, "new job"), after);
    let from_requirement = before.replace('‸', "").replace("[\"a\"]", "[\"‸a\"]");
    assert_eq!(renamed(&from_requirement, "new job"), after);
}

#[test]
fn a_parameter_is_renamed_with_its_uses_and_arguments() {
    let before = "commands:\n  c:\n    parameters:\n      x: {type: string}\n    steps:\n      - run: 🚀 << parameters.x‸ >>${x}\njobs:\n  j:\n    parameters:\n      x: {type: string}\n    steps:\n      - c: {x: << parameters.x >>}\n";
    let after = "commands:\n  c:\n    parameters:\n      y: {type: string}\n    steps:\n      - run: 🚀 << parameters.y >>${x}\njobs:\n  j:\n    parameters:\n      x: {type: string}\n    steps:\n      - c: {y: << parameters.x >>}\n";
    assert_eq!(renamed(before, "y"), after);
}

#[test]
fn entries_anchors_orbs_and_commands() {
    assert_eq!(
        renamed(
            "workflows:\n  w:\n    jobs:\n      - a: {name: o‸ne}\n      - b: {requires: [one]}\n",
            "two"
        ),
        "workflows:\n  w:\n    jobs:\n      - a: {name: two}\n      - b: {requires: [two]}\n"
    );
    assert_eq!(
        renamed("x: &a {}\ny:\n  <<: *‸a\nz: *a\n", "base"),
        "x: &base {}\ny:\n  <<: *base\nz: *base\n"
    );
    assert_eq!(
        renamed(
            "orbs:\n  o‸: {commands: {c: {steps: []}}}\njobs:\n  j: {steps: [o/c]}\n",
            "p"
        ),
        "orbs:\n  p: {commands: {c: {steps: []}}}\njobs:\n  j: {steps: [p/c]}\n"
    );
    assert_eq!(
        renamed("commands:\n  c‸: {steps: []}\n  d: {steps: [c, {c: {}}]}\n", "e"),
        "commands:\n  e: {steps: []}\n  d: {steps: [e, {e: {}}]}\n"
    );
}

#[test]
fn names_that_cannot_be_are_refused() {
    let command = "commands:\n  ‸c: {steps: []}\n  d: {steps: []}\n";
    assert!(refused(command, "Big").contains("a small letter first"));
    assert!(refused(command, "d").contains("taken already"));
    assert!(refused(command, "checkout").contains("built-in step"));
    let parameter = "jobs:\n  j:\n    parameters:\n      ‸p: {type: string}\n    steps: []\n";
    assert!(refused(parameter, "requires").contains("key of a workflow's jobs"));
    assert!(refused("x: &‸a 1\n", "a b").contains("may hold no blanks"));
}

#[test]
fn what_is_no_name_of_the_config_is_refused() {
    let refuse = |marked: &str| {
        Editor::open(marked)
            .ask("prepareRename", &json!({}))
            .expect_err("it is refused")
    };
    assert!(refuse("jobs:\n  j:\n    steps: [check‸out]\n").contains("`checkout` is a built-in step"));
    assert!(refuse("jobs:\n  j:\n    st‸eps: []\n").contains("word of the language"));
    assert!(
        refuse("jobs:\n  j:\n    steps: [{run: << pipeline.‸id >>}]\n").contains("value of the pipeline")
    );
    assert!(refuse("jobs:\n  j:\n    steps: [no‸where]\n").contains("defined nowhere"));
    assert!(refuse("# not‸hing\njobs: {}\n").contains("no name here"));
}

#[test]
fn preparing_gives_the_place_and_the_old_name() {
    let mut editor = Editor::open("commands:\n  c: {steps: []}\n  d: {steps: [‸c]}\n");
    let answer = editor
        .ask("prepareRename", &json!({}))
        .expect("it can be renamed");
    assert_eq!(answer["placeholder"], "c");
    assert_eq!(answer["range"]["start"], json!({"line": 2, "character": 14}));
}

#[test]
fn a_matrix_is_required_by_its_alias_and_else_by_its_job() {
    let before = "jobs:\n  ‸a: {}\nworkflows:\n  w:\n    jobs:\n      - a: {name: x, matrix: {}}\n      - b: {requires: [a]}\n  v:\n    jobs:\n      - a: {matrix: {alias: a}}\n      - b: {requires: [a]}\n";
    let after = "jobs:\n  c: {}\nworkflows:\n  w:\n    jobs:\n      - c: {name: x, matrix: {}}\n      - b: {requires: [c]}\n  v:\n    jobs:\n      - c: {matrix: {alias: a}}\n      - b: {requires: [a]}\n";
    assert_eq!(renamed(before, "c"), after);
}
