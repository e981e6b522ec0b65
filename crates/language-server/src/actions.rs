//! Changes that mend problems, as the compiler offers them, in the protocol's shape.

use airlock_pipeline_config as config;
use gen_lsp_types::{
    CodeAction, CodeActionContext, CodeActionKind, Diagnostic, DocumentChange, Edit,
    OptionalVersionedTextDocumentIdentifier, TextDocumentEdit, TextDocumentIdentifier, TextEdit, Uri,
    WorkspaceEdit,
};

use crate::document::Document;

/// Fixes of the problems that touch a range, and one for all problems of the document.
pub(crate) fn fixes(
    document: &Document,
    found: &[config::Diagnostic],
    shown: &[Diagnostic],
    range: std::ops::Range<usize>,
    context: &CodeActionContext,
    document_changes: bool,
) -> Vec<CodeAction> {
    let wanted = |kind: &CodeActionKind| {
        context
            .only
            .as_ref()
            .is_none_or(|only| only.iter().any(|only| covers(only, kind)))
    };
    let mut actions = Vec::new();
    if wanted(&CodeActionKind::QuickFix) {
        for (diagnostic, shown) in found.iter().zip(shown) {
            let position = &diagnostic.position;
            let touches = position.file == document.uri
                && position.start as usize <= range.end
                && range.start <= position.end as usize;
            if !touches {
                continue;
            }
            let only = diagnostic.fixes.len() == 1;
            for fix in diagnostic.fixes.iter().filter(|fix| is_here(document, fix)) {
                actions.push(CodeAction {
                    title: fix.title.clone(),
                    kind: Some(CodeActionKind::QuickFix),
                    diagnostics: Some(vec![shown.clone()]),
                    is_preferred: only.then_some(true),
                    edit: Some(workspace_edit(
                        document,
                        text_edits(document, fix),
                        document_changes,
                    )),
                    ..CodeAction::default()
                });
            }
        }
    }
    if wanted(&CodeActionKind::SourceFixAll) {
        let edits = all(document, found);
        if edits.len() > 1 {
            actions.push(CodeAction {
                title: "mend all that can be mended".to_owned(),
                kind: Some(CodeActionKind::SourceFixAll),
                edit: Some(workspace_edit(document, edits, document_changes)),
                ..CodeAction::default()
            });
        }
    }
    actions
}

/// `source` asks for `source.fixAll` too.
fn covers(asked: &CodeActionKind, kind: &CodeActionKind) -> bool {
    asked == kind
        || *asked == CodeActionKind::Empty
        || (*asked == CodeActionKind::Source && *kind == CodeActionKind::SourceFixAll)
}

/// The first fix of each problem, those that overlap an earlier one left out.
fn all(document: &Document, found: &[config::Diagnostic]) -> Vec<TextEdit> {
    let mut taken: Vec<&config::Edit> = Vec::new();
    let firsts = found
        .iter()
        .filter_map(|diagnostic| diagnostic.fixes.iter().find(|fix| is_here(document, fix)));
    for fix in firsts {
        let overlaps = fix.edits.iter().any(|edit| {
            taken.iter().any(|other| {
                edit.position.start <= other.position.end && other.position.start <= edit.position.end
            })
        });
        if !overlaps {
            taken.extend(&fix.edits);
        }
    }
    taken.into_iter().map(|edit| text_edit(document, edit)).collect()
}

fn is_here(document: &Document, fix: &config::Fix) -> bool {
    fix.edits.iter().all(|edit| edit.position.file == document.uri)
}

fn text_edits(document: &Document, fix: &config::Fix) -> Vec<TextEdit> {
    fix.edits.iter().map(|edit| text_edit(document, edit)).collect()
}

fn text_edit(document: &Document, edit: &config::Edit) -> TextEdit {
    let bytes = edit.position.start as usize..edit.position.end as usize;
    TextEdit {
        range: document.text.range(bytes),
        new_text: edit.replacement.clone(),
    }
}

/// Edits of one document, tied to its version where the editor understands that.
pub(crate) fn workspace_edit(
    document: &Document,
    edits: Vec<TextEdit>,
    document_changes: bool,
) -> WorkspaceEdit {
    let uri = Uri(document.uri.clone());
    if !document_changes {
        return WorkspaceEdit {
            changes: Some([(uri, edits)].into_iter().collect()),
            ..WorkspaceEdit::default()
        };
    }
    let edit = TextDocumentEdit {
        text_document: OptionalVersionedTextDocumentIdentifier {
            version: Some(document.version),
            text_document_identifier: TextDocumentIdentifier { uri },
        },
        edits: edits.into_iter().map(Edit::TextEdit).collect(),
    };
    WorkspaceEdit {
        document_changes: Some(vec![DocumentChange::TextDocumentEdit(edit)]),
        ..WorkspaceEdit::default()
    }
}
