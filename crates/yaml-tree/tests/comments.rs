//! Comments and what they stand with.

use airlock_yaml_tree::{Comment, Entry, Mapping, Node, Parsed, parse};

const TEXT: &str = "\
# file
# head

# above jobs
jobs: # behind jobs
  # above build
  # in two lines
  build: {a: 1} # behind build

  # apart

  test:
    - x # behind x
    # above y
    - y
  run: | # behind the sign
    # no comment
    echo
  anchored: &a 1 # behind a value
  used: *a # behind an alias
  last: 'x'#glued
# at the end";

fn words<'t>(parsed: &'t Parsed, comments: &[Comment]) -> Vec<&'t str> {
    let text = |comment: &Comment| parsed.tree.comment_text(*comment);
    comments.iter().map(text).collect()
}

fn map(parsed: &Parsed) -> Mapping<'_> {
    let root = parsed.tree.root().and_then(Node::as_mapping);
    root.expect("the document is a map")
}

#[test]
fn all_are_kept() {
    let parsed = parse(TEXT.as_bytes());
    assert_eq!(parsed.problems, []);
    let found = words(&parsed, parsed.tree.comments());
    assert_eq!(
        found.len(),
        TEXT.matches('#').count() - "# no comment".matches('#').count()
    );
    for comment in parsed.tree.comments() {
        assert!(parsed.tree.slice(comment.span).starts_with('#'));
        let line = parsed.tree.line(parsed.tree.locate(comment.span.start).line);
        assert_eq!(comment.own_line, line.trim_start().starts_with('#'), "{line}");
    }
}

#[test]
fn keys_have_those_above_and_the_one_behind() {
    let parsed = parse(TEXT.as_bytes());
    let jobs = map(&parsed).get("jobs").expect("the key is there");
    assert_eq!(words(&parsed, jobs.comments_above()), ["above jobs"]);
    let behind = |entry: Entry<'_>| {
        entry
            .comment_after()
            .map(|comment| parsed.tree.comment_text(comment))
    };
    assert_eq!(behind(jobs), Some("behind jobs"));
    let jobs = jobs.value().as_mapping().expect("a map");
    let expected = [
        ("build", vec!["above build", "in two lines"], Some("behind build")),
        ("test", vec![], None),
        ("run", vec![], Some("behind the sign")),
        ("anchored", vec![], Some("behind a value")),
        ("used", vec![], Some("behind an alias")),
        ("last", vec![], Some("glued")),
    ];
    for (name, above, after) in expected {
        let entry = jobs.get(name).expect("the key is there");
        assert_eq!(words(&parsed, entry.comments_above()), above, "{name}");
        assert_eq!(behind(entry), after, "{name}");
    }
}

#[test]
fn items_have_theirs() {
    let parsed = parse(TEXT.as_bytes());
    let jobs = map(&parsed)
        .get("jobs")
        .and_then(|jobs| jobs.value().as_mapping());
    let test = jobs.and_then(|jobs| jobs.get("test")).expect("the key is there");
    let items: Vec<_> = test.value().as_sequence().expect("a list").iter().collect();
    let behind = items[0]
        .comment_after()
        .map(|comment| parsed.tree.comment_text(comment));
    assert_eq!(behind, Some("behind x"));
    assert_eq!(words(&parsed, items[1].comments_above()), ["above y"]);
    assert_eq!(words(&parsed, items[0].comments_above()), Vec::<&str>::new());
}

#[test]
fn carriage_returns_do_not_part_a_comment_from_its_key() {
    let parsed = parse(TEXT.replace('\n', "\r\n").as_bytes());
    let jobs = map(&parsed).get("jobs").expect("the key is there");
    assert_eq!(words(&parsed, jobs.comments_above()), ["above jobs"]);
}
