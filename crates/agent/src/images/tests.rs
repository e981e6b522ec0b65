use std::process::Command;

use super::*;

fn rootfs(marker: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    fs::create_dir(dir.path().join("bin")).expect("made");
    fs::write(dir.path().join("bin/sh"), marker).expect("written");
    dir
}

fn store() -> (tempfile::TempDir, ImageStore) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = ImageStore::open(dir.path().join("images")).expect("opened");
    (dir, store)
}

#[test]
fn directories_and_archives_are_the_same_image() {
    let (dir, store) = store();
    let tree = rootfs("one");
    let by_dir = store.import(tree.path(), "cimg/base:1").expect("imported");
    let archive = dir.path().join("image.tar.gz");
    let tarred = Command::new("tar")
        .arg("-czf")
        .arg(&archive)
        .arg("-C")
        .arg(tree.path())
        .arg(".")
        .status()
        .expect("tar runs");
    assert!(tarred.success());
    let by_tar = store.import(&archive, "cimg/base:2").expect("imported");
    assert_eq!(by_dir.digest, by_tar.digest);
    let names: Vec<_> = store
        .list()
        .expect("listed")
        .into_iter()
        .map(|r| r.name)
        .collect();
    assert_eq!(names, ["cimg/base:1", "cimg/base:2"]);
    let image = store.resolve("cimg/base:2").expect("found");
    assert_eq!(
        fs::read_to_string(image.layers[0].join("bin/sh")).expect("read"),
        "one"
    );
}

#[test]
fn an_unknown_image_says_what_to_do() {
    let (_dir, store) = store();
    store.import(rootfs("x").path(), "local/tools").expect("imported");
    let text = store.resolve("cimg/base").expect_err("unknown").to_string();
    assert_eq!(
        text,
        "image 'cimg/base' is not on this machine: pull it with `airlock image pull cimg/base`, build one with `airlock \
         image build-base --name cimg/base --packages …`, or import one with `airlock image import FILE --name cimg/base` \
         (on this machine: local/tools)"
    );
}

#[test]
fn prune_removes_what_nobody_names_or_uses() {
    let (_dir, store) = store();
    let first = store.import(rootfs("one").path(), "a").expect("imported");
    let used = store.resolve("a").expect("found");
    let second = store.import(rootfs("two").path(), "a").expect("imported");
    assert_ne!(first.digest, second.digest);
    assert_eq!(store.prune().expect("pruned"), Vec::<String>::new());
    drop(used);
    assert_eq!(store.prune().expect("pruned"), [first.digest]);
    store.resolve("a").expect("the named one stays");
}

#[test]
fn a_mapped_name_is_the_same_image() {
    let (_dir, store) = store();
    let one = store.import(rootfs("one").path(), BASE_IMAGE).expect("imported");
    let mapped = store.map("cimg/base:2024.01", BASE_IMAGE).expect("mapped");
    assert_eq!(mapped.digest, one.digest);
    store.resolve("cimg/base:2024.01").expect("found");
}

#[test]
fn a_name_is_known_by_what_is_here_and_by_the_operators_table() {
    let (_dir, store) = store();
    store.import(rootfs("x").path(), "local/tools").expect("imported");
    let settings = ImageSettings {
        map: [("ubuntu-2204:*".to_owned(), "team/machine:1".to_owned())].into(),
        ..ImageSettings::default()
    };
    let store = store.with_settings(settings);
    for (name, named, known) in [
        ("local/tools", true, true),
        ("ubuntu-2204:current", true, true),
        (BASE_IMAGE, false, true),
        (MACHINE_IMAGE, false, true),
        ("ubuntu-2404:current", false, false),
    ] {
        assert_eq!(
            (store.is_named(name), store.knows(name)),
            (named, known),
            "{name}"
        );
    }
}

#[test]
fn what_is_no_root_file_system_is_refused() {
    let (dir, store) = store();
    let empty = tempfile::tempdir().expect("a directory");
    let text = store.import(empty.path(), "a").expect_err("refused").to_string();
    assert!(text.contains("expected at least bin/ or usr/"), "{text}");
    let file = dir.path().join("text");
    fs::write(&file, "no archive").expect("written");
    assert!(matches!(store.import(&file, "a"), Err(ImageError::Import { .. })));
    assert!(store.list().expect("listed").is_empty());
}

#[test]
fn the_second_builder_waits_and_hears_how_far_the_first_is() {
    let (_dir, store) = store();
    let lock = store.lock_name(BASE_IMAGE, &mut |_| {}).expect("locked");
    let step = Progress {
        percent: 43,
        phase: "installing".into(),
    };
    build_progress::write(&lock.told, &step);
    let (heard_in, heard) = mpsc::channel();
    let waiting = std::thread::spawn({
        let store = store.clone();
        move || {
            store.ensure_base(&mut |progress| {
                // The test may be over before the last word.
                let _over = heard_in.send(progress);
            })
        }
    });
    assert_eq!(heard.recv().expect("told"), step);
    let scratch = tempfile::tempdir().expect("a directory");
    fs::create_dir(scratch.path().join("root")).expect("made");
    let made = store
        .adopt(
            &scratch.path().join("root"),
            BASE_IMAGE,
            "the first builder".into(),
        )
        .expect("adopted");
    drop(lock);
    let found = waiting.join().expect("joined").expect("found");
    assert_eq!(found.record, made);
}
