//! One editor's conversation: what was agreed at its start, the open documents, and who answers which message. Called by
//! `app`, message by message; decides nothing about the language itself.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use airlock_pipeline_config::{Inputs, Source, compile};
use gen_lsp_types::{
    CodeActionKind, CodeActionOptions, CodeActionParams, CodeActionProvider, CompletionOptions,
    CompletionParams, Contents, DefinitionParams, DefinitionProvider, Diagnostic,
    DidChangeTextDocumentParams, DidCloseTextDocumentParams, DidOpenTextDocumentParams, DocumentHighlight,
    DocumentHighlightKind, DocumentHighlightParams, DocumentHighlightProvider, DocumentSymbolParams,
    DocumentSymbolProvider, FoldingRangeParams, FoldingRangeProvider, Hover, HoverParams, HoverProvider,
    InitializeParams, InitializeResult, MarkupContent, MarkupKind, PrepareRenameParams,
    PrepareRenamePlaceholder, PublishDiagnosticsParams, ReferenceParams, ReferencesProvider, RenameOptions,
    RenameParams, RenameProvider, ServerCapabilities, ServerInfo, TextDocumentContentChangeEvent,
    TextDocumentPositionParams, TextDocumentSync, TextDocumentSyncKind, TextDocumentSyncOptions, TextEdit,
    Uri, WorkDoneProgressOptions,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::analysis::Analysis;
use crate::becomes::Becomes;
use crate::document::{Checked, Document};
use crate::index::Role;
use crate::library::{Library, Shelf};
use crate::limits::{MAX_DOCUMENT_BYTES, MAX_DOCUMENTS};
use crate::text::{Encoding, Text};
use crate::{actions, completion, diagnostics, hover, outline, rename};

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
    shelf: Shelf,
    encoding: Encoding,
    /// Whether the editor takes edits that name the version they are for.
    document_changes: bool,
    documents: BTreeMap<String, Document>,
    /// Documents whose diagnostics the editor has not been told.
    due: BTreeSet<String>,
}

impl Session {
    /// A conversation that has not begun.
    pub fn new(settings: Settings, library: Box<dyn Library>) -> Self {
        Self {
            settings,
            shelf: Shelf::new(library),
            encoding: Encoding::default(),
            document_changes: false,
            documents: BTreeMap::new(),
            due: BTreeSet::new(),
        }
    }

    /// Answers `initialize`.
    pub fn initialize(&mut self, parameters: Value) -> Result<Value, Failure> {
        let parameters: InitializeParams = read("initialize", parameters)?;
        let capabilities = parameters.capabilities;
        let general = capabilities.general.unwrap_or_default();
        self.encoding = Encoding::negotiate(&general.position_encodings.unwrap_or_default());
        let workspace_edit = capabilities.workspace.unwrap_or_default().workspace_edit;
        self.document_changes = workspace_edit.unwrap_or_default().document_changes == Some(true);
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
        let triggers = ["<", " ", ".", "/", "*", ":", "-"];
        ServerCapabilities {
            position_encoding: Some(self.encoding.kind()),
            text_document_sync: Some(TextDocumentSync::Options(TextDocumentSyncOptions {
                open_close: Some(true),
                change: Some(TextDocumentSyncKind::Incremental),
                ..TextDocumentSyncOptions::default()
            })),
            hover_provider: Some(HoverProvider::Bool(true)),
            completion_provider: Some(CompletionOptions {
                trigger_characters: Some(triggers.map(ToOwned::to_owned).to_vec()),
                ..CompletionOptions::default()
            }),
            definition_provider: Some(DefinitionProvider::Bool(true)),
            references_provider: Some(ReferencesProvider::Bool(true)),
            document_highlight_provider: Some(DocumentHighlightProvider::Bool(true)),
            document_symbol_provider: Some(DocumentSymbolProvider::Bool(true)),
            folding_range_provider: Some(FoldingRangeProvider::Bool(true)),
            code_action_provider: Some(CodeActionProvider::CodeActionOptions(CodeActionOptions {
                code_action_kinds: Some(vec![CodeActionKind::QuickFix, CodeActionKind::SourceFixAll]),
                ..CodeActionOptions::default()
            })),
            rename_provider: Some(RenameProvider::RenameOptions(RenameOptions {
                prepare_provider: Some(true),
                work_done_progress_options: WorkDoneProgressOptions::default(),
            })),
            ..ServerCapabilities::default()
        }
    }

    /// Answers a request. What stands in no config has the answer `null`.
    pub fn request(&mut self, method: &str, parameters: Value) -> Result<Value, Failure> {
        match method {
            "textDocument/hover" => {
                let parameters: HoverParams = read(method, parameters)?;
                Ok(self.hover(&parameters.text_document_position_params))
            }
            "textDocument/completion" => {
                let parameters: CompletionParams = read(method, parameters)?;
                Ok(self.completion(&parameters.text_document_position_params))
            }
            "textDocument/definition" => {
                let parameters: DefinitionParams = read(method, parameters)?;
                Ok(self.definition(&parameters.text_document_position_params))
            }
            "textDocument/references" => Ok(self.references(&read(method, parameters)?)),
            "textDocument/documentHighlight" => {
                let parameters: DocumentHighlightParams = read(method, parameters)?;
                Ok(self.highlight(&parameters.text_document_position_params))
            }
            "textDocument/prepareRename" => {
                let parameters: PrepareRenameParams = read(method, parameters)?;
                self.prepare_rename(&parameters.text_document_position_params)
            }
            "textDocument/rename" => self.rename(&read(method, parameters)?),
            "textDocument/codeAction" => {
                let parameters: CodeActionParams = read(method, parameters)?;
                Ok(self.code_actions(&parameters))
            }
            "textDocument/documentSymbol" => {
                let parameters: DocumentSymbolParams = read(method, parameters)?;
                let Some(analysis) = self.analysis(&parameters.text_document.uri.0) else {
                    return Ok(Value::Null);
                };
                let becomes = self.becomes(&analysis.uri);
                Ok(write(&outline::symbols(&analysis, &becomes)))
            }
            "textDocument/foldingRange" => {
                let parameters: FoldingRangeParams = read(method, parameters)?;
                let analysis = self.analysis(&parameters.text_document.uri.0);
                Ok(analysis.map_or(Value::Null, |analysis| write(&outline::folds(&analysis))))
            }
            _ => Err(Failure::UnknownMethod(method.to_owned())),
        }
    }

    /// What the entries of a document become; empty while it has errors.
    fn becomes(&mut self, uri: &str) -> Rc<Becomes> {
        let checked = self.checked(uri);
        checked.map_or_else(Rc::default, |checked| Rc::clone(&checked.becomes))
    }

    fn hover(&mut self, at: &TextDocumentPositionParams) -> Value {
        let Some((analysis, offset)) = self.place(at) else {
            return Value::Null;
        };
        let becomes = self.becomes(&analysis.uri);
        let Some((span, value)) = hover::at(&analysis, offset, &becomes) else {
            return Value::Null;
        };
        write(&Hover {
            contents: Contents::MarkupContent(MarkupContent {
                kind: MarkupKind::Markdown,
                value,
            }),
            range: Some(analysis.range(span)),
        })
    }

    fn completion(&mut self, at: &TextDocumentPositionParams) -> Value {
        let Some((analysis, offset)) = self.place(at) else {
            return Value::Null;
        };
        let references = || self.shelf.references();
        write(&completion::at(&analysis, offset, &references))
    }

    fn definition(&mut self, at: &TextDocumentPositionParams) -> Value {
        let Some((analysis, offset)) = self.place(at) else {
            return Value::Null;
        };
        let targets = analysis.definitions_at(offset);
        let locations: Vec<_> = targets
            .iter()
            .filter_map(|target| analysis.location(target))
            .collect();
        write(&locations)
    }

    fn references(&mut self, parameters: &ReferenceParams) -> Value {
        let Some((analysis, offset)) = self.place(&parameters.text_document_position_params) else {
            return Value::Null;
        };
        let Some((_, symbol)) = analysis.subject(offset) else {
            return write(&Vec::<Value>::new());
        };
        let with_definition = parameters.context.include_declaration;
        let found = analysis.index().all(&symbol);
        let mut locations: Vec<_> = found
            .filter(|found| with_definition || found.role == Role::Use)
            .map(|found| analysis.here(found.span))
            .collect();
        let elsewhere = analysis.index().definition(&symbol).is_none();
        if with_definition && elsewhere {
            let target = analysis.definition(&symbol);
            locations.extend(target.and_then(|target| analysis.location(&target)));
        }
        write(&locations)
    }

    fn highlight(&mut self, at: &TextDocumentPositionParams) -> Value {
        let Some((analysis, offset)) = self.place(at) else {
            return Value::Null;
        };
        let Some((_, symbol)) = analysis.subject(offset) else {
            return Value::Null;
        };
        let highlights: Vec<DocumentHighlight> = analysis
            .index()
            .all(&symbol)
            .map(|found| DocumentHighlight {
                range: analysis.range(found.span),
                kind: Some(match found.role {
                    Role::Definition => DocumentHighlightKind::Write,
                    Role::Use => DocumentHighlightKind::Read,
                }),
            })
            .collect();
        write(&highlights)
    }

    fn prepare_rename(&mut self, at: &TextDocumentPositionParams) -> Result<Value, Failure> {
        let Some((analysis, offset)) = self.place(at) else {
            return Ok(Value::Null);
        };
        let (span, placeholder) = rename::prepare(&analysis, offset).map_err(Failure::Refused)?;
        Ok(write(&PrepareRenamePlaceholder {
            range: analysis.range(span),
            placeholder,
        }))
    }

    fn rename(&mut self, parameters: &RenameParams) -> Result<Value, Failure> {
        let Some((analysis, offset)) = self.place(&parameters.text_document_position_params) else {
            return Ok(Value::Null);
        };
        let spans = rename::rename(&analysis, offset, &parameters.new_name).map_err(Failure::Refused)?;
        let edits = spans.into_iter().map(|span| TextEdit {
            range: analysis.range(span),
            new_text: parameters.new_name.clone(),
        });
        let edits = edits.collect();
        let document = self.documents.get(&analysis.uri);
        Ok(document.map_or(Value::Null, |document| {
            write(&actions::workspace_edit(document, edits, self.document_changes))
        }))
    }

    fn code_actions(&mut self, parameters: &CodeActionParams) -> Value {
        let uri = &parameters.text_document.uri.0;
        let document_changes = self.document_changes;
        let Some(checked) = self.checked(uri).cloned() else {
            return Value::Null;
        };
        let Some(document) = self.documents.get(uri) else {
            return Value::Null;
        };
        let start = document.text.offset(parameters.range.start);
        let end = document.text.offset(parameters.range.end);
        let context = &parameters.context;
        let actions = actions::fixes(
            document,
            &checked.found,
            &checked.shown,
            start..end,
            context,
            document_changes,
        );
        write(&actions)
    }

    /// The document of a request with the byte of its position.
    fn place(&mut self, at: &TextDocumentPositionParams) -> Option<(Rc<Analysis>, usize)> {
        let analysis = self.analysis(&at.text_document.uri.0)?;
        let offset = analysis.text.offset(at.position);
        Some((analysis, offset))
    }

    /// What is known of a document; nothing when it is not open or no config.
    fn analysis(&mut self, uri: &str) -> Option<Rc<Analysis>> {
        let document = self.documents.get_mut(uri)?;
        if !document.is_config() {
            return None;
        }
        if let Some(analysis) = &document.analysis {
            return Some(Rc::clone(analysis));
        }
        let source = Source::new(uri, document.text.source());
        let tree = document.tree();
        let names = self
            .shelf
            .names(&tree, &source, &self.settings.inputs, self.encoding);
        let analysis = Rc::new(Analysis::new(uri.to_owned(), document.text.clone(), tree, names));
        document.analysis = Some(Rc::clone(&analysis));
        Some(analysis)
    }

    /// What the compiler says of a document; nothing when it is not open or no config.
    fn checked(&mut self, uri: &str) -> Option<&Checked> {
        let document = self.documents.get_mut(uri)?;
        if !document.is_config() {
            return None;
        }
        if document.checked.is_none() {
            let source = Source::new(uri, document.text.source());
            let inputs = self.shelf.inputs(&source, &self.settings.inputs);
            let (plan, found) = compile(&source, &inputs);
            let shelf = &self.shelf;
            let shown = diagnostics::convert(document, &found, &self.settings, &|file| shelf.uri(file));
            document.checked = Some(Checked {
                found: Rc::from(found),
                shown: Rc::from(shown),
                becomes: Rc::new(Becomes { plan }),
            });
        }
        document.checked.as_ref()
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
            // An orb's file may have been written, or an orb fetched.
            "textDocument/didSave" | "workspace/didChangeWatchedFiles" => {
                self.look_again();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn look_again(&mut self) {
        self.shelf.clear();
        for (uri, document) in &mut self.documents {
            document.changed();
            self.due.insert(uri.clone());
        }
    }

    /// The diagnostics of one document that is due. The caller asks when no message waits: of a burst of changes only
    /// the last text is looked at.
    pub fn publish(&mut self) -> Option<Value> {
        let uri = self.due.pop_first()?;
        let shown = self.checked(&uri).map(|checked| Rc::clone(&checked.shown));
        let diagnostics: Vec<Diagnostic> = shown.map(|shown| shown.to_vec()).unwrap_or_default();
        Some(write(&PublishDiagnosticsParams {
            version: self.documents.get(&uri).map(|document| document.version),
            uri: Uri(uri),
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
        let text = Text::new(bounded(item.text)?, self.encoding);
        let document = Document::new(uri.clone(), item.version, text);
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
        document.changed();
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
