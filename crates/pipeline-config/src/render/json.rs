//! Diagnostics as a JSON array, for tools. The shape is documented in `docs/config-validate.md` and only ever grows.

use serde::Serialize;

use crate::Diagnostic;

#[derive(Serialize)]
struct Shown<'d> {
    #[serde(flatten)]
    diagnostic: &'d Diagnostic,
    /// The page about its code.
    page: String,
}

/// One JSON array, indented, with a line end.
pub fn json(diagnostics: &[Diagnostic]) -> String {
    let shown: Vec<Shown<'_>> = diagnostics
        .iter()
        .map(|diagnostic| Shown {
            diagnostic,
            page: diagnostic.code.page(),
        })
        .collect();
    let mut out = serde_json::to_string_pretty(&shown)
        .expect("diagnostics hold only text and numbers, which always can be written");
    out.push('\n');
    out
}
