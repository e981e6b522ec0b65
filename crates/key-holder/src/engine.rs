//! The transit engine of one process: a keyring in memory, its files if it has any, randomness, and the record of what
//! was opened. Changes are durable before anyone can seal under them. Called by [`crate::EmbeddedVault`] and
//! [`crate::serve`]; all calls are short, those that change the keyring wait for the disk.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use airlock_domain::{Secret, Timestamp};
use airlock_driver_interfaces::Clock;
use aws_lc_rs::error::Unspecified;
use zeroize::Zeroizing;

use crate::keyring_files::{KeyringFileError, KeyringFiles};
use crate::limits::{SEALS_PER_VERSION, SEALS_RESERVED};
use crate::transit::{
    Binding, KEY_BYTES, KeyMaterial, KeyName, KeyVersion, Keyring, NONCE_BYTES, TransitError, TransitKey,
};

/// One attempt to open a value, for the record. Never carries the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening<'o> {
    /// The key's name as asked for.
    pub key: &'o str,
    /// The derivation context: which row.
    pub context: &'o str,
    /// Whether it opened.
    pub opened: bool,
}

/// Is told of each opening before the caller gets the value. Must not block.
pub type OnOpen = Arc<dyn Fn(&Opening<'_>) + Send + Sync>;

/// Why the engine did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The request is refused.
    #[error(transparent)]
    Transit(#[from] TransitError),
    /// The keyring could not be written, so nothing changed.
    #[error(transparent)]
    Keyring(#[from] KeyringFileError),
    /// The operating system gave no randomness.
    #[error("no random bytes could be had")]
    NoRandomness,
}

/// What is told of a key: never its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyDescription {
    /// Its name.
    pub name: String,
    /// Whether each context has a key of its own.
    pub derived: bool,
    /// The newest version.
    pub latest: u32,
    /// The oldest version that is kept.
    pub oldest: u32,
    /// The oldest version that opens.
    pub min_decryption: u32,
    /// The oldest version that seals; 0 means the newest only.
    pub min_encryption: u32,
    /// The versions that open, and when each was made.
    pub versions: Vec<(u32, Timestamp)>,
}

/// The transit engine.
pub struct Engine {
    keyring: RwLock<Keyring>,
    files: Option<KeyringFiles>,
    clock: Arc<dyn Clock>,
    on_open: Option<OnOpen>,
    opened: AtomicU64,
    refused: AtomicU64,
}

impl Engine {
    /// Keys that live and die with this process.
    #[must_use]
    pub fn ephemeral(clock: Arc<dyn Clock>) -> Self {
        Self::new(Keyring::default(), None, clock)
    }

    /// Keys kept in a folder, made when there is none.
    pub fn open_or_create(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, KeyringFileError> {
        let (files, keyring) = KeyringFiles::open_or_create(dir)?;
        Ok(Self::new(keyring, Some(files), clock))
    }

    fn new(keyring: Keyring, files: Option<KeyringFiles>, clock: Arc<dyn Clock>) -> Self {
        let (opened, refused) = (AtomicU64::new(0), AtomicU64::new(0));
        Self {
            keyring: RwLock::new(keyring),
            files,
            clock,
            on_open: None,
            opened,
            refused,
        }
    }

    /// Has `on_open` told of each opening.
    #[must_use]
    pub fn with_on_open(mut self, on_open: OnOpen) -> Self {
        self.on_open = Some(on_open);
        self
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A fresh id.
    pub(crate) fn new_id(&self) -> uuid::Uuid {
        self.clock.new_id()
    }

    /// Values opened since the start.
    pub fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Values that did not open since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Makes a key; one of the same kind that is there is left as it is.
    pub fn create(&self, name: &str, derived: bool) -> Result<(), EngineError> {
        let name = KeyName::parse(name)?;
        self.change(|keyring| match keyring.get(&name) {
            Ok(key) if key.derived == derived => Ok(None),
            Ok(_) => Err(TransitError::OtherKind.into()),
            Err(_) => {
                keyring.insert(name.clone(), TransitKey::new(derived, self.fresh_version()?))?;
                Ok(Some(()))
            }
        })
        .map(drop)
    }

    /// Adds a newer version to a key and returns its number.
    pub fn rotate(&self, name: &str) -> Result<u32, EngineError> {
        let name = KeyName::parse(name)?;
        let rotated = self.change(|keyring| Ok(Some(keyring.rotate(&name, self.fresh_version()?)?)))?;
        rotated.ok_or(EngineError::Transit(TransitError::NoSuchKey))
    }

    /// Sets the oldest versions that open and that seal.
    pub fn require(
        &self,
        name: &str,
        decryption: Option<u32>,
        encryption: Option<u32>,
    ) -> Result<(), EngineError> {
        let name = KeyName::parse(name)?;
        self.change(|keyring| Ok(Some(keyring.require(&name, decryption, encryption)?)))
            .map(drop)
    }

    /// Forgets versions older than `keep`, for good; they must be forbidden to open first.
    pub fn trim(&self, name: &str, keep: u32) -> Result<(), EngineError> {
        let name = KeyName::parse(name)?;
        self.change(|keyring| Ok(Some(keyring.trim(&name, keep)?)))
            .map(drop)
    }

    /// What can be told of a key.
    pub fn describe(&self, name: &str) -> Result<KeyDescription, EngineError> {
        let name = KeyName::parse(name)?;
        let keyring = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        let key = keyring.get(&name)?;
        let versions = key
            .versions
            .range(key.min_decryption..)
            .map(|(number, version)| (*number, version.created));
        Ok(KeyDescription {
            name: name.as_str().to_owned(),
            derived: key.derived,
            latest: key.latest(),
            oldest: key.oldest(),
            min_decryption: key.min_decryption,
            min_encryption: key.min_encryption,
            versions: versions.collect(),
        })
    }

    /// The names of all keys.
    pub fn names(&self) -> Vec<String> {
        let keyring = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        keyring.iter().map(|(name, _)| name.as_str().to_owned()).collect()
    }

    /// Seals a value under the newest version or the one asked for; the ciphertext and its version. A key that is not
    /// there is made, derived when a context is given, as Vault does.
    pub fn seal(
        &self,
        name: &str,
        binding: Binding<'_>,
        version: Option<u32>,
        secret: &Secret,
    ) -> Result<(String, u32), EngineError> {
        let name = KeyName::parse(name)?;
        let mut nonce = [0; NONCE_BYTES];
        fill(&mut nonce)?;
        if self.count_seal(&name)? {
            self.make_room_for_seals(&name, binding.context.is_some())?;
        }
        let keyring = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        Ok(keyring.seal(&name, version, binding, nonce, secret)?)
    }

    /// Opens a value.
    pub fn open(&self, name: &str, binding: Binding<'_>, sealed: &str) -> Result<Secret, EngineError> {
        let opened = self.open_unseen(name, binding, sealed);
        let counter = if opened.is_ok() {
            &self.opened
        } else {
            &self.refused
        };
        counter.fetch_add(1, Ordering::Relaxed);
        if let Some(on_open) = &self.on_open {
            let context = String::from_utf8_lossy(binding.context.unwrap_or_default());
            on_open(&Opening {
                key: name,
                context: &context,
                opened: opened.is_ok(),
            });
        }
        opened
    }

    /// Seals a value anew under the newest version, without showing it to anyone.
    pub fn rewrap(
        &self,
        name: &str,
        binding: Binding<'_>,
        sealed: &str,
    ) -> Result<(String, u32), EngineError> {
        let secret = self.open_unseen(name, binding, sealed)?;
        self.seal(name, binding, None, &secret)
    }

    fn open_unseen(&self, name: &str, binding: Binding<'_>, sealed: &str) -> Result<Secret, EngineError> {
        let name = KeyName::parse(name)?;
        let keyring = self.keyring.read().unwrap_or_else(PoisonError::into_inner);
        Ok(keyring.open(&name, binding, sealed)?)
    }

    /// Counts a seal; whether the key must be made, or more seals reserved, before it may happen.
    fn count_seal(&self, name: &KeyName) -> Result<bool, EngineError> {
        let mut keyring = self.keyring.write().unwrap_or_else(PoisonError::into_inner);
        match keyring.count_seal(name) {
            Ok(full) => Ok(full),
            Err(TransitError::NoSuchKey) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn make_room_for_seals(&self, name: &KeyName, derived: bool) -> Result<(), EngineError> {
        self.change(|keyring| {
            match keyring.get(name).map(|key| key.seals) {
                Err(_) => keyring.insert(name.clone(), TransitKey::new(derived, self.fresh_version()?))?,
                Ok(seals) if seals >= SEALS_PER_VERSION => {
                    keyring.rotate(name, self.fresh_version()?)?;
                }
                Ok(_) => {}
            }
            // Another caller may have made room meanwhile.
            if keyring.count_seal(name)? {
                keyring.reserve_seals(name, SEALS_RESERVED)?;
                keyring.count_seal(name)?;
            }
            Ok(Some(()))
        })
        .map(drop)
    }

    /// Changes a copy, writes it, and only then puts it in place. `None` means that nothing changed.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Keyring) -> Result<Option<T>, EngineError>,
    ) -> Result<Option<T>, EngineError> {
        let mut keyring = self.keyring.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = keyring.clone();
        let Some(done) = change(&mut changed)? else {
            return Ok(None);
        };
        if let Some(files) = &self.files {
            files.save(&changed)?;
        }
        *keyring = changed;
        Ok(Some(done))
    }

    fn fresh_version(&self) -> Result<KeyVersion, EngineError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(bytes.as_mut_slice())?;
        Ok(KeyVersion {
            material: KeyMaterial::new(bytes),
            created: self.clock.now(),
        })
    }
}

fn fill(bytes: &mut [u8]) -> Result<(), EngineError> {
    aws_lc_rs::rand::fill(bytes).map_err(|Unspecified| EngineError::NoRandomness)
}

#[cfg(test)]
mod tests;
