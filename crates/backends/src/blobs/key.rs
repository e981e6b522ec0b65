//! The key that blobs are encrypted with, and what is derived from it. The application has the vault open it once at
//! start and hands it over here; it is never written by this crate.

use std::fmt;

use airlock_domain::Secret;
use airlock_driver_interfaces::BlobKey;
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{self, HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use super::format::FileHeader;

/// Bytes of the key.
const KEY_BYTES: usize = 32;

/// One instance's data key for blobs.
#[derive(Clone)]
pub struct BlobKeyMaterial(Zeroizing<[u8; KEY_BYTES]>);

/// The bytes are no key.
#[derive(Debug, thiserror::Error)]
pub enum BlobKeyMaterialError {
    /// Too few or too many.
    #[error("the key for blobs has {found} bytes, not {KEY_BYTES}")]
    Length {
        /// How many there were.
        found: usize,
    },
    /// The operating system gave no randomness.
    #[error("making a key for blobs: no random bytes could be had")]
    NoRandomness,
}

impl BlobKeyMaterial {
    /// A fresh key.
    pub fn generate() -> Result<Self, BlobKeyMaterialError> {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        aws_lc_rs::rand::fill(key.as_mut_slice())
            .map_err(|Unspecified| BlobKeyMaterialError::NoRandomness)?;
        Ok(Self(key))
    }

    /// The key that [`BlobKeyMaterial::to_secret`] gave.
    pub fn from_secret(secret: &Secret) -> Result<Self, BlobKeyMaterialError> {
        let bytes = secret.expose();
        let key = bytes
            .try_into()
            .map_err(|_| BlobKeyMaterialError::Length { found: bytes.len() })?;
        Ok(Self(Zeroizing::new(key)))
    }

    /// The key as a secret, to be sealed by the vault.
    #[must_use]
    pub fn to_secret(&self) -> Secret {
        Secret::new(self.0.as_slice())
    }

    /// Names the key without telling it, so that a file made under another one is recognised.
    pub(super) fn id(&self) -> Result<[u8; 8], Unspecified> {
        let mut id = [0; 8];
        let prk = Salt::new(HKDF_SHA256, b"airlock blob key id").extract(self.0.as_slice());
        prk.expand(&[b""], IdLength)?.fill(&mut id)?;
        Ok(id)
    }

    /// The cipher of one file: bound to its salt, its kind and the blob's key, so that files cannot change places.
    pub(super) fn cipher(&self, header: &FileHeader, blob: &BlobKey) -> Result<LessSafeKey, Unspecified> {
        let prk = Salt::new(HKDF_SHA256, &header.salt).extract(self.0.as_slice());
        let info: [&[u8]; 3] = [b"airlock blob 1", &[header.kind as u8], blob.as_str().as_bytes()];
        Ok(LessSafeKey::new(UnboundKey::from(
            prk.expand(&info, &AES_256_GCM)?,
        )))
    }
}

/// Length of an id, for the key derivation.
struct IdLength;

impl hkdf::KeyType for IdLength {
    fn len(&self) -> usize {
        8
    }
}

impl fmt::Debug for BlobKeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlobKeyMaterial(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_as_a_secret_and_debug_shows_nothing() {
        let key = BlobKeyMaterial::generate().expect("randomness");
        let again = BlobKeyMaterial::from_secret(&key.to_secret()).expect("same length");
        assert_eq!(key.id(), again.id());
        assert_ne!(key.id(), BlobKeyMaterial::generate().expect("randomness").id());
        assert_eq!(format!("{key:?}"), "BlobKeyMaterial(…)");
        let short = BlobKeyMaterial::from_secret(&Secret::new("short")).expect_err("refused");
        assert_eq!(short.to_string(), "the key for blobs has 5 bytes, not 32");
    }
}
