use std::os::unix::fs::{PermissionsExt as _, symlink};

use airlock_domain::{Secret, Timestamp};
use tempfile::TempDir;

use super::*;
use crate::transit::{Binding, KeyName, KeyVersion, NONCE_BYTES, TransitKey, open_file};

const KEY: [u8; KEY_BYTES] = *b"canary-key-of-exactly-32-bytes!!";

fn name() -> KeyName {
    KeyName::parse("org-1").expect("a name")
}

fn version() -> KeyVersion {
    KeyVersion {
        material: KeyMaterial::new(Zeroizing::new(KEY)),
        created: Timestamp::from_millis(5),
    }
}

fn with_key() -> Keyring {
    let mut keyring = Keyring::default();
    keyring
        .insert(name(), TransitKey::new(true, version()))
        .expect("room");
    keyring
}

/// A folder with a saved keyring, closed again.
fn saved() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let vault = dir.path().join("vault");
    let (files, _) = KeyringFiles::open_or_create(&vault).expect("made");
    files.save(&with_key()).expect("saved");
    (dir, vault)
}

fn error(dir: &Path) -> String {
    match KeyringFiles::open_or_create(dir) {
        Ok(_) => panic!("the keyring was opened"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_keyring_survives_with_its_versions_and_counts() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let vault = dir.path().join("deep/down/vault");
    let (files, empty) = KeyringFiles::open_or_create(&vault).expect("made");
    assert_eq!(empty.iter().count(), 0);
    let mut keyring = with_key();
    keyring.rotate(&name(), version()).expect("there");
    keyring.require(&name(), Some(2), Some(2)).expect("possible");
    keyring.reserve_seals(&name(), 100).expect("there");
    let binding = Binding::context(b"row");
    let (sealed, _) = keyring
        .seal(&name(), None, binding, [1; NONCE_BYTES], &Secret::new("value"))
        .expect("sealed");
    files.save(&keyring).expect("saved");
    drop(files);
    let (_files, again) = KeyringFiles::open_or_create(&vault).expect("opened");
    assert_eq!(
        again
            .open(&name(), binding, &sealed)
            .expect("opened")
            .expose_text(),
        Some("value")
    );
    let key = again.get(&name()).expect("there");
    assert_eq!((key.latest(), key.min_decryption, key.min_encryption), (2, 2, 2));
    assert_eq!(
        (key.seals, key.seals_reserved),
        (100, 100),
        "what may have been sealed counts as sealed"
    );
    assert_eq!(key.versions[&1].created, Timestamp::from_millis(5));
}

#[test]
fn keys_and_names_are_not_readable_in_the_file() {
    use base64::Engine as _;
    let (_dir, vault) = saved();
    let unseal_key = fs::read(vault.join(UNSEAL_KEY)).expect("read");
    let sealed = fs::read(vault.join(KEYRING)).expect("read");
    let json = open_file(
        &KeyMaterial::new(Zeroizing::new(unseal_key.clone().try_into().expect("32 bytes"))),
        b"airlock keyring 1\n",
        sealed[18..].to_vec(),
    )
    .expect("opened");
    let text = base64::engine::general_purpose::STANDARD.encode(KEY);
    let holds = |bytes: &[u8], needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    for needle in [text.as_bytes(), b"org-1"] {
        assert!(
            holds(json.expose(), needle),
            "the positive control: the search finds it inside"
        );
        assert!(!holds(&sealed, needle));
    }
    assert!(!holds(&sealed, &KEY));
    assert!(!holds(&sealed, &unseal_key));
}

#[test]
fn nobody_else_can_read_the_files() {
    let (_dir, vault) = saved();
    let mode = |path: &Path| fs::metadata(path).expect("there").mode() & 0o7777;
    assert_eq!(mode(&vault), 0o700);
    let mut files: Vec<_> = fs::read_dir(&vault)
        .expect("listed")
        .map(|entry| entry.expect("listed").path())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [vault.join(KEYRING), vault.join(UNSEAL_KEY)],
        "a draft was left"
    );
    for file in files {
        assert_eq!(mode(&file), 0o600);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("changed");
        let said = error(&vault);
        assert!(
            said.contains("has mode 0640: make it a plain file of mode 0600"),
            "{said}"
        );
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("changed");
    }
    KeyringFiles::open_or_create(&vault).expect("the positive control");
}

#[test]
fn a_link_is_not_followed() {
    let (dir, vault) = saved();
    for file in [UNSEAL_KEY, KEYRING] {
        let (path, elsewhere) = (vault.join(file), dir.path().join("elsewhere"));
        fs::rename(&path, &elsewhere).expect("moved");
        symlink(&elsewhere, &path).expect("linked");
        assert!(error(&vault).starts_with("opening "), "{}", error(&vault));
        fs::rename(&elsewhere, &path).expect("moved back");
    }
}

#[test]
fn a_missing_file_is_never_made_anew() {
    for file in [UNSEAL_KEY, KEYRING] {
        let (_dir, vault) = saved();
        fs::remove_file(vault.join(file)).expect("removed");
        let said = error(&vault);
        assert!(
            said.contains(&format!("{file} is missing while ")) && said.contains("restore it"),
            "{said}"
        );
        assert!(!vault.join(file).exists());
    }
}

#[test]
fn a_start_that_was_cut_off_is_begun_anew() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let vault = dir.path().join("vault");
    let draft = dir.path().join(".new-vault");
    fs::create_dir(&draft).expect("made");
    fs::write(draft.join(UNSEAL_KEY), "half").expect("written");
    fs::create_dir(&vault).expect("made");
    KeyringFiles::open_or_create(&vault).expect("an empty folder is no keyring");
    assert!(!draft.exists());
}

#[test]
fn every_changed_byte_is_noticed() {
    let (_dir, vault) = saved();
    let sealed = fs::read(vault.join(KEYRING)).expect("read");
    for place in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[place] ^= 1;
        fs::write(vault.join(KEYRING), changed).expect("written");
        let said = error(&vault);
        assert!(
            said.contains("does not open under the unseal key beside it"),
            "byte {place}: {said}"
        );
    }
    fs::write(vault.join(KEYRING), &sealed[..sealed.len() - 1]).expect("written");
    assert!(error(&vault).contains("does not open"));
    fs::write(vault.join(KEYRING), &sealed).expect("written");
    fs::write(vault.join(UNSEAL_KEY), [0; KEY_BYTES]).expect("written");
    assert!(error(&vault).contains("sealed under another key"));
}

#[test]
fn one_process_has_it() {
    let (_dir, vault) = saved();
    let held = KeyringFiles::open_or_create(&vault).expect("opened");
    assert!(error(&vault).contains("in use by another process"));
    drop(held);
    KeyringFiles::open_or_create(&vault).expect("free again");
}

#[test]
fn a_failed_save_keeps_the_old_keyring() {
    let (_dir, vault) = saved();
    let (files, _) = KeyringFiles::open_or_create(&vault).expect("opened");
    let before = fs::read(vault.join(KEYRING)).expect("read");
    fs::create_dir(vault.join(".keyring.new")).expect("in the way");
    let said = files.save(&Keyring::default()).expect_err("failed").to_string();
    assert!(said.contains(".keyring.new"), "{said}");
    assert_eq!(fs::read(vault.join(KEYRING)).expect("read"), before);
}
