//! What is wrong with a document, in the protocol's shape.

use std::fmt::Write as _;

use airlock_pipeline_config as config;
use gen_lsp_types::{
    Code, CodeDescription, Diagnostic, DiagnosticRelatedInformation, DiagnosticSeverity, DiagnosticTag,
    Location, Message, Range, Uri,
};

use crate::document::Document;
use crate::session::Settings;

/// Who says so, beside each message in the editor.
const SOURCE: &str = "airlock";

/// Turns what the compiler found into what the editor shows. `uri` says where an editor can open another file.
pub(crate) fn convert(
    document: &Document,
    found: &[config::Diagnostic],
    settings: &Settings,
    uri: &dyn Fn(&str) -> Option<String>,
) -> Vec<Diagnostic> {
    let convert = Convert {
        document,
        settings,
        uri,
    };
    found.iter().map(|diagnostic| convert.one(diagnostic)).collect()
}

struct Convert<'a> {
    document: &'a Document,
    settings: &'a Settings,
    uri: &'a dyn Fn(&str) -> Option<String>,
}

impl Convert<'_> {
    fn one(&self, found: &config::Diagnostic) -> Diagnostic {
        let mut message = found.message.clone();
        if let Some(hint) = &found.hint {
            message.push('\n');
            message.push_str(hint);
        }
        // A mistake in another file is shown where this document leads there.
        let here = |position: &&config::Position| position.file == self.document.uri;
        let others = found.related.iter().map(|other| &other.position);
        let shown = std::iter::once(&found.position).chain(others).find(here);
        let mut second = Vec::new();
        if !here(&&found.position) {
            self.second(&found.position, "the problem is here", &mut second, &mut message);
        }
        for other in &found.related {
            self.second(&other.position, &other.message, &mut second, &mut message);
        }
        Diagnostic {
            range: shown.map_or_else(Range::default, |position| range(self.document, position)),
            severity: Some(severity(found.severity)),
            code: Some(Code::String(found.code.as_str().to_owned())),
            code_description: self.settings.documentation.as_ref().map(|base| CodeDescription {
                href: Uri(format!(
                    "{}/{}.md",
                    base.trim_end_matches('/'),
                    found.code.as_str()
                )),
            }),
            source: Some(SOURCE.to_owned()),
            message: Message::String(message),
            tags: tags(found.code),
            related_information: (!second.is_empty()).then_some(second),
            data: None,
        }
    }

    /// Adds a second place; one that no editor can open is put into words.
    fn second(
        &self,
        position: &config::Position,
        text: &str,
        places: &mut Vec<DiagnosticRelatedInformation>,
        message: &mut String,
    ) {
        let file = if position.file == self.document.uri {
            Some(position.file.clone())
        } else {
            (self.uri)(&position.file)
        };
        match file {
            Some(file) => places.push(DiagnosticRelatedInformation {
                location: Location {
                    uri: Uri(file),
                    range: range(self.document, position),
                },
                message: text.to_owned(),
            }),
            None => {
                let _ = write!(message, "\n{}:{}: {text}", position.file, position.line);
            }
        }
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
