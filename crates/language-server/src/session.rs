//! One editor's conversation: what was agreed at its start, the open documents, and who answers which message. Called by
//! `app`, message by message; decides nothing about the language itself.

use std::collections::{BTreeMap, BTreeSet};

use airlock_pipeline_config::{Inputs, Source, compile};
use gen_lsp_types::{
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, InitializeParams,
    InitializeResult, PublishDiagnosticsParams, ServerCapabilities, ServerInfo,
    TextDocumentContentChangeEvent, TextDocumentSync, TextDocumentSyncKind, TextDocumentSyncOptions, Uri,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::diagnostics;
use crate::document::Document;
use crate::library::Library;
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS};
use crate::text::{Encoding, Text};

/// What the caller decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Where the pages on diagnostics are; their codes then lead there.
    pub documentation: Option<String>,
    /// Values of the pipeline and its parameters that documents are compiled with.
    pub inputs: Inputs,
}

/// Why a message has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody here answers this.
    #[error("`{0}` is not answered here")]
    UnknownMethod(String),
    /// It does not have the protocol's shape.
    #[error("the parameters of `{method}` cannot be read: {source}")]
    Parameters {
        /// The message's name.
        method: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It was understood and is refused; the user reads why.
    #[error("{0}")]
    Refused(String),
}

/// One editor's conversation.
pub struct Session {
    settings: Settings,
    library: Box<dyn Library>,
    encoding: Encoding,
    documents: BTreeMap<String, Document>,
    /// Documents whose diagnostics the editor has not been told.
    due: BTreeSet<String>,
}

impl Session {
    /// A conversation that has not begun.
    pub fn new(settings: Settings, library: Box<dyn Library>) -> Self {
        Self {
            settings,
            library,
            encoding: Encoding::default(),
            documents: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Answers `initialize`.
    pub fn initialize(&mut self, parameters: Value) -> Result<Value, Failure> {
        let parameters: InitializeParams = read("initialize", parameters)?;
        let general = parameters.capabilities.general.unwrap_or_default();
        self.encoding = Encoding::negotiate(&general.position_encodings.unwrap_or_default());
        let result = InitializeResult {
            capabilities: self.capabilities(),
            server_info: Some(ServerInfo {
                name: "airlock".to_owned(),
                version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            }),
        };
        Ok(write(&result))
    }

    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities {
            position_encoding: Some(self.encoding.kind()),
            text_document_sync: Some(TextDocumentSync::Options(TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(TextDocumentSyncKind::Incremental),
                ..TextDocumentSyncOptions::default()
            })),
            ..ServerCapabilities::default()
        }
    }

    /// Answers a request.
    pub fn request(&mut self, method: &str, _parameters: Value) -> Result<Value, Failure> {
        let _ = &self.library;
        Err(Failure::UnknownMethod(method.to_owned()))
    }

    /// Takes a notification. Those that nobody here needs are passed over, as the protocol allows.
    pub fn notify(&mut self, method: &str, parameters: Value) -> Result<(), Failure> {
        match method {
            "textDocument/didOpen" => self.open(read(method, parameters)?),
            "textDocument/didChange" => self.change(read(method, parameters)?),
            "textDocument/didClose" => {
                self.close(&read(method, parameters)?);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The diagnostics of one document that is due. The caller asks when no message waits: of a burst of changes only
    /// the last text is looked at.
    pub fn publish(&mut self) -> Option<Value> {
        let uri = self.due.pop_first()?;
        let (version, diagnostics) = match self.documents.get(&uri) {
            Some(document) if document.is_config() => {
                let source = Source::new(&uri, document.text.source());
                let (_, found) = compile(&source, &self.settings.inputs);
                let found = diagnostics::convert(document, &found, &self.settings);
                (Some(document.version), found)
            }
            Some(document) => (Some(document.version), Vec::new()),
            None => (None, Vec::new()),
        };
        Some(write(&PublishDiagnosticsParams {
            uri: Uri(uri),
            version,
            diagnostics,
        }))
    }

    fn open(&mut self, parameters: DidOpenTextDocumentParams) -> Result<(), Failure> {
        let item = parameters.text_document;
        if self.documents.len() >= MAX_DOCUMENTS {
            let message = format!("more than {MAX_DOCUMENTS} documents are open; close some");
            return Err(Failure::Refused(message));
        }
        let uri = item.uri.0;
        let document = Document {
            uri: uri.clone(),
            version: item.version,
            text: Text::new(bounded(item.text)?, self.encoding),
        };
        self.documents.insert(uri.clone(), document);
        self.due.insert(uri);
        Ok(())
    }

    fn change(&mut self, parameters: DidChangeTextDocumentParams) -> Result<(), Failure> {
        let uri = parameters.text_document.text_document_identifier.uri.0;
        let Some(document) = self.documents.get_mut(&uri) else {
            return Err(Failure::Refused(format!("{uri} is not open")));
        };
        for change in parameters.content_changes {
            match change {
                TextDocumentContentChangeEvent::TextDocumentContentChangePartial(part) => {
                    if document.text.source().len() + part.text.len() > MAX_DOCUMENT_BYTES {
                        return Err(too_large());
                    }
                    document.text.replace(part.range, &part.text);
                }
                TextDocumentContentChangeEvent::TextDocumentContentChangeWholeDocument(whole) => {
                    document.text = Text::new(bounded(whole.text)?, self.encoding);
                }
            }
        }
        document.version = parameters.text_document.version;
        self.due.insert(uri);
        Ok(())
    }

    fn close(&mut self, parameters: &DidCloseTextDocumentParams) {
        let uri = &parameters.text_document.uri.0;
        if self.documents.remove(uri).is_some() {
            // What the editor still shows of it is taken back.
            self.due.insert(uri.clone());
        }
    }
}

fn bounded(text: String) -> Result<String, Failure> {
    if text.len() > MAX_DOCUMENT_BYTES {
        return Err(too_large());
    }
    Ok(text)
}

fn too_large() -> Failure {
    Failure::Refused(format!(
        "documents of more than {MAX_DOCUMENT_BYTES} bytes are not read"
    ))
}

pub(crate) fn read<T: DeserializeOwned>(method: &str, parameters: Value) -> Result<T, Failure> {
    serde_json::from_value(parameters).map_err(|source| Failure::Parameters {
        method: method.to_owned(),
        source,
    })
}

pub(crate) fn write<T: serde::Serialize>(value: &T) -> Value {
    // The protocol's types have text keys and finite numbers only, which is all that JSON asks.
    serde_json::to_value(value).unwrap_or_default()
}
