//! A tree of text that is being typed. Where the text breaks off as YAML, the line that breaks it is blanked out and the
//! rest is read again, so that the names below a half-typed line are not lost. Blanks keep every byte at its place:
//! spans of the tree are spans of the document.

use airlock_yaml_tree::{FileId, Parsed, Problem, ProblemCode, Severity, Tree, parse_file};

use crate::limits::{MAX_BRACKET_LINES, MAX_REPAIRS};

/// Reads a text as far as it can be made readable.
pub(crate) fn tree(source: &str, file: FileId) -> Tree {
    let mut parsed = parse_file(file, source.as_bytes());
    if breaks(&parsed).is_none() {
        return parsed.tree;
    }
    let mut text = source.as_bytes().to_vec();
    for _ in 0..MAX_REPAIRS {
        let Some(broken) = breaks(&parsed) else { break };
        // The line that is named often only follows the one that is wrong, or a bracket far above is still open: take
        // whichever lets the parser go furthest, of equals the first named here. Most often one line is all.
        let at = broken.span.start as usize;
        let mut tries: Vec<usize> = bracket_above(&text, at).into_iter().collect();
        tries.push(at);
        tries.extend(line_above(&text, at));
        let mut best: Option<(u32, Vec<u8>, Parsed)> = None;
        for at in tries {
            let Some(blanked) = without_line(&text, at) else {
                continue;
            };
            let parsed = parse_file(file, &blanked);
            let reach = breaks(&parsed).map_or(u32::MAX, |broken| broken.span.start);
            if best.as_ref().is_none_or(|(furthest, ..)| reach > *furthest) {
                best = Some((reach, blanked, parsed));
            }
            if reach == u32::MAX {
                break;
            }
        }
        let Some((_, better, next)) = best else { break };
        text = better;
        parsed = next;
    }
    parsed.tree
}

/// What stopped the reading.
fn breaks(parsed: &Parsed) -> Option<&Problem> {
    let stops =
        |problem: &&Problem| problem.severity == Severity::Error && problem.code == ProblemCode::Syntax;
    parsed.problems.iter().find(stops)
}

/// The text with the line of a byte turned into blanks; nothing when it is blank already.
fn without_line(text: &[u8], at: usize) -> Option<Vec<u8>> {
    let (start, end) = line(text, at);
    if text[start..end].iter().all(u8::is_ascii_whitespace) {
        return None;
    }
    let mut blanked = text.to_vec();
    blanked[start..end].fill(b' ');
    Some(blanked)
}

/// The last byte of the nearest line above that is not blank.
fn line_above(text: &[u8], at: usize) -> Option<usize> {
    let (start, _) = line(text, at);
    text[..start].iter().rposition(|byte| !byte.is_ascii_whitespace())
}

/// A byte of the nearest line above that opens more brackets than it closes.
fn bracket_above(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at.min(text.len());
    for _ in 0..MAX_BRACKET_LINES {
        let (start, _) = line(text, end);
        let count = |signs: [u8; 2]| {
            text[start..end]
                .iter()
                .filter(|byte| signs.contains(byte))
                .count()
        };
        if count([b'[', b'{']) > count([b']', b'}']) {
            return Some(start);
        }
        end = start.checked_sub(1)?;
    }
    None
}

fn line(text: &[u8], at: usize) -> (usize, usize) {
    let at = at.min(text.len());
    let start = text[..at]
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    let end = text[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(text.len(), |length| at + length);
    (start, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(source: &str) -> Vec<String> {
        let tree = tree(source, FileId(0));
        let Some(map) = tree.root().and_then(airlock_yaml_tree::Node::as_mapping) else {
            return Vec::new();
        };
        map.iter().map(|entry| entry.name().to_owned()).collect()
    }

    #[test]
    fn what_follows_a_half_typed_line_is_kept() {
        assert_eq!(keys("a: 1\nb\nc: 3\n"), ["a", "c"]);
        assert_eq!(keys("a: 1\nb: [x, \nc: 3\n"), ["a", "c"]);
        assert_eq!(keys("a: 1\nb: \"x\nc: 3\n"), ["a", "c"]);
        assert_eq!(keys("a:\n  - x\n  y\nc: 3\n"), ["a", "c"]);
        assert_eq!(keys("a: 1\nb: x: y\nc: 3\nd: @\ne: 5\n"), ["a", "c", "e"]);
        let twice = "jobs:\n  a:\n    steps:\n      - g\n    oh no\n  b: [\ncommands:\n  greet: {}\n";
        assert_eq!(keys(twice), ["jobs", "commands"]);
    }

    #[test]
    fn sound_text_is_left_alone() {
        assert_eq!(keys("a: 1\nb: 2\n"), ["a", "b"]);
        assert!(keys("").is_empty());
        assert!(keys("[").is_empty());
    }
}
