//! Two relays back to back over a socket pair: what goes in at one end comes out at the other.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;

use super::*;
use crate::channel::{FromInit, NO_STEP, Reader, StepEnd, ToInit, Writer, pair};
use crate::machine::{relay_in_guest, relay_on_host};

struct Both {
    agent_in: Reader<FromInit>,
    agent_out: Writer<ToInit>,
    runner_in: Reader<ToInit>,
    runner_out: Writer<FromInit>,
    relays: [JoinHandle<Result<(), RelayError>>; 2],
}

fn both() -> Both {
    let (host_port, guest_port) = pair().expect("a pair");
    let (agent, host) = pair().expect("a pair");
    let (guest, runner) = pair().expect("a pair");
    Both {
        agent_in: Reader::new(agent.try_clone().expect("a copy")),
        agent_out: Writer::new(agent),
        runner_in: Reader::new(runner.try_clone().expect("a copy")),
        runner_out: Writer::new(runner),
        relays: [
            std::thread::spawn(move || relay_on_host(host_port, host)),
            std::thread::spawn(move || relay_in_guest(guest_port, guest)),
        ],
    }
}

#[test]
fn messages_pass_both_ways_and_the_end_of_one_side_is_the_end_of_both() {
    let mut both = both();
    both.runner_out.send(&FromInit::Ready).expect("sent");
    assert!(matches!(both.agent_in.receive(), Ok(Some(FromInit::Ready))));
    let stop = ToInit::StopStep { step: 3, grace_ms: 7 };
    both.agent_out.send(&stop).expect("sent");
    assert!(matches!(
        both.runner_in.receive(),
        Ok(Some(ToInit::StopStep { step: 3, grace_ms: 7 }))
    ));
    let end = FromInit::StepFinished {
        step: 3,
        end: StepEnd::Stopped,
    };
    both.runner_out.send(&end).expect("sent");
    drop((both.runner_in, both.runner_out));
    // What was said before the end arrives before the end.
    assert!(matches!(
        both.agent_in.receive(),
        Ok(Some(FromInit::StepFinished { step: 3, .. }))
    ));
    assert!(matches!(both.agent_in.receive(), Ok(None)));
    for relay in both.relays {
        relay.join().expect("ended").expect("in order");
    }
}

#[test]
fn a_flood_arrives_whole_and_waits_for_its_reader() {
    let mut both = both();
    let mut out = both.runner_out;
    let flood = std::thread::spawn(move || {
        for number in 0..400_u32 {
            let bytes = vec![u8::try_from(number % 251).expect("small"); 60_000];
            let message = FromInit::Output { step: number, bytes };
            out.send(&message).expect("sent");
        }
        out
    });
    // While the agent does not listen, its commands still pass.
    let stop = ToInit::StopStep { step: 1, grace_ms: 1 };
    both.agent_out.send(&stop).expect("sent");
    assert!(both.runner_in.receive().expect("received").is_some());
    for number in 0..400_u32 {
        let Ok(Some(FromInit::Output { step, bytes })) = both.agent_in.receive() else {
            panic!("message {number} is missing");
        };
        assert_eq!((step, bytes.len()), (number, 60_000));
        assert!(bytes.iter().all(|byte| u32::from(*byte) == number % 251));
    }
    drop(flood.join().expect("sent"));
}

fn connected(both: &mut Both, door: Door) -> (UnixStream, UnixStream) {
    let (job, fd) = UnixStream::pair().expect("a pair");
    let message = FromInit::Connection { door, fd: fd.into() };
    both.runner_out.send(&message).expect("sent");
    drop(message);
    match both.agent_in.receive() {
        Ok(Some(FromInit::Connection { door: arrived, fd })) if arrived == door => (job, fd.into()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn connections_are_streams_of_their_own_and_end_in_halves() {
    let mut both = both();
    let (mut job, mut agent) = connected(&mut both, Door::Git);
    let (mut other_job, mut other_agent) = connected(&mut both, Door::SshAgent);
    // One that nobody reads fills its window and holds nobody up.
    let mut stuck = other_job.try_clone().expect("a copy");
    let filling = std::thread::spawn(move || stuck.write_all(&vec![1; 2 << 20]));
    job.write_all(b"question").expect("written");
    job.shutdown(std::net::Shutdown::Write).expect("shut");
    let mut question = String::new();
    agent.read_to_string(&mut question).expect("read");
    assert_eq!(question, "question");
    let answer = vec![7; 3 << 20];
    let writing = std::thread::spawn({
        let answer = answer.clone();
        move || {
            agent.write_all(&answer).expect("written");
        }
    });
    let mut heard = Vec::new();
    job.read_to_end(&mut heard).expect("read");
    assert!(heard == answer, "{} bytes came", heard.len());
    writing.join().expect("written");
    let mut filled = vec![0; 2 << 20];
    other_agent.read_exact(&mut filled).expect("read");
    filling.join().expect("ended").expect("written");
    // Who goes away without a word is gone at the other end, too.
    drop(other_agent);
    other_job.set_nonblocking(false).expect("set");
    assert_eq!(other_job.read(&mut [0; 1]).expect("read"), 0);
}

#[test]
fn a_guest_that_breaks_a_rule_is_cut_off() {
    let cut = |bytes: &[u8]| {
        let (host_port, guest_port) = UnixStream::pair().expect("a pair");
        let (agent, host) = pair().expect("a pair");
        let relay = std::thread::spawn(move || relay_on_host(host_port.into(), host));
        let mut guest_port = guest_port;
        // It may be cut off before it has said all.
        let _cut = guest_port.write_all(bytes);
        let error = relay.join().expect("ended").expect_err("refused");
        drop(agent);
        error.to_string()
    };
    let frame = |kind, stream, body: &[u8]| {
        let mut out = VecDeque::new();
        put(&mut out, kind, stream, body);
        Vec::from(out)
    };
    assert!(cut(&[77; 9]).contains("unknown kind 77"));
    assert!(cut(&frame(Kind::Open, 5, &[9])).contains("stream 5"));
    assert!(cut(&frame(Kind::Close, 0, &[])).contains("stream 0"));
    // A message that says a descriptor came with it.
    let mut connection = 2_u32.to_le_bytes().to_vec();
    connection.extend([132, 0]);
    assert!(cut(&frame(Kind::Data, 0, &connection)).contains("without its file descriptor"));
    let mut unknown = 1_u32.to_le_bytes().to_vec();
    unknown.push(5);
    assert!(!cut(&frame(Kind::Data, 0, &unknown)).is_empty());
    // More than the window, towards a reader that takes nothing: one message after the other.
    let failed = crate::channel::encode(&FromInit::Failed {
        step: NO_STEP,
        reason: "x".repeat(30_000),
    })
    .expect("encoded");
    let flood: Vec<u8> = std::iter::repeat_n(failed.to_vec(), 64).flatten().collect();
    let flood: Vec<u8> = flood
        .chunks(MAX_BODY)
        .flat_map(|piece| frame(Kind::Data, 0, piece))
        .collect();
    assert!(cut(&flood).contains("sent more than it may"));
    // Questions whose answers are never read.
    let mut asked = Vec::new();
    for number in 1..2_500_000 {
        asked.extend(frame(Kind::Open, number, &[1]));
    }
    assert!(cut(&asked).contains("does not read"));
}
