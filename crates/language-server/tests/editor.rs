//! A small editor: opens a text, moves the cursor to the mark, asks, and writes the answers as text.

use airlock_language_server::{Library, NoLibrary, Session, Settings};
use serde_json::{Value, json};

pub(crate) const URI: &str = "file:///work/.circleci/config.yml";

/// The cursor in a text.
pub(crate) const MARK: char = '‸';

pub(crate) struct Editor {
    pub(crate) session: Session,
    text: String,
    #[expect(dead_code, reason = "requests at the cursor come with the first feature")]
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
