//! Fixes: each one of every case mends what it was offered for, and breaks nothing.

use std::path::Path;

use airlock_pipeline_config::{Diagnostic, Source, apply_fixes, compile};

use crate::inputs;

/// The problems of a text without their places, which a fix may move.
fn problems(diagnostics: &[Diagnostic]) -> Vec<(&'static str, &str)> {
    diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.code.as_str(), diagnostic.message.as_str()))
        .collect()
}

fn count(diagnostics: &[Diagnostic], of: &Diagnostic) -> usize {
    let wanted = (of.code.as_str(), of.message.as_str());
    problems(diagnostics)
        .into_iter()
        .filter(|one| *one == wanted)
        .count()
}

#[test]
fn every_fix_of_every_case_mends_its_problem() {
    let mut tried = 0;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    for folder in std::fs::read_dir(root).expect("the folder of cases is there") {
        let folder = folder.expect("a folder can be listed").path();
        let Ok(bytes) = std::fs::read(folder.join("config.yml")) else {
            continue;
        };
        let (source, inputs) = (Source::new("config.yml", bytes), inputs::of_case(&folder));
        let before = compile(&source, &inputs).1;
        for diagnostic in &before {
            for fix in &diagnostic.fixes {
                let alone = Diagnostic {
                    fixes: vec![fix.clone()],
                    ..diagnostic.clone()
                };
                let (mended, made) = apply_fixes(&source, &[alone]);
                assert_eq!(made, 1, "{}: {fix:?}", folder.display());
                let after = compile(&mended, &inputs).1;
                assert!(
                    count(&after, diagnostic) < count(&before, diagnostic),
                    "{}: {} does not mend {:?}:\n{}",
                    folder.display(),
                    fix.title,
                    diagnostic,
                    String::from_utf8_lossy(&mended.bytes)
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 10, "only {tried} fixes were tried");
}

/// The text with all fixes made, and what is still wrong then.
fn mended(text: &str) -> String {
    let source = Source::new("config.yml", text);
    let inputs = inputs::push();
    let (mended, made) = apply_fixes(&source, &compile(&source, &inputs).1);
    let text = String::from_utf8(mended.bytes.clone()).expect("fixes keep the text a text");
    let left = compile(&mended, &inputs).1;
    format!("{made} made, left: {:?}\n{text}", problems(&left))
}

#[test]
fn keys_beside_run_are_indented() {
    insta::assert_snapshot!(mended(
        "version: 2.1\njobs:\n  build:\n    docker: [image: a]\n    steps:\n      - run:\n        name: x\n        \
         command: |\n          one\n\n          two\n      - checkout\n"
    ), @r#"
    1 made, left: []
    version: 2.1
    jobs:
      build:
        docker: [image: a]
        steps:
          - run:
              name: x
              command: |
                one

                two
          - checkout
    "#);
}

#[test]
fn names_nearly_right_are_replaced() {
    insta::assert_snapshot!(mended(
        "version: 2.1\nparameters:\n  level: {type: integr, default: 1}\ncommands:\n  setup: {steps: [chekout]}\n\
         jobs:\n  build:\n    docker: [imgae: a]\n    step:\n      - setpu\n      - run: {comand: \"echo << \
         pipeline.git.brnch >>\", when: on_sucess}\nworkflows:\n  all:\n    jobs:\n      - biuld:\n          filter: \
         {branches: {onyl: main}}\n"
    ), @r#"
    10 made, left: [("unknown-key", "extraneous key [onyl] is not permitted in `branches`")]
    version: 2.1
    parameters:
      level: {type: integer, default: 1}
    commands:
      setup: {steps: [checkout]}
    jobs:
      build:
        docker: [image: a]
        steps:
          - setup
          - run: {command: "echo << pipeline.git.branch >>", when: on_success}
    workflows:
      all:
        jobs:
          - build:
              filters: {branches: {onyl: main}}
    "#);
}

#[test]
fn quotes_versions_escapes_and_repeats() {
    insta::assert_snapshot!(mended(
        "# a job\njobs:\n  build:\n    docker: [image: a]\n    docker:\n      - image: b\n    steps: [checkout]\n"
    ), @r#"
    2 made, left: []
    # a job
    version: 2.1
    jobs:
      build:
        docker:
          - image: b
        steps: [checkout]
    "#);
    insta::assert_snapshot!(mended(
        "version: 2.1\ncommands:\n  c:\n    parameters: {text: {type: string}, flag: {type: boolean}}\n    steps:\n\
         \u{20}     - run: cat <<EOF\n      - run: \"cat <<EOF\"\n      - store-artifacts: {path: a}\njobs:\n  build:\n\
         \u{20}   docker: [image: a]\n    steps:\n      - c: {text: 1.10, flag: 'true'}\n"
    ), @r#"
    5 made, left: []
    version: 2.1
    commands:
      c:
        parameters: {text: {type: string}, flag: {type: boolean}}
        steps:
          - run: cat \<<EOF
          - run: "cat \\<<EOF"
          - store_artifacts: {path: a}
    jobs:
      build:
        docker: [image: a]
        steps:
          - c: {text: "1.10", flag: true}
    "#);
}
