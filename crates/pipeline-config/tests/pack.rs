//! Packing: which file becomes which key, what is included, what is refused and where.

use std::collections::BTreeMap;

use airlock_pipeline_config::{Included, PackFile, PackKind, Source, included_files, pack, render};
use airlock_yaml_tree::{Data, Layout, parse};
use proptest::prelude::*;

use crate::corpus_folder::corpus_folder;
use crate::pairs;

fn files(files: &[(&str, &str)]) -> Vec<PackFile> {
    files
        .iter()
        .map(|(path, text)| PackFile {
            path: (*path).to_owned(),
            source: Source::new(format!("src/{path}"), text.as_bytes()),
        })
        .collect()
}

/// What packing gives: the text, the diagnostics or both.
fn packed(tree: &[(&str, &str)], kind: PackKind) -> String {
    let files = files(tree);
    let includes: BTreeMap<String, Included> = tree
        .iter()
        .map(|(path, text)| ((*path).to_owned(), Ok(text.as_bytes().to_vec())))
        .collect();
    let (text, diagnostics) = pack(&files, kind, &includes);
    let sources: Vec<Source> = files.into_iter().map(|file| file.source).collect();
    let told = render::text(&diagnostics, &sources, render::Color::Never);
    assert_eq!(
        text.is_none(),
        diagnostics
            .iter()
            .any(airlock_pipeline_config::Diagnostic::is_error)
    );
    format!("{}{told}", text.unwrap_or_default())
}

fn config(tree: &[(&str, &str)]) -> String {
    packed(tree, PackKind::Config)
}

#[test]
fn folders_are_maps_and_files_are_keys() {
    let tree = [
        (
            "@config.yml",
            "version: 2.1\ncommands: {z: {steps: [checkout]}}\n",
        ),
        (
            "executors/@executors.yml",
            "e: {machine: true}\nd: {docker: [{image: x}]}\n",
        ),
        (
            "jobs/build.yml",
            "docker:\n  - image: cimg/base\nsteps:\n  - checkout\n",
        ),
        ("commands/aws/deep/login.yaml", "steps: [checkout]\n"),
        ("jobs/empty.yml", "# nothing yet\n"),
        ("README.md", "# no YAML\n"),
        ("scripts/a.sh", "echo\n"),
        (".hidden/x.yml", "a: 1\n"),
        ("jobs/.hidden.yml", "a: 1\n"),
    ];
    let want = "commands:
    login:
        steps:
            - checkout
    z:
        steps:
            - checkout
executors:
    d:
        docker:
            - image: x
    e:
        machine: true
jobs:
    build:
        docker:
            - image: cimg/base
        steps:
            - checkout
    empty: {}
version: 2.1
";
    assert_eq!(config(&tree), want);
}

#[test]
fn orbs_in_place_have_sections_of_their_own() {
    let tree = [
        ("config.yml", "workflows: {w: {jobs: [hugo/build]}}\n"),
        (
            "orbs/hugo/@orb.yml",
            "description: x\nexecutors: {default: {docker: [{image: i}]}}\n",
        ),
        ("orbs/hugo/commands/build-hugo.yml", "steps: [checkout]\n"),
        ("orbs/hugo/README.md", "no YAML"),
        ("orbs/small.yml", "commands: {c: {steps: [checkout]}}\n"),
        ("orbs/@more.yml", "node: circleci/node@5\n"),
    ];
    let want = "orbs:
    hugo:
        commands:
            build-hugo:
                steps:
                    - checkout
        description: x
        executors:
            default:
                docker:
                    - image: i
    node: circleci/node@5
    small:
        commands:
            c:
                steps:
                    - checkout
workflows:
    w:
        jobs:
            - hugo/build
";
    assert_eq!(config(&tree), want);
}

#[test]
fn booleans_are_those_of_yaml_1_1_and_quotes_hold() {
    let tree = [(
        "commands/vpn.yml",
        "on: x\na: on\nb: 'on'\nc: No\nd: n\ne: 1.10\nf: \"1\"\ng: ~\nh: 0o17\ni: 12:30\n",
    )];
    let want = "commands:
    vpn:
        a: true
        b: \"on\"
        c: false
        d: \"n\"
        e: 1.10
        f: \"1\"
        g: null
        h: \"0o17\"
        i: 12:30
        \"on\": x
";
    assert_eq!(config(&tree), want);
}

#[test]
fn includes_are_followed_in_orbs_only() {
    let tree = [
        (
            "@orb.yml",
            "version: 2.1\ndescription: <<include(scripts/a.sh)>>\n",
        ),
        (
            "commands/c.yml",
            "steps:\n  - run: << include(scripts/a.sh) >>\n  - run: say <<include(b.txt)>>, << parameters.x >>\n",
        ),
        ("scripts/a.sh", "cat <<EOF\nx\nEOF\n"),
        ("b.txt", "hello"),
    ];
    let want = "commands:
    c:
        steps:
            - run: |
                cat \\<<EOF
                x
                EOF
            - run: say hello, << parameters.x >>
description: <<include(scripts/a.sh)>>
version: 2.1
";
    assert_eq!(packed(&tree, PackKind::Orb), want);
    assert!(config(&tree).contains("- run: << include(scripts/a.sh) >>"));
    let named: Vec<String> = included_files(&files(&tree)).into_iter().collect();
    assert_eq!(named, ["b.txt", "scripts/a.sh"]);
}

#[test]
fn an_include_that_leads_nowhere_or_out_is_refused_at_its_place() {
    let tree = [(
        "jobs/j.yml",
        "steps:\n  - run: << include(none.sh) >>\n  - run:\n      command: <<include(../../etc/passwd)>>\n",
    )];
    let told = packed(&tree, PackKind::Orb);
    assert!(
        told.contains("`none.sh` cannot be included: there is no such file"),
        "{told}"
    );
    assert!(told.contains("src/jobs/j.yml:2:10"), "{told}");
    assert!(told.contains("leads out of the orb's folder"), "{told}");
    assert!(told.contains("src/jobs/j.yml:4:16"), "{told}");
}

#[test]
fn anchors_of_other_files_are_known() {
    let tree = [
        (
            "anchors/@anchors.yml",
            "flag: &flag on\nbase: &base\n  docker:\n    - image: x\ntags: &tags [main, \"a: b\"]\n",
        ),
        (
            "jobs/build.yml",
            "---\n# a job\n<<: *base\nbranches: *tags\nsteps: [checkout]\nkill: *flag\n",
        ),
    ];
    let told = config(&tree);
    let want = "jobs:
    build:
        branches:
            - main
            - 'a: b'
        docker:
            - image: x
        kill: true
        steps:
            - checkout
";
    assert!(told.ends_with(want), "{told}");
}

#[test]
fn places_in_a_file_with_foreign_anchors_are_its_own() {
    let tree = [
        ("anchors/@anchors.yml", "ref: &ref specs\n"),
        (
            "workflows/w.yml",
            "jobs:\n  - *ref\n  - other:\n    requires: [specs]\n",
        ),
    ];
    let told = config(&tree);
    assert!(
        told.contains("warning[misindented]: `requires` stands beside `other`"),
        "{told}"
    );
    assert!(told.contains("src/workflows/w.yml:4:5"), "{told}");
    assert!(told.contains("4 |     requires: [specs]"), "{told}");
}

#[test]
fn an_anchor_nobody_defines_is_an_error() {
    let tree = [
        ("anchors/@anchors.yml", "a: &mine 1\n"),
        ("commands/c.yml", "description: *mime\n"),
    ];
    let told = config(&tree);
    assert!(told.contains("error[yaml-unknown-alias]"), "{told}");
    assert!(told.contains("src/commands/c.yml:1:14"), "{told}");
}

#[test]
fn keys_that_slid_out_of_their_item_are_told_and_others_are_not() {
    let warned = |text| config(&[("workflows/w.yml", text)]).contains("misindented");
    assert!(warned("jobs:\n  - specs\n  - other:\n    requires: [specs]\n"));
    assert!(warned("steps:\n  - run:\n    name: x\n    command: y\n"));
    for right in [
        "jobs:\n  - specs\n  - other:\n      requires: [specs]\n",
        "jobs:\n  - specs:\n  - other\n",
        "docker:\n  - image: a\n    command: b\n    environment:\n",
        "docker:\n  - image: a\n    command:\n",
        "jobs:\n  - hold: {type: approval}\n",
    ] {
        assert!(!warned(right), "{right}");
    }
}

#[test]
fn two_files_for_one_key_are_refused_and_both_named() {
    for tree in [
        [
            ("commands/login.yml", "a: 1\n"),
            ("commands/zzz/login.yml", "a: 2\n"),
        ],
        [
            ("commands/aaa/login.yml", "a: 1\n"),
            ("commands/login.yml", "a: 2\n"),
        ],
        [
            ("commands/a/login.yml", "a: 1\n"),
            ("commands/b/login.yaml", "b: 2\n"),
        ],
        [
            ("commands/@more.yml", "login: {a: 1}\n"),
            ("commands/login.yml", "a: 2\n"),
        ],
    ] {
        let told = config(&tree);
        assert!(told.contains("error[pack-conflict]"), "{told}");
        for (path, _) in tree {
            assert!(told.contains(path), "{told}");
        }
    }
    let halves = [
        ("jobs/@all.yml", "j: {steps: []}\n"),
        ("jobs/j.yml", "machine: true\n"),
    ];
    assert_eq!(
        config(&halves),
        "jobs:\n    j:\n        machine: true\n        steps: []\n"
    );
}

#[test]
fn of_two_values_at_the_top_the_later_counts_with_a_warning() {
    let tree = [
        ("@a.yml", "version: 2\njobs: {a: {}}\n"),
        ("b.yml", "version: 2.1\njobs: {b: {}}\n"),
    ];
    let told = config(&tree);
    assert!(
        told.starts_with("jobs:\n    a: {}\n    b: {}\nversion: 2.1\n"),
        "{told}"
    );
    assert!(
        told.contains("warning[pack-conflict]: `version` stands in `@a.yml` and in `b.yml`"),
        "{told}"
    );
    assert_eq!(told.matches("warning").count(), 1, "{told}");
}

#[test]
fn broken_files_and_lists_are_told_with_their_place() {
    let told = config(&[("jobs/a.yml", "a: [\n"), ("jobs/b.yml", "a: 1\n")]);
    assert!(told.contains("src/jobs/a.yml:"), "{told}");
    let told = config(&[("jobs/a.yml", "- a\n")]);
    assert!(told.contains("a file to pack must be a map"), "{told}");
    assert_eq!(config(&[]), "{}\n");
}

#[test]
fn what_unfolds_over_many_files_is_bounded() {
    let bomb = format!(
        "a: &a [{}]\nb: &b [{}]\nc: [{}]\n",
        "x, ".repeat(40),
        "*a, ".repeat(40),
        "*b, ".repeat(20)
    );
    let names: Vec<String> = (0..10).map(|at| format!("jobs/{at}.yml")).collect();
    let tree: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), bomb.as_str())).collect();
    assert!(config(&tree).contains("error[limit]: with all aliases written out this tree"));
}

/// Sorted maps compare as sets of keys do.
fn sorted(data: &Data) -> Data {
    match data {
        Data::Map(entries) => {
            let mut entries: Vec<(String, Data)> = entries
                .iter()
                .map(|(name, value)| (name.clone(), sorted(value)))
                .collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            Data::Map(entries)
        }
        Data::List(items) => Data::List(items.iter().map(sorted).collect()),
        Data::Null | Data::Bool(_) | Data::Number(_) | Data::Text(_) => data.clone(),
    }
}

fn value() -> impl Strategy<Value = Data> {
    let leaf = prop_oneof![
        Just(Data::Null),
        any::<bool>().prop_map(Data::Bool),
        (0_u16..3000).prop_map(|number| Data::Number(number.to_string())),
        "[a-z\\n :#'\"<&*0-9-]{0,12}".prop_map(Data::Text),
        "\\PC{0,8}".prop_map(Data::Text),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Data::List),
            proptest::collection::btree_map("[a-zA-Z0-9_-]{1,6}", inner, 0..4)
                .prop_map(|entries| Data::Map(entries.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_in_the_files_is_in_the_packed_text(
        jobs in proptest::collection::btree_map(
            "[a-z][a-z0-9-]{0,5}",
            proptest::collection::btree_map("[a-z]{1,5}", value(), 0..4),
            1..4,
        )
    ) {
        let of = |entries: &BTreeMap<String, Data>| {
            Data::Map(entries.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
        };
        let tree: Vec<PackFile> = jobs
            .iter()
            .map(|(name, entries)| PackFile {
                path: format!("jobs/{name}.yml"),
                source: Source::new(name.clone(), of(entries).to_yaml(Layout::COMPILED)),
            })
            .collect();
        let (text, diagnostics) = pack(&tree, PackKind::Config, &BTreeMap::new());
        let text = text.unwrap_or_else(|| panic!("{diagnostics:?}"));
        let parsed = parse(text.as_bytes());
        prop_assert!(parsed.problems.is_empty(), "{:?}\n{}", parsed.problems, text);
        let jobs = jobs.iter().map(|(name, entries)| (name.clone(), of(entries))).collect();
        let want = Data::Map(vec![("jobs".to_owned(), Data::Map(jobs))]);
        let got = Data::of(parsed.tree.root().expect("the text is a document"));
        prop_assert_eq!(sorted(&got), sorted(&want), "\n{}", text);
    }
}

/// Trees that projects split by hand; some are put together by scripts of their own, and all that are YAML can be packed.
#[test]
fn trees_of_projects_can_be_packed() {
    let Some(root) = corpus_folder() else { return };
    for tree in [
        "aeternity__aeternity/config",
        "OpenLineage__OpenLineage/workflows",
        "raft-tech__TANF-app/deployment",
        "raft-tech__TANF-app",
        "specklesystems__speckle-server",
    ] {
        let files = pairs::tree(&root.join("cases/pack-trees").join(tree));
        let (text, diagnostics) = pack(&files, PackKind::Config, &BTreeMap::new());
        let sources: Vec<Source> = files.into_iter().map(|file| file.source).collect();
        let told = || render::text(&diagnostics, &sources, render::Color::Never);
        let text = text.unwrap_or_else(|| panic!("{tree}:\n{}", told()));
        let parsed = parse(text.as_bytes());
        assert!(parsed.problems.is_empty(), "{tree}: {:?}", parsed.problems);
    }
}

#[test]
fn what_no_pipeline_would_read_is_refused() {
    let anchor = "x".repeat(40_000);
    let uses = "    - run: *long\n".repeat(150);
    let text = format!("long: &long {anchor}\njobs:\n  build:\n    steps:\n{uses}");
    let tree = [("@config.yml", "version: 2.1\n"), ("@jobs.yml", text.as_str())];
    let told = config(&tree);
    assert!(
        told.starts_with("error[limit]: the packed text has "),
        "{}",
        &told[..200]
    );
    assert!(told.contains("src/@jobs.yml:1:1"), "{}", &told[..400]);
    let fitting = text.replace(&uses, "    - run: *long\n");
    assert!(!config(&[("@jobs.yml", fitting.as_str())]).contains("error["));
}
