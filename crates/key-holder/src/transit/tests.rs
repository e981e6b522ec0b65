//! The golden values of Vault's format, and the rules of versions. The ciphertexts were made with an independent
//! AES-GCM implementation, and opened by a real OpenBao 2.7.2.

use airlock_domain::{Secret, Timestamp};
use zeroize::Zeroizing;

use super::*;

const VALUE: &[u8] = b"s3cr3t-value";

fn version(first: u8) -> KeyVersion {
    let bytes = std::array::from_fn(|place| first + u8::try_from(place).expect("small"));
    KeyVersion {
        material: KeyMaterial::new(Zeroizing::new(bytes)),
        created: Timestamp::from_millis(0),
    }
}

fn name() -> KeyName {
    KeyName::parse("golden").expect("a name")
}

fn keyring(derived: bool) -> Keyring {
    let mut keyring = Keyring::default();
    keyring
        .insert(name(), TransitKey::new(derived, version(0)))
        .expect("room");
    keyring
}

fn seal(keyring: &Keyring, binding: Binding<'_>, value: &[u8]) -> Result<String, TransitError> {
    let nonce = std::array::from_fn(|place| u8::try_from(place).expect("small"));
    keyring
        .seal(&name(), None, binding, nonce, &Secret::new(value))
        .map(|(sealed, _)| sealed)
}

fn open(keyring: &Keyring, binding: Binding<'_>, sealed: &str) -> Result<Vec<u8>, TransitError> {
    keyring
        .open(&name(), binding, sealed)
        .map(|secret| secret.expose().to_vec())
}

#[test]
fn ciphertexts_are_those_of_vault() {
    let associated = Binding {
        associated_data: Some(b"proj-42/API_KEY"),
        ..Binding::default()
    };
    for (derived, binding, expected) in [
        (
            false,
            Binding::default(),
            "vault:v1:AAECAwQFBgcICQoLNDG1afaR723sLeLuwPk4NyBxh9K8CQZZiFBz2A==",
        ),
        (
            false,
            associated,
            "vault:v1:AAECAwQFBgcICQoLNDG1afaR723sLeLu861+/IK3m7IRuOZICsy9iA==",
        ),
        (
            true,
            Binding::context(b"proj-42"),
            "vault:v1:AAECAwQFBgcICQoL+6sfP9URXgIujpj+rs0SJKPPTCiAQjJd8iKI8g==",
        ),
    ] {
        let keyring = keyring(derived);
        assert_eq!(seal(&keyring, binding, VALUE).as_deref(), Ok(expected));
        assert_eq!(open(&keyring, binding, expected).as_deref(), Ok(VALUE));
        assert_eq!(
            open(&keyring, binding, &expected.replace("v1", "v0")).as_deref(),
            Ok(VALUE),
            "version 0 is 1"
        );
    }
}

#[test]
fn convergent_ciphertexts_of_vault_open_too() {
    // Their key is the first half of 64 derived bytes, which is the same as 32 derived ones: they open.
    let sealed = "vault:v1:FrKbgtoHt1CEymZNQ0dPK/gARgM4OQSXOSACltNjI5aDOkn+u7JPhQ==";
    assert_eq!(
        open(&keyring(true), Binding::context(b"proj-42"), sealed).as_deref(),
        Ok(VALUE)
    );
}

#[test]
fn a_derived_key_wants_its_context() {
    let keyring = keyring(true);
    let sealed = seal(&keyring, Binding::context(b"proj-42"), VALUE).expect("sealed");
    for (context, error) in [
        (None, TransitError::NoContext),
        (Some(b"".as_slice()), TransitError::NoContext),
        (Some(b"proj-43"), TransitError::NotAuthentic),
    ] {
        let binding = Binding {
            context,
            associated_data: None,
        };
        assert_eq!(open(&keyring, binding, &sealed), Err(error));
    }
    assert_eq!(
        seal(&keyring, Binding::default(), VALUE),
        Err(TransitError::NoContext)
    );
}

#[test]
fn a_key_that_does_not_derive_ignores_the_context() {
    let keyring = keyring(false);
    let sealed = seal(&keyring, Binding::context(b"proj-42"), VALUE).expect("sealed");
    assert_eq!(open(&keyring, Binding::default(), &sealed).as_deref(), Ok(VALUE));
}

#[test]
fn associated_data_must_be_the_same() {
    let keyring = keyring(true);
    let with = |data| Binding {
        context: Some(b"row"),
        associated_data: Some(data),
    };
    let sealed = seal(&keyring, with(b"one"), VALUE).expect("sealed");
    assert_eq!(open(&keyring, with(b"one"), &sealed).as_deref(), Ok(VALUE));
    assert_eq!(
        open(&keyring, with(b"two"), &sealed),
        Err(TransitError::NotAuthentic)
    );
    assert_eq!(
        open(&keyring, Binding::context(b"row"), &sealed),
        Err(TransitError::NotAuthentic)
    );
}

#[test]
fn every_changed_bit_is_noticed() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let keyring = keyring(true);
    let binding = Binding::context(b"row");
    let sealed = seal(&keyring, binding, VALUE).expect("sealed");
    let body = STANDARD.decode(&sealed["vault:v1:".len()..]).expect("base64");
    for bit in 0..body.len() * 8 {
        let mut changed = body.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let changed = format!("vault:v1:{}", STANDARD.encode(changed));
        assert_eq!(
            open(&keyring, binding, &changed),
            Err(TransitError::NotAuthentic),
            "bit {bit}"
        );
    }
    for length in 0..body.len() {
        let short = format!("vault:v1:{}", STANDARD.encode(&body[..length]));
        assert!(open(&keyring, binding, &short).is_err(), "cut to {length} bytes");
    }
}

#[test]
fn versions_are_kept_required_and_trimmed() {
    let binding = Binding::context(b"row");
    let mut keyring = keyring(true);
    let mut sealed = vec![seal(&keyring, binding, b"1").expect("sealed")];
    for number in 2..=4 {
        assert_eq!(
            keyring.rotate(&name(), version(number * 10)),
            Ok(u32::from(number))
        );
        sealed.push(seal(&keyring, binding, number.to_string().as_bytes()).expect("sealed"));
    }
    for (number, sealed) in (1..).zip(&sealed) {
        assert!(sealed.starts_with(&format!("vault:v{number}:")));
        assert_eq!(
            open(&keyring, binding, sealed),
            Ok(number.to_string().into_bytes())
        );
    }
    keyring.require(&name(), Some(3), None).expect("possible");
    assert_eq!(open(&keyring, binding, &sealed[1]), Err(TransitError::TooOld));
    assert_eq!(
        open(&keyring, binding, &sealed[2]).as_deref(),
        Ok(b"3".as_slice())
    );
    keyring
        .require(&name(), Some(1), None)
        .expect("nothing is gone yet");
    assert_eq!(
        open(&keyring, binding, &sealed[0]).as_deref(),
        Ok(b"1".as_slice())
    );
    keyring.require(&name(), Some(3), None).expect("possible");
    let refused = TransitError::NoSuchVersion {
        version: 4,
        lowest: 1,
        highest: 3,
    };
    assert_eq!(
        keyring.trim(&name(), 4),
        Err(refused),
        "what opens is not forgotten"
    );
    keyring.trim(&name(), 3).expect("possible");
    assert_eq!(
        keyring.require(&name(), Some(2), None),
        Err(TransitError::NoSuchVersion {
            version: 2,
            lowest: 3,
            highest: 4
        })
    );
    assert_eq!(
        open(&keyring, binding, "vault:v5:AAECAwQFBgcICQoL"),
        Err(TransitError::TooNew)
    );
}

#[test]
fn an_old_version_seals_only_where_the_key_allows_it() {
    let mut keyring = keyring(true);
    keyring.rotate(&name(), version(50)).expect("there");
    let seal = |keyring: &Keyring, asked| {
        let sealed = keyring.seal(
            &name(),
            asked,
            Binding::context(b"row"),
            [0; NONCE_BYTES],
            &Secret::new(VALUE),
        );
        sealed.map(|(_, version)| version)
    };
    assert_eq!(seal(&keyring, None), Ok(2));
    assert_eq!(seal(&keyring, Some(0)), Ok(2));
    assert_eq!(
        seal(&keyring, Some(1)),
        Err(TransitError::NoSuchVersion {
            version: 1,
            lowest: 2,
            highest: 2
        })
    );
    keyring.require(&name(), None, Some(1)).expect("possible");
    assert_eq!(seal(&keyring, Some(1)), Ok(1));
    assert_eq!(seal(&keyring, None), Ok(2));
    assert_eq!(
        seal(&keyring, Some(3)),
        Err(TransitError::NoSuchVersion {
            version: 3,
            lowest: 1,
            highest: 2
        })
    );
}

#[test]
fn limits_hold() {
    let keyring = keyring(true);
    let long = vec![0; crate::limits::SECRET_BYTES];
    assert!(seal(&keyring, Binding::context(b"row"), &long).is_ok());
    let error = seal(&keyring, Binding::context(b"row"), &[long, vec![0]].concat()).expect_err("refused");
    assert_eq!(
        error.to_string(),
        "a secret has 262145 bytes, more than the 262144 that are possible"
    );
    let context = vec![b'x'; crate::limits::CONTEXT_BYTES + 1];
    assert!(matches!(
        seal(&keyring, Binding::context(&context), VALUE),
        Err(TransitError::TooLong { .. })
    ));
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", keyring(true));
    assert!(shown.contains("KeyMaterial(…)"), "{shown}");
    assert!(!shown.contains("1, 2, 3"), "{shown}");
    assert!(
        format!("{:?}", version(0).material.expose()).contains("1, 2, 3"),
        "the bytes themselves would show"
    );
}
