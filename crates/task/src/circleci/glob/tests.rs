use super::*;

fn tree(paths: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for path in paths {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().expect("inside")).expect("created");
        fs::write(path, "").expect("written");
    }
    directory
}

fn listed(directory: &Path, pattern: &str) -> String {
    let found = files(directory, pattern).expect("a pattern");
    found
        .iter()
        .map(|path| path.display().to_string())
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn patterns_find_files() {
    let tree = tree(&[
        "a.py",
        "b.js",
        "test/a_test.py",
        "test/b_test.py",
        "test/deep/er/c_test.py",
        "test/deep/d.txt",
        "test/[x].py",
        ".hidden/e_test.py",
        "ä.py",
    ]);
    for (pattern, expected) in [
        ("*.py", "a.py ä.py"),
        ("./*.js", "b.js"),
        ("a.py", "a.py"),
        ("missing.py", ""),
        ("test", ""),
        ("test/*", "test/[x].py test/a_test.py test/b_test.py"),
        (
            "test/**/*_test.py",
            "test/a_test.py test/b_test.py test/deep/er/c_test.py",
        ),
        ("**/e_test.py", ".hidden/e_test.py"),
        ("test/deep/**", "test/deep/d.txt test/deep/er/c_test.py"),
        ("test/**/deep/**/*.py", "test/deep/er/c_test.py"),
        ("test/?_test.py", "test/a_test.py test/b_test.py"),
        ("test/[bc]_test.py", "test/b_test.py"),
        ("test/[!b-z]_test.py", "test/a_test.py"),
        ("test/\\[x\\].py", "test/[x].py"),
        ("{a,b}.{py,js}", "a.py b.js"),
        ("{test/{a,b}_test,a}.py", "a.py test/a_test.py test/b_test.py"),
        ("?.py", "a.py ä.py"),
        ("a{}.py", "a.py"),
        ("{unclosed", ""),
    ] {
        assert_eq!(listed(tree.path(), pattern), expected, "{pattern}");
    }
    let absolute = tree.path().join("*.js");
    let absolute = absolute.to_str().expect("text");
    assert_eq!(
        listed(Path::new("/nowhere"), absolute),
        tree.path().join("b.js").display().to_string()
    );
}

#[test]
fn a_link_that_leads_back_ends_no_walk() {
    let tree = tree(&["d/a.py"]);
    std::os::unix::fs::symlink("..", tree.path().join("d/up")).expect("linked");
    assert_eq!(listed(tree.path(), "**/*.py"), "d/a.py");
    assert_eq!(listed(tree.path(), "d/up/d/*.py"), "d/up/d/a.py");
}

#[test]
fn what_makes_no_sense_is_said() {
    let tree = tree(&[]);
    let error = files(tree.path(), "a[b").expect_err("unclosed");
    assert!(error.to_string().contains("`[` without its `]`"), "{error}");
    let bomb = "{a,b}".repeat(20);
    assert!(
        files(tree.path(), &bomb)
            .expect_err("too many")
            .to_string()
            .contains("1024")
    );
}

#[test]
fn stars_take_no_exponential_time() {
    let parts = match Segment::parse(&"*a".repeat(50)) {
        Ok(Segment::Pattern(parts)) => parts,
        other => panic!("a pattern, not {other:?}"),
    };
    let text: Vec<char> = std::iter::repeat_n('a', 10_000).chain(['b']).collect();
    assert!(!matches(&parts, &text));
    assert!(matches(&parts, &text[..10_000]));
}
