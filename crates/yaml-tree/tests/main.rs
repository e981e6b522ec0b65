//! Text in, text out: every file of `cases/` is parsed and its tree and problems are compared with the snapshot
//! beside it. To add a case, add a file.

mod arbitrary;
mod limits;
mod writing;

use airlock_yaml_tree::{Parsed, Severity, parse};
use std::fmt::Write as _;

/// The tree and the problems of a parsed file as text.
fn report(parsed: &Parsed) -> String {
    let mut out = parsed.tree.dump();
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
            parsed.tree.slice(problem.span)
        );
        for (span, role) in &problem.related {
            let at = parsed.tree.locate(span.start);
            let _ = writeln!(out, "  {}:{}: {role}", at.line, at.column);
        }
        if let Some(hint) = &problem.hint {
            let _ = writeln!(out, "  hint: {hint}");
        }
    }
    out
}

#[test]
fn cases() {
    insta::glob!("cases/*.yml", |path| {
        let bytes = std::fs::read(path).expect("the case can be read");
        let parsed = parse(&bytes);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(report(&parsed));
        });
    });
}
