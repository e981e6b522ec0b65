//! One named key with its versions.

use std::collections::BTreeMap;
use std::fmt;

use airlock_domain::Timestamp;
use aws_lc_rs::aead::LessSafeKey;
use zeroize::Zeroizing;

use super::cipher::{self, KEY_BYTES};
use super::{Binding, TransitError};

/// The bytes of one version of a key; wiped when dropped.
#[derive(Clone)]
pub(crate) struct KeyMaterial(Zeroizing<[u8; KEY_BYTES]>);

impl KeyMaterial {
    pub(crate) fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    pub(crate) fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(…)")
    }
}

/// One version of a key.
#[derive(Debug, Clone)]
pub(crate) struct KeyVersion {
    pub(crate) material: KeyMaterial,
    pub(crate) created: Timestamp,
}

/// A named key.
#[derive(Debug, Clone)]
pub(crate) struct TransitKey {
    /// Whether each context has a key of its own.
    pub(crate) derived: bool,
    /// Never empty; the newest is the last.
    pub(crate) versions: BTreeMap<u32, KeyVersion>,
    /// Older versions do not open.
    pub(crate) min_decryption: u32,
    /// Older versions do not seal; 0 means the newest only.
    pub(crate) min_encryption: u32,
    /// Values sealed under the newest version, at least.
    pub(crate) seals: u64,
    /// As many of them as the keyring file says.
    pub(crate) seals_reserved: u64,
}

impl TransitKey {
    pub(crate) fn new(derived: bool, first: KeyVersion) -> Self {
        Self {
            derived,
            versions: BTreeMap::from([(1, first)]),
            min_decryption: 1,
            min_encryption: 0,
            seals: 0,
            seals_reserved: 0,
        }
    }

    /// The number of the newest version.
    pub(crate) fn latest(&self) -> u32 {
        self.versions.last_key_value().map_or(0, |(version, _)| *version)
    }

    /// The oldest version that is kept.
    pub(crate) fn oldest(&self) -> u32 {
        self.versions.first_key_value().map_or(0, |(version, _)| *version)
    }

    pub(super) fn rotate(&mut self, version: KeyVersion) -> u32 {
        let number = self.latest() + 1;
        self.versions.insert(number, version);
        self.seals = 0;
        self.seals_reserved = 0;
        number
    }

    pub(super) fn to_seal(
        &self,
        asked: Option<u32>,
        binding: Binding<'_>,
    ) -> Result<(u32, LessSafeKey), TransitError> {
        let highest = self.latest();
        let lowest = if self.min_encryption == 0 {
            highest
        } else {
            self.min_encryption
        };
        let version = asked.filter(|version| *version != 0).unwrap_or(highest);
        if !(lowest..=highest).contains(&version) {
            return Err(TransitError::NoSuchVersion {
                version,
                lowest,
                highest,
            });
        }
        Ok((version, self.cipher(version, binding)?))
    }

    pub(super) fn to_open(&self, version: u32, binding: Binding<'_>) -> Result<LessSafeKey, TransitError> {
        if version > self.latest() {
            return Err(TransitError::TooNew);
        }
        if version < self.min_decryption {
            return Err(TransitError::TooOld);
        }
        self.cipher(version, binding)
    }

    fn cipher(&self, version: u32, binding: Binding<'_>) -> Result<LessSafeKey, TransitError> {
        let material = &self.versions.get(&version).ok_or(TransitError::TooOld)?.material;
        if self.derived {
            let context = binding.context.filter(|context| !context.is_empty());
            cipher::derived(material.expose(), context.ok_or(TransitError::NoContext)?)
        } else {
            cipher::plain(material.expose())
        }
    }

    /// Sets the oldest versions that open and seal.
    pub(super) fn require(
        &mut self,
        decryption: Option<u32>,
        encryption: Option<u32>,
    ) -> Result<(), TransitError> {
        let highest = self.latest();
        let within = |version, lowest| {
            if (lowest..=highest).contains(&version) {
                Ok(version)
            } else {
                Err(TransitError::NoSuchVersion {
                    version,
                    lowest,
                    highest,
                })
            }
        };
        let decryption = decryption.map_or(Ok(self.min_decryption), |version| {
            within(version.max(1), self.oldest())
        })?;
        let encryption = match encryption.unwrap_or(self.min_encryption) {
            0 => 0,
            version => within(version, decryption)?,
        };
        (self.min_decryption, self.min_encryption) = (decryption, encryption);
        Ok(())
    }

    /// Forgets versions older than this, for good. They must be forbidden to open first.
    pub(super) fn trim(&mut self, keep: u32) -> Result<(), TransitError> {
        let (lowest, highest) = (self.oldest(), self.min_decryption);
        if !(lowest..=highest).contains(&keep) {
            return Err(TransitError::NoSuchVersion {
                version: keep,
                lowest,
                highest,
            });
        }
        self.versions.retain(|version, _| *version >= keep);
        Ok(())
    }
}
