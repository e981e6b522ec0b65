//! Trees and problems as text.

use std::fmt::Write as _;

use airlock_yaml_tree::{Parsed, Severity};

/// The tree, its comments and its problems.
pub(crate) fn whole(parsed: &Parsed) -> String {
    let mut out = parsed.tree.dump();
    for comment in parsed.tree.comments() {
        let at = parsed.tree.locate(comment.span.start);
        let place = if comment.own_line { "a line" } else { "behind" };
        let text = parsed.tree.comment_text(*comment);
        let _ = writeln!(out, "comment ({place}) {}:{}: {text:?}", at.line, at.column);
    }
    problems(&mut out, parsed);
    out
}

/// What is wrong.
pub(crate) fn problems(out: &mut String, parsed: &Parsed) {
    for problem in &parsed.problems {
        let at = parsed.tree.locate(problem.span.start);
        let severity = match problem.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        let _ = writeln!(
            out,
            "{severity}[{}] {}:{}: {} `{}`",
            problem.code.as_str(),
            at.line,
            at.column,
            problem.message,
            parsed.tree.slice(problem.span).escape_debug()
        );
        for (span, role) in &problem.related {
            let at = parsed.tree.locate(span.start);
            let _ = writeln!(out, "  {}:{}: {role}", at.line, at.column);
        }
        if let Some(hint) = &problem.hint {
            let _ = writeln!(out, "  hint: {hint}");
        }
        if let Some(fix) = &problem.fix {
            let before = parsed.tree.slice(fix.span);
            let _ = writeln!(out, "  fix: {}: {before:?} becomes {:?}", fix.title, fix.text);
        }
    }
}
