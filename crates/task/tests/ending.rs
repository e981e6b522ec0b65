//! How steps end, by themselves or not, and what outlives them.

use std::io::Write;
use std::os::unix::net::UnixStream;

use airlock_sandbox::channel::{FromInit, StartStep, StepEnd, ToInit};

use crate::host::{FOR_EVER, Host, Watched};

#[test]
fn a_signal_is_told_from_an_exit_code() {
    let mut host = Host::new();
    for signal in [1, 2, 9, 13, 15] {
        assert_eq!(
            host.run(&format!("kill -{signal} $$")).end,
            StepEnd::Signaled(signal)
        );
    }
    assert_eq!(host.run("exit 137").end, StepEnd::Exited(137));
    assert_eq!(
        host.run("bash -c 'kill -9 $$' || exit $?").end,
        StepEnd::Exited(137)
    );
}

#[test]
fn silence_ends_a_step() {
    let mut host = Host::new();
    let step = StartStep {
        no_output_timeout_ms: 1000,
        ..host.step("echo hello; sleep 1000")
    };
    let ran = host.run_step(step);
    assert_eq!(
        (ran.text(), &ran.end),
        ("hello\n", &StepEnd::NoOutput { after_ms: 1000 })
    );
    // Output that is masked or held back is output; a limit of hours ends nothing.
    let step = StartStep {
        no_output_timeout_ms: FOR_EVER,
        ..host.step("echo hello")
    };
    assert_eq!(host.run_step(step).end, StepEnd::Exited(0));
}

#[test]
fn a_stopped_step_may_clean_up() {
    let mut host = Host::new();
    let number = host.start_and_wait("trap 'echo cleaning; exit 3' TERM; echo ready; sleep 1000 & wait");
    host.stop(number, FOR_EVER);
    let ran = host.finish_rest(number);
    assert_eq!((ran.text(), &ran.end), ("cleaning\n", &StepEnd::Stopped));
}

#[test]
fn a_step_that_ignores_term_is_killed() {
    let mut host = Host::new();
    let number = host.start_and_wait("trap '' TERM; sleep 1000 & echo $! > pid; echo ready; wait; wait");
    let child = Watched::from_file(&host.home("pid"));
    assert!(!child.is_dead());
    host.stop(number, 20);
    assert_eq!(host.finish_rest(number).end, StepEnd::Stopped);
    child.wait();
}

#[test]
fn a_sooner_stop_overrides_a_later_one() {
    let mut host = Host::new();
    let number = host.start_and_wait("trap '' TERM; echo ready; while :; do sleep 1000 || true; done");
    host.stop(number, FOR_EVER);
    host.stop(number, 0);
    assert_eq!(host.finish_rest(number).end, StepEnd::Stopped);
}

#[test]
fn job_control_hides_no_process_of_a_stopped_step() {
    let mut host = Host::new();
    let number = host.start_and_wait("set -m; sleep 1000 & echo $! > pid; echo ready; wait");
    let child = Watched::from_file(&host.home("pid"));
    host.stop(number, FOR_EVER);
    assert_eq!(host.finish_rest(number).end, StepEnd::Stopped);
    assert!(
        child.is_dead(),
        "a process group of its own is still the step's session"
    );
}

#[test]
fn a_suspended_step_can_be_stopped() {
    let mut host = Host::new();
    let number = host.start_and_wait("echo ready; kill -STOP $$; echo never");
    host.stop(number, FOR_EVER);
    let ran = host.finish_rest(number);
    assert_eq!((ran.text(), &ran.end), ("", &StepEnd::Stopped));
}

#[test]
fn what_a_step_leaves_behind_lives_on_and_holds_nothing_up() {
    let mut host = Host::new();
    for script in [
        "nohup sleep 1000 > /dev/null 2>&1 & echo $! > pid; echo left",
        "nohup sleep 1000 & echo $! > pid; echo left",
        // Holds the terminal, in a session of its own.
        "setsid sleep 1000 & echo $! > pid; echo left",
    ] {
        let ran = host.run(script);
        assert!(
            ran.text().contains("left\n") && ran.end == StepEnd::Exited(0),
            "{script}: {ran:?}"
        );
        let server = Watched::from_file(&host.home("pid"));
        assert_eq!(host.run("kill -0 $(cat pid)").end, StepEnd::Exited(0), "{script}");
        assert!(!server.is_dead());
        assert_eq!(host.run("kill -9 $(cat pid)").end, StepEnd::Exited(0));
        server.wait();
    }
}

#[test]
fn a_flood_from_what_was_left_behind_holds_nothing_up() {
    let mut host = Host::new();
    let ran = host.run("setsid yes & echo $! > pid; echo mine");
    assert!(ran.text().contains("mine\n") && ran.end == StepEnd::Exited(0));
    let flood = Watched::from_file(&host.home("pid"));
    for _ in 0..5 {
        let ran = host.run("echo next");
        assert_eq!(
            (ran.text(), &ran.end),
            ("next\n", &StepEnd::Exited(0)),
            "nobody else's output"
        );
    }
    assert!(!flood.is_dead());
}

#[test]
fn shutdown_leaves_nothing() {
    let mut host = Host::new();
    let number = host.start_and_wait(
        "setsid sleep 1000 & echo $! > pid; for i in {1..50}; do (true &); done; echo ready; sleep 1000",
    );
    let daemon = Watched::from_file(&host.home("pid"));
    // So long a grace: it ends because everything has ended and was collected.
    host.send(&ToInit::Shutdown { grace_ms: FOR_EVER });
    assert_eq!(host.finish_rest(number).end, StepEnd::Stopped);
    assert_eq!(host.wait().code(), Some(0));
    assert!(daemon.is_dead());
}

#[test]
fn shutdown_kills_what_does_not_go() {
    let mut host = Host::new();
    let number = host.start_and_wait("setsid bash -c \"trap '' TERM; echo \\$\\$ > pid; echo ready; while :; do sleep 1000 || :; done\" & trap '' TERM; wait; sleep 1000");
    let daemon = Watched::from_file(&host.home("pid"));
    host.send(&ToInit::Shutdown { grace_ms: 20 });
    assert_eq!(host.finish_rest(number).end, StepEnd::Stopped);
    assert_eq!(host.wait().code(), Some(0));
    assert!(daemon.is_dead());
}

#[test]
fn shutdown_with_nothing_running_is_immediate_and_refuses_new_steps() {
    let mut host = Host::new();
    host.send(&ToInit::Shutdown { grace_ms: FOR_EVER });
    assert_eq!(host.wait().code(), Some(0));

    let mut host = Host::new();
    let first = host
        .start_and_wait("trap 'read line < fifo; exit 0' TERM; mkfifo fifo; echo ready; sleep 1000 & wait");
    host.send(&ToInit::Shutdown { grace_ms: FOR_EVER });
    let late = host.step("true");
    let end = host.run_step(late).end;
    assert!(
        matches!(&end, StepEnd::CouldNotStart(why) if why.contains("being ended")),
        "{end:?}"
    );
    std::fs::write(host.home("fifo"), "go\n").expect("written");
    assert_eq!(host.finish_rest(first).end, StepEnd::Stopped);
    assert_eq!(host.wait().code(), Some(0));
}

#[test]
fn no_process_outlives_the_agent() {
    let mut host = Host::new();
    host.start_and_wait("trap '' TERM HUP; setsid sleep 1000 & echo $! > pid; echo ready; sleep 1000");
    let daemon = Watched::from_file(&host.home("pid"));
    assert_eq!(host.hang_up().code(), Some(1));
    assert!(daemon.is_dead());
}

#[test]
fn a_channel_that_talks_nonsense_is_given_up() {
    let mut host = Host::new();
    host.start_and_wait("echo $$ > pid; echo ready; sleep 1000");
    let shell = Watched::from_file(&host.home("pid"));
    let writer = host.writer.as_ref().expect("open");
    let raw = std::os::fd::AsFd::as_fd(writer)
        .try_clone_to_owned()
        .expect("a duplicate");
    UnixStream::from(raw)
        .write_all(&[1, 0, 0, 0, 250])
        .expect("written");
    assert_eq!(host.wait().code(), Some(1));
    assert!(shell.is_dead());
}

#[test]
fn halting_is_told_once() {
    let mut host = Host::new();
    let number = host.start("circleci step halt; circleci-agent task halt; echo halted");
    let (mut halts, mut output) = (0, Vec::new());
    loop {
        match host.receive() {
            FromInit::HaltRequested => halts += 1,
            FromInit::Output { bytes, .. } => output.extend(bytes),
            FromInit::StepFinished { step, end } => {
                assert_eq!(
                    (step, end),
                    (number, StepEnd::Exited(0)),
                    "{}",
                    String::from_utf8_lossy(&output)
                );
                break;
            }
            FromInit::StepStarted { .. } => {}
            other @ (FromInit::Ready
            | FromInit::Connection { .. }
            | FromInit::RootSwitched
            | FromInit::Failed { .. }) => panic!("unexpected {other:?}"),
        }
    }
    assert_eq!((halts, output.as_slice()), (1, &b"halted\n"[..]));
}
