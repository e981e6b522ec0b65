//! `tests split`: one node's share of a list of tests. By name the sorted list is dealt out in turn; by file size or by
//! the time that earlier runs took each test goes to the node with the least so far, largest first. All give every node
//! the same answer without the nodes talking to each other. Without earlier results `--split-by=timings` says what
//! CircleCI says and deals by name.

use std::cmp::Reverse;
use std::fs;

use super::arguments::Arguments;
use super::timings;
use super::{HelperError, World, failed, read_text, usage};
use crate::limits::TEST_NAMES;

const NO_TIMINGS: &str = "Error auto-detecting timing type, falling back to weighting by name.";

/// Flags with a value that decide a share.
pub(super) const VALUED: [&str; 6] = [
    "split-by",
    "timings-type",
    "timings-file",
    "time-default",
    "index",
    "total",
];

/// Runs the command.
pub(super) fn command(world: &mut World<'_>, words: &[&str]) -> Result<(), HelperError> {
    let arguments = Arguments::parse(words, &VALUED, &["show-counts"])?;
    let text = match arguments.operands.as_slice() {
        [] | ["-"] => read_text(world.input, "standard input", TEST_NAMES)?,
        [file] => {
            let path = world.directory.join(file);
            let mut opened =
                fs::File::open(&path).map_err(|error| failed(format!("opening {file}: {error}")))?;
            read_text(&mut opened, file, TEST_NAMES)?
        }
        [_, extra, ..] => {
            return Err(usage(format!(
                "`tests split` takes one file, but got `{extra}` too"
            )));
        }
    };
    for name in share(world, &arguments, &text)? {
        writeln!(world.output, "{name}")?;
    }
    Ok(())
}

/// This node's share of the names in a text.
pub(super) fn share<'a>(
    world: &mut World<'_>,
    arguments: &Arguments<'_>,
    text: &'a str,
) -> Result<Vec<&'a str>, HelperError> {
    let total = node_number(world, arguments, "total", "CIRCLE_NODE_TOTAL", 1)?;
    let index = node_number(world, arguments, "index", "CIRCLE_NODE_INDEX", 0)?;
    if index >= total {
        return Err(usage(format!(
            "index {index} of {total} nodes: the index counts from 0 and stays below the total"
        )));
    }
    let names = names(text);
    let share = match arguments.value("split-by").unwrap_or("name") {
        "name" => by_name(&names, index, total),
        "timings" => {
            if let Some(weights) = timings::weights(world, arguments, &names)? {
                by_size(weights, index, total)
            } else {
                writeln!(world.errors, "{NO_TIMINGS}")?;
                by_name(&names, index, total)
            }
        }
        "filesize" => {
            let mut sized = Vec::new();
            for name in &names {
                let size = fs::metadata(world.directory.join(name)).map_err(|error| {
                    failed(format!(
                        "asking for the size of {name}: {error}; --split-by=filesize needs names of files"
                    ))
                })?;
                sized.push((*name, size.len()));
            }
            by_size(sized, index, total)
        }
        other => {
            return Err(usage(format!(
                "`--split-by={other}`: it is name, filesize or timings"
            )));
        }
    };
    if arguments.is_on("show-counts") {
        writeln!(
            world.errors,
            "{} of {} tests are on node {index} of {total}",
            share.len(),
            names.len()
        )?;
    }
    Ok(share)
}

fn node_number(
    world: &World<'_>,
    arguments: &Arguments<'_>,
    flag: &str,
    variable: &str,
    default: usize,
) -> Result<usize, HelperError> {
    let (what, text) = match (arguments.value(flag), world.env.get(variable)) {
        (Some(text), _) => (format!("--{flag}"), text),
        (None, Some(text)) if !text.is_empty() => (variable.to_owned(), text.as_str()),
        (None, _) => return Ok(default),
    };
    text.parse()
        .map_err(|_| usage(format!("{what} is `{text}`, which is no number of a node")))
}

/// The names in a list: one a line, or if there is one line only, divided by spaces.
fn names(text: &str) -> Vec<&str> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.as_slice() {
        [line] => line.split_whitespace().collect(),
        _ => lines,
    }
}

fn by_name<'a>(names: &[&'a str], index: usize, total: usize) -> Vec<&'a str> {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    sorted.into_iter().skip(index).step_by(total).collect()
}

fn by_size(mut sized: Vec<(&str, u64)>, index: usize, total: usize) -> Vec<&str> {
    sized.sort_by_key(|(name, size)| (Reverse(*size), *name));
    let mut loads = vec![(0_u64, 0_usize); total];
    let mut share = Vec::new();
    for (name, size) in sized {
        // The least loaded; among equals the one with fewer tests, then the first.
        let Some(node) = (0..total).min_by_key(|node| loads[*node]) else {
            break;
        };
        loads[node].0 += size;
        loads[node].1 += 1;
        if node == index {
            share.push(name);
        }
    }
    share
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_come_by_line_or_by_space() {
        assert_eq!(names("b\r\na\n\n"), ["b", "a"]);
        assert_eq!(names("b a  c\n"), ["b", "a", "c"]);
        assert_eq!(names("a spec.js\nb spec.js"), ["a spec.js", "b spec.js"]);
        assert!(names(" \n").is_empty());
    }

    #[test]
    fn names_are_dealt_in_turn() {
        let names = ["d", "a", "c", "b", "e"];
        assert_eq!(by_name(&names, 0, 2), ["a", "c", "e"]);
        assert_eq!(by_name(&names, 1, 2), ["b", "d"]);
        assert!(by_name(&names, 6, 7).is_empty());
    }

    #[test]
    fn sizes_are_balanced() {
        let sized = || vec![("small", 1), ("huge", 100), ("large", 60), ("mid", 40)];
        assert_eq!(by_size(sized(), 0, 2), ["huge", "small"]);
        assert_eq!(by_size(sized(), 1, 2), ["large", "mid"]);
        // Empty files are spread too.
        assert_eq!(by_size(vec![("a", 0), ("b", 0), ("c", 0)], 1, 3), ["b"]);
    }

    proptest! {
        #[test]
        fn every_test_is_on_exactly_one_node(sizes in proptest::collection::vec(0_u64..50, 0..40), total in 1_usize..8) {
            let names: Vec<String> = (0..sizes.len()).map(|n| format!("t{n}")).collect();
            let plain: Vec<&str> = names.iter().map(String::as_str).collect();
            let sized: Vec<(&str, u64)> = plain.iter().copied().zip(sizes).collect();
            for share in [
                (0..total).flat_map(|node| by_name(&plain, node, total)).collect::<Vec<_>>(),
                (0..total).flat_map(|node| by_size(sized.clone(), node, total)).collect(),
            ] {
                let mut share = share;
                share.sort_unstable();
                let mut expected = plain.clone();
                expected.sort_unstable();
                prop_assert_eq!(share, expected);
            }
        }
    }
}
