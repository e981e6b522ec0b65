//! Definitions and uses.

use serde_json::json;

use crate::editor::Editor;

fn definition(marked: &str) -> Vec<String> {
    Editor::open(marked).places("definition", &json!({}))
}

fn references(marked: &str) -> Vec<String> {
    let context = json!({"context": {"includeDeclaration": true}});
    Editor::open(marked).places("references", &context)
}

#[test]
fn names_lead_to_their_definitions() {
    let config = "jobs:\n  build:\n    executor: e\n    steps: [c]\nexecutors:\n  e: {}\ncommands:\n  c: {steps: []}\n";
    assert_eq!(
        definition(&config.replace("executor: e", "executor: ‸e")),
        ["6: e"]
    );
    assert_eq!(definition(&config.replace("[c]", "[c‸]")), ["8: c"]);
    let entry = format!("{config}workflows:\n  w:\n    jobs:\n      - bui‸ld\n");
    assert_eq!(definition(&entry), ["2: build"]);
}

#[test]
fn requirements_lead_to_entries() {
    let config = "jobs:\n  a: {}\n  b: {}\nworkflows:\n  w:\n    jobs:\n      - a\n      - b:\n          name: other\n          requires: [‸a]\n      - b:\n          requires: [other]\n";
    assert_eq!(definition(config), ["7: a"]);
    let named = config.replace('‸', "").replace("[other]", "[oth‸er]");
    assert_eq!(definition(&named), ["9: other"]);
}

#[test]
fn parameters_lead_to_their_declarations() {
    let config = "parameters:\n  p: {type: string}\ncommands:\n  c:\n    parameters:\n      x: {type: string}\n    steps:\n      - run: echo << parameters.‸x >>\njobs:\n  j:\n    steps:\n      - c: {x: << pipeline.parameters.p >>}\n";
    assert_eq!(definition(config), ["6: x"]);
    let argument = config.replace('‸', "").replace("{x: <<", "{‸x: <<");
    assert_eq!(definition(&argument), ["6: x"]);
    let pipeline = config.replace('‸', "").replace("parameters.p", "parameters.‸p");
    assert_eq!(definition(&pipeline), ["2: p"]);
    assert_eq!(references(config), ["6: x", "8: x", "12: x"]);
}

#[test]
fn matrices_name_the_jobs_parameters() {
    let config = "jobs:\n  j:\n    parameters:\n      os: {type: string}\n    steps: []\nworkflows:\n  w:\n    jobs:\n      - j:\n          name: j-<< matrix.o‸s >>\n          matrix:\n            parameters:\n              os: [a]\n            exclude:\n              - os: a\n";
    assert_eq!(definition(config), ["4: os"]);
    assert_eq!(references(config), ["4: os", "10: os", "13: os", "15: os"]);
}

#[test]
fn anchors_and_aliases() {
    let config = "x: &a 1\ny: *a\nz: &a 2\nv: *‸a\nw:\n  <<: *a\n";
    assert_eq!(definition(config), ["3: a"]);
    assert_eq!(references(config), ["3: a", "4: a", "6: a"]);
    assert_eq!(
        references(&config.replace('‸', "").replace("&a 1", "&‸a 1")),
        ["1: a", "2: a"]
    );
}

#[test]
fn what_an_alias_brings_in_is_understood_where_it_is_used() {
    let config = "commands:\n  c: {steps: []}\nshared: &steps\n  - c\njobs:\n  j:\n    steps: *steps\n  k:\n    steps:\n      - ‸c\n";
    assert_eq!(references(config), ["2: c", "4: c", "10: c"]);
}

#[test]
fn uses_of_a_job_are_its_entries_and_requirements() {
    let config =
        "jobs:\n  ‸a: {}\n  b: {}\nworkflows:\n  w:\n    jobs:\n      - a\n      - b: {requires: [a]} # a\n";
    assert_eq!(references(config), ["2: a", "7: a", "8: a"]);
    let uses = json!({"context": {"includeDeclaration": false}});
    assert_eq!(Editor::open(config).places("references", &uses), ["7: a", "8: a"]);
}

#[test]
fn orbs_written_in_place_have_names_of_their_own() {
    let config = "orbs:\n  o:\n    commands:\n      c: {steps: []}\n    jobs:\n      j: {steps: [c]}\ncommands:\n  c: {steps: []}\njobs:\n  k:\n    steps: [o/‸c, c]\n";
    assert_eq!(definition(config), ["4: c"]);
    assert_eq!(references(config), ["4: c", "6: c", "11: c"]);
    assert_eq!(
        definition(&config.replace('‸', "").replace("[o/c", "[‸o/c")),
        ["2: o"]
    );
}

#[test]
fn executors_called_with_arguments() {
    let config = "executors:\n  e:\n    parameters:\n      tag: {type: string}\n    docker: [{image: << parameters.tag >>}]\njobs:\n  j:\n    executor: {name: e, ‸tag: x}\n    steps: []\n";
    assert_eq!(references(config), ["4: tag", "5: tag", "8: tag"]);
    let name = config.replace('‸', "").replace("name: e", "name: ‸e");
    assert_eq!(definition(&name), ["2: e"]);
}
