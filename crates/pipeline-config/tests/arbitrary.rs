//! Whatever the text, compiling returns, and a plan comes exactly when there is no error.

use airlock_pipeline_config::{Source, compile, needs, render};
use proptest::prelude::*;

use crate::inputs;

fn check(text: &str) {
    let source = Source::new("config.yml", text.as_bytes());
    let _ = needs(&source);
    let (plan, diagnostics) = compile(&source, &inputs::push());
    let errors = diagnostics
        .iter()
        .any(airlock_pipeline_config::Diagnostic::is_error);
    assert_eq!(plan.is_none(), errors, "{diagnostics:?}");
    let _ = render::text(&diagnostics, &[source], render::Color::Never);
}

/// Lines that mean something, so that random files get past the first key.
fn line() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "version: 2.1",
        "jobs:",
        "  build:",
        "    docker:",
        "      - image: x",
        "    steps:",
        "      - checkout",
        "      - run: echo",
        "      - run:",
        "          command: << parameters.a >>",
        "      - when:",
        "          condition: << parameters.b >>",
        "          steps: [checkout]",
        "    parameters:",
        "      a: {type: string, default: x}",
        "      b: {type: boolean, default: yes}",
        "      s: {type: steps, default: []}",
        "      - << parameters.s >>",
        "workflows:",
        "  w:",
        "    jobs:",
        "      - build",
        "      - build:",
        "          requires: [build]",
        "          name: n",
        "          matrix: {parameters: {a: [x, y]}}",
        "          filters: {branches: {only: /m.*/}}",
        "          type: approval",
        "commands:",
        "  c:",
        "    steps: [c]",
        "      - c",
        "executors:",
        "  e: {docker: [{image: y}]}",
        "    executor: e",
        "    when: << pipeline.number >> ",
        "    unless: pipeline.git.branch == \"main\"",
        "    environment: {A: 1}",
        "      - <<",
        "orbs: {o: a/b@1}",
        "      - o/x",
        "    parallelism: 3",
        "    <<: *x",
        "    key: &x {a: 1}",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn text_never_panics(text in "\\PC{0,120}") {
        check(&text);
    }

    #[test]
    fn values_never_panic(text in "\\PC{0,60}") {
        let quoted = serde_json::to_string(&text).expect("text can be quoted");
        check(&format!(
            "version: 2.1\njobs: {{build: {{docker: [{{image: {quoted}}}], environment: {{A: {quoted}}}, \
             parallelism: {quoted}, shell: {quoted}, steps: [{quoted}, {{run: {quoted}}}, \
             {{run: {{command: x, when: {quoted}, no_output_timeout: {quoted}}}}}]}}}}\n\
             workflows: {{w: {{when: {quoted}, jobs: [build: {{filters: {quoted}, name: {quoted}}}]}}}}\n"
        ));
    }

    #[test]
    fn expressions_never_panic(text in "[a-z\"/.()!<>= 0-9-]{0,40}") {
        check(&format!("version: 2.1\njobs: {{}}\nworkflows:\n  w:\n    jobs: []\n    when: |\n      << {text} >>\n"));
    }

    #[test]
    fn shuffled_lines_never_panic(lines in proptest::collection::vec(line(), 0..40)) {
        check(&format!("version: 2.1\n{}\n", lines.join("\n")));
    }
}
