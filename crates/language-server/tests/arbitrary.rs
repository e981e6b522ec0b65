//! Nothing an editor sends makes the session fail: half of a config, garbage, places outside of the text.

use proptest::prelude::*;
use serde_json::json;

use crate::editor::{Editor, URI};

const SEED: &str = "version: 2.1\norbs: {o: a/b@1, p: {jobs: {}}}\nx: &a {<<: *a}\njobs:\n  build: &b\n    <<: [*a]\n    docker: [{image: \"🚀\"}]\n    steps:\n      - run: |\n          << parameters.x\n      - when: {condition: {and: [1]}, steps: *b}\nworkflows:\n  w: {jobs: [build: {requires: [build], matrix: {parameters: {p: [1]}}}]}\n";

const METHODS: [&str; 10] = [
    "hover",
    "completion",
    "definition",
    "references",
    "documentHighlight",
    "prepareRename",
    "rename",
    "codeAction",
    "documentSymbol",
    "foldingRange",
];

/// Asks everything; answers and refusals are both fine.
fn ask_everything(editor: &mut Editor, line: u32, character: u32) {
    let at = json!({"line": line, "character": character});
    for method in METHODS {
        let mut more = json!({"position": at, "range": {"start": at, "end": at}, "newName": "new"});
        match method {
            "references" => more["context"] = json!({"includeDeclaration": true}),
            "codeAction" => more["context"] = json!({"diagnostics": []}),
            _ => {}
        }
        if let Err(refusal) = editor.ask(method, &more) {
            assert!(!refusal.contains("cannot be read"), "{method}: {refusal}");
        }
    }
    let mut published = editor.published();
    published.retain(|message| message["uri"] != URI);
    assert!(published.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_config_cut_anywhere(cut in 0..SEED.len(), typed in "[-a-z:<>&*|{}\\[\\] \n\t🚀\"']{0,6}", line in 0u32..20, character in 0u32..40) {
        let cut = (0..=cut).rev().find(|at| SEED.is_char_boundary(*at)).unwrap_or(0);
        let mut editor = Editor::open(&SEED[..cut]);
        ask_everything(&mut editor, line, character);
        let mut editor = Editor::open(&format!("{}{typed}{}", &SEED[..cut], &SEED[cut..]));
        ask_everything(&mut editor, line, character);
    }

    #[test]
    fn any_text(text in "[-a-z:<>&*|{}\\[\\] \n\té🚀\"'#!%@?,.]{0,80}", line in 0u32..10, character in 0u32..40) {
        ask_everything(&mut Editor::open(&text), line, character);
    }
}
