//! AES-256-GCM with a random nonce in front, and the derivation of keys. The nonce comes from the caller.

use airlock_domain::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use super::{KeyMaterial, TransitError};

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;

/// The cipher of a key itself.
pub(super) fn plain(material: &[u8; KEY_BYTES]) -> Result<LessSafeKey, TransitError> {
    let key = UnboundKey::new(&AES_256_GCM, material).map_err(|Unspecified| TransitError::Cipher)?;
    Ok(LessSafeKey::new(key))
}

/// The cipher of a key derived for one context.
pub(super) fn derived(material: &[u8; KEY_BYTES], context: &[u8]) -> Result<LessSafeKey, TransitError> {
    let prk = Salt::new(HKDF_SHA256, b"").extract(material);
    let info = [context];
    let okm = prk
        .expand(&info, &AES_256_GCM)
        .map_err(|Unspecified| TransitError::Cipher)?;
    Ok(LessSafeKey::new(UnboundKey::from(okm)))
}

/// `nonce | ciphertext | tag`.
pub(super) fn seal(
    cipher: &LessSafeKey,
    nonce: [u8; NONCE_BYTES],
    associated_data: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, TransitError> {
    let mut body = Vec::with_capacity(NONCE_BYTES + plaintext.len() + AES_256_GCM.tag_len());
    body.extend_from_slice(&nonce);
    body.extend_from_slice(plaintext);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher
        .seal_in_place_separate_tag(nonce, Aad::from(associated_data), &mut body[NONCE_BYTES..])
        .map_err(|Unspecified| TransitError::Cipher)?;
    body.extend_from_slice(tag.as_ref());
    Ok(body)
}

/// Opens `nonce | ciphertext | tag`.
pub(super) fn open(
    cipher: &LessSafeKey,
    associated_data: &[u8],
    body: Vec<u8>,
) -> Result<Secret, TransitError> {
    let mut body = Zeroizing::new(body);
    let (nonce, sealed) = body.split_first_chunk_mut().ok_or(TransitError::TooShort)?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let plaintext = cipher
        .open_in_place(nonce, Aad::from(associated_data), sealed)
        .map_err(|Unspecified| TransitError::NotAuthentic)?;
    Ok(Secret::new(&*plaintext))
}

/// Seals a whole file under a key of its own.
pub(crate) fn seal_file(
    key: &KeyMaterial,
    nonce: [u8; NONCE_BYTES],
    associated_data: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, TransitError> {
    seal(&plain(key.expose())?, nonce, associated_data, plaintext)
}

/// Opens what [`seal_file`] sealed.
pub(crate) fn open_file(
    key: &KeyMaterial,
    associated_data: &[u8],
    body: Vec<u8>,
) -> Result<Secret, TransitError> {
    open(&plain(key.expose())?, associated_data, body)
}
