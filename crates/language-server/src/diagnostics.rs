//! What is wrong with a document, in the protocol's shape.

use airlock_pipeline_config as config;
use gen_lsp_types::{
    Code, CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    Location, Message, Range, Uri,
};

use crate::document::Document;
use crate::session::Settings;

/// Who says so, beside each message in the editor.
const SOURCE: &str = "airlock";

/// Turns what the compiler found into what the editor shows.
pub(crate) fn convert(
    document: &Document,
    found: &[config::Diagnostic],
    settings: &Settings,
) -> Vec<Diagnostic> {
    found
        .iter()
        .map(|diagnostic| one(document, diagnostic, settings))
        .collect()
}

fn one(document: &Document, found: &config::Diagnostic, settings: &Settings) -> Diagnostic {
    let here = found.position.file == document.uri;
    let mut related = Vec::new();
    if !here {
        // The mistake is in another file; the editor shows it where this document leads there, or at its top.
        related.push(related_information(
            document,
            &found.position,
            "the problem is here",
        ));
    }
    let position = if here {
        Some(&found.position)
    } else {
        let mine = found.related.iter().map(|related| &related.position);
        mine.clone().find(|position| position.file == document.uri)
    };
    related.extend(
        found
            .related
            .iter()
            .map(|related| related_information(document, &related.position, &related.message)),
    );
    let mut message = found.message.clone();
    if let Some(hint) = &found.hint {
        message.push('\n');
        message.push_str(hint);
    }
    Diagnostic {
        range: position.map_or_else(Range::default, |position| range(document, position)),
        severity: Some(severity(found.severity)),
        code: Some(Code::String(found.code.as_str().to_owned())),
        code_description: settings.documentation.as_ref().map(|base| CodeDescription {
            href: Uri(format!(
                "{}/{}.md",
                base.trim_end_matches('/'),
                found.code.as_str()
            )),
        }),
        source: Some(SOURCE.to_owned()),
        message: Message::String(message),
        tags: tags(found.code),
        related_information: (!related.is_empty()).then_some(related),
        data: None,
    }
}

fn severity(severity: config::Severity) -> DiagnosticSeverity {
    match severity {
        config::Severity::Error => DiagnosticSeverity::Error,
        config::Severity::Warning => DiagnosticSeverity::Warning,
    }
}

/// Editors draw what has no effect in grey.
fn tags(code: config::Code) -> Option<Vec<DiagnosticTag>> {
    (code == config::Code::IGNORED).then(|| vec![DiagnosticTag::Unnecessary])
}

fn related_information(
    document: &Document,
    position: &config::Position,
    message: &str,
) -> DiagnosticRelatedInformation {
    DiagnosticRelatedInformation {
        location: Location {
            uri: Uri(position.file.clone()),
            range: range(document, position),
        },
        message: message.to_owned(),
    }
}

/// Lines and columns of other files are taken as they are counted there; orbs are written in ASCII nearly always.
fn range(document: &Document, position: &config::Position) -> Range {
    if position.file == document.uri {
        return document
            .text
            .range(position.start as usize..position.end.max(position.start) as usize);
    }
    let at = |line: u32, column: u32| gen_lsp_types::Position {
        line: line.saturating_sub(1),
        character: column.saturating_sub(1),
    };
    Range {
        start: at(position.line, position.column),
        end: at(position.end_line, position.end_column),
    }
}
