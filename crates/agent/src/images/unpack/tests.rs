//! Archives in, directories or refusals out. Hostile ones are tried against a directory beside the layer, which must stay
//! as it was; each has a control that a harmless archive of the same shape is taken.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use tar::{Builder, EntryType, Header};

use super::*;

/// One entry of an archive.
pub(in crate::images) struct Item {
    pub(in crate::images) name: &'static str,
    pub(in crate::images) kind: EntryType,
    pub(in crate::images) text: &'static str,
    pub(in crate::images) mode: u32,
    pub(in crate::images) owner: u64,
}

pub(in crate::images) fn file(name: &'static str, text: &'static str) -> Item {
    Item {
        name,
        kind: EntryType::Regular,
        text,
        mode: 0o644,
        owner: 0,
    }
}

pub(in crate::images) fn dir(name: &'static str) -> Item {
    Item {
        kind: EntryType::Directory,
        mode: 0o755,
        ..file(name, "")
    }
}

fn link(name: &'static str, target: &'static str) -> Item {
    Item {
        kind: EntryType::Symlink,
        ..file(name, target)
    }
}

fn hard(name: &'static str, target: &'static str) -> Item {
    Item {
        kind: EntryType::Link,
        ..file(name, target)
    }
}

/// The bytes of an archive; names are written as they are, however bad.
pub(in crate::images) fn archive(items: &[Item]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for item in items {
        let mut header = Header::new_gnu();
        header.set_entry_type(item.kind);
        let is_link = matches!(item.kind, EntryType::Symlink | EntryType::Link);
        header.set_size(if is_link { 0 } else { item.text.len() as u64 });
        header.set_mode(item.mode);
        header.set_uid(item.owner);
        header.set_gid(item.owner);
        header.set_mtime(1_700_000_000);
        if matches!(item.kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).expect("a number");
            header.set_device_minor(3).expect("a number");
        }
        let gnu = header.as_gnu_mut().expect("the form asked for");
        gnu.name[..item.name.len()].copy_from_slice(item.name.as_bytes());
        if is_link {
            gnu.linkname[..item.text.len()].copy_from_slice(item.text.as_bytes());
        }
        header.set_cksum();
        let content = if is_link { "" } else { item.text };
        builder.append(&header, content.as_bytes()).expect("appended");
    }
    builder.into_inner().expect("finished")
}

fn take(bytes: &[u8], into: &Path) -> Result<Unpacked, UnpackError> {
    unpack(&mut &*bytes, into, 1_000_000)
}

fn unpacked(items: &[Item]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    take(&archive(items), dir.path()).expect("unpacked");
    dir
}

fn opaque(path: &Path) -> bool {
    let mut value = [0; 8];
    let found = rustix::fs::lgetxattr(path, "trusted.overlay.opaque", &mut value);
    found.is_ok_and(|length| &value[..length] == b"y")
}

fn is_whiteout(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_char_device() && meta.rdev() == 0)
}

#[test]
fn files_keep_owner_mode_time_and_links() {
    let layer = unpacked(&[
        dir("./"),
        Item {
            owner: 1000,
            mode: 0o4755,
            ..file("./bin/tool", "text")
        },
        hard("bin/other", "./bin/tool"),
        link("bin/sh", "/bin/tool"),
        dir("var"),
        file("/var/absolute", "inside"),
        Item {
            kind: EntryType::Fifo,
            ..file("var/pipe", "")
        },
        Item {
            kind: EntryType::Char,
            ..file("dev/null", "")
        },
    ]);
    let meta = fs::metadata(layer.path().join("bin/tool")).expect("there");
    assert_eq!(
        (meta.mode() & 0o7777, meta.uid(), meta.nlink(), meta.mtime()),
        (0o4755, 1000, 2, 1_700_000_000)
    );
    let at = |name: &str| layer.path().join(name);
    assert_eq!(
        fs::read_link(at("bin/sh")).expect("a link"),
        Path::new("/bin/tool")
    );
    assert_eq!(fs::read_to_string(at("var/absolute")).expect("read"), "inside");
    assert!(fs::metadata(at("var/pipe")).expect("there").file_type().is_fifo());
    assert_eq!(fs::metadata(at("var")).expect("there").mtime(), 1_700_000_000);
    assert!(!at("dev/null").exists(), "a sandbox has its own");
}

#[test]
fn deletions_are_written_as_overlays_write_them() {
    let layer = unpacked(&[
        file("etc/.wh.gone", ""),
        dir("srv"),
        file("srv/new", "x"),
        file("srv/.wh..wh..opq", ""),
        file(".wh..wh.plnk/1.2", ""),
        // Deleted and made anew: what was below must not show through.
        file(".wh.home", ""),
        dir("home"),
        // The other way round.
        dir("opt"),
        file(".wh.opt", ""),
        file(".wh.tmp", ""),
        file("tmp", "a file now"),
    ]);
    let at = |name: &str| layer.path().join(name);
    assert!(is_whiteout(&at("etc/gone")) && !at("etc/.wh.gone").exists());
    assert!(opaque(&at("srv")) && !opaque(&at("etc")) && at("srv/new").exists());
    assert!(opaque(&at("home")) && opaque(&at("opt")));
    assert_eq!(fs::read_to_string(at("tmp")).expect("read"), "a file now");
}

#[test]
fn later_entries_replace_earlier_ones() {
    let layer = unpacked(&[
        dir("a"),
        file("a/x", "old"),
        link("a", "b"),
        dir("b"),
        file("a/y", "through a link that stays inside"),
        file("c", "old"),
        dir("c"),
        file("d", "old"),
        file("d", "new"),
    ]);
    let at = |name: &str| layer.path().join(name);
    assert!(at("b/y").exists() && !at("b/x").exists() && at("c").is_dir());
    assert_eq!(fs::read_to_string(at("d")).expect("read"), "new");
}

#[test]
fn nothing_is_written_outside_the_layer() {
    let base = tempfile::tempdir().expect("a directory");
    let outside = base.path().join("outside");
    fs::create_dir(&outside).expect("made");
    fs::write(outside.join("precious"), "untouched").expect("written");
    let far: &'static str = Box::leak(outside.display().to_string().into_boxed_str());
    let attacks: Vec<(&str, Vec<Item>, Vec<Item>)> = vec![
        (
            "up",
            vec![file("../outside/pwned", "x")],
            vec![file("outside/pwned", "x")],
        ),
        (
            "up in between",
            vec![file("a/../../outside/pwned", "x")],
            vec![file("a/b/outside/pwned", "x")],
        ),
        (
            "through an absolute link",
            vec![link("l", far), file("l/pwned", "x")],
            vec![link("l", far), file("m/pwned", "x")],
        ),
        (
            "through a relative link",
            vec![link("l", "../outside"), file("l/pwned", "x")],
            vec![dir("outside"), link("l", "outside"), file("l/pwned", "x")],
        ),
        (
            "a directory through a link",
            vec![link("l", far), dir("l/pwned")],
            vec![link("l", far), dir("m/pwned")],
        ),
        (
            "a deletion through a link",
            vec![link("l", far), file("l/.wh.precious", "")],
            vec![dir("l"), file("l/.wh.precious", "")],
        ),
        (
            "a hard link up",
            vec![hard("stolen", "../outside/precious")],
            vec![file("own", "x"), hard("stolen", "own")],
        ),
        (
            "a hard link through a link",
            vec![link("l", far), hard("stolen", "l/precious")],
            vec![link("l", far), hard("stolen", "l")],
        ),
    ];
    for (what, attack, control) in attacks {
        let layer = base.path().join("layer");
        for (items, taken) in [(attack, false), (control, true)] {
            fs::create_dir(&layer).expect("made");
            let result = take(&archive(&items), &layer);
            match result {
                Ok(_) => assert!(taken, "{what} was taken"),
                Err(error) => {
                    assert!(!taken, "{what}: the control was refused: {error}");
                    assert!(
                        error.to_string().contains("leads out of the layer"),
                        "{what}: {error}"
                    );
                }
            }
            let left: Vec<_> = fs::read_dir(&outside).expect("listed").collect();
            assert_eq!(left.len(), 1, "{what} wrote outside");
            let precious = fs::metadata(outside.join("precious")).expect("there");
            assert_eq!(precious.nlink(), 1, "{what} linked what is outside");
            fs::remove_dir_all(&layer).expect("removed");
        }
    }
    assert_eq!(
        fs::read_to_string(outside.join("precious")).expect("read"),
        "untouched"
    );
}

#[test]
fn the_kernel_and_not_luck_keeps_writes_inside() {
    // The control of the test above: without the kernel's help the same names do lead out.
    let base = tempfile::tempdir().expect("a directory");
    let (outside, layer) = (base.path().join("outside"), base.path().join("layer"));
    for dir in [&outside, &layer] {
        fs::create_dir(dir).expect("made");
    }
    std::os::unix::fs::symlink(&outside, layer.join("l")).expect("linked");
    fs::write(layer.join("l/pwned"), "x").expect("written");
    assert!(outside.join("pwned").exists());
}

#[test]
fn what_no_image_may_hold_is_named() {
    for (item, words) in [
        (
            Item {
                kind: EntryType::Block,
                ..file("disk", "")
            },
            "'disk' is a device",
        ),
        (
            Item {
                kind: EntryType::Char,
                ..file("usr/dev/mem", "")
            },
            "'usr/dev/mem' is a device",
        ),
        (
            Item {
                owner: 65_536,
                ..file("x", "")
            },
            "user 65536",
        ),
        (hard("x", "nothing"), "hard link to 'nothing'"),
        (file("a/.wh.", ""), "a deletion of nothing"),
        (link(".wh.x", "y"), "named like a deletion"),
        (
            Item {
                kind: EntryType::GNUSparse,
                ..file("x", "")
            },
            "sparse",
        ),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let error = take(&archive(&[item]), dir.path()).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn sizes_are_bounded_before_anything_is_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let bytes = archive(&[file("a", "12345"), file("b", "67890")]);
    let error = unpack(&mut &*bytes, dir.path(), 9)
        .expect_err("too much")
        .to_string();
    assert!(error.contains("quota_gb"), "{error}");
    let fits = tempfile::tempdir().expect("a directory");
    let unpacked = unpack(&mut &*bytes, fits.path(), 10).expect("fits");
    assert_eq!(
        unpacked,
        Unpacked {
            bytes: 10,
            entries: 2
        }
    );

    // A long name of a gigabyte: told by its header alone.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.resize(2048, b'x');
    let error = take(&bytes, dir.path()).expect_err("too long").to_string();
    assert!(error.contains("1073741824 bytes"), "{error}");
}

#[test]
fn long_names_are_read() {
    let name = format!("deep/{}/file", "n".repeat(200));
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    builder
        .append_data(&mut header, &name, &b"x"[..])
        .expect("appended");
    let bytes = builder.into_inner().expect("finished");
    let dir = tempfile::tempdir().expect("a directory");
    take(&bytes, dir.path()).expect("unpacked");
    assert!(dir.path().join(name).exists());
}

#[test]
fn an_archive_that_is_cut_off_is_an_error() {
    let bytes = archive(&[file("a", "12345")]);
    let dir = tempfile::tempdir().expect("a directory");
    assert!(take(&bytes[..514], dir.path()).is_err());
    assert!(take(b"no archive at all, but long enough", dir.path()).is_err());
}

#[test]
fn a_last_block_that_is_not_filled_up_is_no_fault_and_a_cut_file_is_one() {
    let whole = archive(&[file("one", "1"), file("two", "a text of thirty-two bytes, 0123")]);
    let last = 3 * 512;
    let content = last + 32;
    for end in [content, content + 1, last + 511, last + 512, whole.len()] {
        let place = tempfile::tempdir().expect("a directory");
        unpack(&mut &whole[..end], place.path(), 1000).unwrap_or_else(|error| panic!("{end}: {error}"));
        let text = fs::read_to_string(place.path().join("two")).expect("read");
        assert_eq!(text, "a text of thirty-two bytes, 0123", "{end}");
    }
    for end in [content - 1, last + 1, last - 1, last - 512 + 100, 512, 100] {
        let place = tempfile::tempdir().expect("a directory");
        let error = unpack(&mut &whole[..end], place.path(), 1000).expect_err("cut");
        assert!(matches!(error, UnpackError::Archive(_)), "{end}: {error}");
    }
}
