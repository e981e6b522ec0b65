//! What is made of images and of the machine's programs for virtual machines: disks, and the monitor with its libraries.
//! Named by everything it is made of, made once, shared by all jobs that want it, and removed by a prune when none does:
//! whoever wants it next makes it again.

use std::fs;
use std::path::{Path, PathBuf};

use airlock_sandbox::FileLock;

use super::{ImageError, ImageStore, at};

/// A directory in use; prune leaves it alone as long as this lives.
#[derive(Debug)]
pub(crate) struct Derived {
    /// The directory.
    pub(crate) path: PathBuf,
    _in_use: FileLock,
}

impl ImageStore {
    /// The directory of this name, filled now if it is not here. What is half made is never seen under the name.
    pub(crate) fn derived(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), ImageError>,
    ) -> Result<Derived, ImageError> {
        let path = self.dir.join("derived").join(name);
        let lock_name = format!("derived.{name}");
        let shared = || FileLock::shared(self.lock_file(&lock_name)?).map_err(at("locking", &path));
        let in_use = shared()?;
        if path.is_dir() {
            return Ok(Derived {
                path,
                _in_use: in_use,
            });
        }
        drop(in_use);
        let alone = FileLock::exclusive(self.lock_file(&lock_name)?).map_err(at("locking", &path))?;
        if !path.is_dir() {
            let scratch = self.scratch(name)?;
            let made = scratch.path().join("made");
            fs::create_dir(&made).map_err(at("making the directory", &made))?;
            fill(&made)?;
            fs::rename(&made, &path).map_err(at("moving to", &path))?;
        }
        drop(alone);
        // A prune in between removes it again; then the next job makes it.
        let in_use = shared()?;
        if !path.is_dir() {
            return Err(at("finding", &path)(std::io::ErrorKind::NotFound.into()));
        }
        Ok(Derived {
            path,
            _in_use: in_use,
        })
    }

    /// Removes everything of the kind that nobody uses now.
    pub(super) fn prune_derived(&self) -> Result<(), ImageError> {
        let dir = self.dir.join("derived");
        for entry in fs::read_dir(&dir).map_err(at("listing", &dir))? {
            let entry = entry.map_err(at("listing", &dir))?;
            let lock = self.lock_file(&format!("derived.{}", entry.file_name().to_string_lossy()))?;
            let alone = FileLock::try_exclusive(lock).map_err(at("locking", &entry.path()))?;
            if alone.is_some() {
                // Moved away first: what is half removed is not seen under the name either.
                let name = entry.file_name().to_string_lossy().into_owned();
                let scratch = self.scratch(&name)?;
                fs::rename(entry.path(), scratch.path().join("removed"))
                    .map_err(at("moving", &entry.path()))?;
                scratch.close().map_err(at("removing", &entry.path()))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_and_stays_while_it_is_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = ImageStore::open(directory.path()).expect("a store");
        let failed = store.derived("disk-1", |made| {
            Err(at("failing", made)(std::io::Error::other("x")))
        });
        assert!(failed.is_err());
        let first = store
            .derived("disk-1", |made| {
                fs::write(made.join("file"), "1").map_err(at("writing", made))
            })
            .expect("made");
        let second = store.derived("disk-1", |_| panic!("made twice")).expect("found");
        assert_eq!(fs::read_to_string(second.path.join("file")).expect("a file"), "1");
        drop(second);
        store.prune().expect("pruned");
        assert!(first.path.exists());
        let path = first.path.clone();
        drop(first);
        store.prune().expect("pruned");
        assert!(!path.exists());
    }
}
