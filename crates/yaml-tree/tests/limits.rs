//! Each limit, from both sides: what fits is read without a word, one more is refused with the number in the message.

use airlock_yaml_tree::{Parsed, ProblemCode, limits, parse};
use std::fmt::Write as _;

fn limit_message(parsed: &Parsed) -> Option<&str> {
    parsed
        .problems
        .iter()
        .find(|p| p.code == ProblemCode::Limit)
        .map(|p| p.message.as_str())
}

#[test]
fn size() {
    let mut text = String::from("a: 1\n#");
    text.push_str(&"x".repeat(limits::MAX_SOURCE_BYTES - text.len()));
    assert!(parse(text.as_bytes()).problems.is_empty());
    text.push('x');
    let parsed = parse(text.as_bytes());
    assert_eq!(
        limit_message(&parsed),
        Some("the file has 5242881 bytes; at most 5242880 are read"),
    );
    assert!(parsed.tree.root().is_none());
}

#[test]
fn depth() {
    let nested = |levels: usize| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    assert!(parse(nested(limits::MAX_DEPTH).as_bytes()).problems.is_empty());
    let parsed = parse(nested(limits::MAX_DEPTH + 1).as_bytes());
    assert_eq!(
        limit_message(&parsed),
        Some("this is nested more than 100 levels deep")
    );
}

#[test]
fn depth_through_aliases() {
    // Each line puts one more level around the line before.
    let mut text = String::from("a0: &a0 [x]\n");
    for level in 1..=limits::MAX_DEPTH {
        let _ = writeln!(text, "a{level}: &a{level} [*a{}]", level - 1);
    }
    let parsed = parse(text.as_bytes());
    assert_eq!(
        limit_message(&parsed),
        Some("following this alias nests more than 100 levels deep")
    );
}

#[test]
fn nodes() {
    let list = |items: usize| format!("[{}]", "1,".repeat(items));
    assert!(parse(list(limits::MAX_NODES - 1).as_bytes()).problems.is_empty());
    let parsed = parse(list(limits::MAX_NODES + 10).as_bytes());
    let message = "with all aliases written out this file has more than 100000 values";
    assert_eq!(limit_message(&parsed), Some(message));
}

#[test]
fn nodes_through_aliases() {
    let mut text = String::from("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 'b'..='j' {
        let before = char::from_u32(level as u32 - 1).expect("a letter");
        let _ = writeln!(text, "{level}: &{level} [{}]", format!("*{before},").repeat(10));
    }
    let parsed = parse(text.as_bytes());
    let message = "with all aliases written out this file has more than 100000 values";
    assert_eq!(limit_message(&parsed), Some(message));
    assert_eq!(parsed.problems.len(), 1, "one message, not one for each alias");
}

#[test]
fn merged_maps_count_too() {
    let mut text = String::from("a: &a {");
    for key in 0..1000 {
        let _ = write!(text, "k{key}: 1, ");
    }
    text.push_str("}\n");
    for at in 0..200 {
        let _ = writeln!(text, "b{at}: {{<<: *a}}");
    }
    assert!(limit_message(&parse(text.as_bytes())).is_some());
}

#[test]
fn aliases() {
    let text = |count: usize| format!("a: &a 1\nb: [{}]\n", "*a,".repeat(count));
    assert!(parse(text(limits::MAX_ALIASES).as_bytes()).problems.is_empty());
    let parsed = parse(text(limits::MAX_ALIASES + 1).as_bytes());
    assert_eq!(
        limit_message(&parsed),
        Some("this file uses more than 1000 aliases")
    );
}

#[test]
fn a_line_of_a_megabyte_is_read() {
    let text = format!("run: \"{}\"\n", "x".repeat(1024 * 1024));
    let parsed = parse(text.as_bytes());
    assert!(parsed.problems.is_empty());
}

#[test]
fn not_utf8() {
    let parsed = parse(b"a: b\nc: \xff\n");
    assert_eq!(parsed.problems[0].code, ProblemCode::Encoding);
    let at = parsed.tree.locate(parsed.problems[0].span.start);
    assert_eq!((at.line, at.column), (2, 4));
    assert_eq!(
        parsed.problems[0].message,
        "the byte 0xff here is not part of a UTF-8 character"
    );
    let parsed = parse(b"a: caf\xe9\n");
    assert_eq!(
        parsed.problems[0].hint.as_deref(),
        Some("save the file as UTF-8 (in Latin-1 this byte is `\u{e9}`)")
    );
}

#[test]
fn wide_encodings_are_named() {
    let text = "a: b\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let four: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let message = |bytes: &[u8]| {
        parse(bytes)
            .problems
            .first()
            .map(|problem| problem.message.clone())
    };
    let utf16 = Some("this file is UTF-16, not UTF-8".to_owned());
    assert_eq!(message(&little), utf16);
    assert_eq!(message(&big), utf16);
    assert_eq!(message(&[&[0xff, 0xfe], little.as_slice()].concat()), utf16);
    assert_eq!(message(&[&[0xfe, 0xff], big.as_slice()].concat()), utf16);
    assert_eq!(message(&four), Some("this file is UTF-32, not UTF-8".to_owned()));
    assert_eq!(message(text.as_bytes()), None);
}

#[test]
fn tabs_in_brackets_and_glued_comments_are_read() {
    let text = "a: [\n\tb,\n\t\tc, # one\n]\nd: 'x'#two\ne: {\n\tf: g}\n";
    let parsed = parse(text.as_bytes());
    assert_eq!(parsed.problems, []);
    let comments = parsed.tree.comments();
    let words: Vec<_> = comments
        .iter()
        .map(|comment| parsed.tree.comment_text(*comment))
        .collect();
    assert_eq!(words, ["one", "two"]);
    let many = format!("a:\n{}", "  - 'x'#c\n".repeat(limits::MAX_REPAIRS + 1));
    assert!(
        !parse(many.as_bytes()).problems.is_empty(),
        "each repair reads the file again"
    );
}

#[test]
fn a_tag_may_follow_a_line_separator() {
    let text = include_str!("../../../fuzz/corpus/yaml-tree/separator");
    let parsed = parse(text.as_bytes());
    assert!(!parsed.problems.is_empty(), "unknown tags are told of");
}
