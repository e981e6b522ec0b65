//! What is shown for the thing under the cursor.

use crate::editor::Editor;

const CONFIG: &str = r#"version: 2.1
parameters:
  deep: {type: boolean, default: true, description: Whether to look deep}
executors:
  small:
    docker: [{image: "cimg/base:current"}]
commands:
  greet:
    description: Says hello
    parameters:
      to: {type: string, description: Whom}
      how: {type: enum, enum: [loud, soft], default: loud}
    steps:
      - run: echo << parameters.to >> << parameters.how >> << pipeline.number >>
jobs:
  build:
    executor: small
    resource_class: large
    steps:
      - checkout
      - greet: {to: all}
  test: &test
    executor: small
    steps: [checkout]
workflows:
  main:
    when: << pipeline.parameters.deep >>
    jobs:
      - build
      - test: {requires: [build: failed], name: second}
"#;

/// The hover on a piece of the config, from its first character.
fn hover(context: &str) -> String {
    let at = CONFIG.find(context).expect("the context is there");
    let offset = at + context.rfind(['|', ' ']).map_or(0, |at| at + 1);
    let marked = format!("{}‸{}", &CONFIG[..offset], &CONFIG[offset..]);
    Editor::open(&marked).hover()
}

fn shows(context: &str, parts: &[&str]) {
    let text = hover(context);
    for part in parts {
        assert!(text.contains(part), "{context}: `{part}` is missing in:\n{text}");
    }
}

#[test]
fn parameters_have_type_default_and_description() {
    shows(
        "<< parameters.to",
        &[
            "**parameter** `to` of the command `greet`",
            "string, required",
            "Whom",
        ],
    );
    shows("how", &["enum of `loud`, `soft`, default `loud`"]);
    shows(
        "<< pipeline.parameters.deep",
        &[
            "of the pipeline",
            "boolean, default `true`",
            "Whether to look deep",
        ],
    );
    shows("{to: all", &[]);
    shows("greet: {to", &[]);
}

#[test]
fn elements_have_description_parameters_and_steps() {
    shows(
        "- greet",
        &[
            "**command** `greet`",
            "Says hello",
            "- `to`: string, required. Whom",
            "1. run: echo",
        ],
    );
    shows(
        "executor: small",
        &["**executor** `small`", "docker `cimg/base:current`"],
    );
}

#[test]
fn an_entry_shows_what_it_becomes() {
    shows(
        "- build",
        &[
            "**job** `build`",
            "**becomes**",
            "docker `cimg/base:current`",
            "class `large`",
            "1. ",
            "echo all loud 0",
        ],
    );
    shows("name: second", &["**becomes**", "Steps:"]);
}

#[test]
fn words_of_the_language_are_explained() {
    shows(
        "<< pipeline.number",
        &["**pipeline value** `pipeline.number`: integer"],
    );
    shows("- checkout", &["**step** `checkout`", "Fetches the repository"]);
    shows(" resource_class", &["**`resource_class`**", "default `medium`"]);
    shows(
        "resource_class: large",
        &["**resource class** `large`", "4 processors"],
    );
    shows("type: enum", &["`enum`"]);
    shows("build: failed", &["A step of the job failed"]);
}

#[test]
fn anchors_show_their_value() {
    let mut editor = Editor::open("version: 2.1\nx: &base [1, 2]\ny: *ba‸se\n");
    assert_eq!(editor.hover(), "**anchor** `&base`\n\n```yaml\n[1, 2]\n```");
}

#[test]
fn broken_text_below_does_not_hide_what_stands_above() {
    let marked = "version: 2.1\ncommands:\n  greet:\n    description: Hi\n    steps: []\njobs:\n  build:\n    steps:\n      - gre‸et\n      - run\n    foo\n";
    assert!(Editor::open(marked).hover().contains("Hi"));
}

#[test]
fn other_files_have_no_hover() {
    let mut editor = Editor::open("‸");
    assert_eq!(editor.hover(), "");
}
