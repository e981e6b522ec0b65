use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use super::super::limits::MAX_FRAME;
use super::super::message::{Door, FromInit, StartStep, ToInit};
use super::super::outbox::Outbox;
use super::*;

fn ends() -> (OwnedFd, OwnedFd) {
    pair().expect("a socket pair")
}

fn finished(step: u32) -> FromInit {
    FromInit::StepStarted { step }
}

#[test]
fn messages_arrive_in_order_and_then_the_end() {
    let (a, b) = ends();
    let mut writer = Writer::<FromInit>::new(a);
    let mut reader = Reader::<FromInit>::new(b);
    for step in 0..100 {
        writer.send(&finished(step)).expect("sent");
    }
    drop(writer);
    for expected in 0..100 {
        assert!(matches!(reader.receive(), Ok(Some(FromInit::StepStarted { step })) if step == expected));
    }
    assert!(matches!(reader.receive(), Ok(None)));
}

#[test]
fn a_large_message_passes_while_the_other_side_reads() {
    let (a, b) = ends();
    let script = "x".repeat(MAX_FRAME - 100);
    let expected = script.clone();
    let sender = std::thread::spawn(move || {
        let start = StartStep {
            script,
            ..StartStep::default()
        };
        Writer::<ToInit>::new(a).send(&ToInit::StartStep(start))
    });
    let mut reader = Reader::<ToInit>::new(b);
    assert!(matches!(reader.receive(), Ok(Some(ToInit::StartStep(start))) if start.script == expected));
    sender.join().expect("no panic").expect("sent");
}

#[test]
fn a_descriptor_arrives_with_its_own_message() {
    let (a, b) = ends();
    let mut writer = Writer::<FromInit>::new(a);
    let mut reader = Reader::<FromInit>::new(b);
    let (mut here, there) = UnixStream::pair().expect("a pair");
    let (mut here2, there2) = UnixStream::pair().expect("a pair");
    writer.send(&finished(1)).expect("sent");
    writer
        .send(&FromInit::Connection {
            door: Door::Git,
            fd: there.into(),
        })
        .expect("sent");
    writer
        .send(&FromInit::Connection {
            door: Door::SshAgent,
            fd: there2.into(),
        })
        .expect("sent");
    writer.send(&finished(2)).expect("sent");

    assert!(matches!(
        reader.receive(),
        Ok(Some(FromInit::StepStarted { step: 1 }))
    ));
    for (mark, peer) in [(b"one", &mut here), (b"two", &mut here2)] {
        let Ok(Some(FromInit::Connection { fd, .. })) = reader.receive() else {
            panic!("a connection was sent");
        };
        UnixStream::from(fd).write_all(mark).expect("written");
        let mut got = [0; 3];
        peer.read_exact(&mut got).expect("read");
        assert_eq!(&got, mark);
    }
    assert!(matches!(
        reader.receive(),
        Ok(Some(FromInit::StepStarted { step: 2 }))
    ));
}

#[test]
fn bad_bytes_end_the_channel_with_an_error() {
    let cases: [(&[u8], &str); 4] = [
        (&[0, 0, 0, 0], "announces 0 bytes"),
        (&[0xff, 0xff, 0xff, 0xff], "announces 4294967295 bytes"),
        (&[1, 0, 0, 0, 99], "unknown kind 99"),
        (&[9, 0, 0, 0, 130], "closed inside a frame"),
    ];
    for (bytes, expected) in cases {
        let (a, b) = ends();
        UnixStream::from(a).write_all(bytes).expect("written");
        let error = Reader::<FromInit>::new(b).receive().expect_err("not a message");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn a_partial_frame_is_nothing_yet() {
    let (a, b) = ends();
    let mut stream = UnixStream::from(a);
    let mut reader = Reader::<FromInit>::new(b);
    let frame = encode(&finished(7)).expect("fits");
    for byte in &frame[..frame.len() - 1] {
        stream.write_all(&[*byte]).expect("written");
        assert!(matches!(reader.try_receive(), Ok(Received::Nothing)));
    }
    stream.write_all(&frame[frame.len() - 1..]).expect("written");
    assert!(matches!(
        reader.try_receive(),
        Ok(Received::Message(FromInit::StepStarted { step: 7 }))
    ));
    drop(stream);
    assert!(matches!(reader.try_receive(), Ok(Received::Closed)));
}

#[test]
fn several_descriptors_on_one_frame_are_refused() {
    let (a, b) = ends();
    let (x, y) = ends();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [x.as_fd(), y.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let frame = encode(&FromInit::Ready).expect("fits");
    sendmsg(&a, &[IoSlice::new(&frame)], &mut control, SendFlags::empty()).expect("sent");
    assert!(matches!(
        Reader::<FromInit>::new(b).receive(),
        Err(ChannelError::ManyFds)
    ));
}

#[test]
fn an_outbox_keeps_what_the_socket_does_not_take() {
    let (a, b) = ends();
    let mut outbox = Outbox::<FromInit>::new(a);
    let total = 64_u8;
    for n in 0..total {
        outbox
            .push(&FromInit::Output {
                step: 0,
                bytes: vec![n; 64 << 10],
            })
            .expect("queued");
    }
    outbox.flush().expect("flushed");
    assert!(outbox.pending() > 0, "4 MiB do not fit a socket");
    let mut reader = Reader::<FromInit>::new(b);
    for expected in 0..total {
        let bytes = loop {
            match reader.try_receive().expect("whole frames") {
                Received::Message(FromInit::Output { bytes, .. }) => break bytes,
                Received::Nothing => outbox.flush().expect("flushed"),
                other @ (Received::Message(_) | Received::Closed) => panic!("unexpected {other:?}"),
            }
        };
        assert!(bytes.len() == 64 << 10 && bytes.iter().all(|byte| *byte == expected));
    }
    assert!(outbox.is_empty() && outbox.pending() == 0);
}
