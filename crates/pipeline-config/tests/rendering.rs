//! How diagnostics look in the corners: long lines, tabs, wide characters, colours, counts.

use airlock_pipeline_config::{Diagnostic, Source, compile, render};

use crate::inputs;

fn diagnostics(text: &str) -> (Vec<Diagnostic>, Source) {
    let source = Source::new("config.yml", text.as_bytes());
    (compile(&source, &inputs::push()).1, source)
}

fn plain(text: &str) -> String {
    let (diagnostics, source) = diagnostics(text);
    render::text(&diagnostics, &[source], render::Color::Never)
}

const WRONG_VERSION: &str = "version: 3\njobs: {build: {docker: [image: x], steps: [checkout]}}\n";

#[test]
fn a_long_line_is_shown_around_the_place() {
    let text = format!(
        "version: 2.1\njobs: {{build: {{<<: {{description: \"{}\"}}, steps: 1, <<: {{description: \"{}\"}}, docker: [image: x]}}}}\n",
        "é".repeat(400),
        "y".repeat(400)
    );
    insta::assert_snapshot!(plain(&text), @r#"
    error[wrong-type]: `steps` must be a list, and this is a whole number (expected type: Sequence, found: Integer)
     --> config.yml:2:446
      |
    2 | …ééééééééééééééééééééééééééééééééééé"}, steps: 1, <<: {description: "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…
      |                                                ^
    "#);
}

#[test]
fn tabs_and_wide_characters_keep_the_caret_in_place() {
    insta::assert_snapshot!(plain("version: 2.1\njobs: {build: {docker: [image: \"日本\"],\tstep: []}}\n"), @r#"
    warning[bad-name]: image '日本' may hold only letters, digits and - _ . / : @ + $ { }
     --> config.yml:2:32
      |
    2 | jobs: {build: {docker: [image: "日本"], step: []}}
      |                                ^^^^^^
      |
      = help: there can be none of this name; jobs that run there fail

    error[unknown-key]: extraneous key [step] is not permitted in job `build`
     --> config.yml:2:39
      |
    2 | jobs: {build: {docker: [image: "日本"], step: []}}
      |                                         ^^^^
      |
      = help: did you mean `steps`?
      = fix: replace `step` with `steps`
    "#);
}

#[test]
fn colours_only_when_asked_for() {
    let (diagnostics, source) = diagnostics(WRONG_VERSION);
    let sources = [source];
    assert!(render::text(&diagnostics, &sources, render::Color::Always).contains('\u{1b}'));
    assert!(!render::text(&diagnostics, &sources, render::Color::Never).contains('\u{1b}'));
}

#[test]
fn a_file_that_is_not_at_hand_is_named_all_the_same() {
    let (diagnostics, _) = diagnostics(WRONG_VERSION);
    let text = render::text(&diagnostics, &[], render::Color::Never);
    assert!(text.contains("config.yml:1"), "{text}");
}

#[test]
fn json() {
    let (diagnostics, _) = diagnostics(WRONG_VERSION);
    insta::assert_snapshot!(render::json(&diagnostics), @r#"
    [
      {
        "code": "version",
        "severity": "error",
        "message": "there is no version `3` of the config language",
        "position": {
          "file": "config.yml",
          "line": 1,
          "column": 10,
          "end_line": 1,
          "end_column": 11,
          "start": 9,
          "end": 10
        },
        "related": [],
        "hint": "write `version: 2.1`; 2 and 2.0 are known too",
        "fixes": [],
        "page": "docs/diagnostics/version.md"
      }
    ]
    "#);
}

#[test]
fn the_summary_counts() {
    let (one, _) = diagnostics(WRONG_VERSION);
    assert_eq!(render::summary(&one), "1 error");
    assert_eq!(render::summary(&[]), "");
    let twice = [one.clone(), one].concat();
    assert_eq!(render::summary(&twice), "2 errors");
}

#[test]
fn the_summary_has_the_words_people_look_for() {
    let (wrong, _) = diagnostics("version: 2.1\njobs: {build: {docker: [image: x], step: [], stepz: []}}\n");
    assert_eq!(
        render::summary(&wrong),
        "2 errors (ERROR IN CONFIG FILE: 2 schema violations found)"
    );
}
