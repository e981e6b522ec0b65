//! Real configs, read where they lie: everything can be asked at any place of them, and renaming what they define changes
//! nothing but names. Where they lie is in [`crate::corpus_folder`].

use std::io::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::corpus_folder::{corpus_folder, yaml_files};
use crate::editor::{Editor, byte, position};

/// Bytes between two places that are asked about.
const STRIDE: usize = 397;

fn configs() -> Vec<(PathBuf, String)> {
    let Some(corpus) = corpus_folder() else {
        return Vec::new();
    };
    let mut files = Vec::new();
    yaml_files(&corpus.join("configs"), &mut files);
    assert!(!files.is_empty(), "there are no configs in {}", corpus.display());
    files.sort();
    files
        .into_iter()
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).ok()?;
            Some((path, text))
        })
        .collect()
}

#[test]
fn everything_can_be_asked_everywhere() {
    for (path, text) in configs() {
        let mut editor = Editor::open(&text);
        for method in ["documentSymbol", "foldingRange"] {
            let answer = editor.ask(method, &json!({})).expect("it is answered");
            assert!(answer.is_array(), "{}: {answer}", path.display());
        }
        for at in (0..text.len())
            .step_by(STRIDE)
            .filter(|at| text.is_char_boundary(*at))
        {
            let at = json!({"position": position(&text, at)});
            for method in ["hover", "completion", "definition"] {
                if let Err(refusal) = editor.ask(method, &at) {
                    panic!("{}: {method} at {at}: {refusal}", path.display());
                }
            }
        }
    }
}

/// The codes of the problems of a text, in order.
fn codes(text: &str) -> Vec<String> {
    let published = Editor::open(text).published();
    let found = published[0]["diagnostics"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let mut codes: Vec<String> = found
        .iter()
        .map(|problem| problem["code"].as_str().unwrap_or_default().to_owned())
        .collect();
    codes.sort();
    codes
}

/// Where the definitions of a section begin.
fn definitions(outline: &Value, section: &str) -> Vec<Value> {
    let sections = outline.as_array().into_iter().flatten();
    sections
        .filter(|symbol| symbol["name"] == section)
        .flat_map(|symbol| symbol["children"].as_array().cloned().unwrap_or_default())
        .map(|child| child["selectionRange"]["start"].clone())
        .collect()
}

#[test]
fn renaming_changes_nothing_but_names() {
    let mut renamed = 0;
    for (path, text) in configs() {
        let mut editor = Editor::open(&text);
        let outline = editor.ask("documentSymbol", &json!({})).expect("it is answered");
        // Without workflows the job called `build` is the one that runs.
        if definitions(&outline, "workflows").is_empty() {
            continue;
        }
        let before = codes(&text);
        for section in ["jobs", "commands", "executors"] {
            // The jobs of a matrix are named by its values, which may be names of executors.
            if section == "executors" && text.contains("matrix:") {
                continue;
            }
            for start in definitions(&outline, section).into_iter().take(2) {
                let ask = json!({"position": start, "newName": "another-name"});
                let edit = match editor.ask("rename", &ask) {
                    Ok(edit) => edit,
                    Err(refusal) => panic!("{} {start}: {refusal}", path.display()),
                };
                let after = codes(&editor.applied(&edit));
                let line = text[byte(&text, &start)..].lines().next().unwrap_or_default();
                assert_eq!(before, after, "{}: {section}: {line}", path.display());
                renamed += 1;
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "{renamed} definitions were renamed");
}
