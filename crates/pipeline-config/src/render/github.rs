//! Diagnostics as workflow commands, which mark the lines of a change on the pages of a forge that reads them.

use std::fmt::Write as _;

use crate::{Diagnostic, Severity};

/// One command a line.
pub fn github(diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(one).collect()
}

fn one(diagnostic: &Diagnostic) -> String {
    let command = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let position = &diagnostic.position;
    let mut properties = vec![
        ("file", position.file.clone()),
        ("line", position.line.to_string()),
        ("endLine", position.end_line.to_string()),
    ];
    // Columns are refused where the end is on another line.
    if position.end_line == position.line {
        properties.push(("col", position.column.to_string()));
        properties.push(("endColumn", position.end_column.to_string()));
    }
    properties.push(("title", diagnostic.code.as_str().to_owned()));
    let properties: Vec<String> = properties
        .into_iter()
        .map(|(name, value)| format!("{name}={}", escaped(&value, true)))
        .collect();
    let mut message = diagnostic.message.clone();
    for related in &diagnostic.related {
        let at = &related.position;
        let _ = write!(
            message,
            "\n{}:{}:{}: {}",
            at.file, at.line, at.column, related.message
        );
    }
    for (label, text) in diagnostic
        .hint
        .iter()
        .map(|hint| ("help", hint))
        .chain(diagnostic.fixes.iter().map(|fix| ("fix", &fix.title)))
    {
        let _ = write!(message, "\n{label}: {text}");
    }
    let _ = write!(message, "\nsee: {}", diagnostic.code.page());
    format!(
        "::{command} {}::{}\n",
        properties.join(","),
        escaped(&message, false)
    )
}

/// The escapes of the format: of a percent sign and line ends everywhere, and of what separates properties in them.
fn escaped(text: &str, property: bool) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if property {
        text.replace(':', "%3A").replace(',', "%2C")
    } else {
        text
    }
}
