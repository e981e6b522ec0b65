//! A text with `‸` in it, and the place that is found.

use std::fmt::Write as _;

use super::*;
use crate::text::Encoding;

fn place(marked: &str) -> String {
    let offset = marked.find('‸').expect("the text has a cursor");
    let text = Text::new(marked.replace('‸', ""), Encoding::Utf16);
    let cursor = at(&text, offset);
    let path: Vec<&str> = cursor
        .path
        .iter()
        .map(|segment| match segment {
            Segment::Key(name) => name.as_str(),
            Segment::Item => "-",
        })
        .collect();
    let word = &text.source()[cursor.word.clone()];
    let mut shown = format!("{} {:?} `{word}`", path.join("."), cursor.typing);
    if !cursor.siblings.is_empty() {
        let _ = write!(shown, " beside {}", cursor.siblings.join(","));
    }
    shown
}

#[test]
fn keys_by_indentation() {
    assert_eq!(place("jo‸"), " Start `jo`");
    assert_eq!(place("jobs:\n  build:\n    st‸"), "jobs.build Start `st`");
    assert_eq!(place("jobs:\n  build:\n    ‸\n"), "jobs.build Start ``");
    assert_eq!(place("jobs:\n  build:\n  ‸\n"), "jobs Start `` beside build");
    assert_eq!(
        place("jobs:\n  a:\n    steps: []\n    ‸\n    shell: x\n  b:\n    docker: []\n"),
        "jobs.a Start `` beside steps,shell"
    );
}

#[test]
fn lists_may_stand_at_the_column_of_their_key() {
    assert_eq!(
        place("jobs:\n  a:\n    steps:\n    - ch‸"),
        "jobs.a.steps.- Item `ch`"
    );
    assert_eq!(
        place("jobs:\n  a:\n    steps:\n      - checkout\n      - ‸"),
        "jobs.a.steps.- Item ``"
    );
    assert_eq!(
        place("steps:\n- run: x\n- run:\n    na‸"),
        "steps.-.run Start `na`"
    );
    assert_eq!(
        place("steps:\n  - run:\n      command: x\n      ‸\n  - checkout"),
        "steps.-.run Start `` beside command"
    );
    assert_eq!(
        place("docker:\n  - image: x\n    ‸"),
        "docker.- Start `` beside image"
    );
}

#[test]
fn values_and_quotes() {
    assert_eq!(
        place("jobs:\n  a:\n    executor: de‸"),
        "jobs.a.executor Value `de`"
    );
    assert_eq!(
        place("jobs:\n  a:\n    executor: \"de‸f\""),
        "jobs.a.executor Value `def`"
    );
    assert_eq!(place("a:\n  - b: ‸"), "a.-.b Value ``");
    assert_eq!(place("\"a b\": ‸"), "a b Value ``");
    assert_eq!(place("a: http://x‸"), "a Value `http://x`");
}

#[test]
fn brackets_on_one_line_and_on_more() {
    assert_eq!(place("requires: [a, b‸]"), "requires.- Item `b`");
    assert_eq!(place("steps: [checkout, {run: {na‸"), "steps.-.run FlowKey `na`");
    assert_eq!(place("a: {x: 1, y: ‸}"), "a.y Value ``");
    assert_eq!(place("requires: [a: fa‸]"), "requires.-.a Value `fa`");
    assert_eq!(
        place("a:\n  requires: [\n    x,\n    y‸\n  ]"),
        "a.requires.- Item `y`"
    );
    assert_eq!(place("a: [x]\nb‸"), " Start `b` beside a");
}

#[test]
fn texts_are_left_alone_but_for_their_expressions() {
    assert_eq!(place("run: |\n  echo\n  foo‸"), "run Text `foo`");
    assert_eq!(
        place("a:\n  run: |-\n    echo << par‸ >>\n"),
        "a.run Expression `par`"
    );
    assert_eq!(place("a: x # foo‸"), "a Text `x # foo`");
    assert_eq!(place("a: << parameters.‸"), "a Expression `parameters.`");
    assert_eq!(place("a: \"<< pi‸peline.id >>\""), "a Expression `pipeline.id`");
}

#[test]
fn aliases() {
    assert_eq!(place("a:\n  <<: *de‸"), "a.<< Alias `de`");
    assert_eq!(place("steps:\n  - *‸"), "steps.- Alias ``");
    assert_eq!(place("a: &name va‸"), "a Value `va`");
    assert_eq!(place("a: &na‸"), "a Text `&na`");
}

#[test]
fn every_place_of_a_text_has_an_answer() {
    let text = "a: {b: [\"🚀\", 'x\n- - ? |\n\t&x *y << z\r\n  - é: >2\n    <<\n]}: ,";
    for encoding in [Encoding::Utf8, Encoding::Utf16, Encoding::Utf32] {
        let text = Text::new(text.to_owned(), encoding);
        for offset in 0..=text.source().len() {
            if text.source().is_char_boundary(offset) {
                let cursor = at(&text, offset);
                assert!(cursor.word.start <= offset && offset <= cursor.word.end.max(offset));
            }
        }
    }
}
