//! Whatever the bytes, parsing returns, stays inside its limits, and every span can be shown.

use airlock_yaml_tree::{Node, NodeKind, Parsed, limits, parse};
use proptest::prelude::*;

/// Walks everything a reader could reach and counts it.
fn walk(node: Node<'_>, depth: usize) -> usize {
    assert!(depth <= limits::MAX_DEPTH, "deeper than the limit");
    let tree = node.tree();
    let span = node.span();
    assert!(
        tree.source().get(span.range()).is_some(),
        "a span outside the source: {span:?}"
    );
    let _ = tree.locate(span.start);
    match node.kind() {
        NodeKind::Scalar(scalar) => {
            let _ = (scalar.as_bool(), scalar.as_int(), scalar.resolve());
            1
        }
        NodeKind::Sequence(items) => 1 + items.iter().map(|item| walk(item, depth + 1)).sum::<usize>(),
        NodeKind::Mapping(map) => {
            1 + map
                .iter()
                .map(|entry| walk(entry.key(), depth + 1) + walk(entry.value(), depth + 1))
                .sum::<usize>()
        }
    }
}

fn check(parsed: &Parsed) {
    let nodes = parsed.tree.root().map_or(0, |root| walk(root, 0));
    assert!(nodes <= limits::MAX_NODES + 1, "{nodes} nodes can be reached");
    for problem in &parsed.problems {
        let source = parsed.tree.source();
        assert!(
            source.get(problem.span.range()).is_some(),
            "{problem:?} is outside the source"
        );
    }
    let _ = parsed.tree.dump();
}

/// Pieces that YAML gives a meaning, so that random text gets past the first character.
fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "a",
        "key",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "-",
        "&x ",
        "*x",
        "<<: ",
        "<<",
        "[",
        "]",
        "{",
        "}",
        ",",
        "|",
        ">",
        "|-",
        "'",
        "\"",
        "\\",
        "#",
        " # c",
        "!",
        "!!str ",
        "---",
        "...",
        "%YAML 1.1",
        "\t",
        "\r\n",
        "\r",
        "~",
        "null",
        "yes",
        "1_0",
        "é",
        "\u{feff}",
        "\0",
        "? ",
        "@",
        "`",
        "|2\n",
        "€",
        "\u{85}",
        "\u{2028}",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        check(&parse(&bytes));
    }

    #[test]
    fn text_never_panics(text in "\\PC{0,120}") {
        check(&parse(text.as_bytes()));
    }

    #[test]
    fn shuffled_yaml_never_panics(pieces in proptest::collection::vec(piece(), 0..60)) {
        check(&parse(pieces.concat().as_bytes()));
    }
}
