//! The front door: checks size and encoding, then runs the builder over the events. What other parsers of the field let
//! pass and the parser crate does not is made good here, without moving anything.

use std::borrow::Cow;
use std::sync::Arc;

use crate::builder::Builder;
use crate::events::{self, Break, Cause};
use crate::limits::{MAX_REPAIRED_BYTES, MAX_REPAIRS, MAX_SOURCE_BYTES};
use crate::span::LineIndex;
use crate::{Comment, FileId, Problem, ProblemCode, Span, Tree, characters, explain};

/// What [`parse`] gives: always a tree, and what was wrong.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// As much of the file as could be read.
    pub tree: Tree,
    /// Problems in the order they were met.
    pub problems: Vec<Problem>,
}

/// Parses one file.
pub fn parse(bytes: &[u8]) -> Parsed {
    parse_file(FileId::default(), bytes)
}

/// Parses one of several files.
pub fn parse_file(file: FileId, bytes: &[u8]) -> Parsed {
    let mut problems = Vec::new();
    if bytes.len() > MAX_SOURCE_BYTES {
        let message = format!(
            "the file has {} bytes; at most {MAX_SOURCE_BYTES} are read",
            bytes.len()
        );
        problems.push(Problem::error(ProblemCode::Limit, Span::default(), message));
        return Parsed {
            tree: empty(file, ""),
            problems,
        };
    }
    if let Some(encoding) = characters::wide_encoding(bytes) {
        problems.push(characters::wide_problem(encoding));
        return Parsed {
            tree: empty(file, ""),
            problems,
        };
    }
    let source = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let source = String::from_utf8_lossy(bytes).into_owned();
            problems.push(characters::utf8_problem(bytes, &source, error.valid_up_to()));
            return Parsed {
                tree: empty(file, &source),
                problems,
            };
        }
    };
    if let Some(problem) = characters::forbidden(source) {
        problems.push(problem);
        return Parsed {
            tree: empty(file, source),
            problems,
        };
    }
    let (mut builder, broken) = read(source);
    let open = builder.open();
    builder.finish();
    problems.append(&mut builder.problems);
    if let Some(broken) = broken {
        problems.push(explain::explain(source, &broken, &open));
    }
    tidy(&mut problems);
    let tree = Tree {
        comments: Arc::new(builder.comments),
        nodes: Arc::new(builder.nodes),
        root: builder.root,
        aliases: builder.used,
        ..empty(file, source)
    };
    Parsed { tree, problems }
}

/// Reads the text, and reads it again past what other parsers of the field let pass.
fn read(source: &str) -> (Builder<'_>, Option<Break>) {
    let mut text = Cow::Borrowed(source);
    let mut comments: Vec<Comment> = Vec::new();
    for _ in 0..MAX_REPAIRS {
        let mut builder = Builder::new(source);
        let broken = events::read(&text, |event, span| builder.event(event, span));
        let in_brackets = builder.open().last().is_some_and(|open| open.flow);
        let repaired = broken
            .as_ref()
            .filter(|_| source.len() <= MAX_REPAIRED_BYTES)
            .and_then(|broken| repair(&text, broken, in_brackets));
        let Some((repaired, comment)) = repaired else {
            builder.comments.extend(comments);
            builder.comments.sort_by_key(|comment| comment.span.start);
            return (builder, broken);
        };
        comments.extend(comment);
        text = Cow::Owned(repaired);
    }
    let mut builder = Builder::new(source);
    let broken = events::read(&text, |event, span| builder.event(event, span));
    (builder, broken)
}

/// The text with the break made good by blanks, so that all places stay: tabs that indent inside brackets, and a comment
/// right behind a value, which becomes a comment all the same.
fn repair(text: &str, broken: &Break, in_brackets: bool) -> Option<(String, Option<Comment>)> {
    let (before, after) = text.split_at(broken.offset);
    if broken.cause == Cause::GluedComment && after.starts_with('#') {
        let end = after.find(['\n', '\r']).unwrap_or(after.len());
        let comment = Comment {
            span: Span::new(before.len(), before.len() + end),
            own_line: false,
        };
        let text = format!("{before}{}{}", " ".repeat(end), &after[end..]);
        return Some((text, Some(comment)));
    }
    if broken.cause == Cause::Tab && in_brackets && after.starts_with('\t') {
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let mut repaired = text[..line].to_owned();
        let mut indented = true;
        for line in text[line..].split_inclusive('\n') {
            let rest = line.trim_start_matches([' ', '\t']);
            let (blanks, rest) = line.split_at(line.len() - rest.len());
            indented &= blanks.contains('\t');
            if indented {
                repaired.extend(std::iter::repeat_n(' ', blanks.len()));
            } else {
                repaired.push_str(blanks);
            }
            repaired.push_str(rest);
        }
        return Some((repaired, None));
    }
    None
}

/// Puts problems in the order of the text and keeps one message for a bad key inside a bad key.
fn tidy(problems: &mut Vec<Problem>) {
    problems.sort_by_key(|problem| (problem.span.start, u32::MAX - problem.span.end));
    let mut end = 0;
    problems.retain(|problem| {
        if problem.code != ProblemCode::BadKey {
            return true;
        }
        let inside = problem.span.end <= end;
        end = end.max(problem.span.end);
        !inside
    });
}

fn empty(file: FileId, source: &str) -> Tree {
    Tree {
        file,
        source: Arc::from(source),
        lines: Arc::new(LineIndex::new(source)),
        comments: Arc::default(),
        nodes: Arc::default(),
        root: None,
        aliases: Vec::new(),
    }
}
