//! Diagnostics for a terminal: the message, the line it is about with carets below, the places that belong to it, and
//! the way out. Long lines are shown around the place only.

use std::borrow::Cow;
use std::collections::BTreeSet;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::limits::MAX_SHOWN_COLUMNS;
use crate::{Code, Diagnostic, Position, Severity, Source};

/// Whether to use a terminal's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// With escape sequences.
    Always,
}

/// All diagnostics as text, each ended by a blank line. `sources` are the files they may point into: the config, and
/// `inputs.orbs.sources()` where there are orbs.
pub fn text<'a>(
    diagnostics: &[Diagnostic],
    sources: impl IntoIterator<Item = &'a Source>,
    color: Color,
) -> String {
    let renderer = match color {
        Color::Never => Renderer::plain(),
        Color::Always => Renderer::styled(),
    };
    let files = Files::new(sources);
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic, &files, &renderer));
        out.push_str("\n\n");
    }
    out
}

/// One line that counts errors and warnings; empty when there are none.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let errors = diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.is_error())
        .count();
    let count = |number: usize, word: &str| match number {
        0 => None,
        1 => Some(format!("1 {word}")),
        many => Some(format!("{many} {word}s")),
    };
    let parts = [
        count(errors, "error"),
        count(diagnostics.len() - errors, "warning"),
    ];
    let counted = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let of_shape = |diagnostic: &&Diagnostic| diagnostic.is_error() && diagnostic.code.is_of_shape();
    match diagnostics.iter().filter(of_shape).count() {
        0 | 1 => counted,
        // The service's own heading, which is what people look for.
        many => format!("{counted} (ERROR IN CONFIG FILE: {many} schema violations found)"),
    }
}

/// One line for each code that occurs, with its page.
pub fn pages(diagnostics: &[Diagnostic]) -> String {
    let codes: BTreeSet<Code> = diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
    codes.into_iter().fold(String::new(), |out, code| {
        out + &format!("more about {}: {}\n", code.as_str(), code.page())
    })
}

fn one(diagnostic: &Diagnostic, files: &Files<'_>, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let primary = Excerpt::of(&diagnostic.position, files);
    let related: Vec<(Excerpt, &str)> = diagnostic
        .related
        .iter()
        .map(|related| (Excerpt::of(&related.position, files), related.message.as_str()))
        .collect();
    let title = level
        .primary_title(&diagnostic.message)
        .id(diagnostic.code.as_str());
    let mut group = Group::with_title(title).element(primary.snippet(AnnotationKind::Primary, None));
    for (excerpt, message) in &related {
        group = group.element(excerpt.snippet(AnnotationKind::Context, Some(message)));
    }
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.message(hint));
    }
    for fix in &diagnostic.fixes {
        group = group.element(Level::HELP.with_name("fix").message(fix.title.as_str()));
    }
    let mut out = renderer.render(&[group]);
    for excerpt in [&primary]
        .into_iter()
        .chain(related.iter().map(|(excerpt, _)| excerpt))
    {
        // The renderer counts columns in what it was shown.
        let shown = format!("{}:{}:{}", excerpt.file, excerpt.line, excerpt.shown_column());
        let true_place = format!("{}:{}:{}", excerpt.file, excerpt.line, excerpt.column);
        if excerpt.cut {
            out = out.replacen(&shown, &true_place, 1);
        }
    }
    out
}

/// The sources, with their lines found once.
struct Files<'a> {
    files: Vec<(&'a str, Cow<'a, str>, Vec<usize>)>,
}

struct Line<'f> {
    start: usize,
    text: &'f str,
}

impl<'a> Files<'a> {
    fn new(sources: impl IntoIterator<Item = &'a Source>) -> Self {
        let files = sources.into_iter().map(|source| {
            let text = String::from_utf8_lossy(&source.bytes);
            let mut starts = vec![if text.starts_with('\u{feff}') {
                '\u{feff}'.len_utf8()
            } else {
                0
            }];
            let bytes = text.as_bytes();
            let ends =
                |at: usize| bytes[at] == b'\n' || (bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
            starts.extend((0..bytes.len()).filter(|at| ends(*at)).map(|at| at + 1));
            (source.file.as_str(), text, starts)
        });
        Self {
            files: files.collect(),
        }
    }

    /// A line counted from one; empty when there is none.
    fn line(&self, file: &str, line: u32) -> Line<'_> {
        let found = self
            .files
            .iter()
            .find(|(name, ..)| *name == file)
            .and_then(|(_, text, starts)| {
                let at = (line as usize).checked_sub(1)?;
                let start = *starts.get(at)?;
                let end = starts.get(at + 1).copied().unwrap_or(text.len());
                Some(Line {
                    start,
                    text: text.get(start..end)?.trim_end_matches(['\n', '\r']),
                })
            });
        found.unwrap_or(Line { start: 0, text: "" })
    }
}

/// The nearest character border at or before an offset.
fn floor(text: &str, offset: usize) -> usize {
    let mut at = offset.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// A tab or a control character is one column here and must stay one in the output.
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// One line of a source with the part of it to mark.
struct Excerpt {
    file: String,
    line: u32,
    column: u32,
    text: String,
    range: std::ops::Range<usize>,
    cut: bool,
}

impl Excerpt {
    fn of(position: &Position, files: &Files<'_>) -> Self {
        let line = files.line(&position.file, position.line);
        // Only a window of bytes around the place is looked at: a line may have megabytes.
        let window = MAX_SHOWN_COLUMNS / 2;
        let start = floor(line.text, (position.start as usize).saturating_sub(line.start));
        let end = if position.end_line == position.line {
            floor(line.text, (position.end as usize).saturating_sub(line.start)).max(start)
        } else {
            line.text.len()
        };
        let cut = line.text.len() > 2 * MAX_SHOWN_COLUMNS;
        let from = if cut {
            floor(line.text, start.saturating_sub(window))
        } else {
            0
        };
        let to = if cut {
            floor(line.text, start + window)
        } else {
            line.text.len()
        };
        let end = end.min(to);
        let start_mark = if from > 0 { "…" } else { "" };
        let end_mark = if to < line.text.len() { "…" } else { "" };
        let before = start_mark.to_owned() + &shown(&line.text[from..start]);
        let marked = shown(&line.text[start..end]);
        Self {
            file: position.file.clone(),
            line: position.line,
            column: position.column,
            range: before.len()..before.len() + marked.len(),
            text: before + &marked + &shown(&line.text[end..to]) + end_mark,
            cut,
        }
    }

    fn shown_column(&self) -> usize {
        self.text[..self.range.start].chars().count() + 1
    }

    fn snippet<'a>(
        &'a self,
        kind: AnnotationKind,
        label: Option<&'a str>,
    ) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let annotation = kind.span(self.range.clone());
        let annotation = match label {
            Some(label) => annotation.label(label),
            None => annotation,
        };
        Snippet::source(self.text.as_str())
            .path(self.file.as_str())
            .line_start(self.line as usize)
            .annotation(annotation)
    }
}
