//! The outline and the folds of a document.

use serde_json::{Value, json};

use crate::editor::Editor;

const CONFIG: &str = "version: 2.1\n# one\n# two\ncommands:\n  c:\n    parameters:\n      p: {type: string}\n    steps: []\njobs:\n  build:\n    steps:\n      - run: |\n          make\n          make test\n‸workflows:\n  version: 2\n  w:\n    jobs:\n      - build\n      - build: {name: again}\n";

fn tree(symbols: &Value, depth: usize, out: &mut String) {
    for symbol in symbols.as_array().into_iter().flatten() {
        let range = &symbol["range"];
        let line = |end: &str| range[end]["line"].as_u64().expect("a line") + 1;
        let name = symbol["name"].as_str().expect("a name");
        let indent = "  ".repeat(depth);
        out.push_str(
            &[
                indent.as_str(),
                name,
                " ",
                &line("start").to_string(),
                "-",
                &line("end").to_string(),
                "\n",
            ]
            .concat(),
        );
        tree(&symbol["children"], depth + 1, out);
    }
}

#[test]
fn the_outline_has_definitions_and_entries() {
    let answer = Editor::open(CONFIG)
        .ask("documentSymbol", &json!({}))
        .expect("it is answered");
    let mut out = String::new();
    tree(&answer, 0, &mut out);
    let expected = "version 1-1\ncommands 4-8\n  c 5-8\n    p 7-7\njobs 9-14\n  build 10-14\nworkflows 15-20\n  w 17-20\n    build 19-19\n    build 20-20\n";
    assert_eq!(out, expected);
}

#[test]
fn the_outline_has_the_names_that_entries_become() {
    let config = "version: 2.1\njobs:\n  build:\n    parameters: {v: {type: string, default: a}}\n    docker: [image: x]\n    steps: [checkout]\n‸workflows:\n  w:\n    jobs:\n      - build\n      - build: {name: again}\n      - build:\n          matrix: {parameters: {v: [b, c]}}\n      - build: {name: one}\n";
    let answer = Editor::open(config)
        .ask("documentSymbol", &json!({}))
        .expect("it is answered");
    let mut out = String::new();
    tree(&answer, 0, &mut out);
    let expected = "  w 8-14\n    build 10-10\n    build 11-11\n      again 11-11\n    build 12-13\n      build-b 12-13\n      build-c 12-13\n    build 14-14\n      one 14-14\n";
    assert!(out.ends_with(expected), "{out}");
}

#[test]
fn maps_texts_and_comments_fold() {
    let answer = Editor::open(CONFIG)
        .ask("foldingRange", &json!({}))
        .expect("it is answered");
    let folds = answer.as_array().expect("a list");
    let lines: Vec<(u64, u64)> = folds
        .iter()
        .map(|fold| {
            let line = |name: &str| fold[name].as_u64().expect("a line") + 1;
            (line("startLine"), line("endLine"))
        })
        .collect();
    assert_eq!(
        lines,
        [
            (2, 3),
            (4, 8),
            (5, 8),
            (6, 7),
            (9, 14),
            (10, 14),
            (11, 14),
            (12, 14),
            (15, 20),
            (17, 20),
            (18, 20)
        ]
    );
}

#[test]
fn a_broken_line_does_not_take_the_outline_away() {
    let broken = CONFIG.replace("    steps: []\n", "    steps: []\n    oh no\n");
    let answer = Editor::open(&broken)
        .ask("documentSymbol", &json!({}))
        .expect("it is answered");
    let mut out = String::new();
    tree(&answer, 0, &mut out);
    assert!(out.contains("workflows 16-21\n  w 18-21\n"), "{out}");
}
