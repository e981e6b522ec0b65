//! Rust source reduced to what the rules look at: code without comments, string contents and, where asked, tests.
//!
//! A small lexer, not a parser: lines keep their numbers, everything removed becomes blanks. Called by `sources`.

/// Replaces comments and the contents of string and character literals by blanks.
pub(crate) fn strip(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at),
            b'r' if !follows_word(bytes, at) => match raw_string_end(bytes, at) {
                Some(end) => end,
                None => at,
            },
            b'b' if bytes.get(at + 1) == Some(&b'r') && !follows_word(bytes, at) => {
                raw_string_end(bytes, at + 1).unwrap_or(at)
            }
            b'\'' => character_end(bytes, at),
            _ => at,
        };
        for byte in &mut out[at..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        at = end.max(at + 1);
    }
    // Only ASCII was written over whole literals and comments, which begin and end on ASCII.
    String::from_utf8_lossy(&out).into_owned()
}

/// Blanks every item that stands under `#[cfg(test)]` in stripped code.
pub(crate) fn without_tests(stripped: &str) -> String {
    let mut out = stripped.as_bytes().to_vec();
    let mut from = 0;
    while let Some(found) = stripped[from..].find("#[cfg(test)]") {
        let start = from + found;
        let end = item_end(stripped.as_bytes(), start);
        for byte in &mut out[start..end] {
            if *byte != b'\n' {
                *byte = b' ';
            }
        }
        from = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The names of modules in other files that stripped code declares under `#[cfg(test)]`.
pub(crate) fn test_modules(stripped: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in stripped.split("#[cfg(test)]").skip(1) {
        let declaration = part
            .split_once(['{', ';'])
            .filter(|(head, _)| part.as_bytes().get(head.len()) == Some(&b';'));
        let Some((head, _)) = declaration else { continue };
        if let Some((_, name)) = head.rsplit_once("mod ") {
            names.push(name.trim().to_owned());
        }
    }
    names
}

/// The one-based lines of stripped code on which `words` stands as a whole.
pub(crate) fn lines_with(code: &str, words: &str) -> Vec<usize> {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    let stands_alone = |line: &str, at: usize| {
        let bytes = line.as_bytes();
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        // Words that end in punctuation, such as an opening brace, may be followed by anything.
        let goes_on = is_word(words.as_bytes().last()) && is_word(bytes.get(at + words.len()));
        !is_word(before) && !goes_on
    };
    code.lines()
        .enumerate()
        .filter(|(_, line)| line.match_indices(words).any(|(at, _)| stands_alone(line, at)))
        .map(|(index, _)| index + 1)
        .collect()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|byte| *byte == b'\n')
        .map_or(bytes.len(), |length| at + length)
}

fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match &bytes[at..(at + 2).min(bytes.len())] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of `r"…"` or `r#"…"#` when one starts here; `r#name` does not.
fn raw_string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let hashes = bytes[start + 1..]
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    if bytes.get(start + 1 + hashes) != Some(&b'"') {
        return None;
    }
    let closing: Vec<u8> = std::iter::once(b'"')
        .chain(std::iter::repeat_n(b'#', hashes))
        .collect();
    let body = start + 2 + hashes;
    let length = bytes[body..]
        .windows(closing.len())
        .position(|window| window == closing);
    Some(length.map_or(bytes.len(), |length| body + length + closing.len()))
}

/// The end of a character literal; a lifetime ends where it starts, since its name is harmless.
fn character_end(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start + 1) {
        // The byte after the backslash is part of the escape even when it is a quote.
        Some(b'\\') => bytes[(start + 3).min(bytes.len())..]
            .iter()
            .position(|byte| *byte == b'\'')
            .map_or(bytes.len(), |length| start + 4 + length),
        Some(first) => {
            let width = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            if bytes.get(start + 1 + width) == Some(&b'\'') {
                start + 2 + width
            } else {
                start
            }
        }
        None => start,
    }
}

fn follows_word(bytes: &[u8], at: usize) -> bool {
    at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// The end of the item that begins here: its closing brace, or the semicolon of an item without a body.
fn item_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut brackets = 0_usize;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'[' | b'(' => brackets += 1,
            b']' | b')' => brackets = brackets.saturating_sub(1),
            b'{' => depth += 1,
            b'}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            b';' if depth == 0 && brackets == 0 => return at + 1,
            _ => {}
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::{lines_with, strip, test_modules, without_tests};

    #[test]
    fn comments_and_literals_vanish_and_lines_stay() {
        let source = "a // unsafe\n/* unsafe /* nested */ unsafe */ b\n\"unsafe \\\" unsafe\" c\nr#\"unsafe \" \"# d\n'\"' e '\\'' f";
        let stripped = strip(source);
        assert!(!stripped.contains("unsafe"), "{stripped}");
        assert_eq!(stripped.lines().count(), source.lines().count());
        let kept: String = stripped.split_whitespace().collect();
        assert_eq!(kept, "abcdef");
    }

    #[test]
    fn lifetimes_and_raw_names_are_code() {
        let stripped = strip("fn f<'a>(r#type: &'a str) -> &'static str { br\"x\"; b'\\n'; r#type }");
        assert!(
            stripped.contains("fn f<'a>(r#type: &'a str) -> &'static str {"),
            "{stripped}"
        );
        assert!(stripped.ends_with("; r#type }"), "{stripped}");
    }

    #[test]
    fn non_ascii_text_survives() {
        let stripped = strip("let ü = 'ü'; // ünsafe\nlet s = \"→\"; done");
        assert!(stripped.starts_with("let ü = "), "{stripped}");
        assert!(stripped.ends_with("; done"), "{stripped}");
    }

    #[test]
    fn test_items_are_cut_out_and_nothing_else() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn x() { sleep() }\n}\nfn b() {}\n#[cfg(test)]\nmod more;\nfn c() {}";
        let cut = without_tests(code);
        assert!(!cut.contains("sleep") && !cut.contains("more"), "{cut}");
        for kept in ["fn a()", "fn b()", "fn c()"] {
            assert!(cut.contains(kept), "{kept} is missing in {cut}");
        }
        assert_eq!(test_modules(code), ["more"]);
    }

    #[test]
    fn a_test_function_with_an_array_type_is_cut_whole() {
        let cut = without_tests("#[cfg(test)]\nfn a(x: [u8; 4]) { sleep() }\nfn b() {}");
        assert!(!cut.contains("sleep"), "{cut}");
        assert!(cut.contains("fn b()"));
    }

    #[test]
    fn words_are_found_whole() {
        let code = "unsafe {}\nunsafe_code\nnot_unsafe\n(unsafe)\n";
        assert_eq!(lines_with(code, "unsafe"), [1, 4]);
        assert_eq!(lines_with("use std::{fs, io};", "std::{"), [1]);
    }
}
