//! Requests in, replies out, on files of a folder of the test's own.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::packet::{Fields, Reply};
use super::{Server, date, expand, kind, serve};

/// A request, without its length.
fn request(kind: u8, fill: impl FnOnce(Reply) -> Reply) -> Vec<u8> {
    fill(Reply::new(kind).number(7)).finish()[4..].to_vec()
}

fn path(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

/// Kind of the reply and what follows its id.
fn ask(server: &mut Server, request: &[u8]) -> (u8, Vec<u8>) {
    let reply = server.answer(request);
    let mut fields = Fields(&reply);
    assert_eq!(fields.number().expect("a length") as usize, reply.len() - 4);
    let kind = fields.byte().expect("a kind");
    assert_eq!(fields.number().expect("an id"), 7);
    (kind, fields.0.to_vec())
}

fn code(reply: &(u8, Vec<u8>)) -> u32 {
    assert_eq!(reply.0, kind::STATUS);
    Fields(&reply.1).number().expect("a code")
}

fn open(server: &mut Server, file: &Path, flags: u32) -> Vec<u8> {
    let wanted = request(kind::OPEN, |reply| {
        reply.bytes(&path(file)).number(flags).number(4).number(0o640)
    });
    let (kind, rest) = ask(server, &wanted);
    assert_eq!(kind, kind::HANDLE);
    Fields(&rest).bytes().expect("a handle").to_vec()
}

#[test]
fn a_file_is_written_and_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("größe");
    let mut server = Server::default();
    let handle = open(&mut server, &file, 2 | 8 | 0x10);
    for (offset, piece) in [(0u32, "hello "), (6, "world")] {
        let wanted = request(kind::WRITE, |reply| {
            reply
                .bytes(&handle)
                .number(0)
                .number(offset)
                .bytes(piece.as_bytes())
        });
        assert_eq!(code(&ask(&mut server, &wanted)), 0);
    }
    let close = request(kind::CLOSE, |reply| reply.bytes(&handle));
    assert_eq!(code(&ask(&mut server, &close)), 0);
    assert_eq!(code(&ask(&mut server, &close)), 5, "a handle is closed once");
    assert_eq!(fs::read_to_string(&file).expect("read"), "hello world");
    assert_eq!(
        fs::metadata(&file).expect("there").permissions().mode() & 0o777,
        0o640
    );
    let handle = open(&mut server, &file, 1);
    let read = |offset| {
        request(kind::READ, |reply| {
            reply.bytes(&handle).number(0).number(offset).number(5)
        })
    };
    let (kind, rest) = ask(&mut server, &read(6));
    assert_eq!(
        (kind, Fields(&rest).bytes().expect("data")),
        (kind::DATA, &b"world"[..])
    );
    assert_eq!(code(&ask(&mut server, &read(11))), 1);
}

#[test]
fn a_folder_is_listed_to_its_end() {
    let folder = tempfile::tempdir().expect("a folder");
    for number in 0..300 {
        fs::write(folder.path().join(format!("f{number}")), "x").expect("written");
    }
    let mut server = Server::default();
    let (_, rest) = ask(
        &mut server,
        &request(kind::OPENDIR, |reply| reply.bytes(&path(folder.path()))),
    );
    let handle = Fields(&rest).bytes().expect("a handle").to_vec();
    let mut seen = 0;
    loop {
        let (kind, rest) = ask(&mut server, &request(kind::READDIR, |reply| reply.bytes(&handle)));
        if kind == kind::STATUS {
            break;
        }
        let mut fields = Fields(&rest);
        for _ in 0..fields.number().expect("a count") {
            let name = fields.bytes().expect("a name").to_vec();
            let line = String::from_utf8_lossy(fields.bytes().expect("a line")).into_owned();
            assert!(
                line.starts_with("-rw") && line.ends_with(&*String::from_utf8_lossy(&name)),
                "{line}"
            );
            assert_eq!(fields.attributes().expect("attributes").size, Some(1));
            seen += 1;
        }
    }
    assert_eq!(seen, 300);
}

#[test]
fn what_cannot_be_done_is_said_and_the_session_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut server = Server::default();
    let missing = path(&folder.path().join("missing"));
    assert_eq!(
        code(&ask(
            &mut server,
            &request(kind::STAT, |reply| reply.bytes(&missing))
        )),
        2
    );
    assert_eq!(code(&ask(&mut server, &request(77, |reply| reply))), 8);
    assert_eq!(
        code(&ask(&mut server, &request(kind::STAT, |reply| reply.number(500)))),
        5
    );
    assert_eq!(
        code(&ask(
            &mut server,
            &request(kind::READ, |reply| reply.bytes(b"nope"))
        )),
        5
    );
    let here = path(folder.path());
    assert_eq!(
        ask(&mut server, &request(kind::STAT, |reply| reply.bytes(&here))).0,
        kind::ATTRS
    );
    assert!(
        serve(&mut &[255u8, 255, 255, 255][..], &mut Vec::new()).is_err(),
        "a length of 4 GB"
    );
}

#[test]
fn dates_and_homes() {
    assert_eq!(date(0), "1970-01-01 00:00");
    assert_eq!(date(951_782_400), "2000-02-29 00:00");
    assert_eq!(date(1_798_761_599), "2026-12-31 23:59");
    assert_eq!(expand(Path::new("~/x")), Path::new("./x"));
    assert_eq!(expand(Path::new("/x")), Path::new("/x"));
}
