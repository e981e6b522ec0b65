//! Diagnostics for a terminal: the message, the line it is about with carets below, the places that belong to it, and
//! the way out. Long lines are shown around the place only.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::limits::MAX_SHOWN_COLUMNS;
use crate::{Diagnostic, Position, Severity, Source};

/// Whether to use a terminal's colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    Never,
    /// With escape sequences.
    Always,
}

/// All diagnostics as text, each ended by a blank line.
pub fn text(diagnostics: &[Diagnostic], sources: &[Source], color: Color) -> String {
    let renderer = match color {
        Color::Never => Renderer::plain(),
        Color::Always => Renderer::styled(),
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        out.push_str(&one(diagnostic, sources, &renderer));
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
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn one(diagnostic: &Diagnostic, sources: &[Source], renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let primary = Excerpt::of(&diagnostic.position, sources);
    let related: Vec<(Excerpt, &str)> = diagnostic
        .related
        .iter()
        .map(|related| (Excerpt::of(&related.position, sources), related.message.as_str()))
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
    let mut out = renderer.render(&[group]);
    let noted = [&primary]
        .into_iter()
        .chain(related.iter().map(|(excerpt, _)| excerpt));
    for excerpt in noted.filter(|excerpt| excerpt.cut) {
        let _ = write!(
            out,
            "\n  (line {} is cut; column {})",
            excerpt.line, excerpt.column
        );
    }
    out
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
    fn of(position: &Position, sources: &[Source]) -> Self {
        let source = sources.iter().find(|source| source.file == position.file);
        let source = source.map_or(String::new(), |source| {
            String::from_utf8_lossy(&source.bytes).into_owned()
        });
        let line = source.lines().nth(position.line as usize - 1).unwrap_or("");
        let line = line.trim_start_matches('\u{feff}').trim_end_matches('\r');
        let chars: Vec<char> = line.chars().collect();
        let start = (position.column as usize - 1).min(chars.len());
        let end = if position.end_line == position.line {
            position.end_column as usize - 1
        } else {
            chars.len()
        };
        let end = end.clamp(start, chars.len());
        let cut = chars.len() > MAX_SHOWN_COLUMNS;
        let from = if cut {
            start.saturating_sub(MAX_SHOWN_COLUMNS / 2)
        } else {
            0
        };
        let to = if cut {
            (from + MAX_SHOWN_COLUMNS).min(chars.len())
        } else {
            chars.len()
        };
        // A tab or a control character is one column here and must stay one in the output.
        let shown = |range: std::ops::Range<usize>| -> String {
            chars[range]
                .iter()
                .map(|c| if c.is_control() { ' ' } else { *c })
                .collect()
        };
        let (end, to) = (end.min(to), to);
        let before = shown(from..start).len();
        let marked = shown(start..end).len();
        Self {
            file: position.file.clone(),
            line: position.line,
            column: position.column,
            text: shown(from..to),
            range: before..before + marked,
            cut,
        }
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
