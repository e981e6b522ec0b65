use proptest::prelude::*;

use super::*;

fn fd() -> OwnedFd {
    super::super::pair().expect("a socket pair").0
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The debug text of a message, its descriptor's number left out, with all values that Debug hides.
fn shape_to(message: &ToInit) -> String {
    match message {
        ToInit::Configure(c) => {
            format!(
                "configure {:?} {:?} {:?} {:?}",
                c.env,
                exposed(&c.masks),
                c.home,
                c.user
            )
        }
        ToInit::StartStep(s) => format!("{s:?} {:?} {:?}", s.script, s.env),
        ToInit::SwitchRoot(_) => "switch root".to_owned(),
        ToInit::StopStep { .. } | ToInit::Shutdown { .. } => format!("{message:?}"),
    }
}

fn exposed(masks: &[SecretBytes]) -> Vec<&[u8]> {
    masks.iter().map(SecretBytes::expose).collect()
}

fn shape_from(message: &FromInit) -> String {
    match message {
        FromInit::Connection { door, .. } => format!("connection {door:?}"),
        FromInit::Ready
        | FromInit::Output { .. }
        | FromInit::StepStarted { .. }
        | FromInit::StepFinished { .. }
        | FromInit::HaltRequested
        | FromInit::RootSwitched
        | FromInit::Failed { .. } => format!("{message:?}"),
    }
}

fn every_to() -> Vec<ToInit> {
    vec![
        ToInit::Configure(Configure::default()),
        ToInit::Configure(Configure {
            env: pairs(&[("PATH", "/bin"), ("EMPTY", ""), ("ÜML", "line\nline")]),
            masks: vec![SecretBytes::new(vec![0, 255, 10]), SecretBytes::new(Vec::new())],
            home: "/home/circleci".to_owned(),
            user: StepUser {
                uid: 3434,
                gid: 3434,
                groups: vec![27, 999],
            },
        }),
        ToInit::StartStep(StartStep {
            step: 7,
            script: "echo hello\n".to_owned(),
            shell: vec!["/bin/sh".to_owned(), "-e".to_owned()],
            env: pairs(&[("A", "b")]),
            working_directory: "~/project".to_owned(),
            background: true,
            no_output_timeout_ms: 600_000,
            tty: true,
            program: Vec::new(),
        }),
        ToInit::StartStep(StartStep {
            program: vec!["postgres".to_owned(), "-c".to_owned(), String::new()],
            ..StartStep::default()
        }),
        ToInit::StopStep {
            step: 7,
            grace_ms: 10_000,
        },
        ToInit::SwitchRoot(fd()),
        ToInit::Shutdown { grace_ms: u64::MAX },
    ]
}

fn every_from() -> Vec<FromInit> {
    let end = |end| FromInit::StepFinished { step: 3, end };
    vec![
        FromInit::Ready,
        FromInit::Output {
            step: 0,
            bytes: Vec::new(),
        },
        FromInit::Output {
            step: 1,
            bytes: vec![0, 159, 146, 150],
        },
        FromInit::StepStarted { step: 2 },
        end(StepEnd::Exited(255)),
        end(StepEnd::Signaled(9)),
        end(StepEnd::NoOutput { after_ms: 600_000 }),
        end(StepEnd::Stopped),
        end(StepEnd::CouldNotStart("no shell".to_owned())),
        FromInit::Connection {
            door: Door::Git,
            fd: fd(),
        },
        FromInit::Connection {
            door: Door::SshAgent,
            fd: fd(),
        },
        FromInit::HaltRequested,
        FromInit::RootSwitched,
        FromInit::Failed {
            step: 4,
            reason: "already running".to_owned(),
        },
    ]
}

fn clone_fd<M: Message>(message: &M) -> Option<OwnedFd> {
    message
        .fd()
        .map(|fd| fd.try_clone_to_owned().expect("a duplicate"))
}

#[test]
fn every_message_comes_back_as_it_was() {
    for message in every_to() {
        let frame = encode(&message).expect("fits");
        let back: ToInit = decode(&frame[4..], clone_fd(&message)).expect("decodes");
        assert_eq!(shape_to(&back), shape_to(&message));
    }
    for message in every_from() {
        let frame = encode(&message).expect("fits");
        let back: FromInit = decode(&frame[4..], clone_fd(&message)).expect("decodes");
        assert_eq!(shape_from(&back), shape_from(&message));
    }
}

#[test]
fn a_message_cut_anywhere_is_an_error() {
    for message in every_to() {
        let frame = encode(&message).expect("fits");
        for end in 4..frame.len() {
            assert!(
                decode::<ToInit>(&frame[4..end], clone_fd(&message)).is_err(),
                "{message:?} cut at {end}"
            );
        }
    }
    for message in every_from() {
        // Output is raw to the end of its frame: cut behind its step number it is a shorter output.
        let shortest_output = if matches!(message, FromInit::Output { .. }) {
            9
        } else {
            usize::MAX
        };
        let frame = encode(&message).expect("fits");
        for end in 4..frame.len().min(shortest_output) {
            assert!(
                decode::<FromInit>(&frame[4..end], clone_fd(&message)).is_err(),
                "{message:?} cut at {end}"
            );
        }
    }
}

#[test]
fn what_follows_a_message_is_an_error() {
    for message in every_to() {
        let mut frame = encode(&message).expect("fits");
        frame.push(0);
        assert_eq!(
            decode::<ToInit>(&frame[4..], clone_fd(&message)).map(|m| shape_to(&m)),
            Err(DecodeError::Trailing {
                kind: frame[4],
                extra: 1
            })
        );
    }
}

#[test]
fn lengths_are_bounded() {
    assert_eq!(announced([0; 4]), Err(DecodeError::Length { length: 0 }));
    assert_eq!(
        announced(u32::MAX.to_le_bytes()),
        Err(DecodeError::Length { length: 0xffff_ffff })
    );
    let most = u32::try_from(MAX_FRAME).expect("small");
    assert_eq!(announced(most.to_le_bytes()), Ok(MAX_FRAME));
    assert_eq!(
        announced((most + 1).to_le_bytes()),
        Err(DecodeError::Length {
            length: MAX_FRAME + 1
        })
    );

    let fits = FromInit::Output {
        step: 0,
        bytes: vec![b'x'; MAX_FRAME - 5],
    };
    assert_eq!(encode(&fits).map(|frame| frame.len()), Ok(MAX_FRAME + 4));
    let long = FromInit::Output {
        step: 0,
        bytes: vec![b'x'; MAX_FRAME - 4],
    };
    assert_eq!(
        encode(&long).map(|frame| frame.len()),
        Err(EncodeError::TooLong {
            length: MAX_FRAME + 1
        })
    );
}

#[test]
fn unknown_kinds_choices_and_texts_are_errors() {
    assert!(matches!(
        decode::<ToInit>(&[77], None),
        Err(DecodeError::UnknownKind(77))
    ));
    assert!(matches!(
        decode::<FromInit>(&[1], None),
        Err(DecodeError::UnknownKind(1))
    ));
    assert!(matches!(
        decode::<FromInit>(&[132, 9], None),
        Err(DecodeError::UnknownChoice { kind: 132, value: 9 })
    ));
    assert!(matches!(
        decode::<FromInit>(&[135, 0, 0, 0, 0, 1, 0, 0, 0, 0xff], None),
        Err(DecodeError::NotText { kind: 135 })
    ));
    // A list that claims four thousand million items has only its own bytes.
    assert!(matches!(
        decode::<ToInit>(&[1, 0xff, 0xff, 0xff, 0xff], None),
        Err(DecodeError::Truncated { kind: 1 })
    ));
}

#[test]
fn descriptors_come_exactly_where_they_belong() {
    assert!(matches!(
        decode::<ToInit>(&[4], None),
        Err(DecodeError::MissingFd { kind: 4 })
    ));
    assert!(matches!(
        decode::<FromInit>(&[128], Some(fd())),
        Err(DecodeError::UnexpectedFd { kind: 128 })
    ));
}

#[test]
fn no_value_is_printed() {
    let message = ToInit::Configure(Configure {
        env: pairs(&[("TOKEN", "hunter2")]),
        masks: vec![SecretBytes::new(b"hunter2".to_vec())],
        ..Configure::default()
    });
    let text = format!("{message:?} {:?}", SecretBytes::new(b"hunter2".to_vec()));
    assert!(text.contains("TOKEN"), "{text}");
    assert!(!text.contains("hunter2") && !text.contains("104"), "{text}");
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode::<ToInit>(&bytes, None).map(|m| shape_to(&m));
        let _ = decode::<FromInit>(&bytes, None).map(|m| shape_from(&m));
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(mut bytes in proptest::collection::vec(0_u8..8, 0..60), kind in 1_u8..6) {
        bytes.insert(0, kind);
        if let Ok(message) = decode::<ToInit>(&bytes, None) {
            let again = encode(&message).expect("it was short");
            prop_assert_eq!(&again[4..], &bytes[..]);
        }
    }
}
