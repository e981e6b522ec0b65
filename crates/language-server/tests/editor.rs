//! A small editor: opens a text, moves the cursor to the mark, asks, and writes the answers as text.

use airlock_language_server::{Library, NoLibrary, Session, Settings};
use serde_json::{Value, json};

pub(crate) const URI: &str = "file:///work/.circleci/config.yml";

/// The cursor in a text.
pub(crate) const MARK: char = '‸';

pub(crate) struct Editor {
    pub(crate) session: Session,
    text: String,
    cursor: Value,
    version: i64,
}

impl Editor {
    /// Opens a text; the mark is taken out of it.
    pub(crate) fn open(marked: &str) -> Self {
        Self::with(marked, Box::new(NoLibrary))
    }

    pub(crate) fn with(marked: &str, library: Box<dyn Library>) -> Self {
        let settings = Settings {
            documentation: Some("https://docs.example/diagnostics".to_owned()),
            ..Settings::default()
        };
        let mut session = Session::new(settings, library);
        let capabilities = json!({"workspace": {"workspaceEdit": {"documentChanges": true}}});
        session
            .initialize(json!({"processId": null, "rootUri": null, "capabilities": capabilities}))
            .expect("the session begins");
        let text = marked.replace(MARK, "");
        let cursor = position(marked, marked.find(MARK).unwrap_or(0));
        let document = json!({"uri": URI, "languageId": "yaml", "version": 1, "text": text});
        session
            .notify("textDocument/didOpen", json!({"textDocument": document}))
            .expect("the document opens");
        Self {
            session,
            text,
            cursor,
            version: 1,
        }
    }

    /// Replaces the first occurrence of a text, as typing does.
    pub(crate) fn replace(&mut self, old: &str, new: &str) {
        let at = self.text.find(old).expect("the old text is there");
        let range = json!({"start": position(&self.text, at), "end": position(&self.text, at + old.len())});
        self.text.replace_range(at..at + old.len(), new);
        self.version += 1;
        let changes = json!([{"range": range, "text": new}]);
        let document = json!({"uri": URI, "version": self.version});
        self.session
            .notify(
                "textDocument/didChange",
                json!({"textDocument": document, "contentChanges": changes}),
            )
            .expect("the change is taken");
    }

    /// Sends a request about the cursor's place.
    pub(crate) fn ask(&mut self, method: &str, more: &Value) -> Result<Value, String> {
        let mut parameters = json!({"textDocument": {"uri": URI}, "position": self.cursor});
        let more = more.as_object().cloned().unwrap_or_default();
        let all = parameters.as_object_mut().expect("an object was made");
        all.extend(more);
        let method = format!("textDocument/{method}");
        let answer = self.session.request(&method, parameters);
        answer.map_err(|failure| failure.to_string())
    }

    /// The Markdown of the hover, empty when there is none.
    pub(crate) fn hover(&mut self) -> String {
        let answer = self.ask("hover", &json!({})).expect("hover is answered");
        answer["contents"]["value"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The labels that are offered.
    pub(crate) fn labels(&mut self) -> Vec<String> {
        let answer = self
            .ask("completion", &json!({}))
            .expect("completion is answered");
        let items = answer["items"].as_array().cloned().unwrap_or_default();
        let label = |item: &Value| item["label"].as_str().unwrap_or_default().to_owned();
        items.iter().map(label).collect()
    }

    /// The text after an offer was taken.
    pub(crate) fn complete(&mut self, label: &str) -> String {
        let answer = self
            .ask("completion", &json!({}))
            .expect("completion is answered");
        let items = answer["items"].as_array().expect("there is a list");
        let item = items.iter().find(|item| item["label"] == label);
        let item = item.unwrap_or_else(|| panic!("`{label}` is not offered"));
        apply(&self.text, &[item["textEdit"].clone()])
    }

    /// Lines of the text with the ranges of the answer, as `line: text`.
    pub(crate) fn places(&mut self, method: &str, more: &Value) -> Vec<String> {
        let answer = self.ask(method, more).expect("it is answered");
        let places = answer.as_array().cloned().unwrap_or_default();
        places.iter().map(|place| self.shown(place)).collect()
    }

    fn shown(&self, place: &Value) -> String {
        if place["uri"] != URI {
            let line = place["range"]["start"]["line"].as_u64().unwrap_or_default() + 1;
            return format!("{}:{line}", place["uri"].as_str().unwrap_or_default());
        }
        let range = &place["range"];
        let (start, end) = (byte(&self.text, &range["start"]), byte(&self.text, &range["end"]));
        let line = self.text[..start].matches('\n').count() + 1;
        format!("{line}: {}", &self.text[start..end])
    }

    /// The text after a rename.
    pub(crate) fn rename(&mut self, new: &str) -> Result<String, String> {
        let answer = self.ask("rename", &json!({"newName": new}))?;
        Ok(self.applied(&answer))
    }

    /// The text after the edits of a document change.
    pub(crate) fn applied(&self, edit: &Value) -> String {
        let edits = edit["documentChanges"][0]["edits"]
            .as_array()
            .expect("there are edits");
        apply(&self.text, edits)
    }

    /// Everything that is due, one document a line of messages.
    pub(crate) fn published(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.session.publish()).collect()
    }
}

/// The position of a byte in UTF-16 units.
pub(crate) fn position(text: &str, at: usize) -> Value {
    let before = &text[..at];
    let line = before.matches('\n').count();
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    json!({"line": line, "character": before[start..].encode_utf16().count()})
}

/// The byte of a position.
pub(crate) fn byte(text: &str, position: &Value) -> usize {
    let number =
        |name: &str| usize::try_from(position[name].as_u64().expect("a number")).expect("a small one");
    let start = match number("line") {
        0 => 0,
        line => {
            text.match_indices('\n')
                .nth(line - 1)
                .expect("the line is there")
                .0
                + 1
        }
    };
    let mut units = 0;
    for (at, character) in text[start..].char_indices() {
        if units >= number("character") {
            return start + at;
        }
        units += character.len_utf16();
    }
    text.len()
}

fn apply(text: &str, edits: &[Value]) -> String {
    let place = |edit: &Value| {
        (
            byte(text, &edit["range"]["start"]),
            byte(text, &edit["range"]["end"]),
        )
    };
    let mut edits: Vec<&Value> = edits.iter().collect();
    edits.sort_by_key(|edit| place(edit));
    let mut out = text.to_owned();
    for edit in edits.into_iter().rev() {
        let (start, end) = place(edit);
        out.replace_range(start..end, edit["newText"].as_str().expect("a text"));
    }
    out
}
