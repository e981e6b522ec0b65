//! What people get wrong, and what they are told: each piece of YAML here is refused, and one snapshot holds all messages.
//! Where there is an edit, it does away with the problem.

use std::fmt::Write as _;

use airlock_yaml_tree::parse;

use crate::report;

const MISTAKES: &[(&str, &str)] = &[
    (
        "a list item that needs a colon",
        "jobs:\n  - hold\n      type: approval\n",
    ),
    (
        "a command that goes on",
        "steps:\n  - make all\n      timeout: 900\n",
    ),
    (
        "a list item and a key at one column",
        "jobs:\n  - hold\n    type: approval\n",
    ),
    (
        "no blank behind a colon",
        "docker:\n  - image:cimg/base\n    user: x\n",
    ),
    ("no blank behind the first colon", "version:2.1\njobs: {}\n"),
    ("a colon in a command", "run: echo foo: bar # shown\n"),
    ("a key below a value", "a: 1\n  b: 2\n"),
    ("brackets in a brace", "a: {b: [c\nd: e\n"),
    ("a quote that is open", "a: \"foo\nb: c\n"),
    ("a quote that is open to the end", "a: 'foo"),
    ("text behind quotes", "a: \"foo\" bar\n"),
    ("quotes on both ends", "run: 'a' && 'b'\n"),
    ("an apostrophe", "a: 'don't do'\n"),
    ("two items in a line", "- \"a\" - \"b\"\n"),
    ("an at sign", "a: @foo\n"),
    ("a backtick", "a: `date`\n"),
    ("a per cent sign", "a: %foo\n"),
    ("a glob", "only: *.js\n"),
    ("a lone star", "- *\n"),
    ("two ampersands", "run: && foo\n"),
    ("an ampersand", "run: & foo\n"),
    ("an exclamation mark", "run: !grep foo\n"),
    ("a test in brackets", "run: [ -f x ] && echo\n"),
    ("braces", "image: {{ x }}\n"),
    ("braces in text", "image: {{ x }}:latest\n"),
    (
        "a key one column to the left",
        "a:\n  - key: value\n   other: v\n",
    ),
    ("a key between two columns", "a:\n  b: 1\n c: 2\n"),
    ("a key near its siblings", "a:\n    b: 1\n   c: 2\n"),
    (
        "a key near its siblings, with lines below it",
        "a:\n    b: 1\n   c:\n     d: 2\n",
    ),
    ("a key further in than its siblings", "a:\n  b: \"x\"\n    c: 2\n"),
    ("an item between two columns", "a:\n   - x\n  - y\n"),
    ("an item among keys", "a: 1\n- b\n"),
    ("a key among items", "a:\n  - b\n  c: d\n"),
    ("an item in the line of its key", "key: - a\n"),
    ("an item in brackets", "a: [- b]\n"),
    ("a path with backslashes", "a: \"C:\\path\"\n"),
    ("a block of text at its key", "- run: |\n  echo\n  echo: a\n"),
    (
        "a block of text that steps back",
        "run: |\n    echo\n  foo\nx: 1\n",
    ),
    ("a block of text after wide blanks", "run: |\n       \n   foo\n"),
    ("text behind a block's sign", "a: |foo\n"),
    ("a block's sign before a number", "a: > 3\n"),
    (
        "a merge conflict",
        "a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> other\n",
    ),
    ("no-break spaces", "a:\n\u{a0}\u{a0}b: 1\n"),
    ("an open bracket", "a: [b, c\nd: e\n"),
    ("an open brace", "a: {b: c\nd: e\n"),
    ("a bracket open to the end", "a: [b\n"),
    ("a pair in a list", "a: [é: {b: c\nd: e\n"),
    (
        "a pair in a list, broken itself",
        "a: [\nϿ: :\">{b\"d0[, ]\"{a: >%@2, {b\"`]\n",
    ),
    ("the other bracket", "a: [b}\n"),
    ("a bracket too many", "a: ]\n"),
    ("a comma that is missing", "a: {b: 1 c: 2}\n"),
    ("a word among keys", "a: 1\nb\nc: 2\n"),
    ("words among keys", "a: 1\nb and c\nd: 2\n"),
    ("a colon without a key", "a:\n  : b\n"),
    ("tags", "a: !foo bar\nb: !!binary aGk=\nc: !x [a]\nd: !y {a: 1}\n"),
    ("an anchor on an alias", "a: &x 1\nb: &y *x\n"),
    ("an alias as a key", "a: &x 1\n*x: 2\n"),
    ("an anchor below its use", "a: *x\nb: &x 1\n"),
    (
        "an anchor's name written wrongly",
        "a: &the-defaults {b: 1}\nc: {<<: *the_default}\n",
    ),
    ("an anchor that is nowhere", "c: *default\n"),
    ("an alias inside its anchor", "a: &x [*x]\n"),
    ("a tab", "a:\n\tb: 1\n"),
    ("a tab after spaces", "a:\n  \t- b\n"),
    ("a tab behind a dash", "a:\n  -\tb: 1\n    c: 2\n"),
    ("a tab in text", "a: |\n\tfoo\n"),
    ("a control character", "a: \u{7}b\n"),
    ("a control character in quotes", "a: \"\u{1b}[1m\"\n"),
    ("a second document", "a: 1\n---\nb: 2\n"),
    ("text after the end", "a: 1\n...\nb: 2\n"),
    ("a directive that is none", "%FOO\na: 1\n"),
];

#[test]
fn each_is_told_in_words() {
    let mut told = String::new();
    for (what, text) in MISTAKES {
        let parsed = parse(text.as_bytes());
        let _ = writeln!(told, "== {what}\n{}\n", text.trim_end().replace('\t', "→"));
        assert!(!parsed.problems.is_empty(), "{what} is let pass");
        let mut problems = String::new();
        report::problems(&mut problems, &parsed);
        let _ = writeln!(told, "{problems}");
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("mistakes", told);
    });
}

#[test]
fn edits_mend() {
    let mut mended = 0;
    for (what, text) in MISTAKES {
        for problem in parse(text.as_bytes()).problems {
            let Some(fix) = &problem.fix else { continue };
            let mut edited = (*text).to_owned();
            edited.replace_range(fix.span.range(), &fix.text);
            let after = parse(edited.as_bytes());
            let again = after.problems.iter().any(|left| left.message == problem.message);
            assert!(!again, "{what}: {:?} leaves {:?}", fix.title, after.problems);
            mended += 1;
        }
    }
    assert!(mended > 20, "{mended} edits");
}
