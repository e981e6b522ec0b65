//! Diagnostics as a JSON array, for tools.

use crate::Diagnostic;

/// One JSON array, indented, with a line end.
pub fn json(diagnostics: &[Diagnostic]) -> String {
    let mut out = serde_json::to_string_pretty(diagnostics)
        .expect("diagnostics hold only text and numbers, which always can be written");
    out.push('\n');
    out
}
