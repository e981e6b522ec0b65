//! Output of programs as lines of styled text: a small terminal that knows colours, carriage returns, backspaces and
//! erasing in the line, drops every other sequence, and shows controls that could deceive. Pure: text in, spans out; it
//! makes no HTML. The job page uses it; `assets/ansi.js` is the same machine for the live tail, held to the same cases.

mod palette;
mod parser;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use super::limits::LINE_CHARACTERS;
pub(crate) use palette::stylesheet;
use parser::{Parser, Token};

const BOLD: u8 = 1;
const DIM: u8 = 2;
const ITALIC: u8 = 4;
const UNDERLINE: u8 = 8;
const STRIKE: u8 = 16;
const REVERSE: u8 = 32;

/// How a character looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Style {
    foreground: Option<u8>,
    background: Option<u8>,
    flags: u8,
}

impl Style {
    /// The classes of the stylesheet, empty for plain text.
    pub(crate) fn classes(self) -> String {
        let mut text = String::new();
        let (mut front, mut back) = (self.foreground, self.background);
        for (flag, class) in [
            (BOLD, "tb"),
            (DIM, "td"),
            (ITALIC, "ti"),
            (UNDERLINE, "tu"),
            (STRIKE, "ts"),
        ] {
            if self.flags & flag != 0 {
                push_class(&mut text, class);
            }
        }
        if self.flags & REVERSE != 0 {
            std::mem::swap(&mut front, &mut back);
            if back.is_none() {
                push_class(&mut text, "tr");
            }
        }
        for (letter, colour) in [('f', front), ('b', back)] {
            if let Some(colour) = colour {
                push_class(&mut text, "");
                let _infallible = write!(text, "{letter}{colour}");
            }
        }
        text
    }

    /// The state in a form that `ansi.js` reads: `flags foreground background`.
    pub(crate) fn state(self) -> String {
        let colour = |colour: Option<u8>| colour.map_or_else(|| "-".to_owned(), |colour| colour.to_string());
        format!(
            "{} {} {}",
            self.flags,
            colour(self.foreground),
            colour(self.background)
        )
    }

    fn set(&mut self, flag: u8, on: bool) {
        self.flags = if on { self.flags | flag } else { self.flags & !flag };
    }

    /// Select Graphic Rendition.
    fn select(&mut self, parameters: &str) {
        let mut codes = parameters.split(';');
        while let Some(code) = codes.next() {
            let mut parts = code.split(':');
            let number = parts.next().unwrap_or_default();
            match number
                .parse()
                .unwrap_or(if number.is_empty() { 0 } else { u16::MAX })
            {
                0 => *self = Self::default(),
                1 => self.set(BOLD, true),
                2 => self.set(DIM, true),
                3 => self.set(ITALIC, true),
                4 => self.set(UNDERLINE, parts.next() != Some("0")),
                7 => self.set(REVERSE, true),
                9 => self.set(STRIKE, true),
                22 => self.set(BOLD | DIM, false),
                23 => self.set(ITALIC, false),
                24 => self.set(UNDERLINE, false),
                27 => self.set(REVERSE, false),
                29 => self.set(STRIKE, false),
                code @ (30..=37 | 90..=97) => self.foreground = Some(palette::basic(code)),
                code @ (40..=47 | 100..=107) => self.background = Some(palette::basic(code - 10)),
                39 => self.foreground = None,
                49 => self.background = None,
                code @ (38 | 48) => {
                    let sub: Vec<&str> = parts.collect();
                    let colour = if sub.is_empty() {
                        extended(&mut codes)
                    } else {
                        // `38:2::R:G:B` has an empty place for a colour space, `38:2:R:G:B` has none.
                        let keep = |(at, part): (usize, &&str)| at != 1 || !part.is_empty() || sub.len() < 5;
                        let kept = sub.iter().enumerate().filter(|(at, part)| keep((*at, part)));
                        extended(&mut kept.map(|(_, part)| *part))
                    };
                    let place = if code == 38 {
                        &mut self.foreground
                    } else {
                        &mut self.background
                    };
                    *place = colour.or(*place);
                }
                _ => {}
            }
        }
    }
}

fn push_class(text: &mut String, class: &str) {
    if !text.is_empty() {
        text.push(' ');
    }
    text.push_str(class);
}

/// `5;N` or `2;R;G;B` after 38 or 48.
fn extended<'a>(codes: &mut impl Iterator<Item = &'a str>) -> Option<u8> {
    let byte = |codes: &mut dyn Iterator<Item = &'a str>| codes.next()?.parse::<u8>().ok();
    match byte(codes)? {
        5 => byte(codes),
        2 => {
            let (red, green, blue) = (byte(codes)?, byte(codes)?, byte(codes)?);
            Some(palette::nearest(red, green, blue))
        }
        _ => None,
    }
}

/// A piece of a line in one style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) classes: String,
    pub(crate) text: String,
}

/// One line as it stands when its end is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) spans: Vec<Span>,
    /// Characters that were not kept.
    pub(crate) left_out: usize,
}

impl Line {
    /// Its text without styles.
    pub(crate) fn text(&self) -> String {
        self.spans.iter().map(|span| span.text.as_str()).collect()
    }
}

/// The terminal.
#[derive(Debug, Default)]
pub(crate) struct Terminal {
    parser: Parser,
    style: Style,
    cells: Vec<(char, Style)>,
    column: usize,
    left_out: usize,
    touched: bool,
}

impl Terminal {
    /// Takes text in; whole lines come out.
    pub(crate) fn feed(&mut self, text: &str, lines: &mut Vec<Line>) {
        for character in text.chars() {
            match self.parser.next(character) {
                None => {}
                Some(Token::LineEnd) => lines.push(self.end_line()),
                Some(token) => self.act(token),
            }
        }
    }

    /// The line that has no end yet, if anything was written to it.
    pub(crate) fn unfinished(&mut self) -> Option<Line> {
        self.touched.then(|| self.end_line())
    }

    /// The style as it is now.
    pub(crate) fn style(&self) -> Style {
        self.style
    }

    fn act(&mut self, token: Token) {
        self.touched = true;
        match token {
            Token::LineEnd => {}
            Token::Return => {
                self.column = 0;
                self.left_out = 0;
            }
            Token::Back => self.column = self.column.saturating_sub(1),
            Token::Print(character) => self.print(character),
            Token::Show(text) => text.chars().for_each(|character| self.print(character)),
            Token::Select(parameters) => self.style.select(&parameters),
            Token::EraseLine(0) => self.cells.truncate(self.column),
            Token::EraseLine(1) => {
                let end = (self.column + 1).min(self.cells.len());
                self.cells[..end].fill((' ', Style::default()));
            }
            Token::EraseLine(_) => self.cells.clear(),
        }
    }

    fn print(&mut self, character: char) {
        if self.column >= LINE_CHARACTERS {
            self.left_out += 1;
            return;
        }
        if self.cells.len() <= self.column {
            self.cells.resize(self.column + 1, (' ', Style::default()));
        }
        self.cells[self.column] = (character, self.style);
        self.column += 1;
    }

    fn end_line(&mut self) -> Line {
        let mut spans: Vec<Span> = Vec::new();
        let mut last = None;
        for (character, style) in self.cells.drain(..) {
            if last != Some(style) {
                last = Some(style);
                spans.push(Span {
                    classes: style.classes(),
                    text: String::new(),
                });
            }
            if let Some(span) = spans.last_mut() {
                span.text.push(character);
            }
        }
        let line = Line {
            spans,
            left_out: self.left_out,
        };
        (self.column, self.left_out, self.touched) = (0, 0, false);
        line
    }
}
