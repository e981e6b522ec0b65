//! Conversations: what the client says behind `<`, what is done behind `>`.

use super::*;

const JOB: &str = "private-job-0198c2f4-0000-7000-8000-000000000001";

fn machine() -> Machine {
    Machine::new(SocketId(1, 2), Arc::new(Signer::new([1; 32])), 0)
}

fn done(todo: Vec<Do>) -> String {
    let line = |one: Do| match one {
        Do::Send(text) => format!("> {text}\n"),
        Do::Join(channel) => format!("join {channel}\n"),
        Do::Leave(channel) => format!("leave {channel}\n"),
        Do::Close(code, text) => format!("close {code} {text}\n"),
    };
    todo.into_iter().map(line).collect()
}

fn subscribe(machine: &Machine, channel: &str) -> String {
    let right = machine
        .signer
        .sign(machine.socket, Channel::parse(channel).expect("a channel"));
    format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}","auth":"airlock:{right}"}}}}"#)
}

#[test]
fn a_whole_conversation() {
    let mut machine = machine();
    let mut text = done(machine.open("airlock", Some("7")));
    let subscription = subscribe(&machine, JOB);
    for said in [
        r#"{"event":"pusher:ping","data":{}}"#,
        &subscription,
        &subscription,
        &format!(r#"{{"event":"pusher:unsubscribe","data":{{"channel":"{JOB}"}}}}"#),
        &format!(r#"{{"event":"pusher:unsubscribe","data":{{"channel":"{JOB}"}}}}"#),
        r#"{"event":"pusher:something_new","data":{}}"#,
        r#"{"event":"client-shout","channel":"private-pipelines","data":{}}"#,
        "not json",
    ] {
        text.push_str(&done(machine.text(said, 1)));
    }
    assert_eq!(
        text,
        format!(
            r#"> {{"event":"pusher:connection_established","data":"{{\"socket_id\":\"1.2\",\"activity_timeout\":120}}"}}
> {{"event":"pusher:pong","data":"{{}}"}}
join {JOB}
> {{"event":"pusher_internal:subscription_succeeded","channel":"{JOB}","data":"{{}}"}}
> {{"event":"pusher:error","data":{{"code":null,"message":"this channel is subscribed already"}}}}
leave {JOB}
> {{"event":"pusher:error","data":{{"code":null,"message":"client events are not taken here"}}}}
> {{"event":"pusher:error","data":{{"code":null,"message":"this message is not of the protocol"}}}}
"#
        )
    );
}

#[test]
fn who_comes_to_the_wrong_place_is_told_why() {
    for (app, protocol, code) in [
        ("other", Some("7"), 4001),
        ("airlock", None, 4008),
        ("airlock", Some("x"), 4006),
        ("airlock", Some("99"), 4007),
        ("airlock", Some("4"), 4007),
    ] {
        let todo = machine().open(app, protocol);
        assert!(
            matches!(todo.last(), Some(Do::Close(found, _)) if *found == code),
            "{app} {protocol:?}: {todo:?}"
        );
        assert!(matches!(&todo[0], Do::Send(text) if text.contains(&format!("\"code\":{code}"))));
    }
}

#[test]
fn nobody_listens_without_the_right_for_this_very_channel() {
    let mut machine = machine();
    let good = machine.signer.sign(machine.socket, Channel::Pipelines);
    let other_socket = machine.signer.sign(SocketId(9, 9), Channel::Pipelines);
    for auth in [
        "",
        "airlock:",
        &good,
        &format!("other:{good}"),
        &format!("airlock:{}", "0".repeat(64)),
        &format!("airlock:{other_socket}"),
    ] {
        let said = format!(
            r#"{{"event":"pusher:subscribe","data":{{"channel":"private-pipelines","auth":"{auth}"}}}}"#
        );
        let text = done(machine.text(&said, 0));
        assert!(
            text.contains("AuthError") && !text.contains("join"),
            "{auth}: {text}"
        );
    }
    for channel in [JOB, "pipelines", "presence-pipelines"] {
        let said = format!(
            r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}","auth":"airlock:{good}"}}}}"#
        );
        assert!(!done(machine.text(&said, 0)).contains("join"), "{channel}");
    }
    let said = subscribe(&machine, "private-pipelines");
    assert!(done(machine.text(&said, 0)).starts_with("join private-pipelines\n"));
}

#[test]
fn a_connection_has_so_many_channels_and_no_more() {
    let mut machine = machine();
    for number in 0..=SUBSCRIPTIONS {
        let channel = format!("private-job-0198c2f4-0000-7000-8000-{number:012x}");
        let said = subscribe(&machine, &channel);
        let text = done(machine.text(&said, number as u64 * WINDOW_MS));
        assert_eq!(
            text.contains("LimitReached"),
            number == SUBSCRIPTIONS,
            "{number}: {text}"
        );
    }
}

#[test]
fn who_is_silent_is_asked_and_then_left() {
    let mut machine = machine();
    assert_eq!(machine.tick(SILENCE_MS - 1), []);
    assert_eq!(machine.tick(SILENCE_MS), [Do::Send(message::ping())]);
    assert_eq!(machine.tick(SILENCE_MS + 1), []);
    assert!(matches!(
        machine.tick(SILENCE_MS + PONG_MS)[..],
        [Do::Close(4201, _)]
    ));
    // An answer in time changes that.
    assert_eq!(
        machine.text(r#"{"event":"pusher:pong","data":{}}"#, SILENCE_MS + 2),
        []
    );
    assert_eq!(machine.tick(SILENCE_MS + PONG_MS), []);
}

#[test]
fn who_talks_too_much_is_sent_away_for_a_while() {
    let mut machine = machine();
    let ping = r#"{"event":"pusher:ping"}"#;
    for _ in 0..MESSAGES {
        assert_eq!(machine.text(ping, 5), [Do::Send(message::pong())]);
    }
    assert!(matches!(machine.text(ping, 5).last(), Some(Do::Close(4100, _))));
    assert_eq!(machine.text(ping, 5 + WINDOW_MS), [Do::Send(message::pong())]);
}

#[test]
fn names_of_connections_have_one_spelling() {
    assert_eq!(SocketId::parse("1.2"), Some(SocketId(1, 2)));
    for bad in [
        "",
        "1",
        "1.",
        ".1",
        "01.2",
        "1.2:private-pipelines",
        "+1.2",
        "1.99999999999",
    ] {
        assert_eq!(SocketId::parse(bad), None, "{bad}");
    }
    assert_eq!(SocketId::new([0, 0, 1, 0, 0, 0, 0, 7]).to_string(), "256.7");
}
