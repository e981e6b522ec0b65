//! `<< include(file) >>`: a file's text in the place of the words. Every `<<` in that text is escaped, so that a script
//! never becomes an expression by being included.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

/// The bytes of an included file, or why they could not be had.
pub type Included = Result<Vec<u8>, String>;

#[expect(
    clippy::expect_used,
    reason = "the pattern is fixed, and every test of this module compiles it"
)]
static INCLUDE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"<<\s*include\(\s*([^()<>\s]+)\s*\)?\s*>>").expect("the pattern of includes is right")
});

/// Whether a text includes anything.
pub(super) fn is_in(text: &str) -> bool {
    text.contains("include(") && INCLUDE.is_match(text)
}

/// The files a text names, those inside of the folder only.
pub(super) fn named_in(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    INCLUDE
        .captures_iter(&text)
        .filter_map(|found| inside(&found[1]))
        .collect()
}

/// A text with its includes followed, or what is wrong with the first that cannot be.
pub(super) fn follow(text: &str, includes: &BTreeMap<String, Included>) -> Result<String, String> {
    let mut out = String::new();
    let mut last = 0;
    for found in INCLUDE.captures_iter(text) {
        let Some(whole) = found.get(0) else { continue };
        let name = &found[1];
        let Some(path) = inside(name) else {
            return Err(format!("the include `{name}` leads out of the orb's folder"));
        };
        let bytes = match includes.get(&path) {
            Some(Ok(bytes)) => bytes,
            Some(Err(reason)) => return Err(format!("`{name}` cannot be included: {reason}")),
            None => return Err(format!("`{name}` cannot be included: there is no such file")),
        };
        let Ok(content) = std::str::from_utf8(bytes) else {
            return Err(format!("`{name}` cannot be included: it is not UTF-8 text"));
        };
        out.push_str(&text[last..whole.start()]);
        out.push_str(&content.replace("<<", "\\<<"));
        last = whole.end();
    }
    out.push_str(&text[last..]);
    Ok(out)
}

/// The path without detours; nothing when it leaves the folder.
fn inside(name: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> BTreeMap<String, Included> {
        BTreeMap::from([
            ("scripts/a.sh".to_owned(), Ok(b"cat <<EOF\n".to_vec())),
            ("b".to_owned(), Ok(b"B".to_vec())),
            ("bytes".to_owned(), Ok(vec![0xff])),
            ("locked".to_owned(), Err("no permission".to_owned())),
        ])
    }

    #[test]
    fn includes_are_followed_wherever_they_stand() {
        let follow = |text| follow(text, &files());
        assert_eq!(
            follow("<<include(scripts/a.sh)>>"),
            Ok("cat \\<<EOF\n".to_owned())
        );
        assert_eq!(
            follow("x << include( ./b ) >> << include(scripts/../b) >>"),
            Ok("x B B".to_owned())
        );
        assert_eq!(follow("<< parameters.b >>"), Ok("<< parameters.b >>".to_owned()));
        assert_eq!(follow("<<include(b>>"), Ok("B".to_owned()));
    }

    #[test]
    fn what_cannot_be_included_says_why() {
        let follow = |text| follow(text, &files()).expect_err("it cannot be included");
        assert!(follow("<<include(../b)>>").contains("leads out of"));
        assert!(follow("<<include(c)>>").contains("no such file"));
        assert!(follow("<<include(bytes)>>").contains("UTF-8"));
        assert!(follow("<<include(locked)>>").contains("no permission"));
    }

    #[test]
    fn the_files_a_text_names() {
        let text = b"a: << include(x.sh) >>\nb: <<include(../out)>> <<include(a/./y)>>";
        assert_eq!(named_in(text), ["x.sh", "a/y"]);
        assert!(is_in("<<include(x)>>") && !is_in("include(x)"));
    }
}
