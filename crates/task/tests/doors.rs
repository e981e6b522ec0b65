//! The sockets a job finds.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use airlock_sandbox::channel::{Door, FromInit, StartStep, StepEnd, ToInit};

use crate::host::Host;

fn connection(host: &mut Host, expected: Door) -> UnixStream {
    loop {
        match host.receive() {
            FromInit::Connection { door, fd } => {
                assert_eq!(door, expected);
                return UnixStream::from(fd);
            }
            FromInit::StepStarted { .. } | FromInit::Output { .. } => {}
            other @ (FromInit::Ready
            | FromInit::StepFinished { .. }
            | FromInit::HaltRequested
            | FromInit::RootSwitched
            | FromInit::Failed { .. }) => panic!("unexpected {other:?}"),
        }
    }
}

#[test]
fn connections_go_to_the_agent_with_their_door() {
    let mut host = Host::new();
    for (name, door) in [("git.sock", Door::Git), ("ssh-agent.sock", Door::SshAgent)] {
        let path = host.path("run").join(name);
        assert_eq!(
            fs::metadata(&path).expect("there").permissions().mode() & 0o777,
            0o666
        );
        let mut inside = UnixStream::connect(&path).expect("connected");
        let mut agent = connection(&mut host, door);
        inside.write_all(b"question").expect("written");
        inside.shutdown(std::net::Shutdown::Write).expect("closed");
        let mut heard = String::new();
        agent.read_to_string(&mut heard).expect("read");
        agent.write_all(b"answer").expect("written");
        drop(agent);
        let mut answered = String::new();
        inside.read_to_string(&mut answered).expect("read");
        assert_eq!((heard.as_str(), answered.as_str()), ("question", "answer"));
    }
}

#[test]
fn dial_joins_a_step_with_the_agent() {
    let mut host = Host::new();
    let script = "head -c 1000000 /dev/zero | airlock-task dial git | wc -c";
    let number = host.start(script);
    let mut agent = connection(&mut host, Door::Git);
    let mut heard = Vec::new();
    agent.read_to_end(&mut heard).expect("read");
    assert_eq!(heard.len(), 1_000_000);
    agent.write_all(&vec![b'x'; 2_000_000]).expect("written");
    drop(agent);
    let ran = host.finish_rest(number);
    assert_eq!((ran.text().trim(), &ran.end), ("2000000", &StepEnd::Exited(0)));
}

/// `ssh` reads through a pipe. What has arrived must be readable while the other end is silent.
#[test]
fn dial_passes_on_what_it_has_while_the_agent_is_silent() {
    let mut host = Host::new();
    let step = StartStep {
        shell: vec!["/bin/bash".to_owned()],
        ..host.step(
            "coproc airlock-task dial git; read -r line <&\"${COPROC[0]}\"; echo \"heard $line\"; kill \"$COPROC_PID\"",
        )
    };
    let number = step.step;
    host.send(&ToInit::StartStep(step));
    let mut agent = connection(&mut host, Door::Git);
    agent.write_all(b"banner\n").expect("written");
    assert_eq!(host.finish_rest(number).text(), "heard banner\n");
}

#[test]
fn dial_ends_when_the_agent_does_though_its_input_is_open() {
    let mut host = Host::new();
    let number = host.start("sleep 1000 | airlock-task dial git; echo over; kill $(jobs -p) || true");
    let step = StartStep {
        shell: vec!["/bin/bash".to_owned()],
        ..host.step("mkfifo hold; airlock-task dial git <> hold; echo over")
    };
    let second = step.step;
    drop(connection(&mut host, Door::Git));
    host.send(&ToInit::StartStep(step));
    drop(connection(&mut host, Door::Git));
    assert_eq!(host.finish_rest(second).text(), "over\n");
    host.stop(number, 0);
    host.finish_rest(number);
}

#[test]
fn many_connections_are_all_passed_on() {
    let mut host = Host::new();
    let path = host.path("run").join("git.sock");
    for round in 0..20_u8 {
        let mut inside: Vec<UnixStream> = (0..20)
            .map(|_| UnixStream::connect(&path).expect("connected"))
            .collect();
        for stream in &mut inside {
            stream.write_all(&[round]).expect("written");
        }
        for _ in 0..20 {
            let mut byte = [0];
            connection(&mut host, Door::Git)
                .read_exact(&mut byte)
                .expect("read");
            assert_eq!(byte, [round]);
        }
    }
    assert_eq!(host.run("true").end, StepEnd::Exited(0));
}

#[test]
fn the_control_socket_takes_one_word_and_never_much() {
    let mut host = Host::new();
    let path = host.path("run").join("control.sock");
    let ask = |text: &[u8]| {
        let mut socket = UnixStream::connect(&path).expect("connected");
        // The runner may hang up before it has been told everything.
        let _refused = socket.write_all(text);
        let mut answer = Vec::new();
        let _reset = socket.read_to_end(&mut answer);
        String::from_utf8(answer).expect("text")
    };
    assert_eq!(ask(b"dance\n"), "unknown request\n");
    assert!(!ask(&vec![b'x'; 1 << 20]).contains("ok"));
    // Conversations that never end push each other out, and neither steps nor a halt wait for them.
    let idle: Vec<UnixStream> = (0..60)
        .map(|_| UnixStream::connect(&path).expect("connected"))
        .collect();
    assert_eq!(host.run("true").end, StepEnd::Exited(0));
    assert_eq!(ask(b"halt\n"), "ok\n");
    assert!(matches!(host.receive(), FromInit::HaltRequested));
    drop(idle);
}
