//! Splits text at `<< … >>`. Knows the escape `\<<` and the old sections `<<# x >>…<</ x >>`, and nothing about what the
//! expressions mean.

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// As it stands, escapes undone.
    Text(String),
    /// What stands between `<<` and `>>`, and where the `<<` begins in the text.
    Expression { source: String, at: usize },
    /// `<<# x >>` or, inverted, `<<^ x >>`, up to its `<</ x >>`.
    Section {
        source: String,
        inverted: bool,
        at: usize,
        body: Vec<Piece>,
    },
}

/// Why a text could not be split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SplitError {
    /// `<<` without `>>`.
    Unclosed { at: usize },
    /// A section without its end, or an end without a section.
    Section { at: usize, name: String },
}

impl SplitError {
    /// Where the `<<` in question begins.
    pub(crate) fn at(&self) -> usize {
        match self {
            Self::Unclosed { at } | Self::Section { at, .. } => *at,
        }
    }
}

/// Whether splitting would change anything.
pub(crate) fn has_tags(text: &str) -> bool {
    text.contains("<<")
}

/// Deepest nesting of sections; two occur.
const MAX_SECTIONS: usize = 20;

struct OpenSection {
    source: String,
    inverted: bool,
    at: usize,
    outer: Vec<Piece>,
}

/// Splits a text into its pieces.
pub(crate) fn split(text: &str) -> Result<Vec<Piece>, SplitError> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open: Vec<OpenSection> = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("<<") {
        let tag = at + found;
        if text[..tag].ends_with('\\') {
            plain.push_str(&text[at..tag - 1]);
            plain.push_str("<<");
            at = tag + 2;
            continue;
        }
        plain.push_str(&text[at..tag]);
        let body = &text[tag + 2..];
        let Some(length) = end_of_expression(body) else {
            return Err(SplitError::Unclosed { at: tag });
        };
        let source = &body[..length];
        at = tag + 2 + length + 2;
        if source.starts_with(['#', '^', '/'])
            && let Some(next_line) = alone_on_its_line(text, tag, at)
        {
            // A line that holds nothing but such a tag vanishes.
            plain.truncate(plain.trim_end_matches([' ', '\t']).len());
            at = next_line;
        }
        push_text(&mut pieces, &mut plain);
        if let Some(name) = source.strip_prefix(['#', '^']) {
            let section = OpenSection {
                source: name.to_owned(),
                inverted: source.starts_with('^'),
                at: tag,
                outer: std::mem::take(&mut pieces),
            };
            if open.len() >= MAX_SECTIONS {
                return Err(SplitError::Section {
                    at: tag,
                    name: name.trim().to_owned(),
                });
            }
            open.push(section);
        } else if let Some(name) = source.strip_prefix('/') {
            let section = open.pop().filter(|section| section.source.trim() == name.trim());
            let Some(section) = section else {
                return Err(SplitError::Section {
                    at: tag,
                    name: name.trim().to_owned(),
                });
            };
            let body = std::mem::replace(&mut pieces, section.outer);
            let (source, inverted, at) = (section.source, section.inverted, section.at);
            pieces.push(Piece::Section {
                source,
                inverted,
                at,
                body,
            });
        } else {
            pieces.push(Piece::Expression {
                source: source.to_owned(),
                at: tag,
            });
        }
    }
    if let Some(section) = open.pop() {
        return Err(SplitError::Section {
            at: section.at,
            name: section.source.trim().to_owned(),
        });
    }
    plain.push_str(&text[at..]);
    push_text(&mut pieces, &mut plain);
    Ok(pieces)
}

/// Where the next line begins, when only blanks stand beside the tag between `start` and `end`.
fn alone_on_its_line(text: &str, start: usize, end: usize) -> Option<usize> {
    let before = text[..start].rsplit('\n').next().unwrap_or_default();
    let (after, rest) = text[end..].split_once('\n').unwrap_or((&text[end..], ""));
    let blank = |text: &str| text.trim_matches([' ', '\t', '\r']).is_empty();
    (blank(before) && blank(after)).then_some(text.len() - rest.len())
}

fn push_text(pieces: &mut Vec<Piece>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain)));
    }
}

/// The offset of the `>>` that ends an expression; one inside a quoted string does not.
fn end_of_expression(body: &str) -> Option<usize> {
    let bytes = body.as_bytes();
    let mut at = 0;
    let mut quoted = false;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quoted => at += 1,
            b'"' => quoted = !quoted,
            b'>' if !quoted && bytes.get(at + 1) == Some(&b'>') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    fn expression(source: &str, at: usize) -> Piece {
        Piece::Expression {
            source: source.to_owned(),
            at,
        }
    }

    #[test]
    fn texts_and_expressions() {
        assert_eq!(
            split("a << b >>c"),
            Ok(vec![text("a "), expression(" b ", 2), text("c")])
        );
        assert_eq!(
            split("<<a>><<b>>"),
            Ok(vec![expression("a", 0), expression("b", 5)])
        );
        assert_eq!(split("plain"), Ok(vec![text("plain")]));
        assert_eq!(split(""), Ok(vec![]));
        assert_eq!(
            split(r#"<< "a >> b" >>"#),
            Ok(vec![expression(r#" "a >> b" "#, 0)])
        );
    }

    #[test]
    fn escapes_are_undone() {
        assert_eq!(split(r"cat \<<EOF > x"), Ok(vec![text("cat <<EOF > x")]));
        assert_eq!(split(r"a \<<< b"), Ok(vec![text("a <<< b")]));
        assert_eq!(
            split(r"\<< x >> << y >>"),
            Ok(vec![text("<< x >> "), expression(" y ", 9)])
        );
    }

    #[test]
    fn an_open_tag_is_an_error() {
        assert_eq!(split("cat <<EOF\nx"), Err(SplitError::Unclosed { at: 4 }));
        assert_eq!(split("<<"), Err(SplitError::Unclosed { at: 0 }));
    }

    #[test]
    fn a_line_with_nothing_but_a_section_tag_vanishes() {
        let pieces = |inner: &str| {
            vec![
                text("a\n"),
                Piece::Section {
                    source: " x ".to_owned(),
                    inverted: false,
                    at: 4,
                    body: vec![text(inner)],
                },
                text("\nc"),
            ]
        };
        assert_eq!(split("a\n  <<# x >>\nb\n  <</ x >>  \n\nc"), Ok(pieces("b\n")));
        assert_eq!(split("a\n  <<# x >> b\n<</ x >>\n\nc").map(|p| p.len()), Ok(3));
        let kept = split("a\n  <<# x >>b<</ x >>\nc");
        let section = Piece::Section {
            source: " x ".to_owned(),
            inverted: false,
            at: 4,
            body: vec![text("b")],
        };
        assert_eq!(kept, Ok(vec![text("a\n  "), section, text("\nc")]));
        let open = Piece::Section {
            source: "x".to_owned(),
            inverted: true,
            at: 0,
            body: vec![text("y\n")],
        };
        assert_eq!(split("<<^x>>\ny\n<</x>>"), Ok(vec![open]));
    }

    #[test]
    fn sections_nest_and_must_match() {
        let section = |source: &str, inverted, at, body| Piece::Section {
            source: source.to_owned(),
            inverted,
            at,
            body,
        };
        let got = split("<<#a>>x<<^b>>y<</b>><</a>>");
        let inner = section("b", true, 7, vec![text("y")]);
        assert_eq!(got, Ok(vec![section("a", false, 0, vec![text("x"), inner])]));
        assert!(matches!(split("<<#a>>x"), Err(SplitError::Section { at: 0, .. })));
        assert!(matches!(split("x<</a>>"), Err(SplitError::Section { at: 1, .. })));
    }
}
