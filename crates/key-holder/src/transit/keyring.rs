//! All keys by name, and the operations on them.

use std::collections::BTreeMap;

use airlock_domain::Secret;

use super::cipher::{self, NONCE_BYTES};
use super::key::{KeyVersion, TransitKey};
use super::{Binding, KeyName, TransitError, ciphertext};
use crate::limits::{CONTEXT_BYTES, KEYS, SECRET_BYTES};

/// A keyring.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keyring {
    keys: BTreeMap<KeyName, TransitKey>,
}

impl Keyring {
    /// The key of this name.
    pub(crate) fn get(&self, name: &KeyName) -> Result<&TransitKey, TransitError> {
        self.keys.get(name).ok_or(TransitError::NoSuchKey)
    }

    fn get_mut(&mut self, name: &KeyName) -> Result<&mut TransitKey, TransitError> {
        self.keys.get_mut(name).ok_or(TransitError::NoSuchKey)
    }

    /// All keys, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&KeyName, &TransitKey)> {
        self.keys.iter()
    }

    /// Puts a key in that is not there yet.
    pub(crate) fn insert(&mut self, name: KeyName, key: TransitKey) -> Result<(), TransitError> {
        if self.keys.len() >= KEYS {
            return Err(TransitError::TooManyKeys { limit: KEYS });
        }
        self.keys.insert(name, key);
        Ok(())
    }

    /// Adds a newer version and returns its number.
    pub(crate) fn rotate(&mut self, name: &KeyName, version: KeyVersion) -> Result<u32, TransitError> {
        Ok(self.get_mut(name)?.rotate(version))
    }

    /// Sets the oldest versions that open and that seal.
    pub(crate) fn require(
        &mut self,
        name: &KeyName,
        decryption: Option<u32>,
        encryption: Option<u32>,
    ) -> Result<(), TransitError> {
        self.get_mut(name)?.require(decryption, encryption)
    }

    /// Forgets versions older than `keep`.
    pub(crate) fn trim(&mut self, name: &KeyName, keep: u32) -> Result<(), TransitError> {
        self.get_mut(name)?.trim(keep)
    }

    /// Counts one more seal; whether the count on disk must be raised first.
    pub(crate) fn count_seal(&mut self, name: &KeyName) -> Result<bool, TransitError> {
        let key = self.get_mut(name)?;
        if key.seals >= key.seals_reserved {
            return Ok(true);
        }
        key.seals += 1;
        Ok(false)
    }

    /// Counts seals ahead of time.
    pub(crate) fn reserve_seals(&mut self, name: &KeyName, more: u64) -> Result<(), TransitError> {
        let key = self.get_mut(name)?;
        key.seals_reserved = key.seals.saturating_add(more);
        Ok(())
    }

    /// As if this many values had been sealed.
    #[cfg(test)]
    pub(crate) fn exhaust(&mut self, name: &KeyName, seals: u64) {
        if let Ok(key) = self.get_mut(name) {
            (key.seals, key.seals_reserved) = (seals, seals);
        }
    }

    /// Seals a value; the ciphertext and the version it is under.
    pub(crate) fn seal(
        &self,
        name: &KeyName,
        version: Option<u32>,
        binding: Binding<'_>,
        nonce: [u8; NONCE_BYTES],
        secret: &Secret,
    ) -> Result<(String, u32), TransitError> {
        check_length("a secret", secret.expose(), SECRET_BYTES)?;
        check_binding(binding)?;
        let (version, cipher) = self.get(name)?.to_seal(version, binding)?;
        let body = cipher::seal(
            &cipher,
            nonce,
            binding.associated_data.unwrap_or_default(),
            secret.expose(),
        )?;
        Ok((ciphertext::format(version, &body), version))
    }

    /// Opens a ciphertext.
    pub(crate) fn open(
        &self,
        name: &KeyName,
        binding: Binding<'_>,
        sealed: &str,
    ) -> Result<Secret, TransitError> {
        check_binding(binding)?;
        let key = self.get(name)?;
        let (version, body) = ciphertext::parse(sealed)?;
        let cipher = key.to_open(version, binding)?;
        cipher::open(&cipher, binding.associated_data.unwrap_or_default(), body)
    }
}

fn check_binding(binding: Binding<'_>) -> Result<(), TransitError> {
    check_length("a context", binding.context.unwrap_or_default(), CONTEXT_BYTES)?;
    check_length(
        "associated data",
        binding.associated_data.unwrap_or_default(),
        CONTEXT_BYTES,
    )
}

fn check_length(what: &'static str, bytes: &[u8], limit: usize) -> Result<(), TransitError> {
    if bytes.len() > limit {
        Err(TransitError::TooLong {
            what,
            bytes: bytes.len(),
            limit,
        })
    } else {
        Ok(())
    }
}
