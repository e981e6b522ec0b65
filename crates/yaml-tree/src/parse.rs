//! The front door: checks size and encoding, then runs the builder over the events.

use std::sync::Arc;

use crate::builder::Builder;
use crate::events;
use crate::limits::MAX_SOURCE_BYTES;
use crate::span::LineIndex;
use crate::{FileId, Problem, ProblemCode, Span, Tree};

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
    let source = match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(error) => {
            problems.push(encoding_problem(bytes, error.valid_up_to()));
            let source = String::from_utf8_lossy(bytes).into_owned();
            return Parsed {
                tree: empty(file, &source),
                problems,
            };
        }
    };
    let mut builder = Builder::new(&source);
    let broken = events::read(&source, |event, span| builder.event(event, span));
    let bracket = builder.open_bracket();
    builder.finish();
    problems.append(&mut builder.problems);
    if let Some(mut problem) = broken {
        if let Some(bracket) = bracket.filter(|bracket| bracket.start < problem.span.start) {
            problem = problem
                .related(bracket, "this bracket is still open there")
                .hint("close the bracket, or mend what stands between it and here");
        }
        problems.push(problem);
    }
    tidy(&mut problems);
    let tree = Tree {
        nodes: Arc::new(builder.nodes),
        root: builder.root,
        ..empty(file, &source)
    };
    Parsed { tree, problems }
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
        nodes: Arc::default(),
        root: None,
    }
}

fn encoding_problem(bytes: &[u8], offset: usize) -> Problem {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let what = if utf16 {
        "this file is UTF-16"
    } else {
        "this byte is not part of a UTF-8 character"
    };
    Problem::error(ProblemCode::Encoding, Span::new(offset, offset), what).hint("save the file as UTF-8")
}
