//! A blob written once: encrypted into a draft, synced, and only then moved under its name. A draft that is dropped
//! leaves nothing; one left behind by a crash is removed at the next start.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock_driver_interfaces::blobs::BlobWriter;
use airlock_driver_interfaces::{BlobError, BlobKey};
use async_trait::async_trait;
use aws_lc_rs::aead::LessSafeKey;
use bytes::Bytes;

use super::format::{self, FLAG_END, FileHeader, Kind};
use super::{Shared, blocking, io_error};
use crate::limits::{FRAME_BYTES, WRITE_BUFFER_BYTES};

/// Writes a draft; see the module.
pub(super) struct DraftWriter {
    shared: Arc<Shared>,
    blob: BlobKey,
    /// Taken while a blocking thread works on it, and for good after an error.
    draft: Option<Draft>,
}

struct Draft {
    file: File,
    path: DraftPath,
    cipher: LessSafeKey,
    plain: Vec<u8>,
    /// Plaintext bytes on disk.
    written: u64,
}

/// Removes the file when dropped, unless it was moved away.
struct DraftPath(Option<PathBuf>);

impl DraftPath {
    fn move_to(&mut self, path: &Path) -> io::Result<()> {
        if let Some(draft) = &self.0 {
            fs::rename(draft, path)?;
        }
        self.0 = None;
        Ok(())
    }
}

impl Drop for DraftPath {
    fn drop(&mut self) {
        if let Some(path) = self.0.take() {
            // What cannot be removed now is removed at the next start.
            let _best_effort = fs::remove_file(path);
        }
    }
}

impl DraftWriter {
    pub(super) fn begin(shared: Arc<Shared>, blob: BlobKey) -> io::Result<Self> {
        let path = shared.root.drafts().join(uuid::Uuid::now_v7().to_string());
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let path = DraftPath(Some(path));
        let newest = &shared.keys.newest;
        let key_id = newest.id().map_err(io::Error::other)?;
        let header = FileHeader::fresh(Kind::Whole, key_id).map_err(io::Error::other)?;
        let cipher = newest.cipher(&header, &blob).map_err(io::Error::other)?;
        file.write_all(&header.encode())?;
        let draft = Some(Draft {
            file,
            path,
            cipher,
            plain: Vec::new(),
            written: 0,
        });
        Ok(Self { shared, blob, draft })
    }

    fn take(&mut self) -> Result<Draft, BlobError> {
        let gone = || io::Error::other("an earlier write failed; begin again");
        self.draft
            .take()
            .ok_or_else(|| io_error(&self.blob, "writing", gone()))
    }
}

impl Draft {
    /// Encrypts and writes all whole frames, or everything.
    fn flush(&mut self, everything: bool) -> io::Result<()> {
        let whole = if everything {
            self.plain.len()
        } else {
            self.plain.len() / FRAME_BYTES * FRAME_BYTES
        };
        let mut disk = Vec::with_capacity(whole + whole / 512 + 256);
        for plain in self.plain[..whole].chunks(FRAME_BYTES) {
            format::seal(&self.cipher, self.written, 0, plain, &mut disk).map_err(io::Error::other)?;
            self.written += plain.len() as u64;
        }
        self.plain.drain(..whole);
        self.file.write_all(&disk)
    }

    fn finish(mut self, shared: &Shared, blob: &BlobKey) -> io::Result<u64> {
        self.flush(true)?;
        let mut end = Vec::new();
        format::seal(&self.cipher, self.written, FLAG_END, b"", &mut end).map_err(io::Error::other)?;
        self.file.write_all(&end)?;
        self.file.sync_all()?;
        let entry = shared.entry(blob);
        let mut open = Shared::lock(&entry);
        let path = shared.root.of(blob);
        shared.root.make_name(&path, || self.path.move_to(&path))?;
        // Who reads from now on opens the new file; who is reading keeps the old one.
        *open = None;
        shared.root.sync_parents(&path)?;
        Ok(self.written)
    }
}

#[async_trait]
impl BlobWriter for DraftWriter {
    async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        let mut draft = self.take()?;
        for piece in bytes.chunks(WRITE_BUFFER_BYTES) {
            draft.plain.extend_from_slice(piece);
            if draft.plain.len() >= WRITE_BUFFER_BYTES {
                draft = blocking(&self.blob, "writing", move || draft.flush(false).map(|()| draft)).await?;
            }
        }
        self.draft = Some(draft);
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, BlobError> {
        let draft = self.take()?;
        let (shared, blob) = (Arc::clone(&self.shared), self.blob.clone());
        blocking(&self.blob, "finishing", move || draft.finish(&shared, &blob)).await
    }
}
