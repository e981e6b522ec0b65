//! Changes that mend problems.

use serde_json::{Value, json};

use crate::editor::{Editor, position};

const CONFIG: &str = "version: 2.1\njobs:\n  build:\n    docker: [{image: cimg/base:current}]\n    steps: [\"🚀\", chekout]\n    shel: sh\n";

fn actions(editor: &mut Editor, text: &str, at: &str, only: &Value) -> Vec<Value> {
    let start = position(text, text.find(at).expect("it is there"));
    let mut context = json!({"diagnostics": []});
    if !only.is_null() {
        context["only"] = only.clone();
    }
    let range = json!({"start": start, "end": start});
    let answer = editor.ask("codeAction", &json!({"range": range, "context": context}));
    answer
        .expect("it is answered")
        .as_array()
        .expect("a list")
        .clone()
}

#[test]
fn a_misspelt_name_is_mended() {
    let mut editor = Editor::open(CONFIG);
    let found = actions(&mut editor, CONFIG, "chekout", &Value::Null);
    let fix = found
        .iter()
        .find(|action| action["kind"] == "quickfix")
        .expect("there is a fix");
    assert_eq!(fix["isPreferred"], true);
    assert_eq!(fix["diagnostics"][0]["code"], "unknown-command");
    assert_eq!(fix["edit"]["documentChanges"][0]["textDocument"]["version"], 1);
    assert_eq!(
        editor.applied(&fix["edit"]),
        CONFIG.replace("chekout", "checkout")
    );
}

#[test]
fn everything_is_mended_at_once() {
    let mut editor = Editor::open(CONFIG);
    let found = actions(&mut editor, CONFIG, "version", &json!(["source.fixAll"]));
    assert_eq!(found.len(), 1, "{found:?}");
    let mended = CONFIG.replace("chekout", "checkout").replace("shel:", "shell:");
    assert_eq!(editor.applied(&found[0]["edit"]), mended);
}

#[test]
fn nothing_is_offered_where_nothing_is_wrong() {
    let mut editor = Editor::open(CONFIG);
    assert_eq!(
        actions(&mut editor, CONFIG, "docker", &json!(["quickfix"])),
        Vec::<Value>::new()
    );
}
