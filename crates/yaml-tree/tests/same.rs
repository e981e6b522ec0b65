//! What must not matter does not: how an anchor is called, how often a file is parsed, how a value is written.

use std::fmt::Write as _;

use airlock_yaml_tree::{Node, NodeKind, Parsed, Value, parse};
use proptest::prelude::*;

/// The values alone, as JSON, which is YAML too.
pub(crate) fn json(node: Node<'_>) -> String {
    let mut out = String::new();
    write(&mut out, node);
    out
}

fn write(out: &mut String, node: Node<'_>) {
    match node.kind() {
        NodeKind::Scalar(scalar) => match scalar.resolve() {
            Value::Null => out.push('~'),
            Value::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Value::Int(value) => out.push_str(&value.to_string()),
            Value::Float(_) => out.push_str(scalar.text),
            Value::Text(text) => quoted(out, &text),
        },
        NodeKind::Sequence(items) => {
            out.push('[');
            for item in items.iter() {
                write(out, item);
                out.push_str(", ");
            }
            out.push(']');
        }
        NodeKind::Mapping(map) => {
            out.push('{');
            for entry in map.iter() {
                quoted(out, entry.name());
                out.push_str(": ");
                write(out, entry.value());
                out.push_str(", ");
            }
            out.push('}');
        }
    }
}

fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Files of anchors, aliases and merges: a few of each in any order.
fn line() -> impl Strategy<Value = String> {
    let name = proptest::sample::select(vec!["one", "two", "x-3"]);
    let key = proptest::sample::select(vec!["a", "b", "c", "'1'", "é"]);
    let value = proptest::sample::select(vec![
        "1",
        "~",
        "yes",
        "1.5",
        "010",
        "'it''s'",
        "\"a\\tb\\u00e9\"",
        "[1, {a: b}]",
        "{a: 1, b: x y}",
        "text # c",
        "",
    ]);
    (0..6_u8, key, name, value).prop_map(|(kind, key, name, value)| match kind {
        0 => format!("{key}: &{name} {value}\n"),
        1 => format!("{key}: *{name}\n"),
        2 => format!("{key}: &{name} {{p: 1, q: 2}}\n"),
        3 => format!("<<: *{name}\n"),
        4 => format!("{key}:\n  - {value}\n  - |\n    {key}\n"),
        _ => format!("{key}: {value}\n"),
    })
}

fn values(parsed: &Parsed) -> Option<String> {
    parsed.tree.root().map(json)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_anchor_may_have_any_name(lines in proptest::collection::vec(line(), 1..12)) {
        let text = lines.concat();
        let before = parse(text.as_bytes());
        let renamed = text.replace("&one", "&uno").replace("*one", "*uno");
        let after = parse(renamed.as_bytes());
        prop_assert_eq!(values(&before), values(&after));
        let dump = before.tree.dump().replace("&one", "&uno").replace("*one", "*uno");
        prop_assert_eq!(dump, after.tree.dump());
        let codes = |parsed: &Parsed| parsed.problems.iter().map(|p| (p.code, p.span)).collect::<Vec<_>>();
        prop_assert_eq!(codes(&before), codes(&after));
    }

    #[test]
    fn values_written_out_are_the_same_values(lines in proptest::collection::vec(line(), 1..12)) {
        let parsed = parse(lines.concat().as_bytes());
        let Some(written) = values(&parsed) else { return Ok(()) };
        let again = parse(written.as_bytes());
        prop_assert!(again.problems.is_empty(), "{written}: {:?}", again.problems);
        prop_assert_eq!(values(&again), Some(written));
    }

    #[test]
    fn parsing_twice_gives_the_same(lines in proptest::collection::vec(line(), 1..12)) {
        let text = lines.concat();
        let (one, two) = (parse(text.as_bytes()), parse(text.as_bytes()));
        prop_assert_eq!(one.tree.dump(), two.tree.dump());
        prop_assert_eq!(one.problems, two.problems);
    }
}
