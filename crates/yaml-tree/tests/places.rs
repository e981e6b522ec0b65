//! Every span shows the text it is of: keys, values, aliases, anchors, tags and merge keys.

use airlock_yaml_tree::{Mapping, Node, Parsed, Span, parse};

const TEXT: &str = "\u{feff}é: &one !!str 12 # ü
😀 key: {a: *one, b: !!int \"3\", <<: &two {c: 4}}
list: !!seq &three
  - !<tag:yaml.org,2002:str> x
  - *two
block: &four |-
  ü text

'quoted': &five
nested:
  <<: [*two]
  *one : aliased
";

fn map(parsed: &Parsed) -> Mapping<'_> {
    let root = parsed.tree.root().and_then(Node::as_mapping);
    root.expect("the document is a map")
}

#[test]
fn spans_are_of_what_was_written() {
    let parsed = parse(TEXT.as_bytes());
    assert_eq!(parsed.problems, []);
    let tree = &parsed.tree;
    let mut shown = Vec::new();
    let mut show = |what: &str, span: Option<Span>| {
        let Some(span) = span else { return };
        let at = tree.locate(span.start);
        shown.push(format!("{what} {}:{} {:?}", at.line, at.column, tree.slice(span)));
    };
    let mut waiting: Vec<_> = tree.root().into_iter().collect();
    while let Some(node) = waiting.pop() {
        show("alias", node.alias());
        show("anchor", node.anchor_span());
        show("tag", node.tag_span());
        if node.as_scalar().is_some() {
            show("value", Some(node.span()));
        }
        let items = node
            .as_sequence()
            .into_iter()
            .flat_map(|list| list.iter().collect::<Vec<_>>());
        waiting.extend(items);
        for entry in node
            .as_mapping()
            .into_iter()
            .flat_map(|map| map.iter().collect::<Vec<_>>())
        {
            show("key", Some(entry.key().alias().unwrap_or(entry.key().span())));
            show("merged by", entry.merged().map(|merged| merged.key));
            waiting.push(entry.value());
        }
    }
    shown.sort();
    shown.dedup();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("places", shown.join("\n"));
    });
}

#[test]
fn tags_decide_the_type() {
    let parsed =
        parse(b"a: !!str 12\nb: !!int \"3\"\nc: ! yes\nd: !!bool 'on'\ne: !!null ''\nf: !!float \"1.5\"\n");
    assert_eq!(parsed.problems, []);
    let scalar = |name: &str| {
        let entry = map(&parsed).get(name);
        entry.and_then(|entry| entry.value().as_scalar()).expect("text")
    };
    assert!(scalar("a").as_int().is_none());
    assert_eq!(scalar("b").as_int(), Some(3));
    assert_eq!(scalar("c").as_bool(), None);
    assert_eq!(scalar("d").as_bool(), Some(true));
    assert!(scalar("e").is_null());
    assert_eq!(scalar("f").resolve().type_name(), "number");
}
