//! Diagnostics while typing.

use serde_json::{Value, json};

use crate::editor::{Editor, URI};

const SOUND: &str =
    "version: 2.1\njobs:\n  build:\n    docker: [{image: cimg/base:current}]\n    steps: [checkout]\n";

fn diagnostics(text: &str) -> Vec<Value> {
    let published = Editor::open(text).published();
    assert_eq!(published.len(), 1);
    published[0]["diagnostics"].as_array().expect("a list").clone()
}

#[test]
fn a_sound_config_has_none() {
    assert_eq!(diagnostics(SOUND), Vec::<Value>::new());
}

#[test]
fn a_mistake_has_code_page_place_and_severity() {
    let found = diagnostics(&SOUND.replace("checkout", "\"🚀\", chekout"));
    let last = found.last().expect("there is a diagnostic");
    assert_eq!(last["code"], "unknown-command");
    assert_eq!(last["severity"], 1);
    assert_eq!(last["source"], "airlock");
    assert_eq!(
        last["codeDescription"]["href"],
        "https://docs.example/diagnostics/unknown-command.md"
    );
    // Columns are UTF-16 units: the rocket counts twice.
    assert_eq!(last["range"]["start"], json!({"line": 4, "character": 18}));
    let message = last["message"].as_str().expect("a message");
    assert!(message.contains("did you mean `checkout`?"), "{message}");
}

#[test]
fn broken_text_has_the_place_where_it_breaks() {
    let found = diagnostics("version: 2.1\njobs:\n  build: [\n");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["severity"], 1);
    assert!(
        found[0]["message"]
            .as_str()
            .expect("a message")
            .contains("Unable to parse YAML")
    );
}

#[test]
fn second_places_are_shown() {
    let found = diagnostics(&format!("{SOUND}version: 2.1\n"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["severity"], 2);
    let related = &found[0]["relatedInformation"][0];
    assert_eq!(related["location"]["uri"], URI);
    assert_eq!(related["location"]["range"]["start"]["line"], 0);
}

#[test]
fn of_a_burst_only_the_last_text_is_told() {
    let mut editor = Editor::open(SOUND);
    editor.replace("checkout", "chekout");
    editor.replace("chekout", "chckout");
    editor.replace("chckout", "checkout");
    let published = editor.published();
    assert_eq!(published.len(), 1);
    assert_eq!(published[0]["version"], 4);
    assert_eq!(published[0]["diagnostics"], json!([]));
}

#[test]
fn a_closed_document_is_cleared() {
    let mut editor = Editor::open("nonsense");
    editor.published();
    editor
        .session
        .notify("textDocument/didClose", json!({"textDocument": {"uri": URI}}))
        .expect("it closes");
    assert_eq!(editor.published(), [json!({"uri": URI, "diagnostics": []})]);
}
