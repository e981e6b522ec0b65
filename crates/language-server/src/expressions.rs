//! Finds names inside `<< … >>`, as text: an expression that is being typed has no tree yet.

use std::ops::Range;

/// A dotted name such as `parameters.version`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name<'t> {
    pub(crate) text: &'t str,
    /// Its bytes in the text that was searched.
    pub(crate) at: Range<usize>,
}

/// All names inside the tags of a text.
pub(crate) fn names(text: &str) -> Vec<Name<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text[at..].find("<<").map(|start| at + start) {
        let inside = start + 2;
        // An escaped tag is text; `<<<` is a here-string of a shell.
        if text[..start].ends_with('\\') || text[inside..].starts_with('<') {
            at = inside;
            continue;
        }
        let end = text[inside..].find(">>").map_or(text.len(), |end| inside + end);
        let sigils = text[inside..end].trim_start_matches(['#', '^', '/', ' ']);
        let begin = end - sigils.len();
        found.extend(bare(&text[begin..end]).into_iter().map(|name| Name {
            at: name.at.start + begin..name.at.end + begin,
            ..name
        }));
        at = end;
    }
    found
}

/// All names of an expression without tags around it.
pub(crate) fn bare(text: &str) -> Vec<Name<'_>> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            quote @ (b'"' | b'/') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
            }
            byte if is_name_byte(byte) => {
                while at < bytes.len() && is_name_byte(bytes[at]) {
                    at += 1;
                }
                let word = &text[start..at];
                if word.contains('.') && word.starts_with(|c: char| c.is_ascii_alphabetic()) {
                    found.push(Name {
                        text: word,
                        at: start..at,
                    });
                }
            }
            _ => at += 1,
        }
    }
    found
}

/// The word of an expression that ends at the end of a text; nothing when the end is not inside a tag.
pub(crate) fn typing(before: &str) -> Option<&str> {
    let start = before.rfind("<<")?;
    let inside = &before[start + 2..];
    let merge = inside.starts_with(':');
    let escaped = before[..start].ends_with(['\\', '<']);
    if merge || escaped || inside.contains(">>") || inside.contains('\n') {
        return None;
    }
    let quotes = inside.matches('"').count();
    if quotes % 2 == 1 {
        return None;
    }
    let word = inside
        .rfind(|c: char| !c.is_ascii() || !is_name_byte(c as u8))
        .map_or(0, |at| at + inside[at..].chars().next().map_or(1, char::len_utf8));
    Some(&inside[word..])
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        names(text).into_iter().map(|name| name.text).collect()
    }

    #[test]
    fn names_stand_inside_tags_only() {
        assert_eq!(texts("a.b << parameters.x >> c.d"), ["parameters.x"]);
        assert_eq!(
            texts("<<parameters.a-b>><<matrix.c>>"),
            ["parameters.a-b", "matrix.c"]
        );
        assert_eq!(texts(r"cat \<< parameters.x >>"), Vec::<&str>::new());
        assert_eq!(
            texts("<<# parameters.x >>y<</ parameters.x >>"),
            ["parameters.x", "parameters.x"]
        );
    }

    #[test]
    fn operators_and_literals_are_no_names() {
        let text = r#"<< pipeline.git.branch == "a.b" and not parameters.y matches /c.d/ or 10 >>"#;
        assert_eq!(texts(text), ["pipeline.git.branch", "parameters.y"]);
        let name = &names("é << parameters.x >>")[0];
        assert_eq!(name.at, 6..18);
    }

    #[test]
    fn the_word_being_typed() {
        assert_eq!(typing("echo << param"), Some("param"));
        assert_eq!(typing("echo <<"), Some(""));
        assert_eq!(typing("<< not é"), Some(""));
        assert_eq!(typing("<< a == pipeline.git."), Some("pipeline.git."));
        for outside in ["echo", "<< a >> ", r"\<< a", "<<: *a", "<<< a", "<< \"a"] {
            assert_eq!(typing(outside), None, "{outside}");
        }
    }
}
