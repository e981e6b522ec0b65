//! Folders below the root and their durability. A new name is durable only when every folder above it that may be new
//! has been synced too.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use airlock_driver_interfaces::BlobKey;

/// The one folder all blobs of an instance live in.
pub(super) struct Root {
    dir: PathBuf,
    /// Held shared while a name is made below folders made for it, and alone while empty folders go.
    folders: RwLock<()>,
}

impl Root {
    /// Makes the folder, readable by this user only, unless it is there.
    pub(super) fn make(dir: &Path) -> io::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir.join("tmp"))?;
        Ok(Self {
            dir: dir.to_owned(),
            folders: RwLock::new(()),
        })
    }

    pub(super) fn lock_file(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// Where blobs lie until they are whole.
    pub(super) fn drafts(&self) -> PathBuf {
        self.dir.join("tmp")
    }

    /// Where a blob lies. Keys are made of ids and numbers, so this cannot leave the root.
    pub(super) fn of(&self, blob: &BlobKey) -> PathBuf {
        self.dir.join(blob.as_str())
    }

    /// Makes the folders above a blob, then its name with `make`.
    pub(super) fn make_name<T>(&self, path: &Path, make: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let _stay = self.folders.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        make()
    }

    /// Makes a blob's name durable.
    pub(super) fn sync_parents(&self, path: &Path) -> io::Result<()> {
        for folder in path
            .ancestors()
            .skip(1)
            .take_while(|folder| folder.starts_with(&self.dir))
        {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    /// Removes the folders above a removed blob that are empty now.
    pub(super) fn prune_parents(&self, path: &Path) {
        let _alone = self.folders.write().unwrap_or_else(PoisonError::into_inner);
        for folder in path.ancestors().skip(1).take_while(|folder| *folder != self.dir) {
            // Fails on the first one that still holds something, which is the end of the way up.
            if std::fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }
}
