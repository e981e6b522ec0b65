//! What was wrong with the file as YAML, as diagnostics of the config: with changes that mend it, where there are some,
//! and without the consequences of a problem that was told already.

use airlock_yaml_tree::{Place, Problem, ProblemCode, Severity, Tree};

use super::Compiler;
use crate::diagnostic::Code;
use crate::mending::Change;
use crate::sink::Draft;

impl Compiler<'_> {
    /// Takes over the problems of a file.
    pub(crate) fn yaml_problems(&self, tree: &Tree, problems: &[Problem]) {
        for problem in problems {
            // An alias that leads nowhere merges nothing either.
            let follows = problem.code == ProblemCode::BadMerge
                && problems.iter().any(|other| {
                    other.span == problem.span
                        && matches!(
                            other.code,
                            ProblemCode::UnknownAlias | ProblemCode::RecursiveAlias
                        )
                });
            if !follows {
                self.yaml_problem(tree, problem);
            }
        }
    }

    fn yaml_problem(&self, tree: &Tree, problem: &Problem) {
        let (code, place) = (Code::yaml(problem.code), tree.place(problem.span));
        let mut draft = match problem.severity {
            Severity::Warning => Draft::warning(code, place, problem.message.clone()),
            Severity::Error => {
                Draft::error(code, place, format!("Unable to parse YAML: {}", problem.message))
            }
        };
        for (span, message) in &problem.related {
            draft = draft.related(tree.place(*span), message.clone());
        }
        draft = draft.maybe_hint(problem.hint.clone());
        if let Some(fix) = &problem.fix {
            draft = draft.maybe_fix(Some(Change {
                title: fix.title.clone(),
                edits: vec![(tree.place(fix.span), fix.text.clone())],
            }));
        }
        let draft = match problem.code {
            ProblemCode::DuplicateKey => {
                let first = problem.related.first().map(|(span, _)| tree.place(*span));
                draft.maybe_fix(first.and_then(|first| self.remove_entry(first)))
            }
            ProblemCode::Syntax if problem.fix.is_none() => draft.maybe_fix(spaces_for_tabs(tree, place)),
            ProblemCode::UnknownAlias => {
                let name = tree.slice(problem.span).trim_start_matches('*');
                draft.maybe_near(name, &anchors(tree, problem.span.start as usize))
            }
            ProblemCode::Syntax
            | ProblemCode::Encoding
            | ProblemCode::Limit
            | ProblemCode::RecursiveAlias
            | ProblemCode::BadMerge
            | ProblemCode::BadKey
            | ProblemCode::ManyDocuments
            | ProblemCode::UnknownTag => draft,
        };
        self.sink.emit(draft);
    }
}

/// The names of the anchors before a byte, as the text reads: the tree of a broken file may lack them.
fn anchors(tree: &Tree, before: usize) -> Vec<&str> {
    let text = tree.source().get(..before).unwrap_or_default();
    let words = text.split_ascii_whitespace();
    words
        .filter_map(|word| word.strip_prefix('&'))
        .map(|name| name.trim_end_matches([',', ']', '}']))
        .filter(|name| !name.is_empty())
        .collect()
}

/// A tab in the indentation of a line is put where two spaces are meant.
fn spaces_for_tabs(tree: &Tree, place: Place) -> Option<Change> {
    let source = tree.source();
    let start = place.span.start as usize;
    let line = source.get(..start)?.rfind('\n').map_or(0, |at| at + 1);
    let rest = source.get(line..)?;
    let blank = rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let indentation = &rest[..blank];
    let inside = source[start..].starts_with('\t') && start < line + blank;
    inside.then(|| Change {
        title: "indent this line with spaces".to_owned(),
        edits: vec![(
            Place {
                span: airlock_yaml_tree::Span::new(line, line + blank),
                ..place
            },
            indentation.replace('\t', "  "),
        )],
    })
}
