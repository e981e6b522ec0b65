use super::*;

const ZERO: &str = "0000000000000000000000000000000000000000";
const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const CAPS: &str = "\0 report-status-v2 side-band-64k object-format=sha1 agent=git/2.47";

fn pkt(content: &str) -> Vec<u8> {
    format!("{:04x}{content}", content.len() + 4).into_bytes()
}

fn push(lines: &[String]) -> Vec<u8> {
    let mut bytes: Vec<u8> = lines.iter().flat_map(|line| pkt(line)).collect();
    bytes.extend_from_slice(b"0000PACK\0\0rest");
    bytes
}

fn commands(bytes: &[u8]) -> Result<Commands, PushError> {
    let (commands, held) = CommandGate::default().feed(bytes)?.expect("complete");
    assert_eq!(held, bytes, "every byte goes on to git");
    Ok(commands)
}

fn side_band(band: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:04x}", content.len() + 5).into_bytes();
    bytes.push(band);
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn commands_are_read_and_every_byte_goes_on() {
    let bytes = push(&[
        format!("{ZERO} {A} refs/heads/main{CAPS}"),
        format!("{A} {B} refs/tags/v1"),
        format!("{A} {ZERO} refs/notes/x\n"),
    ]);
    let updates = commands(&bytes).expect("read").updates;
    let shown: Vec<_> = updates
        .iter()
        .map(|u| (u.name.to_string(), u.old.is_some(), u.new.is_some()))
        .collect();
    assert_eq!(
        shown,
        [
            ("refs/heads/main".into(), false, true),
            ("refs/tags/v1".into(), true, true),
            ("refs/notes/x".into(), true, false)
        ]
    );
}

#[test]
fn it_does_not_matter_where_the_bytes_are_cut() {
    let bytes = push(&[
        format!("{ZERO} {A} refs/heads/main{CAPS}"),
        format!("{A} {B} refs/heads/b"),
    ]);
    let whole = commands(&bytes).expect("read");
    let mut gate = CommandGate::default();
    let mut sent = Vec::new();
    let mut found = None;
    for byte in &bytes {
        if found.is_some() {
            sent.push(*byte);
        } else if let Some((commands, held)) = gate.feed(&[*byte]).expect("read") {
            (sent, found) = (held, Some(commands));
        }
    }
    assert_eq!((sent, found), (bytes, Some(whole)));
}

#[test]
fn nothing_to_push_and_a_shallow_clone_are_fine() {
    let (none, held) = CommandGate::default()
        .feed(b"0000")
        .expect("read")
        .expect("complete");
    assert_eq!((none.updates.len(), held.as_slice()), (0, &b"0000"[..]));
    let bytes = push(&[format!("shallow {A}"), format!("{A} {B} refs/heads/main{CAPS}")]);
    assert_eq!(commands(&bytes).expect("read").updates.len(), 1);
}

#[test]
fn refs_that_git_or_we_refuse_stop_the_push() {
    for name in [
        "refs/heads/-x",
        "refs/heads/a..b",
        "refs/heads/",
        "HEAD",
        "refs/../x",
        "refs/heads/\u{fffd}",
        "x",
    ] {
        let bytes = push(&[format!("{ZERO} {A} {name}{CAPS}")]);
        assert!(matches!(commands(&bytes), Err(PushError::Ref(_))), "{name}");
    }
}

#[test]
fn malformed_beginnings_are_refused() {
    let mut bad = vec![
        b"zzzz".to_vec(),
        b"0001".to_vec(),
        b"0003".to_vec(),
        b"ffff".to_vec(),
    ];
    bad.push(push(&[format!("{A} refs/heads/main{CAPS}")]));
    bad.push(push(&[format!("xyz {A} refs/heads/main{CAPS}")]));
    for bytes in bad {
        assert_eq!(
            commands(&bytes),
            Err(PushError::Malformed),
            "{:?}",
            String::from_utf8_lossy(&bytes)
        );
    }
    assert_eq!(
        commands(&push(&[format!("{A} {B} refs/heads/main")])),
        Err(PushError::NoReport)
    );
    let endless = pkt(&format!("shallow {A}"));
    let mut gate = CommandGate::default();
    gate.feed(&pkt(&format!("{A} {B} refs/heads/main{CAPS}")))
        .expect("fine so far");
    let ended = (0..100_000).find_map(|_| gate.feed(&endless).err());
    assert_eq!(ended, Some(PushError::TooMany));
}

#[test]
fn only_what_git_carried_out_is_reported() {
    let asked = push(&[
        format!("{ZERO} {A} refs/heads/a{CAPS}"),
        format!("{ZERO} {A} refs/heads/b"),
    ]);
    let mut inner = pkt("unpack ok\n");
    inner.extend(pkt("ng refs/heads/a non-fast-forward\n"));
    inner.extend(pkt("ok refs/heads/b\n"));
    inner.extend(b"0000");
    let mut answer = pkt(&format!("{A} refs/heads/x\0report-status"));
    // A ref's line that looks like a report must not be taken for one.
    answer.extend(pkt("ok refs/heads/a\n"));
    answer.extend(b"0000");
    answer.extend(side_band(2, b"Resolving deltas\n"));
    let (first, second) = inner.split_at(17);
    answer.extend(side_band(1, first));
    answer.extend(side_band(2, b"ok refs/heads/a\n"));
    answer.extend(side_band(1, second));
    answer.extend(b"0000");
    for step in [1, 7, 1000] {
        let mut report = Report::default();
        report.begin(commands(&asked).expect("read"));
        answer.chunks(step).for_each(|piece| report.feed(piece));
        let names: Vec<_> = report
            .carried_out()
            .iter()
            .map(|update| update.name.to_string())
            .collect();
        assert_eq!(names, ["refs/heads/b"], "in pieces of {step}");
    }
}

#[test]
fn without_side_band_the_report_stands_alone() {
    let mut report = Report::default();
    let asked = push(&[format!("{ZERO} {A} refs/heads/a\0 report-status")]);
    report.feed(b"0000");
    report.begin(commands(&asked).expect("read"));
    report.feed(&[pkt("unpack ok\n"), pkt("ok refs/heads/a\n"), b"0000".to_vec()].concat());
    assert_eq!(report.carried_out().len(), 1);
}
