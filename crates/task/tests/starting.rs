//! How a step comes to run: its shell, directory, environment, user.

use std::fs;
use std::os::unix::fs::MetadataExt;

use airlock_sandbox::channel::{Configure, FromInit, NO_STEP, StartStep, StepEnd, StepUser, ToInit};

use crate::host::Host;

fn env(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn the_exit_code_is_the_shells() {
    let mut host = Host::new();
    for code in [0, 1, 42, 255] {
        let ran = host.run(&format!("exit {code}"));
        assert_eq!((ran.end, ran.started), (StepEnd::Exited(code), true));
    }
}

#[test]
fn the_default_shell_stops_at_the_first_failure() {
    let mut host = Host::new();
    let ran = host.run("echo one\nfalse\necho two");
    assert_eq!((ran.text(), &ran.end), ("one\n", &StepEnd::Exited(1)));
    assert_eq!(host.run("false | true").end, StepEnd::Exited(1));
}

#[test]
fn a_given_shell_replaces_the_default_flags() {
    let mut host = Host::new();
    for shell in [&["/bin/bash"][..], &["bash"], &["/bin/sh", "-u"]] {
        let step = StartStep {
            shell: words(shell),
            ..host.step("false\necho two")
        };
        let ran = host.run_step(step);
        assert_eq!(
            (ran.text(), &ran.end),
            ("two\n", &StepEnd::Exited(0)),
            "{shell:?}"
        );
    }
    // A shell that runs the file instead of reading it.
    let step = StartStep {
        shell: words(&["/bin/bash", "-ec"]),
        ..host.step("echo run")
    };
    assert_eq!(host.run_step(step).text(), "run\n");
}

#[test]
fn a_missing_shell_is_no_exit_code() {
    let mut host = Host::new();
    for (shell, expected) in [
        ("/no/such/shell", "the shell `/no/such/shell` does not exist"),
        ("nosuchshell", "the shell `nosuchshell` was not found in PATH"),
        ("/etc/passwd", "starting /etc/passwd: Permission denied"),
    ] {
        let step = StartStep {
            shell: words(&[shell]),
            ..host.step("true")
        };
        let ran = host.run_step(step);
        assert!(!ran.started);
        assert!(
            matches!(&ran.end, StepEnd::CouldNotStart(why) if why.contains(expected)),
            "{:?}",
            ran.end
        );
    }
    assert_eq!(host.run("true").end, StepEnd::Exited(0));
}

#[test]
fn working_directories_are_created_and_tilde_is_home() {
    let mut host = Host::new();
    for (written, expected) in [("~", ""), ("~/project", "project"), ("a/b/c", "a/b/c")] {
        let step = StartStep {
            working_directory: written.to_owned(),
            ..host.step("pwd; touch here")
        };
        let ran = host.run_step(step);
        let expected = host.home(expected);
        assert_eq!(
            ran.text().trim(),
            expected.display().to_string().trim_end_matches('/')
        );
        assert!(expected.join("here").exists());
    }
    fs::write(host.home("file"), "").expect("written");
    let step = StartStep {
        working_directory: "~/file/below".to_owned(),
        ..host.step("true")
    };
    let end = host.run_step(step).end;
    assert!(
        matches!(&end, StepEnd::CouldNotStart(why) if why.contains("file/below")),
        "{end:?}"
    );
}

#[test]
fn the_environment_is_what_the_agent_says_and_nothing_else() {
    let mut host = Host::new();
    host.configure(
        &[("A", "job"), ("B", "job line\nnext"), ("PATH", "/usr/bin:/bin")],
        &[],
    );
    let step = StartStep {
        env: env(&[("A", "step")]),
        ..host.step("echo \"$A|$B\"; env")
    };
    let ran = host.run_step(step);
    let text = ran.text();
    assert!(text.starts_with("step|job line\nnext\n"), "{text}");
    assert!(!text.contains("LEAK"), "{text}");
    let has = |line: &str| text.lines().any(|found| found == line);
    assert!(
        has(&format!("PATH={}/bin:/usr/bin:/bin", host.path("run").display())),
        "{text}"
    );
    assert!(
        has(&format!("HOME={}", host.path("home").display())) && has("TERM=xterm"),
        "{text}"
    );
    assert!(
        host.run("echo $A").text() == "job\n",
        "the step's own variables end with it"
    );
}

#[test]
fn bash_env_carries_variables_to_the_next_steps() {
    let mut host = Host::new();
    let ran = host.run("test -f \"$BASH_ENV\"; test \"$BASH_ENV\" = \"$CIRCLE_SHELL_ENV\"; echo 'export X=carried' >> $BASH_ENV");
    assert_eq!(ran.end, StepEnd::Exited(0), "{}", ran.text());
    assert_eq!(host.run("echo $X").text(), "carried\n");
    // A step may put anything in its place; nothing is opened or followed.
    host.run("rm $BASH_ENV; mkfifo $BASH_ENV; ln -s /nowhere/x $BASH_ENV.link");
    let step = StartStep {
        shell: words(&["/bin/sh"]),
        ..host.step("echo still here")
    };
    assert_eq!(host.run_step(step).text(), "still here\n");
}

#[test]
fn variables_no_process_can_receive_are_refused() {
    let mut host = Host::new();
    for (list, expected) in [
        (env(&[("NUL", "a\0b")]), "NUL holds a NUL byte"),
        (env(&[("A=B", "c")]), "`A=B` cannot be the name"),
        (env(&[("HUGE", &"x".repeat(200_000))]), "below 128 kB"),
    ] {
        let step = StartStep {
            env: list,
            ..host.step("true")
        };
        let ran = host.run_step(step);
        assert!(
            matches!(&ran.end, StepEnd::CouldNotStart(why) if why.contains(expected)),
            "{:?}",
            ran.end
        );
    }
}

#[test]
fn long_scripts_and_many_steps() {
    let mut host = Host::new();
    let mut script = "x=0\n".to_owned();
    while script.len() < 200_000 {
        script.push_str("x=$((x + 1)) # and so on, line after line\n");
    }
    let lines = script.lines().count() - 1;
    script.push_str("echo $x\n");
    assert_eq!(host.run(&script).text(), format!("{lines}\n"));
    for number in 0..200 {
        let ran = host.run(&format!("echo {number}; exit $(({number} % 3))"));
        assert_eq!(
            ran.seen(),
            (format!("{number}\n").as_str(), StepEnd::Exited(number % 3))
        );
    }
    let left: Vec<_> = fs::read_dir(host.path("run").join("steps"))
        .expect("readable")
        .collect();
    assert!(left.is_empty(), "scripts are removed: {left:?}");
}

#[test]
fn steps_run_as_the_users_the_agent_names() {
    let mut host = Host::new();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let user = StepUser {
        uid: 12_345,
        gid: 23_456,
        groups: vec![34_567],
    };
    let home = host.path("home").display().to_string();
    host.send(&ToInit::Configure(Configure {
        user,
        home,
        ..Configure::default()
    }));
    let script = "id -u; id -g; id -G; echo through the name > /dev/stderr; echo and this > /dev/tty; touch mine\n\
                  echo export Y=1 >> $BASH_ENV; ! touch /etc/airlock-must-not-exist 2> /dev/null";
    let step = StartStep {
        working_directory: "~/new/dir".to_owned(),
        ..host.step(script)
    };
    let ran = host.run_step(step);
    assert_eq!(
        ran.text(),
        "12345\n23456\n23456 34567\nthrough the name\nand this\n"
    );
    assert_eq!(ran.end, StepEnd::Exited(0));
    assert_eq!(fs::metadata(host.home("new")).expect("created").uid(), 12_345);
    let step = StartStep {
        tty: false,
        ..host.step("echo piped > /dev/stderr")
    };
    assert_eq!(host.run_step(step).text(), "piped\n");
}

#[test]
fn a_step_number_is_used_once_at_a_time() {
    let mut host = Host::new();
    let number = host.start_and_wait("echo ready; read line");
    let again = StartStep {
        step: number,
        ..host.step("true")
    };
    host.send(&ToInit::StartStep(again));
    assert!(matches!(host.receive(), FromInit::Failed { step, .. } if step == number));
    host.stop(number, 0);
    assert_eq!(host.finish_rest(number).end, StepEnd::Stopped);
    // Ended already: not an error, nothing is answered.
    host.stop(number, 0);
    host.stop(77, 0);
    assert_eq!(host.run("true").end, StepEnd::Exited(0));
}

#[test]
fn a_root_cannot_be_switched_without_a_sandbox() {
    let mut host = Host::new();
    let directory = fs::File::open("/").expect("opened");
    host.send(&ToInit::SwitchRoot(directory.into()));
    assert!(
        matches!(host.receive(), FromInit::Failed { step: NO_STEP, reason } if reason.contains("switching the root"))
    );
    assert_eq!(host.run("true").end, StepEnd::Exited(0));
}
