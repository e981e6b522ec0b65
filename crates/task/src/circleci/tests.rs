use std::os::unix::net::UnixListener;

use super::*;

struct Ran {
    code: u8,
    output: String,
    errors: String,
}

fn run_with(words: &[&str], env: &[(&str, &str)], input: &str, directory: &Path) -> Ran {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let mut input = input.as_bytes();
    let mut world = World {
        env: env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        directory: directory.to_owned(),
        run_dir: directory.to_owned(),
        input: &mut input,
        output: &mut output,
        errors: &mut errors,
    };
    let code = run_in(&mut world, &words);
    let text = |bytes| String::from_utf8(bytes).expect("text");
    Ran {
        code,
        output: text(output),
        errors: text(errors),
    }
}

fn run(words: &[&str]) -> Ran {
    run_with(words, &[], "", Path::new("/nowhere"))
}

#[test]
fn help_and_version() {
    for words in [&["--help"][..], &[], &["tests", "glob", "--help"]] {
        let ran = run(words);
        assert_eq!((ran.code, ran.output.as_str()), (0, HELP), "{words:?}");
    }
    assert_eq!(
        run(&["--version", "--short"]).output.trim(),
        env!("CARGO_PKG_VERSION")
    );
    assert!(run(&["version"]).output.contains("airlock"));
}

#[test]
fn what_is_not_here_says_so() {
    let ran = run(&["testsuite", "run", "ci", "--secret"]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.errors,
        "Error: `circleci testsuite run ci` is not available here; `circleci --help` lists the commands that are\n"
    );
    assert_eq!(run(&["--nope"]).code, 2);
    for (words, expected) in [
        (
            &["run", "oidc", "get", "--claims", "canary"][..],
            "issues no identity tokens",
        ),
        (
            &["run", "release", "plan", "x", "--target-version=1"],
            "keeps no record of releases",
        ),
    ] {
        let ran = run(words);
        assert_eq!(ran.code, 1);
        assert!(
            ran.errors.contains(expected) && !ran.errors.contains("canary"),
            "{}",
            ran.errors
        );
    }
}

#[test]
fn run_takes_a_share_and_keeps_its_hands_off_the_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let words = [
        "tests",
        "run",
        "--verbose",
        "--command",
        "cat > got; echo --help >> got",
        "--split-by=name",
    ];
    let ran = run_with(&words, &[], "b\na\n", directory.path());
    assert_eq!((ran.code, ran.errors.as_str()), (0, ""));
    let got = std::fs::read_to_string(directory.path().join("got")).expect("written");
    assert_eq!(got, "a\nb\n--help\n");
    let ran = run_with(&["tests", "run", "--command=exit 7"], &[], "a", directory.path());
    assert_eq!((ran.code, ran.errors.as_str()), (7, ""));
    assert_eq!(run(&["tests", "run", "--help"]).output, HELP);
}

#[test]
fn halt_asks_process_one() {
    let directory = tempfile::tempdir().expect("a directory");
    let ran = run_with(&["step", "halt"], &[], "", directory.path());
    assert_eq!(ran.code, 1);
    assert!(ran.errors.contains("control.sock"), "{}", ran.errors);

    let listener = UnixListener::bind(directory.path().join(CONTROL_SOCKET)).expect("bound");
    let server = std::thread::spawn(move || {
        let mut requests = Vec::new();
        for answer in [HALT_ANSWER, b"no\n"] {
            let (mut socket, _) = listener.accept().expect("a connection");
            let mut request = [0; 5];
            socket.read_exact(&mut request).expect("a request");
            socket.write_all(answer).expect("answered");
            requests.push(request);
        }
        requests
    });
    assert_eq!(run_with(&["task", "halt"], &[], "", directory.path()).code, 0);
    assert_eq!(run_with(&["step", "halt"], &[], "", directory.path()).code, 1);
    assert_eq!(server.join().expect("no panic"), [*b"halt\n", *b"halt\n"]);
    assert_eq!(
        run_with(&["step", "halt", "now"], &[], "", directory.path()).code,
        2
    );
}

#[test]
fn glob_lists_each_pattern_in_turn() {
    let directory = tempfile::tempdir().expect("a directory");
    for name in ["b.py", "a.py", "c.js"] {
        std::fs::write(directory.path().join(name), "").expect("written");
    }
    let ran = run_with(&["tests", "glob", "*.js", "*.py"], &[], "", directory.path());
    assert_eq!((ran.code, ran.output.as_str()), (0, "c.js\na.py\nb.py\n"));
    assert_eq!(run(&["tests", "glob"]).code, 2);
}

#[test]
fn split_knows_its_node() {
    let env = [("CIRCLE_NODE_INDEX", "1"), ("CIRCLE_NODE_TOTAL", "2")];
    let here = Path::new("/nowhere");
    let ran = run_with(&["tests", "split", "--show-counts"], &env, "c\na\nb\n", here);
    assert_eq!((ran.code, ran.output.as_str()), (0, "b\n"));
    assert_eq!(ran.errors, "1 of 3 tests are on node 1 of 2\n");
    let ran = run_with(
        &["tests", "split", "--index=0", "--total", "1"],
        &env,
        "c a b",
        here,
    );
    assert_eq!(ran.output, "a\nb\nc\n");
    let ran = run_with(&["tests", "split"], &[], "b\na\n", here);
    assert_eq!(ran.output, "a\nb\n");
}

#[test]
fn split_by_timings_falls_back_to_names_and_says_so() {
    let words = [
        "tests",
        "split",
        "--split-by=timings",
        "--timings-type=classname",
        "--time-default=10s",
    ];
    let ran = run_with(&words, &[], "b a", Path::new("/nowhere"));
    assert_eq!((ran.code, ran.output.as_str()), (0, "a\nb\n"));
    assert_eq!(
        ran.errors,
        "Error auto-detecting timing type, falling back to weighting by name.\n"
    );
}

#[test]
fn split_by_timings_balances_what_earlier_runs_took() {
    let directory = tempfile::tempdir().expect("a directory");
    let results = r#"{"tests": [{"file": "slow.py", "run_time": 9}, {"file": "b.py", "run_time": 4}, {"file": "c.py", "run_time": 4}]}"#;
    std::fs::write(directory.path().join("times.json"), results).expect("written");
    let share = |index: &str| {
        let index = format!("--index={index}");
        let words = [
            "tests",
            "split",
            "--split-by=timings",
            "--timings-type=filename",
            "--timings-file=times.json",
            "--total=2",
            &index,
        ];
        let ran = run_with(&words, &[], "b.py slow.py c.py", directory.path());
        assert_eq!((ran.code, ran.errors.as_str()), (0, ""));
        ran.output
    };
    assert_eq!(
        (share("0").as_str(), share("1").as_str()),
        ("slow.py\n", "b.py\nc.py\n")
    );
}

#[test]
fn split_by_filesize_reads_sizes() {
    let directory = tempfile::tempdir().expect("a directory");
    for (name, size) in [("small", 1), ("huge", 100), ("large", 60)] {
        std::fs::write(directory.path().join(name), "x".repeat(size)).expect("written");
    }
    std::fs::write(directory.path().join("list"), "small\nlarge\nhuge\n").expect("written");
    let words = [
        "tests",
        "split",
        "--split-by=filesize",
        "--index=1",
        "--total=2",
        "list",
    ];
    let ran = run_with(&words, &[], "", directory.path());
    assert_eq!(
        (ran.code, ran.output.as_str()),
        (0, "large\nsmall\n"),
        "{}",
        ran.errors
    );
    let ran = run_with(
        &["tests", "split", "--split-by=filesize"],
        &[],
        "gone here",
        directory.path(),
    );
    assert_eq!(ran.code, 1);
    assert!(ran.errors.contains("gone"), "{}", ran.errors);
}

#[test]
fn split_refuses_what_makes_no_sense() {
    for words in [
        &["tests", "split", "--index=2", "--total=2"][..],
        &["tests", "split", "--total=0"],
        &["tests", "split", "--index=x"],
        &["tests", "split", "--split-by=mood"],
        &["tests", "split", "a", "b"],
        &["tests", "split", "--split-by=timings", "--timings-type=x"],
    ] {
        let ran = run(words);
        assert_eq!(ran.code, 2, "{words:?}");
        assert!(
            ran.output.is_empty() && ran.errors.starts_with("Error: "),
            "{words:?}: {}",
            ran.errors
        );
    }
    assert_eq!(run(&["tests", "split", "/nowhere/at/all"]).code, 1);
}

#[test]
fn subst_reads_words_or_input() {
    let env = [("NAME", "world")];
    let here = Path::new("/nowhere");
    assert_eq!(
        run_with(&["env", "subst", "hello $NAME", "${NO}!"], &env, "", here).output,
        "hello world !\n"
    );
    assert_eq!(
        run_with(&["env", "subst"], &env, "a ${NAME}\nb", here).output,
        "a world\nb"
    );
    let ran = run_with(&["env", "subst", "-n $NAME"], &env, "", here);
    assert_eq!(ran.output, "-n world\n");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut errors = Vec::new();
    let mut world = World {
        env: BTreeMap::new(),
        directory: PathBuf::new(),
        run_dir: PathBuf::new(),
        input: &mut io::empty(),
        output: &mut Gone,
        errors: &mut errors,
    };
    assert_eq!(run_in(&mut world, &["--help".to_owned()]), 0);
    assert!(errors.is_empty());
}
