//! Writes values as YAML: block style, no wrapping of lines, nothing left to a reader's guess. Text that some reader
//! would take for another type is quoted, text of several lines is a literal block, and what a block cannot hold is
//! double-quoted. Reading the result back gives the same value; a property test holds it to that.

use std::fmt::Write as _;

use crate::{Data, limits, scalar};

/// How the result is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Columns a nested map or list is moved right.
    indent: usize,
    /// Whether a list stands further right than the key that holds it.
    lists_indented: bool,
    /// The quote around text that looks like a number or a boolean.
    quote: Quote,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quote {
    Single,
    Double,
}

impl Layout {
    /// As packed files are known to look: four columns, lists indented.
    pub const PACKED: Self = Self {
        indent: 4,
        lists_indented: true,
        quote: Quote::Double,
    };
    /// As compiled configs are known to look: two columns, lists below their key.
    pub const COMPILED: Self = Self {
        indent: 2,
        lists_indented: false,
        quote: Quote::Single,
    };
}

impl Data {
    /// The value as a YAML document that ends with a line break.
    pub fn to_yaml(&self, layout: Layout) -> String {
        let mut out = String::new();
        let writer = Writer { layout };
        match self {
            Self::Map(entries) if !entries.is_empty() => writer.map(&mut out, entries, 0),
            Self::List(items) if !items.is_empty() => writer.list(&mut out, items, 0),
            // A block scalar at the top would be measured from outside of the document.
            Self::Text(text) => {
                out.push_str(&line(text, layout.quote));
                out.push('\n');
            }
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Map(_) => {
                writer.leaf(&mut out, self, 0);
            }
        }
        out
    }
}

struct Writer {
    layout: Layout,
}

impl Writer {
    /// Writes entries; the cursor stands at their column.
    fn map(&self, out: &mut String, entries: &[(String, Data)], column: usize) {
        for (at, (name, value)) in entries.iter().enumerate() {
            if at > 0 {
                pad(out, column);
            }
            self.key(out, name, column);
            self.value(out, value, column);
        }
    }

    fn key(&self, out: &mut String, name: &str, column: usize) {
        let text = line(name, self.layout.quote);
        // Longer keys need the mark of an explicit one.
        if text.chars().count() >= limits::MAX_KEY_CHARS {
            let _ = writeln!(out, "? {text}");
            pad(out, column);
        } else {
            out.push_str(&text);
        }
        out.push(':');
    }

    /// What stands after a key.
    fn value(&self, out: &mut String, value: &Data, column: usize) {
        match value {
            Data::Map(entries) if !entries.is_empty() => {
                out.push('\n');
                let inner = self.inside(column);
                pad(out, inner);
                self.map(out, entries, inner);
            }
            Data::List(items) if !items.is_empty() => {
                out.push('\n');
                let inner = if self.layout.lists_indented {
                    self.inside(column)
                } else {
                    column
                };
                pad(out, inner);
                self.list(out, items, inner);
            }
            Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) | Data::List(_) | Data::Map(_) => {
                out.push(' ');
                self.leaf(out, value, column);
            }
        }
    }

    fn list(&self, out: &mut String, items: &[Data], column: usize) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                pad(out, column);
            }
            out.push_str("- ");
            match item {
                Data::Map(entries) if !entries.is_empty() => self.map(out, entries, column + 2),
                Data::List(inner) if !inner.is_empty() => self.list(out, inner, column + 2),
                Data::Null
                | Data::Bool(_)
                | Data::Number(_)
                | Data::Text(_)
                | Data::List(_)
                | Data::Map(_) => self.leaf(out, item, column),
            }
        }
    }

    fn leaf(&self, out: &mut String, value: &Data, column: usize) {
        match value {
            Data::Null => out.push_str("null"),
            Data::Bool(value) => {
                let _ = write!(out, "{value}");
            }
            Data::Number(text) => out.push_str(text),
            Data::Text(text) if fits_block(text) => return self.block(out, text, column),
            Data::Text(text) => out.push_str(&line(text, self.layout.quote)),
            Data::List(_) => out.push_str("[]"),
            Data::Map(_) => out.push_str("{}"),
        }
        out.push('\n');
    }

    /// A literal block below something that stands at a column.
    fn block(&self, out: &mut String, text: &str, column: usize) {
        let inner = self.inside(column);
        out.push('|');
        if text.starts_with([' ', '\t', '\n']) {
            let _ = write!(out, "{}", inner - column);
        }
        let body = text.strip_suffix('\n').unwrap_or(text);
        match (text.len() - body.len(), body.ends_with('\n')) {
            (0, _) => out.push('-'),
            (_, true) => out.push('+'),
            (_, false) => {}
        }
        out.push('\n');
        for line in body.split('\n') {
            if !line.is_empty() {
                pad(out, inner);
                out.push_str(line);
            }
            out.push('\n');
        }
    }

    /// The next column to the right at which nested things begin.
    fn inside(&self, column: usize) -> usize {
        let indent = self.layout.indent;
        (column + indent) / indent * indent
    }
}

fn pad(out: &mut String, columns: usize) {
    out.extend(std::iter::repeat_n(' ', columns));
}

/// Whether text may be a literal block: several lines, nothing that must be escaped, and no line of mere blanks at
/// an end, which readers do not agree about.
fn fits_block(text: &str) -> bool {
    let blank = |line: &str| !line.is_empty() && line.trim_matches([' ', '\t']).is_empty();
    let mut lines = text.split('\n');
    let first = lines.next().unwrap_or_default();
    let body = text.trim_end_matches('\n');
    text.contains('\n')
        && !body.trim_matches('\n').is_empty()
        && text.chars().all(|c| c == '\n' || c == '\t' || printable(c))
        && !blank(first)
        && !body.rsplit('\n').next().is_some_and(blank)
}

/// Text on one line: plain where it can be, else quoted.
fn line(text: &str, quote: Quote) -> String {
    if !text.chars().all(printable) {
        return double_quoted(text);
    }
    if !plain(text) {
        return single_quoted(text);
    }
    match (looks_typed(text), quote) {
        (false, _) => text.to_owned(),
        (true, Quote::Single) => single_quoted(text),
        (true, Quote::Double) => double_quoted(text),
    }
}

/// Characters that every reader takes as they are.
fn printable(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..='\u{ffff}')
}

/// Whether text reads as itself without quotes; what type it would get is another question.
fn plain(text: &str) -> bool {
    let mut chars = text.chars();
    let starts_well = match chars.next() {
        None => false,
        Some('-') => chars.next().is_some_and(|c| c != ' ' && c != '-'),
        Some(c) => !c.is_whitespace() && !"?:,[]{}#&*!|>'\"%@`".contains(c),
    };
    starts_well
        && !text.ends_with([' ', ':'])
        && !text.starts_with("...")
        && !text.contains(": ")
        && !text.contains(" #")
}

/// Whether some reader of YAML 1.1 or 1.2 would take plain text for something other than text.
fn looks_typed(text: &str) -> bool {
    if !matches!(scalar::resolve(text), crate::Value::Text(_)) || scalar::boolean(text).is_some() {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let numeric = unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned
            .chars()
            .all(|c| c.is_ascii_hexdigit() || "_,.:+-xoXOTtZz ".contains(c));
    // Versions such as `1.2.3` are no number to anybody.
    let version = unsigned.split('.').count() > 2 && unsigned.chars().all(|c| c.is_ascii_digit() || c == '.');
    (numeric && !version) || matches!(text, "=" | "<<")
}

fn single_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if printable(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = if code <= 0xff {
                    write!(out, "\\x{code:02X}")
                } else if code <= 0xffff {
                    write!(out, "\\u{code:04X}")
                } else {
                    write!(out, "\\U{code:08X}")
                };
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(value: &Data) -> String {
        value.to_yaml(Layout::PACKED)
    }

    fn text(text: &str) -> Data {
        Data::Text(text.to_owned())
    }

    fn of(yaml: &str) -> Data {
        let parsed = crate::parse(yaml.as_bytes());
        assert_eq!(parsed.problems, []);
        Data::of(parsed.tree.root().expect("the text has a document"))
    }

    #[test]
    fn text_that_looks_like_another_type_is_quoted() {
        for typed in [
            "on",
            "yes",
            "n",
            "Y",
            "null",
            "~",
            "12",
            "-1.5",
            "1e3",
            "0x1F",
            "010",
            "12:30",
            "2020-01-31",
            "1_000",
            "9223372036854775808",
            ".5",
            "<<",
            "=",
            "+.inf",
        ] {
            assert_eq!(packed(&text(typed)), format!("\"{typed}\"\n"), "{typed}");
        }
        for plain in [
            "1.2.3",
            "ubuntu-2004:2022.10.1",
            "-race",
            "a: b".trim_end_matches(" b"),
            "<< x >>",
            ".",
            "é",
        ] {
            let want = if plain == "a:" {
                "'a:'\n".to_owned()
            } else {
                format!("{plain}\n")
            };
            assert_eq!(packed(&text(plain)), want);
        }
        assert_eq!(text("12").to_yaml(Layout::COMPILED), "'12'\n");
        assert_eq!(text("").to_yaml(Layout::COMPILED), "''\n");
    }

    #[test]
    fn text_that_breaks_the_grammar_is_quoted() {
        for (text_, want) in [
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            ("it's: x", "'it''s: x'"),
            ("- a", "'- a'"),
            ("---", "'---'"),
            ("*a", "'*a'"),
            (" a", "' a'"),
            ("a\tb", "\"a\\tb\""),
            ("a\u{85}b", "\"a\\x85b\""),
            ("\u{feff}a", "\"\\uFEFFa\""),
            ("{{ checksum }}", "'{{ checksum }}'"),
        ] {
            assert_eq!(packed(&text(text_)), format!("{want}\n"));
        }
    }

    #[test]
    fn both_layouts() {
        let value = of(
            "jobs: {build: {docker: [{image: x, a: [[1, 2], [], {}]}], steps: [checkout, {run: \"a\\nb\\n\"}]}}",
        );
        let want = "jobs:\n    build:\n        docker:\n            - image: x\n              a:\n                - - 1\n                  - 2\n                - []\n                - {}\n        steps:\n            - checkout\n            - run: |\n                a\n                b\n";
        assert_eq!(packed(&value), want);
        let want = "jobs:\n  build:\n    docker:\n    - image: x\n      a:\n      - - 1\n        - 2\n      - []\n      - {}\n    steps:\n    - checkout\n    - run: |\n        a\n        b\n";
        assert_eq!(value.to_yaml(Layout::COMPILED), want);
    }

    #[test]
    fn ends_and_beginnings_of_blocks() {
        let value = |inner: &str| Data::Map(vec![("k".to_owned(), text(inner))]);
        for (inner, want) in [
            ("a\nb", "k: |-\n    a\n    b\n"),
            ("a\n", "k: |\n    a\n"),
            ("a\n\n", "k: |+\n    a\n\n"),
            ("  a\nb\n", "k: |4\n      a\n    b\n"),
            ("\n", "k: \"\\n\"\n"),
            ("a\n  ", "k: \"a\\n  \"\n"),
            ("a\r\nb", "k: \"a\\r\\nb\"\n"),
        ] {
            assert_eq!(packed(&value(inner)), want);
            assert_eq!(of(want), value(inner));
        }
    }
}
