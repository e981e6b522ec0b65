//! The messages of Vault's HTTP API, as far as transit needs them. Knows no sockets. Values are in types that are wiped
//! and have no `Debug`; an error about a message never quotes it, because a message may hold a value.

use std::collections::BTreeMap;
use std::fmt;

use airlock_domain::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::engine::KeyDescription;
use crate::transit::Binding;

/// Where transit is mounted.
pub(crate) const MOUNT: &str = "/v1/transit/";
/// Whether the key holder is ready.
pub(crate) const HEALTH: &str = "/v1/sys/health";
/// Shows the token.
pub(crate) const TOKEN_HEADER: &str = "x-vault-token";
/// Set by clients that mean to talk to a vault, and not by a browser that was tricked.
pub(crate) const REQUEST_HEADER: &str = "x-vault-request";

/// Text of base64 whose content may be a value.
#[derive(Default)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn encode(secret: &Secret) -> Self {
        // Of the exact size, so that it never moves.
        let mut text = Zeroizing::new(String::with_capacity(secret.expose().len().div_ceil(3) * 4));
        STANDARD.encode_string(secret.expose(), &mut text);
        Self(text)
    }

    pub(crate) fn decode(&self) -> Option<Secret> {
        STANDARD.decode(self.0.as_bytes()).ok().map(Secret::new)
    }
}

impl Serialize for SecretText {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SecretText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = SecretText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }

            fn visit_str<E>(self, text: &str) -> Result<SecretText, E> {
                Ok(SecretText(Zeroizing::new(text.to_owned())))
            }
        }
        from.deserialize_str(Text)
    }
}

/// `encrypt`, `decrypt` and `rewrap`: each uses some of it.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct CipherRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) plaintext: Option<SecretText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ciphertext: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) associated_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key_version: Option<u32>,
    /// Only to refuse it.
    #[serde(default, skip_serializing)]
    pub(crate) batch_input: Option<serde::de::IgnoredAny>,
}

/// What a request is bound to, decoded.
pub(crate) struct OwnedBinding {
    context: Option<Vec<u8>>,
    associated_data: Option<Vec<u8>>,
}

impl OwnedBinding {
    pub(crate) fn borrow(&self) -> Binding<'_> {
        Binding {
            context: self.context.as_deref(),
            associated_data: self.associated_data.as_deref(),
        }
    }
}

impl CipherRequest {
    pub(crate) fn binding(&self) -> Result<OwnedBinding, &'static str> {
        let decode = |text: &Option<String>, error| match text.as_deref() {
            None | Some("") => Ok(None),
            Some(text) => STANDARD.decode(text).map(Some).map_err(|_| error),
        };
        Ok(OwnedBinding {
            context: decode(&self.context, "failed to base64-decode context")?,
            associated_data: decode(&self.associated_data, "failed to base64-decode associated_data")?,
        })
    }
}

/// Answers `encrypt` and `rewrap`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Sealing {
    pub(crate) ciphertext: String,
    #[serde(default)]
    pub(crate) key_version: u32,
}

/// Answers `decrypt`.
#[derive(Serialize, Deserialize)]
pub(crate) struct Unsealing {
    pub(crate) plaintext: SecretText,
}

/// Makes a key.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct KeyRequest {
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    #[serde(default)]
    pub(crate) derived: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) convergent_encryption: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) exportable: bool,
}

/// Sets what a key allows.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct ConfigRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_decryption_version: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) min_encryption_version: Option<u32>,
}

/// Forgets old versions.
#[derive(Serialize, Deserialize)]
pub(crate) struct TrimRequest {
    pub(crate) min_available_version: u32,
}

/// Tells of a key.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "the fields are Vault's")]
pub(crate) struct KeyAnswer {
    name: String,
    r#type: &'static str,
    derived: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    kdf: Option<&'static str>,
    latest_version: u32,
    min_available_version: u32,
    min_decryption_version: u32,
    min_encryption_version: u32,
    keys: BTreeMap<u32, i64>,
    exportable: bool,
    allow_plaintext_backup: bool,
    deletion_allowed: bool,
    supports_encryption: bool,
    supports_decryption: bool,
    supports_derivation: bool,
    supports_signing: bool,
}

/// The only type of key there is.
pub(crate) const KEY_TYPE: &str = "aes256-gcm96";

impl From<KeyDescription> for KeyAnswer {
    fn from(key: KeyDescription) -> Self {
        Self {
            name: key.name,
            r#type: KEY_TYPE,
            derived: key.derived,
            kdf: key.derived.then_some("hkdf_sha256"),
            latest_version: key.latest,
            // Vault says 0 as long as nothing was trimmed.
            min_available_version: if key.oldest == 1 { 0 } else { key.oldest },
            min_decryption_version: key.min_decryption,
            min_encryption_version: key.min_encryption,
            keys: key
                .versions
                .iter()
                .map(|(number, at)| (*number, at.as_millis().div_euclid(1000)))
                .collect(),
            exportable: false,
            allow_plaintext_backup: false,
            deletion_allowed: false,
            supports_encryption: true,
            supports_decryption: true,
            supports_derivation: true,
            supports_signing: false,
        }
    }
}

/// Tells the names of all keys.
#[derive(Serialize)]
pub(crate) struct KeysAnswer {
    pub(crate) keys: Vec<String>,
}

/// What stands around every answer of content.
#[derive(Serialize, Deserialize)]
pub(crate) struct Envelope<T> {
    #[serde(default)]
    pub(crate) request_id: String,
    #[serde(default)]
    pub(crate) lease_id: String,
    #[serde(default)]
    pub(crate) renewable: bool,
    #[serde(default)]
    pub(crate) lease_duration: u32,
    pub(crate) data: T,
    #[serde(default)]
    pub(crate) warnings: Option<Vec<String>>,
    #[serde(default, skip_deserializing)]
    pub(crate) auth: Option<()>,
}

/// An answer without content.
#[derive(Serialize, Deserialize)]
pub(crate) struct Errors {
    #[serde(default)]
    pub(crate) errors: Vec<String>,
}

/// Whether the key holder is ready.
#[derive(Serialize)]
pub(crate) struct Health {
    pub(crate) initialized: bool,
    pub(crate) sealed: bool,
    pub(crate) standby: bool,
    pub(crate) server_time_utc: i64,
    pub(crate) version: &'static str,
}

/// Reads a message; the error says where it is wrong and quotes nothing of it.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| {
        format!(
            "error parsing JSON at line {} column {}",
            error.line(),
            error.column()
        )
    })
}
