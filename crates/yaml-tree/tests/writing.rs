//! What is written reads back as the same value, whatever the text in it and in either layout.

use airlock_yaml_tree::{Data, Layout, parse};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,12}",
        "[ \\t\\n\\ra-c:#'\"|>-]{0,10}",
        "[0-9a-fxoe_.:+-]{0,8}",
        "[ \\na]{0,6}",
        any::<String>().prop_map(|text| text.chars().take(20).collect()),
        proptest::sample::select(vec![
            "yes", "No", "null", "~", "<<", "=", "- a", "---", "a: b", "x #y", ""
        ])
        .prop_map(str::to_owned),
    ]
}

fn leaf() -> impl Strategy<Value = Data> {
    prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Bool),
        any::<i64>().prop_map(|number| Data::Number(number.to_string())),
        proptest::sample::select(vec!["1.10", "010", "1e3", ".5", "0x1F"])
            .prop_map(|number| Data::Number(number.to_owned())),
        text().prop_map(Data::Text),
    ]
}

fn data() -> impl Strategy<Value = Data> {
    leaf().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Data::List),
            proptest::collection::btree_map(text(), inner, 0..5)
                .prop_map(|entries| Data::Map(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(value in data()) {
        for layout in [Layout::PACKED, Layout::COMPILED] {
            let written = value.to_yaml(layout);
            let parsed = parse(written.as_bytes());
            prop_assert!(parsed.problems.is_empty(), "{:?}\n{}", parsed.problems, written);
            let root = parsed.tree.root().map(Data::of);
            prop_assert_eq!(root.as_ref(), Some(&value), "\n{}", written);
        }
    }
}
