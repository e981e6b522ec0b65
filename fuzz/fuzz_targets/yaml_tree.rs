//! Any bytes as YAML: parsing returns, stays inside its limits, every span can be shown and every edit made.
#![no_main]

use airlock_yaml_tree::{Data, Layout, Node, NodeKind, limits, parse};

fn walk(node: Node<'_>, depth: usize) -> usize {
    assert!(depth <= limits::MAX_DEPTH, "deeper than the limit");
    let tree = node.tree();
    let spans = [
        Some(node.span()),
        node.alias(),
        node.anchor_span(),
        node.tag_span(),
    ];
    for span in spans.into_iter().flatten() {
        assert!(
            tree.source().get(span.range()).is_some(),
            "{span:?} is outside the source"
        );
        let _ = tree.locate(span.end);
    }
    let _ = (node.comments_above(), node.comment_after());
    match node.kind() {
        NodeKind::Scalar(scalar) => {
            let _ = (scalar.as_bool(), scalar.as_int(), scalar.resolve());
            1
        }
        NodeKind::Sequence(items) => 1 + items.iter().map(|item| walk(item, depth + 1)).sum::<usize>(),
        NodeKind::Mapping(map) => {
            1 + map
                .iter()
                .map(|entry| {
                    let _ = (entry.comments_above(), entry.comment_after(), entry.merged());
                    walk(entry.key(), depth + 1) + walk(entry.value(), depth + 1)
                })
                .sum::<usize>()
        }
    }
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let parsed = parse(bytes);
    let tree = &parsed.tree;
    let nodes = tree.root().map_or(0, |root| walk(root, 0));
    assert!(nodes <= limits::MAX_NODES + 1, "{nodes} nodes can be reached");
    for comment in tree.comments() {
        assert!(tree.slice(comment.span).starts_with('#'), "{comment:?}");
    }
    for problem in &parsed.problems {
        assert!(tree.source().get(problem.span.range()).is_some(), "{problem:?}");
        for (span, _) in &problem.related {
            assert!(tree.source().get(span.range()).is_some(), "{problem:?}");
        }
        if let Some(fix) = &problem.fix {
            let mut edited = tree.source().to_owned();
            edited.replace_range(fix.span.range(), &fix.text);
            let _ = parse(edited.as_bytes());
        }
    }
    let _ = tree.dump();
    if let Some(root) = tree.root().filter(|_| parsed.problems.is_empty()) {
        let data = Data::of(root);
        let written = data.to_yaml(Layout::COMPILED);
        let again = parse(written.as_bytes());
        assert!(again.problems.is_empty(), "{written}: {:?}", again.problems);
        assert_eq!(again.tree.root().map(Data::of), Some(data), "{written}");
    }
});
