//! How a blob looks on disk; pure, no files. One header, then frames:
//!
//! ```text
//! file  = "ALBLOB1\n" | kind u8 | key id [8] | salt [32] | frame*
//! frame = offset u64 | length u32 | flags u8 | nonce [12] | ciphertext [length] | tag [16]
//! ```
//!
//! Numbers are big-endian. Offset and length count plaintext. Each file has a cipher of its own
//! ([`super::key::BlobKeyMaterial::cipher`]); offset, length and flags are associated data of their frame. Frames follow
//! each other without gap. A growing file marks the first frame of each synced write; a file written once ends with an
//! empty frame marked as the end, so that a shortened one is noticed.

use aws_lc_rs::aead::{Aad, LessSafeKey, NONCE_LEN, Nonce};
use aws_lc_rs::error::Unspecified;

use crate::limits::FRAME_BYTES;

const MAGIC: [u8; 8] = *b"ALBLOB1\n";
const SALT_BYTES: usize = 32;

/// Bytes before the first frame.
pub(super) const FILE_HEADER_BYTES: usize = MAGIC.len() + 1 + 8 + SALT_BYTES;
/// Offset, length and flags.
const BOUND_BYTES: usize = 8 + 4 + 1;
/// Bytes of a frame before its ciphertext.
pub(super) const FRAME_HEADER_BYTES: usize = BOUND_BYTES + NONCE_LEN;
const TAG_BYTES: usize = 16;

/// Starts what was written between two syncs.
pub(super) const FLAG_FIRST: u8 = 1;
/// Ends a file that is written once.
pub(super) const FLAG_END: u8 = 2;

/// What kind of file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Grows at its end.
    Growing = 1,
    /// Written once.
    Whole = 2,
}

/// What stands before the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileHeader {
    pub(super) kind: Kind,
    pub(super) key_id: [u8; 8],
    pub(super) salt: [u8; SALT_BYTES],
}

impl FileHeader {
    /// A header with a fresh salt.
    pub(super) fn fresh(kind: Kind, key_id: [u8; 8]) -> Result<Self, Unspecified> {
        let mut salt = [0; SALT_BYTES];
        aws_lc_rs::rand::fill(&mut salt)?;
        Ok(Self { kind, key_id, salt })
    }

    pub(super) fn encode(&self) -> [u8; FILE_HEADER_BYTES] {
        let mut bytes = [0; FILE_HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8] = self.kind as u8;
        bytes[9..17].copy_from_slice(&self.key_id);
        bytes[17..].copy_from_slice(&self.salt);
        bytes
    }

    pub(super) fn decode(bytes: &[u8; FILE_HEADER_BYTES]) -> Option<Self> {
        let rest = bytes.strip_prefix(&MAGIC)?;
        let (&kind, rest) = rest.split_first()?;
        let kind = match kind {
            1 => Kind::Growing,
            2 => Kind::Whole,
            _ => return None,
        };
        let (key_id, rest) = rest.split_first_chunk()?;
        Some(Self {
            kind,
            key_id: *key_id,
            salt: *rest.first_chunk()?,
        })
    }
}

/// What stands before a frame's ciphertext.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) flags: u8,
    nonce: [u8; NONCE_LEN],
}

impl FrameHeader {
    fn bound(offset: u64, length: u32, flags: u8) -> [u8; BOUND_BYTES] {
        let mut bytes = [0; BOUND_BYTES];
        bytes[..8].copy_from_slice(&offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[12] = flags;
        bytes
    }

    /// Reads a header; `None` when no frame can look like this.
    pub(super) fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let (offset, rest) = bytes.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (&flags, rest) = rest.split_first()?;
        let header = Self {
            offset: u64::from_be_bytes(*offset),
            length: u32::from_be_bytes(*length),
            flags,
            nonce: *rest.first_chunk()?,
        };
        let empty = header.length == 0;
        let possible = header.length as usize <= FRAME_BYTES
            && flags & !(FLAG_FIRST | FLAG_END) == 0
            && empty == (flags & FLAG_END != 0);
        possible.then_some(header)
    }

    /// Bytes of ciphertext and tag that follow.
    pub(super) fn body_bytes(&self) -> usize {
        self.length as usize + TAG_BYTES
    }

    /// Bytes of a frame on disk beyond its plaintext.
    pub(super) const DISK_OVERHEAD: usize = FRAME_HEADER_BYTES + TAG_BYTES;

    /// Bytes of the frame on disk.
    pub(super) fn disk_bytes(&self) -> u64 {
        (FRAME_HEADER_BYTES + self.body_bytes()) as u64
    }
}

/// Adds one frame to `out`. `plain` must not be longer than a frame may be.
pub(super) fn seal(
    cipher: &LessSafeKey,
    offset: u64,
    flags: u8,
    plain: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Unspecified> {
    let length = u32::try_from(plain.len()).map_err(|_| Unspecified)?;
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce)?;
    let bound = FrameHeader::bound(offset, length, flags);
    out.extend_from_slice(&bound);
    out.extend_from_slice(&nonce);
    let body = out.len();
    out.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher.seal_in_place_separate_tag(nonce, Aad::from(bound), &mut out[body..])?;
    out.extend_from_slice(tag.as_ref());
    Ok(())
}

/// Opens a frame's ciphertext and tag in place.
pub(super) fn open<'b>(
    cipher: &LessSafeKey,
    header: &FrameHeader,
    body: &'b mut [u8],
) -> Result<&'b [u8], Unspecified> {
    let bound = FrameHeader::bound(header.offset, header.length, header.flags);
    let nonce = Nonce::assume_unique_for_key(header.nonce);
    cipher
        .open_in_place(nonce, Aad::from(bound), body)
        .map(|plain| &*plain)
}

#[cfg(test)]
mod tests {
    use airlock_domain::{ArtifactId, JobId};
    use airlock_driver_interfaces::BlobKey;

    use super::super::key::BlobKeyMaterial;
    use super::*;

    fn blob(artifact: u128) -> BlobKey {
        let id = uuid::Uuid::from_u128;
        BlobKey::artifact(JobId::new(id(1)), ArtifactId::new(id(artifact)))
    }

    fn fixture() -> (BlobKeyMaterial, FileHeader, Vec<u8>) {
        let key = BlobKeyMaterial::generate().expect("randomness");
        let header = FileHeader::fresh(Kind::Whole, key.id().expect("id")).expect("randomness");
        let cipher = key.cipher(&header, &blob(7)).expect("cipher");
        let mut frame = Vec::new();
        seal(&cipher, 42, FLAG_FIRST, b"plain text", &mut frame).expect("sealed");
        (key, header, frame)
    }

    fn reopen(cipher: &LessSafeKey, frame: &[u8]) -> Option<Vec<u8>> {
        let header = FrameHeader::decode(frame.first_chunk()?)?;
        let mut body = frame[FRAME_HEADER_BYTES..].to_vec();
        open(cipher, &header, &mut body).ok().map(<[u8]>::to_vec)
    }

    #[test]
    fn headers_survive() {
        let (_, header, frame) = fixture();
        assert_eq!(FileHeader::decode(&header.encode()), Some(header));
        let decoded = FrameHeader::decode(frame.first_chunk().expect("long enough")).expect("a frame");
        assert_eq!(
            (decoded.offset, decoded.length, decoded.flags),
            (42, 10, FLAG_FIRST)
        );
        assert_eq!(decoded.disk_bytes(), frame.len() as u64);
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let (key, header, frame) = fixture();
        let cipher = key.cipher(&header, &blob(7)).expect("cipher");
        assert_eq!(reopen(&cipher, &frame).as_deref(), Some(b"plain text".as_slice()));
        for bit in 0..frame.len() * 8 {
            let mut changed = frame.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(reopen(&cipher, &changed), None, "bit {bit} changed unnoticed");
        }
    }

    #[test]
    fn a_frame_opens_in_its_own_file_only() {
        let (key, header, frame) = fixture();
        let other_salt = FileHeader::fresh(Kind::Whole, header.key_id).expect("randomness");
        let other_kind = FileHeader {
            kind: Kind::Growing,
            ..header
        };
        for (why, header, name) in [
            ("salt", &other_salt, 7),
            ("kind", &other_kind, 7),
            ("blob", &header, 8),
        ] {
            let cipher = key.cipher(header, &blob(name)).expect("cipher");
            assert_eq!(reopen(&cipher, &frame), None, "opened under another {why}");
        }
    }

    #[test]
    fn nonsense_is_no_header() {
        assert_eq!(FileHeader::decode(&[0; FILE_HEADER_BYTES]), None);
        assert_eq!(
            FrameHeader::decode(&[0; FRAME_HEADER_BYTES]),
            None,
            "zeros are an empty frame that ends nothing"
        );
        assert_eq!(FrameHeader::decode(&[0xff; FRAME_HEADER_BYTES]), None);
    }
}
