//! The content of the keyring file: `"airlock keyring 1\n" | nonce [12] | ciphertext | tag [16]`, and inside JSON.
//! Everything is inside, versions and policies too: none of it can be changed or put together from two files.

use std::collections::BTreeMap;

use airlock_domain::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::transit::{
    KeyMaterial, KeyName, KeyVersion, Keyring, NONCE_BYTES, TransitKey, open_file, seal_file,
};

const MAGIC: &[u8] = b"airlock keyring 1\n";

#[derive(Serialize, Deserialize)]
struct StoredKeyring {
    keys: BTreeMap<String, StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    derived: bool,
    min_decryption: u32,
    min_encryption: u32,
    seals: u64,
    versions: BTreeMap<u32, StoredVersion>,
}

#[derive(Serialize, Deserialize)]
struct StoredVersion {
    created: Timestamp,
    #[serde(with = "material")]
    material: KeyMaterial,
}

/// Base64 of a key, through buffers that are wiped.
mod material {
    use std::fmt;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::de::{Error as _, Visitor};
    use serde::ser::Error as _;
    use serde::{Deserializer, Serializer};
    use zeroize::Zeroizing;

    use crate::transit::{KEY_BYTES, KeyMaterial};

    /// Long enough for the text of a key, and for what decoding it wants to have at hand.
    const BUFFER: usize = 64;

    pub(super) fn serialize<S: Serializer>(material: &KeyMaterial, to: S) -> Result<S::Ok, S::Error> {
        let mut buffer = Zeroizing::new([0; BUFFER]);
        let length = STANDARD
            .encode_slice(material.expose(), buffer.as_mut_slice())
            .map_err(S::Error::custom)?;
        to.serialize_str(std::str::from_utf8(&buffer[..length]).map_err(S::Error::custom)?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<KeyMaterial, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = KeyMaterial;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<KeyMaterial, E> {
                // No message of these errors may show the text.
                let wrong = || E::custom("not a key");
                let mut buffer = Zeroizing::new([0; BUFFER]);
                let length = STANDARD
                    .decode_slice(text, buffer.as_mut_slice())
                    .map_err(|_| wrong())?;
                let mut key = Zeroizing::new([0; KEY_BYTES]);
                if length != KEY_BYTES {
                    return Err(wrong());
                }
                key.copy_from_slice(&buffer[..KEY_BYTES]);
                Ok(KeyMaterial::new(key))
            }
        }
        from.deserialize_str(Text)
            .map_err(|_| D::Error::custom("a version of a key is not readable"))
    }
}

/// The bytes of the file.
pub(super) fn seal(unseal_key: &KeyMaterial, keyring: &Keyring) -> Result<Vec<u8>, &'static str> {
    let keys: BTreeMap<_, _> = keyring
        .iter()
        .map(|(name, key)| (name.as_str().to_owned(), StoredKey::from(key)))
        .collect();
    // Long enough that it never moves: a buffer that grows leaves copies behind that nobody wipes.
    let length: usize = keys
        .iter()
        .map(|(name, key)| name.len() + 256 + key.versions.len() * 160)
        .sum();
    let mut json = Zeroizing::new(Vec::with_capacity(length + 256));
    serde_json::to_writer(&mut *json, &StoredKeyring { keys }).map_err(|_| "it cannot be put into JSON")?;
    let mut nonce = [0; NONCE_BYTES];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| "no random bytes could be had")?;
    let body = seal_file(unseal_key, nonce, MAGIC, &json).map_err(|_| "the cipher failed")?;
    Ok([MAGIC, &body].concat())
}

/// Reads the bytes of the file.
pub(super) fn open(unseal_key: &KeyMaterial, bytes: &[u8]) -> Result<Keyring, &'static str> {
    let body = bytes
        .strip_prefix(MAGIC)
        .ok_or("it does not begin as a keyring does")?;
    let json = open_file(unseal_key, MAGIC, body.to_vec())
        .map_err(|_| "it was changed, or sealed under another key")?;
    let stored: StoredKeyring =
        serde_json::from_slice(json.expose()).map_err(|_| "its content is not what this version knows")?;
    let mut keyring = Keyring::default();
    for (name, key) in stored.keys {
        let name = KeyName::parse(&name).map_err(|_| "a key's name is not possible")?;
        if key.versions.is_empty() {
            return Err("a key has no version");
        }
        keyring
            .insert(name, key.into())
            .map_err(|_| "it holds too many keys")?;
    }
    Ok(keyring)
}

impl From<&TransitKey> for StoredKey {
    fn from(key: &TransitKey) -> Self {
        let stored = |version: &KeyVersion| StoredVersion {
            created: version.created,
            material: version.material.clone(),
        };
        Self {
            derived: key.derived,
            min_decryption: key.min_decryption,
            min_encryption: key.min_encryption,
            seals: key.seals_reserved,
            versions: key
                .versions
                .iter()
                .map(|(number, version)| (*number, stored(version)))
                .collect(),
        }
    }
}

impl From<StoredKey> for TransitKey {
    fn from(key: StoredKey) -> Self {
        let version = |stored: StoredVersion| KeyVersion {
            material: stored.material,
            created: stored.created,
        };
        Self {
            derived: key.derived,
            versions: key
                .versions
                .into_iter()
                .map(|(number, stored)| (number, version(stored)))
                .collect(),
            min_decryption: key.min_decryption,
            min_encryption: key.min_encryption,
            seals: key.seals,
            seals_reserved: key.seals,
        }
    }
}
