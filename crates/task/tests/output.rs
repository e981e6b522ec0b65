//! What becomes of the bytes a step writes.

use std::fs;
use std::io::Write;

use airlock_sandbox::channel::{FromInit, MAX_OUTPUT, StartStep, StepEnd};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::host::{Host, Watched, contains};

#[test]
fn a_step_sees_a_terminal_and_lines_end_as_they_were_written() {
    let mut host = Host::new();
    let ran = host
        .run("test -t 0 && test -t 1 && test -t 2 && stty size; printf 'a\\nb\\r\\n\\tc\\n'; tty >/dev/null");
    assert_eq!(ran.seen(), ("40 120\na\nb\r\n\tc\n", StepEnd::Exited(0)));
}

#[test]
fn a_step_without_a_terminal_writes_to_a_pipe() {
    let mut host = Host::new();
    let script = "! test -t 0 && ! test -t 1 && ! test -t 2 && cat && echo out && echo err >&2";
    let step = StartStep {
        tty: false,
        ..host.step(script)
    };
    let ran = host.run_step(step);
    assert_eq!(ran.seen(), ("out\nerr\n", StepEnd::Exited(0)));
    let step = StartStep {
        tty: false,
        ..host.step("head -c 3000000 /dev/zero")
    };
    assert_eq!(host.run_step(step).output.len(), 3_000_000);
}

#[test]
fn a_flood_arrives_whole() {
    let mut host = Host::new();
    // `head` closes early, so with pipefail the step shows what SIGPIPE does: it is not ignored.
    let ran = host.run("yes | head -c 10000000");
    assert_eq!(ran.end, StepEnd::Exited(141));
    assert_eq!(ran.output.len(), 10_000_000);
    assert!(ran.output.chunks(2).all(|line| line == b"y\n"));
}

#[test]
fn bytes_that_are_no_text_arrive_as_they_are() {
    let mut host = Host::new();
    let ran = host.run("head -c 300000 /dev/urandom > bytes; cat bytes");
    assert!(ran.output == fs::read(host.home("bytes")).expect("readable"));
}

#[test]
fn the_last_words_before_the_exit_are_heard() {
    let mut host = Host::new();
    for _ in 0..50 {
        let ran = host.run("head -c 60000 /dev/zero | tr '\\0' x; printf end");
        assert_eq!(ran.output.len(), 60_003);
        assert!(ran.output.ends_with(b"end"));
    }
}

#[test]
fn secrets_are_masked_however_they_are_written() {
    let mut host = Host::with_masks(&["hunter2", "two\nlines", "abc"]);
    let ran =
        host.run("echo hunter2 hunter abc; printf 'two\\nlines\\n'; stty onlcr; printf 'two\\nlines\\n'");
    assert_eq!(ran.text(), "**** hunter abc\n****\n****\r\n");

    fs::write(host.home("script"), "").expect("written");
    let fifo = host.home("fifo");
    assert_eq!(host.run("mkfifo fifo").end, StepEnd::Exited(0));
    let number = host.start("printf '%s' '<hun'; read line < fifo; echo 'ter2>'");
    assert_eq!(
        host.wait_for(number, "<"),
        b"<",
        "the beginning of a secret is held back"
    );
    fs::OpenOptions::new()
        .write(true)
        .open(fifo)
        .expect("opened")
        .write_all(b"go\n")
        .expect("written");
    assert_eq!(host.finish_rest(number).text(), "****>\n");

    // The beginning of a secret that never came is shown at the end.
    assert_eq!(host.run("printf hunter").text(), "hunter");
}

#[test]
fn secrets_that_come_later_are_masked_in_steps_that_run() {
    let mut host = Host::with_masks(&["hunter2"]);
    assert_eq!(host.run("mkfifo fifo").end, StepEnd::Exited(0));
    let number = host.start_and_wait("echo swordfish; echo ready; read line < fifo; echo swordfish hunter2");
    host.configure(&[], &["swordfish"]);
    // The answer to a later command shows that the earlier one was obeyed.
    assert_eq!(host.run("echo swordfish").text(), "****\n");
    fs::write(host.home("fifo"), "go\n").expect("written");
    assert_eq!(host.finish_rest(number).text(), "**** ****\n");
}

#[test]
fn a_step_may_close_its_output_and_come_back() {
    let mut host = Host::new();
    let ran = host.run("echo before; exec >&- 2>&- <&-; : > closed; exec > /dev/tty; echo after");
    assert_eq!(ran.seen(), ("before\nafter\n", StepEnd::Exited(0)));
    let step = StartStep {
        tty: false,
        ..host.step("exec >&- 2>&-; : > closed; exit 3")
    };
    assert_eq!(host.run_step(step).end, StepEnd::Exited(3));
}

#[test]
fn while_nobody_reads_the_step_waits_and_can_still_be_stopped() {
    let mut host = Host::new();
    let number = host.start_and_wait("echo $$ > pid; echo ready; yes");
    let shell = Watched::from_file(&host.home("pid"));
    host.stop(number, 0);
    shell.wait();
    let mut total = 0;
    loop {
        match host.receive() {
            FromInit::Output { bytes, .. } => {
                assert!(bytes.len() <= MAX_OUTPUT);
                total += bytes.len();
            }
            FromInit::StepFinished { end, .. } => {
                assert_eq!(end, StepEnd::Stopped);
                break;
            }
            other @ (FromInit::Ready
            | FromInit::StepStarted { .. }
            | FromInit::Connection { .. }
            | FromInit::HaltRequested
            | FromInit::RootSwitched
            | FromInit::Failed { .. }) => panic!("unexpected {other:?}"),
        }
    }
    assert!(
        total < 4 << 20,
        "{total} bytes were kept for an agent that did not read"
    );
}

#[test]
fn silence_while_nobody_reads_is_not_the_steps() {
    let mut host = Host::new();
    // The flood fills everything between the step and this test, which reads nothing until the shell, waiting for
    // its writer, is known to have been held up for longer than the limit.
    let script = "head -c 30000000 /dev/zero; echo done";
    let step = StartStep {
        // A flood that waits for the processor on a busy machine is silent as well, but not for so long.
        no_output_timeout_ms: 2000,
        ..host.step(script)
    };
    let number = step.step;
    host.send(&airlock_sandbox::channel::ToInit::StartStep(step));
    let slow = host.step("read -t 4 line || true; echo over > over");
    let (slow_number, slow_done) = (slow.step, host.home("over"));
    mknodat(CWD, &slow_done, FileType::Fifo, Mode::RWXU, 0).expect("a pipe with a name");
    host.send(&airlock_sandbox::channel::ToInit::StartStep(slow));
    // Comes to an end when the second step does, four seconds later by its own clock.
    fs::read(&slow_done).expect("the second step's word");
    let mut output = 0;
    let (mut flood, mut other) = (None, None);
    while flood.is_none() || other.is_none() {
        match host.receive() {
            FromInit::Output { step, bytes } if step == number => output += bytes.len(),
            FromInit::StepFinished { step, end } if step == number => flood = Some(end),
            FromInit::StepFinished { step, end } if step == slow_number => other = Some(end),
            FromInit::Ready
            | FromInit::Output { .. }
            | FromInit::StepStarted { .. }
            | FromInit::StepFinished { .. }
            | FromInit::Connection { .. }
            | FromInit::HaltRequested
            | FromInit::RootSwitched
            | FromInit::Failed { .. } => {}
        }
    }
    assert_eq!(
        (output, flood, other),
        (30_000_005, Some(StepEnd::Exited(0)), Some(StepEnd::Exited(0)))
    );
}

#[test]
fn steps_that_run_side_by_side_keep_their_output_apart() {
    let mut host = Host::new();
    let server = StartStep {
        background: true,
        ..host.step("echo ready; while read line; do :; done; sleep 1000")
    };
    let number = server.step;
    host.send(&airlock_sandbox::channel::ToInit::StartStep(server));
    host.wait_for(number, "ready\n");
    assert_eq!(host.run("echo mine").text(), "mine\n");
    host.stop(number, 0);
    let ran = host.finish_rest(number);
    assert!(!contains(&ran.output, "mine") && ran.end == StepEnd::Stopped);
}
