//! The program as a job calls it, by all its names.

use std::fs;
use std::process::{Command, Output};

use crate::host::{Host, PROGRAM};

fn call(words: &[&str]) -> Output {
    Command::new(PROGRAM)
        .args(words)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn a_job_calls_the_helper_by_both_names() {
    let mut host = Host::new();
    for name in ["a_test.py", "b_test.py", "c_test.py"] {
        fs::write(host.home(name), "").expect("written");
    }
    host.configure(
        &[
            ("CIRCLE_NODE_TOTAL", "2"),
            ("CIRCLE_NODE_INDEX", "0"),
            ("WHO", "world"),
        ],
        &[],
    );
    let ran = host
        .run("circleci tests glob '*_test.py' | circleci tests split; circleci-agent env subst 'hello $WHO'");
    assert_eq!(ran.text(), "a_test.py\nc_test.py\nhello world\n");
    assert!(host.run("circleci --version").text().contains("airlock"));
}

#[test]
fn what_is_not_available_says_so_and_fails() {
    let output = call(&["circleci", "testsuite", "run", "x"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("`circleci testsuite run x` is not available here"));
    let output = call(&["circleci-agent", "run", "release", "plan", "x"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("keeps no record of releases"));
}

#[test]
fn doors_that_do_not_exist_are_refused() {
    for words in [&["nonsense"][..], &[], &["dial"], &["dial", "mail"]] {
        let output = call(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{words:?}");
    }
    let help = call(&["--help"]);
    assert!(help.status.success() && text(&help.stdout).contains("launcher"));
}

#[test]
fn dialing_without_a_door_fails_with_its_path() {
    let output = Command::new(PROGRAM)
        .args(["dial", "git"])
        .env("AIRLOCK_RUN_DIR", "/nowhere")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("/nowhere/git.sock"));
}
