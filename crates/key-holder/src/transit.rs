//! Transit encryption as HashiCorp Vault and OpenBao do it, without files, sockets, clock or randomness: whoever calls
//! hands in nonces, key material and the time. Owns the ciphertext format, the rules of versions and the derivation of
//! keys; refuses signing, convergent encryption and export of keys. Called by [`crate::Engine`] alone.
//!
//! A ciphertext is `vault:v<N>:` and base64 of `nonce [12] | ciphertext | tag [16]`, AES-256-GCM. A derived key is
//! `HKDF-SHA256(key, salt = none, info = context)`, one for each context.

mod cipher;
mod ciphertext;
mod error;
mod key;
mod keyring;
mod name;

pub(crate) use cipher::{KEY_BYTES, NONCE_BYTES, open_file, seal_file};
pub use error::TransitError;
pub(crate) use key::{KeyMaterial, KeyVersion, TransitKey};
pub(crate) use keyring::Keyring;
pub use name::KeyName;

/// What a value is bound to beside its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Binding<'b> {
    /// Chooses the derived key. Required by keys that derive, ignored by others.
    pub context: Option<&'b [u8]>,
    /// Authenticated beside the value, given again to open it.
    pub associated_data: Option<&'b [u8]>,
}

impl<'b> Binding<'b> {
    /// Only a derivation context.
    #[must_use]
    pub fn context(context: &'b [u8]) -> Self {
        Self {
            context: Some(context),
            associated_data: None,
        }
    }
}

#[cfg(test)]
mod tests;
