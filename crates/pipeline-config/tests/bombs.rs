//! Configs made to hurt: each ends soon, with an error that names the limit, and renders in a few lines.

use std::fmt::Write as _;

use airlock_pipeline_config::{Diagnostic, OrbSource, Source, compile, gather, limits, render};

use crate::inputs;

fn errors(text: &str) -> Vec<Diagnostic> {
    let source = Source::new("config.yml", text.as_bytes());
    let (plan, diagnostics) = compile(&source, &inputs::push());
    assert!(plan.is_none(), "this must not be planned");
    assert!(diagnostics.len() <= limits::MAX_DIAGNOSTICS);
    let rendered = render::text(&diagnostics, &[source], render::Color::Never);
    assert!(
        rendered.len() < 2000 * diagnostics.len(),
        "{} bytes for {}",
        rendered.len(),
        diagnostics.len()
    );
    diagnostics
}

fn messages(text: &str, code: &str) -> Vec<String> {
    errors(text)
        .into_iter()
        .filter(|d| d.code.as_str() == code)
        .map(|d| d.message)
        .collect()
}

const JOB: &str = "jobs:\n  build:\n    docker: [image: x]\n    steps: [c0";

#[test]
fn commands_that_call_each_other_ten_times() {
    let mut text = String::from("version: 2.1\ncommands:\n");
    for level in 0..20 {
        let _ = writeln!(
            text,
            "  c{level}: {{steps: [{}]}}",
            format!("c{},", level + 1).repeat(10)
        );
    }
    let _ = write!(text, "  c20: {{steps: []}}\n{JOB}]\n");
    let found = messages(&text, "limit");
    assert_eq!(
        found,
        ["compiling this config takes more than 1000000 readings of its values"]
    );
}

#[test]
fn steps_that_multiply() {
    let mut text = String::from("version: 2.1\ncommands:\n");
    for level in 0..5 {
        let _ = writeln!(
            text,
            "  c{level}: {{steps: [{}]}}",
            format!("c{},", level + 1).repeat(10)
        );
    }
    let _ = write!(text, "  c5: {{steps: [run: x]}}\n{JOB}]\n");
    assert_eq!(messages(&text, "limit"), ["this job has more than 1000 steps"]);
}

#[test]
fn text_that_doubles() {
    let mut text = String::from("version: 2.1\ncommands:\n");
    for level in 0..40 {
        let _ = writeln!(
            text,
            "  c{level}: {{parameters: {{p: {{type: string}}}}, steps: [c{}: {{p: << parameters.p >><< parameters.p >>}}]}}",
            level + 1
        );
    }
    text.push_str("  c40: {parameters: {p: {type: string}}, steps: [run: << parameters.p >>]}\n");
    let _ = writeln!(text, "{JOB}: {{p: \"{}\"}}]", "x".repeat(100));
    let found = messages(&text, "limit");
    assert!(
        found.iter().any(|message| message.contains("4194304 bytes")),
        "{found:?}"
    );
}

#[test]
fn commands_too_deep() {
    let mut text = String::from("version: 2.1\ncommands:\n");
    for level in 0..80 {
        let _ = writeln!(text, "  c{level}: {{steps: [c{}]}}", level + 1);
    }
    let _ = write!(text, "  c80: {{steps: []}}\n{JOB}]\n");
    assert_eq!(messages(&text, "limit").len(), 1);
}

#[test]
fn conditions_too_deep() {
    let mut steps = String::from("checkout");
    for _ in 0..40 {
        steps = format!("{{when: {{condition: true, steps: [{steps}]}}}}");
    }
    let text = format!("version: 2.1\njobs: {{build: {{docker: [image: x], steps: [{steps}]}}}}\n");
    // Three levels of YAML for each level of steps: the file's own limit on nesting comes first.
    let nesting = errors(&text)
        .iter()
        .any(|d| d.message.contains("nested more than 100 levels"));
    assert!(nesting, "{:?}", errors(&text));
}

#[test]
fn matrices_and_parallelism() {
    let values = (0..12).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let text = format!(
        "version: 2.1\njobs: {{j: {{parameters: {{a: {{type: integer}}, b: {{type: integer}}}}, \
         docker: [image: x], steps: [], parallelism: 300}}}}\n\
         workflows: {{w: {{jobs: [j: {{matrix: {{parameters: {{a: [{values}], b: [{values}]}}}}}}, j: {{a: 1, b: 1}}]}}}}\n"
    );
    assert_eq!(messages(&text, "limit"), ["this matrix makes more than 128 jobs"]);
    assert_eq!(
        messages(&text, "bad-value"),
        ["`parallelism` must be between 1 and 256, and this is 300"]
    );
}

#[test]
fn a_megabyte_in_one_line() {
    let mut text = String::from(
        "{\"version\": 2.1, \"jobs\": {\"build\": {\"docker\": [{\"image\": \"x\"}], \"steps\": [",
    );
    while text.len() < 1024 * 1024 {
        text.push_str("{\"rnu\": \"echo € and some more text to be long\"}, ");
    }
    text.push_str("]}}}");
    let found = errors(&text);
    assert_eq!(found.len(), limits::MAX_DIAGNOSTICS);
    assert_eq!(found[0].message, "Cannot find a definition for command named rnu");
    assert_eq!((found[1].position.line, found[1].position.column), (1, 125));
}

#[test]
fn a_megabyte_of_broken_tags() {
    let text = format!(
        "version: 2.1\njobs: {{build: {{docker: [image: x], steps: [run: \"{}\"]}}}}\n",
        "<<x>>".repeat(200_000)
    );
    let found = errors(&text);
    assert!(found.iter().all(|d| d.code.as_str() == "unknown-value"));
}

#[test]
fn a_thousand_jobs_that_all_wait_for_all() {
    let mut text = String::from(
        "version: 2.1\njobs: {j: {docker: [image: x], steps: []}}\nworkflows:\n  w:\n    jobs:\n",
    );
    let all: Vec<String> = (0..90).map(|n| format!("n{n}")).collect();
    for n in 0..1000 {
        let _ = writeln!(text, "      - j: {{name: n{n}, requires: [{}]}}", all.join(", "));
    }
    assert_eq!(messages(&text, "requires-cycle").len(), 1);
}

/// Errors of a config whose orbs are all one text.
fn errors_with_orbs(text: &str, orb: impl Fn(&str) -> String) -> Vec<Diagnostic> {
    let source = Source::new("config.yml", text.as_bytes());
    let mut inputs = inputs::push();
    inputs.orbs = gather(&source, &inputs, &mut |reference| {
        let text = orb(&reference.to_string());
        let source = Source::new(reference.to_string(), text.as_bytes());
        Ok(OrbSource::new(source, reference.to_string()))
    });
    let (plan, diagnostics) = compile(&source, &inputs);
    assert!(plan.is_none(), "this must not be planned");
    for diagnostic in &diagnostics {
        let mut places = diagnostic.related.iter().map(|related| &related.position);
        let config =
            diagnostic.position.file == "config.yml" || places.any(|place| place.file == "config.yml");
        assert!(config, "{diagnostic:?}");
    }
    diagnostics
}

const ORB: &str = "version: 2.1\norbs: {a: ns/a@1}\njobs: {build: {docker: [image: x], steps: [a/c0]}}\n";

#[test]
fn orbs_whose_commands_call_each_other_ten_times() {
    let found = errors_with_orbs(ORB, |_| {
        let mut orb = String::from("orbs: {b: ns/b@1}\ncommands:\n");
        for level in 0..20 {
            let _ = writeln!(
                orb,
                "  c{level}: {{steps: [{}]}}",
                format!("c{},", level + 1).repeat(10)
            );
        }
        orb + "  c20: {steps: []}\n"
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].code.as_str(), "limit");
}

#[test]
fn orbs_that_call_through_each_other_without_end() {
    let found = errors_with_orbs(ORB, |reference| match reference {
        "ns/a@1" => "orbs: {b: ns/b@1}\ncommands: {c0: {steps: [b/c1, b/c1]}}\n".to_owned(),
        _ => "orbs: {a: ns/a@1}\ncommands: {c1: {steps: [a/c0, a/c0]}}\n".to_owned(),
    });
    assert!(
        found.iter().all(|d| d.code.as_str() == "command-cycle"),
        "{found:?}"
    );
}

#[test]
fn orbs_that_import_others_without_end() {
    let found = errors_with_orbs(ORB, |reference| {
        let depth = reference.len();
        format!(
            "orbs: {{b: ns/{}@1}}\ncommands: {{c0: {{steps: [b/c0]}}}}\n",
            "b".repeat(depth)
        )
    });
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.contains("more than 10 deep"), "{found:?}");
}

#[test]
fn orbs_inside_each_other_and_multiplied_by_aliases() {
    let mut text = String::from("version: 2.1\nx0: &o0 {commands: {c: {steps: []}}}\n");
    for level in 1..9 {
        let inner: Vec<String> = (0..9).map(|n| format!("o{n}: *o{}", level - 1)).collect();
        let _ = writeln!(text, "x{level}: &o{level} {{orbs: {{{}}}}}", inner.join(", "));
    }
    text.push_str("orbs: {all: *o8}\njobs: {build: {docker: [image: x], steps: [all/c]}}\n");
    let found = errors_with_orbs(&text, |_| String::new());
    assert!(
        found.iter().any(|d| d.code.as_str().contains("limit")),
        "{found:?}"
    );
}

#[test]
fn warnings_without_end_leave_room_for_the_error() {
    let text = format!("version: 2.1\njobs: {{build: {{{}}}}}\n", "a: 1, ".repeat(10_000));
    let found = errors(&text);
    assert!(found.iter().any(Diagnostic::is_error), "{:?}", found.first());
}

#[test]
fn a_megabyte_of_pattern() {
    let text = format!(
        "version: 2.1\njobs: {{j: {{docker: [image: x], steps: []}}}}\n\
         workflows: {{w: {{jobs: [j: {{filters: {{branches: {{only: \"/{}/\"}}}}}}]}}}}\n",
        "a|".repeat(512 * 1024)
    );
    let found = messages(&text, "bad-regex");
    assert_eq!(found.len(), 1);
    assert!(found[0].ends_with("it has more than 8192 bytes"), "{}", found[0]);
}

#[test]
fn five_axes_of_a_hundred() {
    let values = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let (mut declared, mut axes) = (String::new(), String::new());
    for axis in 'a'..='e' {
        let _ = write!(declared, "{axis}: {{type: integer}}, ");
        let _ = write!(axes, "{axis}: [{values}], ");
    }
    let text = format!(
        "version: 2.1\njobs: {{j: {{parameters: {{{declared}}}, docker: [image: x], steps: []}}}}\n\
         workflows: {{w: {{jobs: [j: {{matrix: {{parameters: {{{axes}}}}}}}]}}}}\n"
    );
    assert_eq!(messages(&text, "limit"), ["this matrix makes more than 128 jobs"]);
}

#[test]
fn steps_that_are_passed_on_and_doubled() {
    let mut text = String::from("version: 2.1\ncommands:\n");
    for level in 0..30 {
        let _ = writeln!(
            text,
            "  c{level}: {{parameters: {{s: {{type: steps}}}}, \
             steps: [c{}: {{s: [steps: << parameters.s >>, steps: << parameters.s >>]}}]}}",
            level + 1
        );
    }
    let _ = write!(
        text,
        "  c30: {{parameters: {{s: {{type: steps}}}}, steps: << parameters.s >>}}\n{JOB}: {{s: [run: x]}}]\n"
    );
    assert!(!messages(&text, "limit").is_empty());
}

#[test]
fn an_expression_of_brackets() {
    let text = format!(
        "version: 2.1\njobs: {{}}\nworkflows:\n  w:\n    jobs: []\n    when: << {}true{} >>\n",
        "(".repeat(20_000),
        ")".repeat(20_000)
    );
    assert_eq!(messages(&text, "bad-expression").len(), 1);
}

#[test]
fn a_condition_that_nests_without_end() {
    let mut when = "true".to_owned();
    for _ in 0..200 {
        when = format!("{{not: {when}}}");
    }
    let text = format!("version: 2.1\njobs: {{}}\nworkflows: {{w: {{jobs: [], when: {when}}}}}\n");
    let nesting = errors(&text)
        .iter()
        .any(|d| d.message.contains("nested more than 100 levels"));
    assert!(nesting, "{:?}", errors(&text));
}

#[test]
fn patterns_that_are_many_and_large() {
    let mut only = String::new();
    for number in 0..500 {
        let _ = write!(only, "'/(\\p{{L}}{{20}}){{10}}{number}/', ");
    }
    let text = format!(
        "version: 2.1\njobs: {{j: {{docker: [image: x], steps: []}}}}\n\
         workflows: {{w: {{jobs: [j: {{filters: {{branches: {{only: [{only}]}}}}}}]}}}}\n"
    );
    let found = messages(&text, "bad-regex");
    assert!(
        found
            .iter()
            .all(|message| message.contains("too large") || message.contains("more than 256 patterns"))
    );
}
