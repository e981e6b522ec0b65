//! `tests glob`: files below the current directory by pattern. `*` and `?` stay within one path segment, `**` as a
//! whole segment stands for any number of directories, `[a-c]` and `[!a-c]` for one character, `{a,b}` for either.
//! Directories are not listed, symbolic links to directories are not followed by `**`. Hidden files match like any
//! other, as they do on CircleCI.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{HelperError, World, usage};
use crate::limits::GLOB_ALTERNATIVES;

/// Runs the command.
pub(super) fn command(world: &mut World<'_>, patterns: &[&str]) -> Result<(), HelperError> {
    if patterns.is_empty() {
        return Err(usage(
            "`tests glob` needs at least one pattern, in quotes: circleci tests glob \"test/**/*.py\"",
        ));
    }
    for pattern in patterns {
        for path in files(&world.directory, pattern)? {
            world.output.write_all(path.as_os_str().as_bytes())?;
            world.output.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// The files that match one pattern, sorted, each once.
fn files(directory: &Path, pattern: &str) -> Result<BTreeSet<PathBuf>, HelperError> {
    let mut found = BTreeSet::new();
    for plain in alternatives(pattern)? {
        let relative = plain.trim_start_matches('/');
        let absolute = relative.len() < plain.len();
        let mut segments = Vec::new();
        for segment in relative
            .split('/')
            .filter(|segment| !segment.is_empty() && *segment != ".")
        {
            segments
                .push(Segment::parse(segment).map_err(|what| usage(format!("pattern `{pattern}`: {what}")))?);
        }
        if absolute {
            walk(Path::new("/"), Path::new("/"), &segments, &mut found);
        } else {
            walk(directory, Path::new(""), &segments, &mut found);
        }
    }
    Ok(found)
}

/// A pattern without its braces: every combination of what stands in them.
fn alternatives(pattern: &str) -> Result<Vec<String>, HelperError> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(pattern) = open.pop() {
        match first_braces(&pattern) {
            None => done.push(pattern),
            Some((before, choices, after)) => {
                open.extend(
                    choices
                        .iter()
                        .rev()
                        .map(|choice| format!("{before}{choice}{after}")),
                );
            }
        }
        if done.len() + open.len() > GLOB_ALTERNATIVES {
            return Err(usage(format!(
                "the braces of `{pattern}` stand for more than {GLOB_ALTERNATIVES} patterns",
                pattern = done.first().map_or("the pattern", String::as_str)
            )));
        }
    }
    Ok(done)
}

/// The first `{…}` that closes: what is before it, its choices, what is after.
fn first_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let mut open = None;
    let mut depth = 0_usize;
    let mut choices = Vec::new();
    let mut choice_start = 0;
    let mut characters = pattern.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => {
                characters.next();
            }
            '{' => {
                depth += 1;
                if depth == 1 {
                    open = Some(at);
                    choice_start = at + 1;
                }
            }
            ',' if depth == 1 => {
                choices.push(&pattern[choice_start..at]);
                choice_start = at + 1;
            }
            '}' if depth == 1 => {
                choices.push(&pattern[choice_start..at]);
                return open.map(|open| (&pattern[..open], choices, &pattern[at + 1..]));
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn walk(directory: &Path, shown: &Path, segments: &[Segment], found: &mut BTreeSet<PathBuf>) {
    let Some((segment, rest)) = segments.split_first() else {
        return;
    };
    if let Segment::Name(name) = segment {
        let path = directory.join(name);
        visit(&path, &shown.join(name), rest, found);
        return;
    }
    // What cannot be read holds no test that could be run.
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    if matches!(segment, Segment::Anywhere) {
        // No directory at all…
        walk(directory, shown, rest, found);
    }
    for entry in entries.flatten() {
        let name = entry.file_name();
        match segment {
            Segment::Anywhere => {
                // …or one and then again any number. A link may lead back up, so links are not walked.
                let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
                if is_directory {
                    walk(&entry.path(), &shown.join(&name), segments, found);
                } else if rest.is_empty() {
                    visit(&entry.path(), &shown.join(&name), rest, found);
                }
            }
            Segment::Pattern(parts) => {
                let text: Vec<char> = name.to_string_lossy().chars().collect();
                if matches(parts, &text) {
                    visit(&entry.path(), &shown.join(&name), rest, found);
                }
            }
            Segment::Name(_) => {}
        }
    }
}

/// A path that matches so far: a result if the pattern ends here and it is a file, else a directory to go on in.
fn visit(path: &Path, shown: &Path, rest: &[Segment], found: &mut BTreeSet<PathBuf>) {
    if !rest.is_empty() {
        walk(path, shown, rest, found);
    } else if fs::metadata(path).is_ok_and(|metadata| !metadata.is_dir()) {
        found.insert(shown.to_owned());
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Segment {
    /// `**`.
    Anywhere,
    /// No wildcard: the name itself.
    Name(String),
    /// To be compared with every name.
    Pattern(Vec<Part>),
}

#[derive(Debug, PartialEq, Eq)]
enum Part {
    Literal(char),
    AnyOne,
    AnyMany,
    OneOf { not: bool, ranges: Vec<(char, char)> },
}

impl Segment {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "**" {
            return Ok(Self::Anywhere);
        }
        let mut parts = Vec::new();
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            parts.push(match character {
                '*' => Part::AnyMany,
                '?' => Part::AnyOne,
                '\\' => Part::Literal(characters.next().unwrap_or('\\')),
                '[' => {
                    let set: String = characters.by_ref().take_while(|c| *c != ']').collect();
                    let closed = text.len() - characters.as_str().len();
                    if !text[..closed].ends_with(']') || set.is_empty() {
                        return Err("`[` without its `]`; write `\\[` for the character".to_owned());
                    }
                    one_of(&set)
                }
                character => Part::Literal(character),
            });
        }
        let name: Option<String> = parts
            .iter()
            .map(|part| match part {
                Part::Literal(character) => Some(*character),
                Part::AnyOne | Part::AnyMany | Part::OneOf { .. } => None,
            })
            .collect();
        Ok(name.map_or(Self::Pattern(parts), Self::Name))
    }
}

fn one_of(set: &str) -> Part {
    let (not, set) = match set.strip_prefix(['!', '^']) {
        Some(rest) if !rest.is_empty() => (true, rest),
        Some(_) | None => (false, set),
    };
    let characters: Vec<char> = set.chars().collect();
    let mut ranges = Vec::new();
    let mut rest = characters.as_slice();
    loop {
        rest = match rest {
            [] => return Part::OneOf { not, ranges },
            [from, '-', to, after @ ..] => {
                ranges.push((*from, *to));
                after
            }
            [one, after @ ..] => {
                ranges.push((*one, *one));
                after
            }
        };
    }
}

/// Compares with backtracking to the last `*` only, so the time is at most the product of both lengths.
fn matches(parts: &[Part], text: &[char]) -> bool {
    let (mut part, mut at) = (0, 0);
    let mut retry = None;
    loop {
        match parts.get(part) {
            Some(Part::AnyMany) => {
                retry = Some((part, at));
                part += 1;
                continue;
            }
            Some(one) if text.get(at).is_some_and(|character| one.fits(*character)) => {
                part += 1;
                at += 1;
                continue;
            }
            None if at == text.len() => return true,
            Some(_) | None => {}
        }
        match retry {
            Some((star, from)) if from < text.len() => {
                retry = Some((star, from + 1));
                part = star + 1;
                at = from + 1;
            }
            Some(_) | None => return false,
        }
    }
}

impl Part {
    fn fits(&self, character: char) -> bool {
        match self {
            Self::Literal(literal) => *literal == character,
            Self::AnyOne => true,
            Self::AnyMany => false,
            Self::OneOf { not, ranges } => {
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != *not
            }
        }
    }
}

#[cfg(test)]
mod tests;
