//! One blob's open file with its index: reading ranges of it, and adding to it when it grows. Called with the entry's
//! lock held for everything but reading frames, which never change once they are in the index.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock_driver_interfaces::BlobKey;
use aws_lc_rs::aead::LessSafeKey;
use bytes::{Bytes, BytesMut};
use tracing::warn;

use super::BlobKeys;
use super::format::{self, FILE_HEADER_BYTES, FLAG_FIRST, FileHeader, Kind};
use super::index::{self, FrameAt, Index};
use super::paths::Root;
use crate::limits::{FRAME_BYTES, SYNC_BYTES};

/// An open blob.
pub(super) struct Stored {
    content: Arc<Content>,
    kind: Kind,
    index: Index,
    path: PathBuf,
    /// The header, until it is on disk with the first frame.
    unwritten: Option<FileHeader>,
}

struct Content {
    file: File,
    cipher: LessSafeKey,
}

/// A range of a blob, to be read without the entry's lock.
pub(super) struct Range {
    content: Arc<Content>,
    frames: Vec<FrameAt>,
    from: u64,
    to: u64,
}

impl Stored {
    /// Opens what is there; `None` when nothing is.
    pub(super) fn open(root: &Root, keys: &BlobKeys, blob: &BlobKey) -> io::Result<Option<Self>> {
        let path = root.of(blob);
        let file = match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        let header = read_header(&file, size)?;
        let Some(header) = header else {
            // A crash came before the header was whole, so nothing was ever acknowledged.
            warn!(blob = %blob, bytes = size, "an unfinished first write is dropped");
            file.set_len(0)?;
            return Self::begin(keys, blob, file, path).map(Some);
        };
        let cipher = keys
            .find(header.key_id)?
            .cipher(&header, blob)
            .map_err(io::Error::other)?;
        let index = index::scan(&file, header.kind, &cipher)?;
        if header.kind == Kind::Growing {
            if index.end < size {
                warn!(blob = %blob, bytes = size - index.end, "an unfinished write is dropped");
                file.set_len(index.end)?;
            }
            // The process that wrote the last frame may have died before it could sync it.
            file.sync_data()?;
            root.sync_parents(&path)?;
        }
        let content = Arc::new(Content { file, cipher });
        Ok(Some(Self {
            content,
            kind: header.kind,
            index,
            path,
            unwritten: None,
        }))
    }

    /// Opens a growing blob, empty when there was none.
    pub(super) fn open_or_begin(root: &Root, keys: &BlobKeys, blob: &BlobKey) -> io::Result<Self> {
        if let Some(stored) = Self::open(root, keys, blob)? {
            return Ok(stored);
        }
        let path = root.of(blob);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = root.make_name(&path, || options.open(&path))?;
        Self::begin(keys, blob, file, path)
    }

    fn begin(keys: &BlobKeys, blob: &BlobKey, file: File, path: PathBuf) -> io::Result<Self> {
        let key_id = keys.newest.id().map_err(io::Error::other)?;
        let header = FileHeader::fresh(Kind::Growing, key_id).map_err(io::Error::other)?;
        let cipher = keys.newest.cipher(&header, blob).map_err(io::Error::other)?;
        let content = Arc::new(Content { file, cipher });
        Ok(Self {
            content,
            kind: Kind::Growing,
            index: Index::empty(0),
            path,
            unwritten: Some(header),
        })
    }

    /// Plaintext bytes, all durable.
    pub(super) fn len(&self) -> u64 {
        self.index.length
    }

    /// Up to `max` bytes from `offset`.
    pub(super) fn range(&self, offset: u64, max: usize) -> Range {
        let to = self.index.length.min(offset.saturating_add(max as u64));
        let from = offset.min(to);
        let frames = self.index.covering(from, to).to_vec();
        Range {
            content: Arc::clone(&self.content),
            frames,
            from,
            to,
        }
    }

    /// Adds what is not there yet of `bytes`, which begin at `offset`; durable when it returns. After an error the
    /// caller must forget this object: what is on disk is known again only after opening it anew.
    pub(super) fn append(&mut self, root: &Root, offset: u64, bytes: &[u8]) -> io::Result<u64> {
        if self.kind == Kind::Whole {
            let why = "it was written once and whole, and cannot grow";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let there = usize::try_from(self.index.length - offset).unwrap_or(usize::MAX);
        for piece in bytes.get(there..).unwrap_or_default().chunks(SYNC_BYTES) {
            let before = self.index.end;
            if let Err(error) = self.write_synced(root, piece) {
                // Whatever part arrived was not acknowledged. Should this fail too, opening sorts it out.
                let _best_effort = self.content.file.set_len(before);
                return Err(error);
            }
        }
        Ok(self.index.length)
    }

    fn write_synced(&mut self, root: &Root, piece: &[u8]) -> io::Result<()> {
        let mut disk = Vec::with_capacity(piece.len() + piece.len() / 512 + 256);
        if let Some(header) = &self.unwritten {
            disk.extend_from_slice(&header.encode());
        }
        let mut frames = Vec::new();
        let mut offset = self.index.length;
        for plain in piece.chunks(FRAME_BYTES) {
            let flags = if frames.is_empty() { FLAG_FIRST } else { 0 };
            let position = self.index.end + disk.len() as u64;
            format::seal(&self.content.cipher, offset, flags, plain, &mut disk).map_err(io::Error::other)?;
            let length = u32::try_from(plain.len()).map_err(io::Error::other)?;
            frames.push(FrameAt {
                offset,
                length,
                position,
            });
            offset += u64::from(length);
        }
        self.content.file.write_all_at(&disk, self.index.end)?;
        self.content.file.sync_data()?;
        if self.unwritten.take().is_some() {
            root.sync_parents(&self.path)?;
        }
        // Only what is durable may be seen.
        self.index.frames.append(&mut frames);
        self.index.length = offset;
        self.index.end += disk.len() as u64;
        Ok(())
    }

    /// Whether nothing was ever written, so that the file is better gone.
    pub(super) fn is_unwritten(&self) -> bool {
        self.unwritten.is_some()
    }

    /// Where it lies.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Range {
    /// Reads and decrypts.
    pub(super) fn read(&self) -> io::Result<Bytes> {
        let mut out =
            BytesMut::with_capacity(usize::try_from(self.to - self.from).map_err(io::Error::other)?);
        for frame in &self.frames {
            let plain = index::read_frame(&self.content.file, &self.content.cipher, *frame)?;
            let from = usize::try_from(self.from.saturating_sub(frame.offset)).map_err(io::Error::other)?;
            let to = usize::try_from(self.to - frame.offset)
                .map_err(io::Error::other)?
                .min(plain.len());
            out.extend_from_slice(&plain[from..to]);
        }
        Ok(out.freeze())
    }
}

/// The file's header; `None` when the file holds only the beginning of one, or zeros where a crash left them.
fn read_header(file: &File, size: u64) -> io::Result<Option<FileHeader>> {
    if size < FILE_HEADER_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = [0; FILE_HEADER_BYTES];
    file.read_exact_at(&mut bytes, 0)?;
    match FileHeader::decode(&bytes) {
        Some(header) => Ok(Some(header)),
        None if bytes.iter().all(|byte| *byte == 0) && size <= SYNC_BYTES as u64 * 2 => Ok(None),
        None => Err(index::damaged(0, "it does not begin as a blob does")),
    }
}
