use std::sync::Mutex;

use uuid::Uuid;

use super::*;

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(7)
    }

    fn new_id(&self) -> Uuid {
        Uuid::nil()
    }
}

const ROW: Binding<'static> = Binding {
    context: Some(b"environment|p/A|value"),
    associated_data: None,
};

fn fresh() -> Engine {
    Engine::ephemeral(Arc::new(Epoch))
}

fn seal(engine: &Engine, value: &str) -> (String, u32) {
    engine
        .seal("org", ROW, None, &Secret::new(value))
        .expect("sealed")
}

fn open(engine: &Engine, sealed: &str) -> String {
    let secret = engine.open("org", ROW, sealed).expect("opened");
    secret.expose_text().expect("text").to_owned()
}

#[test]
fn keys_survive_a_restart_and_those_of_memory_do_not() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let at = dir.path().join("vault");
    let start = || Engine::open_or_create(&at, Arc::new(Epoch)).expect("opened");
    let (sealed, _) = seal(&start(), "value");
    assert_eq!(open(&start(), &sealed), "value");
    assert_eq!(start().rotate("org").expect("rotated"), 2);
    let engine = start();
    assert_eq!(seal(&engine, "value").1, 2);
    assert_eq!(open(&engine, &sealed), "value");
    assert!(fresh().open("org", ROW, &sealed).is_err());
}

#[test]
fn each_opening_is_told_and_counted_without_the_value() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let teller = Arc::clone(&told);
    let engine = fresh().with_on_open(Arc::new(move |opening: &Opening<'_>| {
        teller.lock().expect("unpoisoned").push(format!("{opening:?}"));
    }));
    let (sealed, _) = seal(&engine, "canary-value");
    assert!(
        told.lock().expect("unpoisoned").is_empty(),
        "sealing is no opening"
    );
    open(&engine, &sealed);
    engine
        .open("org", Binding::context(b"elsewhere"), &sealed)
        .expect_err("refused");
    engine.open("no/name", ROW, &sealed).expect_err("refused");
    engine.rewrap("org", ROW, &sealed).expect("nobody sees the value");
    let told = told.lock().expect("unpoisoned");
    assert_eq!(
        *told,
        [
            r#"Opening { key: "org", context: "environment|p/A|value", opened: true }"#,
            r#"Opening { key: "org", context: "elsewhere", opened: false }"#,
            r#"Opening { key: "no/name", context: "environment|p/A|value", opened: false }"#,
        ]
    );
    assert_eq!((engine.opened(), engine.refused()), (1, 2));
}

#[test]
fn rewrapping_brings_a_value_under_the_newest_version() {
    let engine = fresh();
    let (old, _) = seal(&engine, "value");
    engine.rotate("org").expect("rotated");
    let (new, version) = engine.rewrap("org", ROW, &old).expect("rewrapped");
    assert_eq!(version, 2);
    engine.require("org", Some(2), None).expect("possible");
    assert_eq!(open(&engine, &new), "value");
    let error = engine.open("org", ROW, &old).expect_err("too old").to_string();
    assert_eq!(
        error,
        "ciphertext or signature version is disallowed by policy (too old)"
    );
    engine.trim("org", 2).expect("trimmed");
    let key = engine.describe("org").expect("there");
    assert_eq!(key.versions, [(2, Timestamp::from_millis(7))]);
    assert_eq!((key.derived, key.latest, key.min_decryption), (true, 2, 2));
}

#[test]
fn seals_are_counted_ahead_on_disk() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let at = dir.path().join("vault");
    let start = || Engine::open_or_create(&at, Arc::new(Epoch)).expect("opened");
    let counts = |engine: &Engine| {
        let keyring = engine.keyring.read().expect("unpoisoned");
        let key = keyring
            .get(&KeyName::parse("org").expect("a name"))
            .expect("there");
        (key.seals, key.seals_reserved)
    };
    let written = || std::fs::read(at.join("keyring")).expect("read");
    let engine = start();
    seal(&engine, "1");
    let once = written();
    seal(&engine, "2");
    assert_eq!(counts(&engine), (2, SEALS_RESERVED));
    assert_eq!(written(), once, "the second seal wrote the keyring again");
    drop(engine);
    let engine = start();
    assert_eq!(counts(&engine), (SEALS_RESERVED, SEALS_RESERVED));
    seal(&engine, "3");
    assert_eq!(counts(&engine), (SEALS_RESERVED + 1, SEALS_RESERVED * 2));
}

#[test]
fn a_key_is_rotated_before_its_nonces_run_out() {
    let engine = fresh();
    seal(&engine, "value");
    let name = KeyName::parse("org").expect("a name");
    assert_eq!(seal(&engine, "value").1, 1);
    let mut keyring = engine.keyring.write().expect("unpoisoned");
    keyring.exhaust(&name, SEALS_PER_VERSION);
    drop(keyring);
    assert_eq!(seal(&engine, "value").1, 2);
}

#[test]
fn a_change_that_cannot_be_written_does_not_happen() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let at = dir.path().join("vault");
    let engine = Engine::open_or_create(&at, Arc::new(Epoch)).expect("opened");
    let (sealed, _) = seal(&engine, "value");
    std::fs::create_dir(at.join(".keyring.new")).expect("in the way");
    engine.rotate("org").expect_err("not written");
    engine
        .seal("another", ROW, None, &Secret::new("x"))
        .expect_err("its key was not written");
    assert_eq!(engine.names(), ["org"]);
    assert_eq!(engine.describe("org").expect("there").latest, 1);
    assert_eq!(open(&engine, &sealed), "value");
}

#[test]
fn a_key_is_made_once_and_of_one_kind() {
    let engine = fresh();
    engine.create("plain", false).expect("made");
    engine.create("plain", false).expect("there already");
    let error = engine
        .create("plain", true)
        .expect_err("of another kind")
        .to_string();
    assert!(error.contains("another kind"), "{error}");
    let (sealed, _) = engine
        .seal("plain", Binding::default(), None, &Secret::new("x"))
        .expect("sealed");
    engine
        .open("plain", ROW, &sealed)
        .expect("a key that does not derive ignores the context");
    engine.open("absent", ROW, &sealed).expect_err("no such key");
    assert_eq!(engine.names(), ["plain"], "opening makes no key");
}

#[test]
fn many_callers_at_once() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let engine = Engine::open_or_create(&dir.path().join("vault"), Arc::new(Epoch)).expect("opened");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let engine = &engine;
            scope.spawn(move || {
                for round in 0..50 {
                    let value = format!("{thread}/{round}");
                    let (sealed, _) = seal(engine, &value);
                    if round % 10 == thread {
                        engine.rotate("org").expect("rotated");
                    }
                    assert_eq!(open(engine, &sealed), value);
                }
            });
        }
    });
    assert_eq!(engine.opened(), 400);
}
