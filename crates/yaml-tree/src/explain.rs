//! Where reading broke off, in words a person understands. The parser knows what it could not use; what was meant is in
//! the lines around, so those are looked at here. CircleCI's wording stands in the message where it is known.

use crate::builder::Open;
use crate::events::{Break, Cause};
use crate::indentation::{self, Line, Mark};
use crate::limits::MAX_DEPTH;
use crate::quoting;
use crate::{Fix, Problem, ProblemCode, Span};

const CONFLICT: [&str; 4] = ["<<<<<<< ", "=======", ">>>>>>> ", "||||||| "];

/// The problem at a break. `open` are the collections it stands in.
pub(crate) fn explain(source: &str, broken: &Break, open: &[Open]) -> Problem {
    let scene = Scene {
        source,
        offset: broken.offset,
        line: Line::at(source, broken.offset),
        bracket: open
            .last()
            .filter(|open| open.flow)
            .and_then(|_| bracket(source, open)),
    };
    if let Some(problem) = scene.conflict() {
        return problem;
    }
    if let Some(problem) = scene.left_open(&broken.cause) {
        return problem;
    }
    let problem = scene.problem(&broken.cause);
    let told = matches!(
        broken.cause,
        Cause::Depth | Cause::OpenBracket(_) | Cause::OtherBracket(..)
    );
    match scene.bracket {
        Some(bracket) if !told && (bracket.start as usize) < broken.offset => problem
            .related(
                Span::new(bracket.start as usize, bracket.start as usize + 1),
                "this bracket is still open there",
            )
            .hint("close the bracket, or mend what stands between it and here"),
        Some(_) | None => problem,
    }
}

/// The bracket that was opened last; a pair `a: b` in a list is a map of its own without one.
fn bracket(source: &str, open: &[Open]) -> Option<Span> {
    let is_bracket = |open: &&Open| source[open.start.start as usize..].starts_with(['[', '{']);
    open.iter()
        .rev()
        .filter(|open| open.flow)
        .find(is_bracket)
        .map(|open| open.start)
}

/// What is said of a tab before the first thing in a line.
pub(crate) fn tab(span: Span) -> Problem {
    Problem::error(ProblemCode::Syntax, span, "a tab cannot be used as indentation")
        .hint("indent with spaces")
}

struct Scene<'s> {
    source: &'s str,
    offset: usize,
    line: Line<'s>,
    bracket: Option<Span>,
}

impl Scene<'_> {
    fn problem(&self, cause: &Cause) -> Problem {
        match cause {
            Cause::Depth => {
                let message = format!("this is nested more than {MAX_DEPTH} levels deep");
                Problem::error(ProblemCode::Limit, self.here(), message)
                    .hint("check the brackets and the indentation around here")
            }
            Cause::Colon => self.colon(),
            Cause::Tab => tab(self.here()),
            Cause::QuoteMargin => self
                .error("text in quotes goes on in this line, which is not indented as part of it")
                .hint("close the quote in the line above, or indent this line"),
            Cause::BadStart(character) => self
                .error(format!(
                    "a value cannot start with `{}`",
                    character.escape_default()
                ))
                .hint("put quotes around the text")
                .fix(self.quote_from(self.offset)),
            Cause::NoName => {
                let start = self.start_of_token();
                let sign = self.source[start..].chars().next().unwrap_or('&');
                let what = if sign == '*' { "an alias" } else { "an anchor" };
                self.error_at(
                    start,
                    format!("a value cannot start with `{sign}`, which is the sign of {what}"),
                )
                .hint("put quotes around the text")
                .fix(self.quote_from(start))
            }
            Cause::NoColon => self.no_colon(),
            Cause::NoKey | Cause::NoItem | Cause::Indentation => self.misplaced(cause),
            Cause::ItemInLine => self
                .error("a list cannot begin in the line of its key")
                .hint("put the `-` in the next line, indented further than the key"),
            Cause::ItemInBrackets => self
                .error("a list item with `-` cannot stand inside brackets")
                .hint("separate the items of `[…]` with commas and leave the `-` out"),
            Cause::OpenQuote => self.error("a quote is not closed").hint("add the closing quote"),
            Cause::OpenBracket(bracket) => self
                .error(format!("the bracket `{bracket}` is not closed"))
                .hint("add the closing bracket"),
            Cause::OtherBracket(opened, closed) => self
                .error(format!("the bracket `{opened}` is closed by `{closed}`"))
                .hint("close it with its own kind"),
            Cause::NoBracket => self
                .error("this bracket closes nothing")
                .hint("remove it, or put quotes around the text")
                .fix(self.quote_from(self.offset)),
            Cause::MapSeparator => self
                .error("a `,` or `}` was expected here")
                .hint("separate the entries of `{…}` with commas"),
            Cause::ListSeparator => self
                .error("a `,` or `]` was expected here")
                .hint("separate the items of `[…]` with commas"),
            Cause::Escape => self
                .error("this escape is not known inside double quotes")
                .hint("write `\\\\` for a backslash, or use single quotes"),
            Cause::AfterQuote => self.after_quote(),
            Cause::BlockHeader => self
                .error("only a digit, `-` or `+` may stand behind `|` and `>`")
                .hint("begin the text in the next line, or put quotes around it")
                .fix(self.quote_from(self.offset)),
            Cause::BlockBlanks => self
                .error("the text begins here, and a blank line above it is wider than its indentation")
                .hint("remove the blanks in the empty lines above"),
            Cause::GluedComment => self
                .error("comments must be separated from other tokens by whitespace")
                .hint("put a blank before the `#`"),
            Cause::Other(words) => self.error(words.clone()),
        }
    }

    /// The character at the break.
    fn here(&self) -> Span {
        self.one(self.offset)
    }

    fn one(&self, offset: usize) -> Span {
        let width = self.source[offset..]
            .chars()
            .next()
            .filter(|c| !c.is_control())
            .map_or(0, char::len_utf8);
        Span::new(offset, offset + width)
    }

    fn error(&self, message: impl Into<String>) -> Problem {
        Problem::error(ProblemCode::Syntax, self.here(), message)
    }

    fn error_at(&self, offset: usize, message: impl Into<String>) -> Problem {
        Problem::error(ProblemCode::Syntax, self.one(offset), message)
    }

    /// Quotes around a value; inside brackets nobody knows where it ends.
    fn quote_from(&self, start: usize) -> Option<Fix> {
        if self.bracket.is_some() {
            return None;
        }
        quoting::quote(self.source, start)
    }

    /// The parser may stand behind the sign it complains of.
    fn start_of_token(&self) -> usize {
        let before = &self.source[self.line.start..self.offset];
        if self.source[self.offset..].starts_with(['&', '*']) {
            self.offset
        } else if before.ends_with(['&', '*']) {
            self.offset - 1
        } else {
            self.offset
        }
    }

    /// A line that version control left behind.
    fn conflict(&self) -> Option<Problem> {
        let lines = [Some(self.line), self.line.above(self.source)];
        let line = lines
            .into_iter()
            .flatten()
            .find(|line| CONFLICT.iter().any(|mark| line.text.starts_with(mark)))?;
        let span = Span::new(line.start, line.end());
        Some(
            Problem::error(
                ProblemCode::Syntax,
                span,
                "this line is the mark of a merge conflict",
            )
            .hint("decide between the two sides and remove the marks"),
        )
    }

    /// A bracket without its partner before lines that cannot be inside of it: the place is the bracket's, not where
    /// reading on at last made no sense.
    fn left_open(&self, cause: &Cause) -> Option<Problem> {
        let follows = matches!(
            cause,
            Cause::MapSeparator | Cause::ListSeparator | Cause::Colon | Cause::ItemInBrackets
        );
        let bracket = self.bracket.filter(|_| follows)?.start as usize;
        let own = Line::at(self.source, bracket);
        if self.offset <= own.end() {
            return None;
        }
        // Nothing inside a bracket is indented less than the line it is opened in, or as much with a key in it.
        let between = self.source.get(own.end()..self.line.end())?.lines();
        let leaves = between.filter(|line| !line.trim().is_empty()).any(|line| {
            let line = Line { start: 0, text: line };
            let is_key = line.code().trim_end().ends_with(':') || line.code().contains(": ");
            line.indentation() < own.indentation() || line.indentation() == own.indentation() && is_key
        });
        let sign = self.source[bracket..].chars().next().unwrap_or('[');
        leaves.then(|| {
            self.error_at(bracket, format!("the bracket `{sign}` is not closed"))
                .related(self.here(), "what follows was read as part of it up to here")
                .hint("add the closing bracket")
        })
    }

    /// A colon where no key can be: a second one in a value, or text above that goes on into this line.
    fn colon(&self) -> Problem {
        let problem = self.error("mapping values are not allowed here");
        if self.bracket.is_some() {
            return problem;
        }
        if let Some(value) = self.value_in_line() {
            return problem
                .hint("put quotes around a value that holds a `: `")
                .fix(self.quote_from(value));
        }
        let Some(above) = self.line.above(self.source) else {
            return problem.hint("put quotes around text that holds a `: `");
        };
        let marks = above.marks();
        let (Some(mark), Some(this)) = (marks.last(), self.line.marks().last().copied()) else {
            return problem.hint("check the indentation of this line and the one before");
        };
        if let Some(colon) = glued_colon(above, *mark) {
            let fix = Fix {
                title: "put a blank behind the `:`".to_owned(),
                span: Span::new(colon + 1, colon + 1),
                text: " ".to_owned(),
            };
            return problem
                .related(Span::new(colon, colon + 1), "this `:` has no blank behind it")
                .hint("put a blank behind the `:`, else it is part of the text")
                .fix(Some(fix));
        }
        let code = above.code();
        let text = Span::new(mark.offset, above.start + code.len().max(mark.column));
        let has_key = self.source[text.range()].contains(": ");
        if has_key {
            let problem = problem.related(text, "the value in this line goes on into the line with the `:`");
            return problem
                .hint(format!(
                    "line it up with `{}`, or remove the value there",
                    mark.name
                ))
                .fix(indentation::line_up(self.source, self.line, *mark));
        }
        let problem = problem.related(text, "this text goes on into the line with the `:`");
        let words = shortened(&self.source[text.range()]);
        if this.column > mark.column {
            let fix = Fix {
                title: "add the `:`".to_owned(),
                span: Span::new(text.end as usize, text.end as usize),
                text: ":".to_owned(),
            };
            let hint = format!("put a `:` behind `{words}`, so that this line belongs to it");
            return problem.hint(hint).fix(Some(fix));
        }
        problem.hint(format!(
            "put a `:` behind `{words}` and indent this line further than it"
        ))
    }

    /// Where the value begins in a line that has a key before the break.
    fn value_in_line(&self) -> Option<usize> {
        let before = &self.source[self.line.start..self.offset];
        let colon = before.find(": ")?;
        let value = before[colon + 1..].trim_start();
        Some(self.offset - value.len())
    }

    /// A line without a colon among keys.
    fn no_colon(&self) -> Problem {
        let head = self
            .line
            .above(self.source)
            .filter(|above| is_block_head(above.code()));
        if let Some((head, mark)) = head.and_then(|head| Some((head, *head.marks().last()?))) {
            let code = head.code();
            let sign = Span::new(head.start + code.len() - 1, head.start + code.len());
            let hint = format!(
                "indent the lines of the text further than `{}`, which stands at column {}",
                mark.name,
                mark.column + 1
            );
            return self
                .error("this line is not indented as part of the text above, and it is no key")
                .related(sign, "the text begins behind this sign")
                .hint(hint);
        }
        let problem = self.error("a key needs a `:` after it");
        let code = self.line.code();
        if code.trim_start().starts_with('*') {
            return problem.hint("put a blank between the alias and the `:`");
        }
        if code.trim().contains(' ') || self.bracket.is_some() {
            return problem.hint("add the `:`, or indent the line so that it belongs to the value above");
        }
        let end = self.line.start + code.len();
        problem
            .hint("add the `:`, or indent the line so that it belongs to the value above")
            .fix(Some(Fix {
                title: "add the `:`".to_owned(),
                span: Span::new(end, end),
                text: ":".to_owned(),
            }))
    }

    /// A line, or the rest of one, that fits nothing above.
    fn misplaced(&self, cause: &Cause) -> Problem {
        let before = self.source[self.line.start..self.offset].trim_start();
        if !before.trim_start_matches(['-', ' ']).is_empty() {
            return self.rest_of_line(before);
        }
        let marks = indentation::open_marks(self.source, self.line);
        let column = self.line.indentation();
        let is_item = self.line.marks().first().is_some_and(|mark| mark.name == "-");
        let Some(near) = indentation::nearest(&marks, column) else {
            return self.error("this line's indentation fits nothing above it");
        };
        let related = Span::new(near.offset, near.offset + near.name.len());
        if near.column == column && is_item && near.name != "-" {
            return self
                .error("a list item stands among the keys of a map")
                .related(related, "a key of that map")
                .hint("indent the list below the key it belongs to");
        }
        if near.column == column && !is_item && near.name == "-" {
            return self
                .error("a key stands among the items of a list")
                .related(related, "an item of that list")
                .hint("begin the line with `- `, or line it up with the key it belongs to");
        }
        // Only what is of the same kind can be lined up with.
        let alike: Vec<Mark<'_>> = marks
            .iter()
            .filter(|mark| (mark.name == "-") == is_item)
            .copied()
            .collect();
        let near = indentation::nearest(&alike, column).unwrap_or(near);
        let message = if *cause == Cause::NoKey {
            "a key was expected here: this line's indentation fits nothing above it"
        } else {
            "this line's indentation fits nothing above it"
        };
        let problem = self.error(message).related(
            Span::new(near.offset, near.offset + near.name.len()),
            "the nearest line it could be lined up with",
        );
        let away = near.column.abs_diff(column);
        let other = alike
            .iter()
            .find(|mark| mark.column != near.column && mark.column.abs_diff(column) == away);
        let near_line = self.line_number(near.offset);
        match other {
            Some(other) => problem.hint(format!(
                "line it up with `{}` of line {near_line}, or with `{}` of line {}",
                near.name,
                other.name,
                self.line_number(other.offset)
            )),
            None => problem
                .hint(format!("line it up with `{}` of line {near_line}", near.name))
                .fix(indentation::line_up(self.source, self.line, near)),
        }
    }

    /// Something behind a value that was complete.
    fn rest_of_line(&self, before: &str) -> Problem {
        let problem = self.error("this cannot follow the value before it");
        if self.source[self.offset..].starts_with(['&', '*', '!']) && before.contains(['&', '!']) {
            return problem.hint("a value takes one anchor and one tag, and an alias takes neither");
        }
        match self.value_in_line() {
            Some(value) if self.bracket.is_none() => problem
                .hint("put quotes around the whole value")
                .fix(self.quote_from(value)),
            Some(_) | None if before.starts_with('*') => {
                problem.hint("put a blank between the alias and the `:`")
            }
            Some(_) | None => problem.hint("put quotes around the whole value"),
        }
    }

    fn after_quote(&self) -> Problem {
        let problem = self.error("text goes on behind the closing quote");
        let before = &self.source[self.line.start..self.offset];
        if self.source[self.offset..].starts_with(|c: char| c.is_alphanumeric())
            && before.ends_with('\'')
            && before[..before.len() - 1].ends_with(|c: char| c.is_alphanumeric())
        {
            return problem.hint("write an apostrophe inside single quotes twice, or use double quotes");
        }
        let problem = problem.hint("put quotes around the whole value, of the other kind");
        match self.value_in_line() {
            Some(value) => problem.fix(self.quote_from(value)),
            None => problem,
        }
    }

    fn line_number(&self, offset: usize) -> usize {
        self.source[..offset].matches('\n').count() + 1
    }
}

/// Text for a hint; a line may be long.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 40;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    text.chars().take(SHOWN).chain(['…']).collect()
}

/// Whether a line ends with the sign of a block of text.
fn is_block_head(code: &str) -> bool {
    let head = code
        .trim_end_matches(['-', '+'])
        .trim_end_matches(|c: char| c.is_ascii_digit());
    head.ends_with(['|', '>']) && head[..head.len() - 1].ends_with([' ', ':'])
}

/// A `key:value` without the blank, as the only colon of its line.
fn glued_colon(line: Line<'_>, mark: Mark<'_>) -> Option<usize> {
    let text = &line.code()[mark.column.min(line.code().len())..];
    let colon = text.find(':')?;
    let (key, value) = (&text[..colon], &text[colon + 1..]);
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    let glued = !value.is_empty() && !value.starts_with([' ', '/']) && !value.contains(": ");
    (is_key && glued).then_some(mark.offset + colon)
}
