//! Applies fixes to a file: for `--fix`, for tests, and for whoever shows what a file would become.

use crate::diagnostic::{Diagnostic, Fix};
use crate::inputs::Source;

/// The file with one fix of each diagnostic made, the first of those it has, and how many were made. A fix that
/// overlaps an earlier one waits for the next run.
pub fn apply_fixes(source: &Source, diagnostics: &[Diagnostic]) -> (Source, usize) {
    let here = |fix: &&Fix| fix.edits.iter().all(|edit| edit.position.file == source.file);
    if std::str::from_utf8(&source.bytes).is_err() {
        // Places count the bytes of the text as UTF-8, which are not those of the file.
        return (source.clone(), 0);
    }
    let mut taken: Vec<&crate::Edit> = Vec::new();
    let mut made = 0;
    for fix in diagnostics
        .iter()
        .filter_map(|diagnostic| diagnostic.fixes.iter().find(here))
    {
        let overlaps = |edit: &crate::Edit| {
            let (start, end) = (edit.position.start, edit.position.end);
            taken
                .iter()
                .any(|other| start <= other.position.end && other.position.start <= end)
        };
        if !fix.edits.iter().any(overlaps) {
            taken.extend(&fix.edits);
            made += 1;
        }
    }
    taken.sort_by_key(|edit| edit.position.start);
    let mut bytes = Vec::with_capacity(source.bytes.len());
    let mut at = 0;
    for edit in taken {
        let (start, end) = (edit.position.start as usize, edit.position.end as usize);
        let Some(before) = source.bytes.get(at..start) else {
            continue;
        };
        bytes.extend_from_slice(before);
        bytes.extend_from_slice(edit.replacement.as_bytes());
        at = end;
    }
    bytes.extend_from_slice(source.bytes.get(at..).unwrap_or_default());
    (Source::new(source.file.clone(), bytes), made)
}
