//! The text of one document, and positions in it. Editors count columns in UTF-16 units unless both sides agree on
//! something else; the compiler counts bytes. All translation between the two is here.

use gen_lsp_types::{Position, PositionEncodingKind, Range};

/// What a column counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Bytes.
    Utf8,
    /// What every editor can do.
    #[default]
    Utf16,
    /// Characters.
    Utf32,
}

impl Encoding {
    /// The one that costs least of those the editor offers.
    pub(crate) fn negotiate(offered: &[PositionEncodingKind]) -> Self {
        if offered.contains(&PositionEncodingKind::UTF8) {
            Self::Utf8
        } else if offered.contains(&PositionEncodingKind::UTF16) || offered.is_empty() {
            Self::Utf16
        } else if offered.contains(&PositionEncodingKind::UTF32) {
            Self::Utf32
        } else {
            Self::Utf16
        }
    }

    pub(crate) fn kind(self) -> PositionEncodingKind {
        match self {
            Self::Utf8 => PositionEncodingKind::UTF8,
            Self::Utf16 => PositionEncodingKind::UTF16,
            Self::Utf32 => PositionEncodingKind::UTF32,
        }
    }

    fn width(self, character: char) -> usize {
        match self {
            Self::Utf8 => character.len_utf8(),
            Self::Utf16 => character.len_utf16(),
            Self::Utf32 => 1,
        }
    }

    fn length(self, text: &str) -> usize {
        match self {
            Self::Utf8 => text.len(),
            Self::Utf16 | Self::Utf32 if text.is_ascii() => text.len(),
            Self::Utf16 | Self::Utf32 => text.chars().map(|c| self.width(c)).sum(),
        }
    }
}

/// A text with its line starts.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    source: String,
    starts: Vec<usize>,
    encoding: Encoding,
}

impl Text {
    pub(crate) fn new(source: String, encoding: Encoding) -> Self {
        let starts = line_starts(&source);
        Self {
            source,
            starts,
            encoding,
        }
    }

    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Replaces a range, as an editor says it did.
    pub(crate) fn replace(&mut self, range: Range, with: &str) {
        let start = self.offset(range.start);
        let end = self.offset(range.end).max(start);
        self.source.replace_range(start..end, with);
        self.starts = line_starts(&self.source);
    }

    /// The byte of a position. A position past the end of its line, or of the text, is the end.
    pub(crate) fn offset(&self, position: Position) -> usize {
        let Some(line) = self.line_range(position.line as usize) else {
            return self.source.len();
        };
        let wanted = position.character as usize;
        let mut at = line.start;
        let mut column = 0;
        for character in self.source[line].chars() {
            if column >= wanted {
                break;
            }
            column += self.encoding.width(character);
            at += character.len_utf8();
        }
        at
    }

    /// The position of a byte.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let mut at = offset.min(self.source.len());
        while !self.source.is_char_boundary(at) {
            at -= 1;
        }
        let line = self.line_of(at);
        let start = self.starts[line];
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Position {
            line: number(line),
            character: number(self.encoding.length(&self.source[start..at])),
        }
    }

    /// The range of some bytes.
    pub(crate) fn range(&self, bytes: std::ops::Range<usize>) -> Range {
        Range {
            start: self.position(bytes.start),
            end: self.position(bytes.end),
        }
    }

    /// The line (from zero) that a byte stands in.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start <= offset).max(1) - 1
    }

    /// The bytes of a line without its end.
    pub(crate) fn line_range(&self, line: usize) -> Option<std::ops::Range<usize>> {
        let start = *self.starts.get(line)?;
        let end = self.starts.get(line + 1).copied().unwrap_or(self.source.len());
        let text = self.source[start..end].trim_end_matches(['\n', '\r']);
        Some(start..start + text.len())
    }

    /// The text of a line without its end.
    pub(crate) fn line(&self, line: usize) -> &str {
        self.line_range(line).map_or("", |range| &self.source[range])
    }

    /// How many lines there are; the last may be empty.
    pub(crate) fn lines(&self) -> usize {
        self.starts.len()
    }
}

/// A line ends with a line feed, a carriage return, or both.
fn line_starts(source: &str) -> Vec<usize> {
    let bytes = source.as_bytes();
    let mut starts = vec![0];
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n')) {
            starts.push(at + 1);
        }
    }
    starts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, character: u32) -> Position {
        Position { line, character }
    }

    #[test]
    fn columns_are_utf16_units_unless_agreed_otherwise() {
        let source = "a: 🚀é x\r\nb: 1";
        let x = source.find('x').expect("there is an x");
        for (encoding, column) in [(Encoding::Utf8, 10), (Encoding::Utf16, 7), (Encoding::Utf32, 6)] {
            let text = Text::new(source.to_owned(), encoding);
            assert_eq!(text.position(x), at(0, column), "{encoding:?}");
            assert_eq!(text.offset(at(0, column)), x, "{encoding:?}");
            assert_eq!(text.position(source.find('b').expect("there is a b")), at(1, 0));
        }
    }

    #[test]
    fn positions_outside_are_brought_inside() {
        let text = Text::new("é\nab".to_owned(), Encoding::Utf16);
        assert_eq!(text.offset(at(0, 99)), 2);
        assert_eq!(text.offset(at(7, 0)), text.source().len());
        assert_eq!(text.position(1), at(0, 0));
        assert_eq!(text.position(99), at(1, 2));
    }

    #[test]
    fn edits_are_applied_where_the_editor_means_them() {
        let mut text = Text::new("x: 🚀\ny: 1\n".to_owned(), Encoding::Utf16);
        let range = Range {
            start: at(0, 5),
            end: at(1, 3),
        };
        text.replace(range, "!\nz: ");
        assert_eq!(text.source(), "x: 🚀!\nz: 1\n");
        assert_eq!(text.line(1), "z: 1");
    }

    #[test]
    fn bytes_are_taken_when_they_are_offered() {
        let offered = [PositionEncodingKind::UTF16, PositionEncodingKind::UTF8];
        assert_eq!(Encoding::negotiate(&offered), Encoding::Utf8);
        assert_eq!(Encoding::negotiate(&[]), Encoding::Utf16);
    }
}
