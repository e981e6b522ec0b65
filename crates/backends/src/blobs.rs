//! Blobs as encrypted files below one folder, for an instance on one machine. Owns that folder alone (a lock keeps a
//! second process out); refuses anything unencrypted. Called by the control plane through the `Blobs` trait, from many
//! tasks at once; all file work happens on blocking threads.
//!
//! A growing blob is durable when its length is told: each write is synced before it is answered, and lengths count
//! only what was synced. [`format`] describes the files.

mod draft;
mod format;
mod index;
mod key;
mod paths;
mod stored;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use airlock_driver_interfaces::blobs::BlobWriter;
use airlock_driver_interfaces::{BlobError, BlobKey, Blobs};
use async_trait::async_trait;
use bytes::Bytes;

use crate::limits::OPEN_FILES;
use draft::DraftWriter;
pub use key::{BlobKeyMaterial, BlobKeyMaterialError};
use paths::Root;
use stored::Stored;

/// Blobs below one folder. Clones share it.
#[derive(Clone)]
pub struct FileBlobs {
    shared: Arc<Shared>,
}

/// The folder could not be taken into use.
#[derive(Debug, thiserror::Error)]
pub enum OpenBlobsError {
    /// Another process has it.
    #[error("the folder for blobs {dir} is in use by another process: is this instance running?", dir = dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The file system refused.
    #[error("{doing} the folder for blobs {dir}: {source}", dir = dir.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The folder.
        dir: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// The keys that files may be encrypted with.
struct BlobKeys {
    newest: BlobKeyMaterial,
    older: Vec<BlobKeyMaterial>,
}

impl BlobKeys {
    fn find(&self, id: [u8; 8]) -> io::Result<&BlobKeyMaterial> {
        std::iter::once(&self.newest)
            .chain(&self.older)
            .find(|key| key.id().is_ok_and(|found| found == id))
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::InvalidData,
                    "it is encrypted with a key this instance does not have",
                )
            })
    }
}

/// What one blob's callers share; `None` until somebody opens it.
struct Entry {
    open: Mutex<Option<Stored>>,
    used: AtomicU64,
}

struct Shared {
    root: Root,
    keys: BlobKeys,
    entries: Mutex<HashMap<String, Arc<Entry>>>,
    uses: AtomicU64,
    /// Holds the folder's lock while this lives.
    _lock: File,
}

impl FileBlobs {
    /// Takes a folder into use, made when absent. `older` keys only open what was written under them.
    pub fn open(
        dir: &Path,
        newest: BlobKeyMaterial,
        older: Vec<BlobKeyMaterial>,
    ) -> Result<Self, OpenBlobsError> {
        let failed = |doing| {
            move |source| OpenBlobsError::Io {
                doing,
                dir: dir.to_owned(),
                source,
            }
        };
        let root = Root::make(dir).map_err(failed("making"))?;
        let mut options = OpenOptions::new();
        let lock = options
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(root.lock_file());
        let lock = lock.map_err(failed("locking"))?;
        lock.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => OpenBlobsError::InUse { dir: dir.to_owned() },
            fs::TryLockError::Error(source) => failed("locking")(source),
        })?;
        remove_drafts(&root).map_err(failed("removing unfinished files in"))?;
        let keys = BlobKeys { newest, older };
        let shared = Shared {
            root,
            keys,
            entries: Mutex::default(),
            uses: AtomicU64::new(0),
            _lock: lock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Runs `work` on a blob's entry on a blocking thread, with the entry's lock held.
    async fn with<T: Send + 'static>(
        &self,
        blob: &BlobKey,
        doing: &'static str,
        work: impl FnOnce(&Shared, &BlobKey, &mut Option<Stored>) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let (shared, key) = (Arc::clone(&self.shared), blob.clone());
        let done = blocking(blob, doing, move || {
            let entry = shared.entry(&key);
            let mut open = Shared::lock(&entry);
            Ok(work(&shared, &key, &mut open))
        });
        done.await?
    }
}

impl Shared {
    /// The one entry of a blob. Two of them at a time would not see each other's writes, so only entries nobody holds
    /// are forgotten, the longest unused first.
    fn entry(&self, blob: &BlobKey) -> Arc<Entry> {
        let now = self.uses.fetch_add(1, Ordering::Relaxed);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = entries.get(blob.as_str()) {
            entry.used.store(now, Ordering::Relaxed);
            return Arc::clone(entry);
        }
        while entries.len() >= OPEN_FILES {
            let idle = entries.iter().filter(|(_, entry)| Arc::strong_count(entry) == 1);
            let oldest = idle
                .min_by_key(|(_, entry)| entry.used.load(Ordering::Relaxed))
                .map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            entries.remove(&oldest);
        }
        let entry = Arc::new(Entry {
            open: Mutex::new(None),
            used: AtomicU64::new(now),
        });
        entries.insert(blob.as_str().to_owned(), Arc::clone(&entry));
        entry
    }

    /// A panic under the lock leaves a state nobody vouches for, so what was open is forgotten and read again.
    fn lock(entry: &Entry) -> MutexGuard<'_, Option<Stored>> {
        entry.open.lock().unwrap_or_else(|poisoned| {
            entry.open.clear_poison();
            let mut open = poisoned.into_inner();
            *open = None;
            open
        })
    }

    /// What is stored under a key, opened if it is not yet.
    fn stored<'o>(&self, blob: &BlobKey, open: &'o mut Option<Stored>) -> io::Result<Option<&'o mut Stored>> {
        if open.is_none() {
            *open = Stored::open(&self.root, &self.keys, blob)?;
        }
        Ok(open.as_mut())
    }

    fn append(
        &self,
        blob: &BlobKey,
        open: &mut Option<Stored>,
        offset: u64,
        bytes: &[u8],
    ) -> Result<u64, BlobError> {
        let doing = "appending to";
        let there = self
            .stored(blob, open)
            .map_err(|error| io_error(blob, doing, error))?;
        let len = there.map_or(0, |stored| stored.len());
        if offset > len {
            return Err(BlobError::Gap {
                key: blob.to_string(),
                len,
                offset,
            });
        }
        if bytes.is_empty() {
            return Ok(len);
        }
        let appended = (|| {
            if open.is_none() {
                *open = Some(Stored::open_or_begin(&self.root, &self.keys, blob)?);
            }
            match open.as_mut() {
                Some(stored) => stored.append(&self.root, offset, bytes),
                None => Err(io::Error::other("it was closed while it was in use")),
            }
        })();
        appended.map_err(|error| {
            if let Some(stored) = open.take()
                && stored.is_unwritten()
            {
                let _best_effort = fs::remove_file(stored.path());
            }
            io_error(blob, doing, error)
        })
    }

    fn remove(&self, blob: &BlobKey, open: &mut Option<Stored>) -> io::Result<()> {
        *open = None;
        let path = self.root.of(blob);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
        self.root.sync_parents(&path)?;
        self.root.prune_parents(&path);
        Ok(())
    }
}

#[async_trait]
impl Blobs for FileBlobs {
    async fn append(&self, key: &BlobKey, offset: u64, bytes: Bytes) -> Result<u64, BlobError> {
        self.with(key, "appending to", move |shared, key, open| {
            shared.append(key, open, offset, &bytes)
        })
        .await
    }

    async fn len(&self, key: &BlobKey) -> Result<u64, BlobError> {
        let doing = "measuring";
        self.with(key, doing, move |shared, key, open| {
            let stored = shared
                .stored(key, open)
                .map_err(|error| io_error(key, doing, error))?;
            Ok(stored.map_or(0, |stored| stored.len()))
        })
        .await
    }

    async fn read(&self, key: &BlobKey, offset: u64, max: usize) -> Result<Bytes, BlobError> {
        let doing = "reading";
        let range = self
            .with(key, doing, move |shared, key, open| {
                let stored = shared
                    .stored(key, open)
                    .map_err(|error| io_error(key, doing, error))?;
                let stored = stored.ok_or_else(|| BlobError::Missing { key: key.to_string() })?;
                Ok(stored.range(offset, max))
            })
            .await?;
        blocking(key, doing, move || range.read()).await
    }

    async fn create(&self, key: &BlobKey) -> Result<Box<dyn BlobWriter>, BlobError> {
        let (shared, blob) = (Arc::clone(&self.shared), key.clone());
        let writer = blocking(key, "beginning", move || DraftWriter::begin(shared, blob)).await?;
        Ok(Box::new(writer))
    }

    async fn remove(&self, key: &BlobKey) -> Result<(), BlobError> {
        let doing = "removing";
        self.with(key, doing, move |shared, key, open| {
            shared
                .remove(key, open)
                .map_err(|error| io_error(key, doing, error))
        })
        .await
    }
}

/// Drafts of a process that died.
fn remove_drafts(root: &Root) -> io::Result<()> {
    for draft in fs::read_dir(root.drafts())? {
        fs::remove_file(draft?.path())?;
    }
    Ok(())
}

fn io_error(blob: &BlobKey, doing: &'static str, source: io::Error) -> BlobError {
    BlobError::Io {
        key: blob.to_string(),
        doing,
        source,
    }
}

/// Runs file work on a blocking thread.
async fn blocking<T: Send + 'static>(
    blob: &BlobKey,
    doing: &'static str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| io_error(blob, doing, error)),
        Err(stopped) => Err(io_error(blob, doing, io::Error::other(stopped))),
    }
}

#[cfg(test)]
mod tests;
