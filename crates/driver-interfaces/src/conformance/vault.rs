//! What every [`Vault`] must do. Cases use key names of their own, so one vault serves them all.

use airlock_domain::Secret;
use async_trait::async_trait;

use crate::{Sealed, SealingContext, Vault, VaultError};

/// A vault and what only its operator can do to it.
#[async_trait]
pub trait VaultRig: Send + Sync {
    /// The vault.
    fn vault(&self) -> &dyn Vault;
    /// Adds a newer version to a key.
    async fn rotate(&self, key: &str);
}

/// Runs every case against one vault.
pub async fn run(rig: &dyn VaultRig) {
    let vault = rig.vault();
    values_survive(vault).await;
    sealing_twice_differs(vault).await;
    another_row_does_not_open(vault).await;
    another_key_does_not_open(vault).await;
    changed_bytes_do_not_open(vault).await;
    old_versions_open_after_rotation(rig).await;
    a_version_from_the_future_does_not_open(vault).await;
    errors_tell_no_value(vault).await;
}

/// The context of a value in the table of environment variables.
#[must_use]
pub fn row(row: &str) -> SealingContext {
    SealingContext {
        table: "environment",
        row: row.to_owned(),
        column: "value",
    }
}

async fn seal(vault: &dyn Vault, key: &str, context: &SealingContext, value: &[u8]) -> Sealed {
    let sealed = vault
        .seal(key, context, &Secret::new(value))
        .await
        .expect("sealed");
    Sealed::parse(sealed.as_str()).expect("of the vault's form");
    sealed
}

async fn open(vault: &dyn Vault, key: &str, context: &SealingContext, sealed: &Sealed) -> Secret {
    vault.open(key, context, sealed).await.expect("opened")
}

async fn refused(
    vault: &dyn Vault,
    key: &str,
    context: &SealingContext,
    sealed: &Sealed,
    why: &str,
) -> VaultError {
    let error = vault.open(key, context, sealed).await.expect_err(why);
    assert!(
        matches!(error, VaultError::DoesNotOpen { .. }),
        "{why}: {error:?}"
    );
    assert!(
        error.to_string().contains(&context.row),
        "{why}: the error does not say which value: {error}"
    );
    error
}

async fn values_survive(vault: &dyn Vault) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let long = super::blobs::pattern(3, 64 * 1024);
    let values: [&[u8]; 6] = [
        b"hunter2",
        b"",
        "zwei\nZeilen \u{1f511} ü".as_bytes(),
        b"\0",
        &every_byte,
        &long,
    ];
    for (number, value) in values.into_iter().enumerate() {
        let context = row(&format!("project-1/NAME_{number} with | and \"quotes\" and ü"));
        let sealed = seal(vault, "conformance-survive", &context, value).await;
        let opened = open(vault, "conformance-survive", &context, &sealed).await;
        assert!(opened.expose() == value, "value {number} came back changed");
        if value.len() > 3 {
            assert!(
                !sealed
                    .as_str()
                    .contains(&String::from_utf8_lossy(value).into_owned())
            );
        }
    }
}

async fn sealing_twice_differs(vault: &dyn Vault) {
    let first = seal(vault, "conformance-twice", &row("a"), b"same").await;
    let second = seal(vault, "conformance-twice", &row("a"), b"same").await;
    assert!(first != second, "equal values are seen to be equal");
}

async fn another_row_does_not_open(vault: &dyn Vault) {
    let key = "conformance-row";
    let sealed = seal(vault, key, &row("project-1/TOKEN"), b"value").await;
    open(vault, key, &row("project-1/TOKEN"), &sealed).await;
    refused(
        vault,
        key,
        &row("project-2/TOKEN"),
        &sealed,
        "opened in another row",
    )
    .await;
    let column = SealingContext {
        column: "name",
        ..row("project-1/TOKEN")
    };
    refused(vault, key, &column, &sealed, "opened in another column").await;
    let table = SealingContext {
        table: "contexts",
        ..row("project-1/TOKEN")
    };
    refused(vault, key, &table, &sealed, "opened in another table").await;
}

async fn another_key_does_not_open(vault: &dyn Vault) {
    let sealed = seal(vault, "conformance-key-1", &row("a"), b"value").await;
    seal(vault, "conformance-key-2", &row("a"), b"value").await;
    refused(
        vault,
        "conformance-key-2",
        &row("a"),
        &sealed,
        "opened under another key",
    )
    .await;
    refused(
        vault,
        "conformance-key-never-used",
        &row("a"),
        &sealed,
        "opened under a key that is not there",
    )
    .await;
}

async fn changed_bytes_do_not_open(vault: &dyn Vault) {
    let key = "conformance-changed";
    let sealed = seal(vault, key, &row("a"), b"value").await;
    let text = sealed.as_str();
    let body = "vault:v1:".len();
    for place in (body..text.trim_end_matches('=').len()).step_by(7) {
        let mut changed = text.to_owned().into_bytes();
        changed[place] = if changed[place] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).expect("still ASCII");
        let changed = Sealed::parse(changed).expect("of the vault's form");
        refused(vault, key, &row("a"), &changed, "opened although it was changed").await;
    }
    for body in ["AAAA", "not base64", "AAECAwQFBgcICQoL"] {
        let nonsense = Sealed::parse(format!("vault:v1:{body}")).expect("of the vault's form");
        refused(vault, key, &row("a"), &nonsense, "opened although it is nonsense").await;
    }
}

async fn old_versions_open_after_rotation(rig: &dyn VaultRig) {
    let (vault, key) = (rig.vault(), "conformance-rotated");
    let mut sealed = Vec::new();
    for version in 1..=3 {
        let value = seal(vault, key, &row("a"), format!("value {version}").as_bytes()).await;
        assert!(
            value.as_str().starts_with(&format!("vault:v{version}:")),
            "sealed under an old version"
        );
        sealed.push(value);
        rig.rotate(key).await;
    }
    for (version, sealed) in (1..).zip(&sealed) {
        let opened = open(vault, key, &row("a"), sealed).await;
        assert_eq!(opened.expose_text(), Some(format!("value {version}").as_str()));
    }
    let relabelled = Sealed::parse(sealed[0].as_str().replacen("v1", "v2", 1)).expect("of the vault's form");
    refused(vault, key, &row("a"), &relabelled, "opened under another version").await;
}

async fn a_version_from_the_future_does_not_open(vault: &dyn Vault) {
    let key = "conformance-future";
    let sealed = seal(vault, key, &row("a"), b"value").await;
    let future = Sealed::parse(sealed.as_str().replacen("v1", "v9", 1)).expect("of the vault's form");
    refused(
        vault,
        key,
        &row("a"),
        &future,
        "opened under a version that is not there",
    )
    .await;
}

async fn errors_tell_no_value(vault: &dyn Vault) {
    let canary = "canary-5a1f-not-to-be-seen";
    let sealed = seal(vault, "conformance-canary", &row("a"), canary.as_bytes()).await;
    let error = refused(
        vault,
        "conformance-canary",
        &row("b"),
        &sealed,
        "opened in another row",
    )
    .await;
    let said = format!("{error} {error:?} {sealed:?}");
    assert!(!said.contains(canary), "an error tells the value: {said}");
    assert!(
        !said.contains(sealed.as_str()),
        "an error tells the ciphertext: {said}"
    );
}
