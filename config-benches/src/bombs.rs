//! Small configs that ask for a lot. `crates/pipeline-config/tests/bombs.rs` says what each is answered; here is what the
//! answer costs.

use std::fmt::Write as _;

/// A config and what it is called.
pub(crate) struct Bomb {
    pub(crate) name: &'static str,
    pub(crate) text: String,
}

const JOB: &str = "jobs:\n  build:\n    docker: [image: x]\n    steps: [c0";

/// All of them.
pub(crate) fn all() -> Vec<Bomb> {
    let bomb = |name, text| Bomb { name, text };
    vec![
        bomb("aliases of aliases", aliases()),
        bomb(
            "brackets in brackets",
            format!("a: {}{}", "[".repeat(50_000), "]".repeat(50_000)),
        ),
        bomb("maps in maps", deep_maps()),
        bomb("five axes of a hundred", matrix()),
        bomb("commands that call each other", commands()),
        bomb("steps that multiply", steps()),
        bomb("steps passed on", passed_on()),
        bomb("text that doubles", doubling()),
        bomb("a pattern of a megabyte", pattern(&"a|".repeat(512 * 1024))),
        bomb("a pattern that repeats", pattern("(((a{100}){100}){100}){100}")),
        bomb("many large patterns", patterns()),
        bomb("a pattern that goes back", pattern("(?:(a+)\\\\1?)+b")),
        bomb("a text of four megabytes", text()),
        bomb("a deep expression", expression()),
        bomb("a deep condition", condition()),
        bomb("a thousand jobs that wait for each other", requires()),
        bomb("a megabyte of unknown steps", unknown()),
        bomb("a megabyte of broken tags", tags()),
        bomb("a hundred thousand duplicate keys", duplicates()),
        bomb("a hundred thousand unknown keys", unknown_keys()),
        bomb("inline orbs in inline orbs", orbs()),
    ]
}

fn aliases() -> String {
    let mut text = String::from("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 'b'..='j' {
        let before = char::from_u32(u32::from(level) - 1).unwrap_or('a');
        let _ = writeln!(text, "{level}: &{level} [{}]", format!("*{before},").repeat(10));
    }
    text
}

fn deep_maps() -> String {
    let mut text = String::new();
    for level in 0..2000 {
        let _ = writeln!(text, "{}a:", " ".repeat(level));
    }
    text
}

fn matrix() -> String {
    let values = (0..100).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let (mut declared, mut axes) = (String::new(), String::new());
    for axis in 'a'..='e' {
        let _ = write!(declared, "{axis}: {{type: integer}}, ");
        let _ = write!(axes, "{axis}: [{values}], ");
    }
    format!(
        "version: 2.1\njobs: {{j: {{parameters: {{{declared}}}, docker: [image: x], steps: []}}}}\n\
         workflows: {{w: {{jobs: [j: {{matrix: {{parameters: {{{axes}}}}}}}]}}}}\n"
    )
}

fn levels(count: usize, last: &str) -> String {
    let mut text = String::from("version: 2.1\ncommands:\n");
    for level in 0..count {
        let calls = format!("c{},", level + 1).repeat(10);
        let _ = writeln!(text, "  c{level}: {{steps: [{calls}]}}");
    }
    let _ = write!(text, "  c{count}: {{steps: [{last}]}}\n{JOB}]\n");
    text
}

fn commands() -> String {
    levels(20, "")
}

fn steps() -> String {
    levels(5, "run: x")
}

fn passed_on() -> String {
    let mut text = String::from("version: 2.1\ncommands:\n");
    for level in 0..30 {
        let _ = writeln!(
            text,
            "  c{level}: {{parameters: {{s: {{type: steps}}}}, steps: [c{}: {{s: [steps: << parameters.s >>, steps: << parameters.s >>]}}]}}",
            level + 1
        );
    }
    let _ = write!(
        text,
        "  c30: {{parameters: {{s: {{type: steps}}}}, steps: << parameters.s >>}}\n{JOB}: {{s: [run: x]}}]\n"
    );
    text
}

fn doubling() -> String {
    let mut text = String::from("version: 2.1\ncommands:\n");
    for level in 0..40 {
        let _ = writeln!(
            text,
            "  c{level}: {{parameters: {{p: {{type: string}}}}, steps: [c{}: {{p: << parameters.p >><< parameters.p >>}}]}}",
            level + 1
        );
    }
    let _ = write!(
        text,
        "  c40: {{parameters: {{p: {{type: string}}}}, steps: [run: << parameters.p >>]}}\n{JOB}: {{p: \"{}\"}}]\n",
        "x".repeat(100)
    );
    text
}

fn pattern(pattern: &str) -> String {
    format!(
        "version: 2.1\njobs: {{j: {{docker: [image: x], steps: []}}}}\nworkflows:\n  w:\n    when: {{matches: {{pattern: \"{pattern}\", value: \"{}c\"}}}}\n    jobs: [j: {{filters: {{branches: {{only: \"/{pattern}/\"}}}}}}]\n",
        "a".repeat(1000)
    )
}

fn patterns() -> String {
    let mut only = String::new();
    for number in 0..500 {
        let _ = write!(only, "'/(\\w{{20}}){{10}}{number}/', ");
    }
    format!(
        "version: 2.1\njobs: {{j: {{docker: [image: x], steps: []}}}}\nworkflows:\n  w:\n    jobs: [j: {{filters: {{branches: {{only: [{only}]}}}}}}, none]\n"
    )
}

fn text() -> String {
    format!(
        "version: 2.1\njobs: {{build: {{docker: [image: x], steps: [run: \"{}\", none]}}}}\n",
        "x".repeat(4 * 1024 * 1024)
    )
}

fn expression() -> String {
    format!(
        "version: 2.1\njobs: {{}}\nworkflows:\n  w:\n    jobs: []\n    when: << {}true{} >>\n",
        "(".repeat(20_000),
        ")".repeat(20_000)
    )
}

fn condition() -> String {
    let mut when = "true".to_owned();
    for _ in 0..45 {
        when = format!("{{and: [{when}, {{or: [false, {when}]}}]}}")
            .chars()
            .take(200_000)
            .collect();
    }
    format!("version: 2.1\njobs: {{}}\nworkflows: {{w: {{jobs: [], when: {when}}}}}\n")
}

fn requires() -> String {
    let mut text = String::from(
        "version: 2.1\njobs: {j: {docker: [image: x], steps: []}}\nworkflows:\n  w:\n    jobs:\n",
    );
    let all: Vec<String> = (0..90).map(|n| format!("n{n}")).collect();
    for n in 0..1000 {
        let _ = writeln!(text, "      - j: {{name: n{n}, requires: [{}]}}", all.join(", "));
    }
    text
}

fn unknown() -> String {
    let mut text = String::from(
        "{\"version\": 2.1, \"jobs\": {\"build\": {\"docker\": [{\"image\": \"x\"}], \"steps\": [",
    );
    while text.len() < 1024 * 1024 {
        text.push_str("{\"rnu\": \"echo € and some more text to be long\"}, ");
    }
    text.push_str("]}}}");
    text
}

fn tags() -> String {
    format!(
        "version: 2.1\njobs: {{build: {{docker: [image: x], steps: [run: \"{}\"]}}}}\n",
        "<<x>>".repeat(200_000)
    )
}

fn duplicates() -> String {
    format!("version: 2.1\njobs: {{build: {{{}}}}}\n", "a: 1, ".repeat(45_000))
}

fn unknown_keys() -> String {
    let mut text = String::from("version: 2.1\njobs: {build: {docker: [image: x], steps: [");
    for number in 0..45_000 {
        let _ = write!(text, "comand-{number}, ");
    }
    text.push_str("]}}\n");
    text
}

fn orbs() -> String {
    let mut orb = String::from("{commands: {c: {steps: [checkout]}}}");
    for level in 0..30 {
        orb = format!("{{orbs: {{o{level}: {orb}}}, commands: {{c: {{steps: [o{level}/c, o{level}/c]}}}}}}");
    }
    format!("version: 2.1\norbs: {{o: {orb}}}\njobs: {{build: {{docker: [image: x], steps: [o/c]}}}}\n")
}
