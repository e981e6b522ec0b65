//! Diagnostics as SARIF 2.1.0, for tools that collect findings of many programs. The rules carry their whole page of the
//! documentation, so that a reader needs no network.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{Code, Diagnostic, Position, Severity, pages};

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// One log with one run. `version` is that of the program.
pub fn sarif(diagnostics: &[Diagnostic], version: &str) -> String {
    // Only rules that speak are listed, in the order of their names.
    let mut index: BTreeMap<Code, usize> = diagnostics
        .iter()
        .map(|diagnostic| (diagnostic.code, 0))
        .collect();
    for (at, place) in index.values_mut().enumerate() {
        *place = at;
    }
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "airlock",
                "version": version,
                "rules": index.keys().map(|code| rule(*code, diagnostics)).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "results": diagnostics.iter().map(|one| result(one, &index)).collect::<Vec<_>>(),
        }],
    });
    let mut out = serde_json::to_string_pretty(&log)
        .expect("diagnostics hold only text and numbers, which always can be written");
    out.push('\n');
    out
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn rule(code: Code, diagnostics: &[Diagnostic]) -> Value {
    let page = pages::text(code);
    let worst = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.code == code)
        .map(|diagnostic| diagnostic.severity)
        .min()
        .unwrap_or(Severity::Warning);
    json!({
        "id": code.as_str(),
        "shortDescription": {"text": pages::summary(code)},
        "help": {"text": page, "markdown": page},
        "defaultConfiguration": {"level": level(worst)},
        "properties": {"page": code.page()},
    })
}

fn result(diagnostic: &Diagnostic, index: &BTreeMap<Code, usize>) -> Value {
    let mut text = diagnostic.message.clone();
    if let Some(hint) = &diagnostic.hint {
        text = format!("{text}\n{hint}");
    }
    let mut result = json!({
        "ruleId": diagnostic.code.as_str(),
        "ruleIndex": index[&diagnostic.code],
        "level": level(diagnostic.severity),
        "message": {"text": text},
        "locations": [{"physicalLocation": physical(&diagnostic.position)}],
    });
    if !diagnostic.related.is_empty() {
        let related = diagnostic.related.iter().enumerate().map(|(at, related)| {
            json!({
                "id": at + 1,
                "message": {"text": related.message},
                "physicalLocation": physical(&related.position),
            })
        });
        result["relatedLocations"] = related.collect();
    }
    if !diagnostic.fixes.is_empty() {
        let fixes = diagnostic.fixes.iter().map(|fix| {
            let mut files: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
            for edit in &fix.edits {
                files.entry(&edit.position.file).or_default().push(json!({
                    "deletedRegion": region(&edit.position),
                    "insertedContent": {"text": edit.replacement},
                }));
            }
            let changes = files.into_iter().map(|(file, replacements)| {
                json!({"artifactLocation": artifact(file), "replacements": replacements})
            });
            json!({
                "description": {"text": fix.title},
                "artifactChanges": changes.collect::<Vec<_>>(),
            })
        });
        result["fixes"] = fixes.collect();
    }
    result
}

fn physical(position: &Position) -> Value {
    json!({"artifactLocation": artifact(&position.file), "region": region(position)})
}

fn region(position: &Position) -> Value {
    json!({
        "startLine": position.line,
        "startColumn": position.column,
        "endLine": position.end_line,
        "endColumn": position.end_column,
        "byteOffset": position.start,
        "byteLength": position.end - position.start,
    })
}

/// A path as a relative reference: everything but what may stand in one is escaped.
fn artifact(file: &str) -> Value {
    let uri: String = file
        .bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b'@' | b'+' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    json!({"uri": uri})
}
