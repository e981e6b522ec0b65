//! Where something stands in a file: byte spans, and lines and columns made from them on demand. Owned here so
//! that every later stage points at source text in one way.

/// Which of several parsed files a place belongs to. The caller hands them out; this crate only carries them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u32);

/// Half-open range of bytes in one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// Makes a span from offsets into a source of at most [`crate::limits::MAX_SOURCE_BYTES`].
    pub fn new(start: usize, end: usize) -> Self {
        let clamp = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            start: clamp(start),
            end: clamp(end.max(start)),
        }
    }

    /// The range for slicing the source.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }

    /// True when the span covers no text, as that of a value left out.
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// The smallest span holding both.
    #[must_use]
    pub fn join(self, other: Self) -> Self {
        Self {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// A span together with its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// The bytes in it.
    pub span: Span,
}

/// A position as people count: both from one, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Line number, from one.
    pub line: u32,
    /// Column in characters, from one.
    pub column: u32,
}

/// Byte offsets of the line starts of one file, and how many characters stand before each block of bytes: a file may
/// be one line of megabytes, and a column must not cost a walk along it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LineIndex {
    starts: Vec<u32>,
    before: Vec<u32>,
}

const BLOCK: usize = 1024;

impl LineIndex {
    pub(crate) fn new(source: &str) -> Self {
        // A byte order mark is no column.
        let mut starts = vec![if source.starts_with('\u{feff}') { 3 } else { 0 }];
        let bytes = source.as_bytes();
        for (at, byte) in bytes.iter().enumerate() {
            // A lone carriage return ends a line in YAML; in CRLF the line feed does.
            let ends_line = *byte == b'\n' || (*byte == b'\r' && bytes.get(at + 1) != Some(&b'\n'));
            if ends_line {
                starts.push(u32::try_from(at + 1).unwrap_or(u32::MAX));
            }
        }
        let mut before = Vec::with_capacity(bytes.len() / BLOCK + 1);
        let mut count = 0;
        for block in bytes.chunks(BLOCK) {
            before.push(count);
            count += u32::try_from(characters(block)).unwrap_or(u32::MAX);
        }
        Self { starts, before }
    }

    pub(crate) fn locate(&self, source: &str, offset: u32) -> Location {
        let line = self.starts.partition_point(|start| *start <= offset).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0) as usize;
        let end = floor_char_boundary(source, offset as usize);
        let column = self.before(source, end.max(start)) - self.before(source, start);
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Location {
            line: number(line),
            column: number(column + 1),
        }
    }

    /// Characters before a byte.
    fn before(&self, source: &str, offset: usize) -> usize {
        let block = offset / BLOCK;
        let whole = self.before.get(block).copied().unwrap_or(0) as usize;
        let rest = source.as_bytes().get(block * BLOCK..offset).map_or(0, characters);
        whole + rest
    }

    /// Text of a line (from one) without its line break.
    pub(crate) fn line<'s>(&self, source: &'s str, line: u32) -> &'s str {
        let at = (line as usize).saturating_sub(1);
        let start = self.starts.get(at).copied().unwrap_or(0) as usize;
        let end = self
            .starts
            .get(at + 1)
            .map_or(source.len(), |next| *next as usize);
        source
            .get(start..end)
            .unwrap_or("")
            .trim_end_matches(['\n', '\r'])
    }
}

/// Characters that begin in a piece of UTF-8.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// The nearest character border at or before `offset`.
pub(crate) fn floor_char_boundary(source: &str, offset: usize) -> usize {
    let mut at = offset.min(source.len());
    while !source.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_not_bytes() {
        let source = "a: é€x\nb: 1\r\nc: 2";
        let index = LineIndex::new(source);
        let at = |needle: &str| {
            let offset = source.find(needle).expect("the needle is in the source");
            index.locate(source, u32::try_from(offset).expect("short source"))
        };
        assert_eq!(at("x"), Location { line: 1, column: 6 });
        assert_eq!(at("b"), Location { line: 2, column: 1 });
        assert_eq!(at("c"), Location { line: 3, column: 1 });
        assert_eq!(index.line(source, 2), "b: 1");
    }

    #[test]
    fn columns_far_along_a_line() {
        let source = format!("{}\n{}x", "é".repeat(3000), "€".repeat(5000));
        let index = LineIndex::new(&source);
        let end = u32::try_from(source.len()).expect("short source");
        assert_eq!(
            index.locate(&source, end - 1),
            Location {
                line: 2,
                column: 5001
            }
        );
        assert_eq!(
            index.locate(&source, 4096),
            Location {
                line: 1,
                column: 2049
            }
        );
        assert_eq!(
            index.locate(&source, 6000),
            Location {
                line: 1,
                column: 3001
            }
        );
    }

    #[test]
    fn offsets_past_the_end_or_inside_a_character_stay_in_range() {
        let source = "é";
        let index = LineIndex::new(source);
        assert_eq!(index.locate(source, 1), Location { line: 1, column: 1 });
        assert_eq!(index.locate(source, 99), Location { line: 1, column: 2 });
    }
}
