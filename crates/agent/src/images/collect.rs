//! Removing what nobody needs: images that no job used for long, and more of them while all together take too much. What
//! was built or imported here is never removed by itself, since nothing could bring it back; neither is any layer that
//! a sandbox uses or another image has.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::time::SystemTime;

use airlock_sandbox::FileLock;

use super::layers::DiffId;
use super::pulled::KeptRecord;
use super::{ImageError, ImageStore, at};

impl ImageStore {
    /// Removes by age and quota; returns the bytes given back. One at a time: who comes second leaves it to the first.
    pub fn collect(&self, now: SystemTime) -> Result<u64, ImageError> {
        let Some(_alone) = self.collecting()? else {
            return Ok(0);
        };
        let mut kept = self.all_pulled()?;
        kept.sort_by_key(|one| std::cmp::Reverse(one.used_at));
        let keep = self.settings.keep();
        let too_old = |one: &KeptRecord| now.duration_since(one.used_at).is_ok_and(|age| age > keep);
        let mut given_back = 0;
        let (old, mut kept): (Vec<_>, Vec<_>) = kept.into_iter().partition(too_old);
        for one in old {
            if !self.in_use(&one)? {
                forget(&one)?;
            }
        }
        given_back += self.drop_unnamed()?;
        let mut total = self.size_of(&self.layers()?);
        while total > self.settings.quota_bytes() {
            // Sorted: the longest unused is last.
            let Some(one) = kept.pop() else { break };
            if self.in_use(&one)? {
                continue;
            }
            forget(&one)?;
            given_back += self.drop_unnamed()?;
            total = self.size_of(&self.layers()?);
        }
        Ok(given_back)
    }

    /// Removes what killed makers left.
    pub(crate) fn sweep(&self) -> Result<(), ImageError> {
        let dir = self.dir.join("tmp");
        for entry in fs::read_dir(&dir).map_err(at("listing", &dir))? {
            let path = entry.map_err(at("listing", &dir))?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let Some((owner, _random)) = name.rsplit_once('.') else {
                continue;
            };
            if owner.is_empty() || !path.is_dir() {
                continue;
            }
            let alone = FileLock::try_exclusive(self.lock_file(owner)?).map_err(at("locking", &path))?;
            if alone.is_none() {
                continue;
            }
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at("removing", &path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn collecting(&self) -> Result<Option<FileLock>, ImageError> {
        let path = self.dir.join("locks/collecting");
        FileLock::try_exclusive(self.lock_file("collecting")?).map_err(at("locking", &path))
    }

    /// Whether a sandbox or a pull holds one of its layers.
    fn in_use(&self, one: &KeptRecord) -> Result<bool, ImageError> {
        for id in &one.pulled.record.layers {
            let lock = self.layer_lock(id)?;
            let alone =
                FileLock::try_exclusive(lock).map_err(at("locking the layer", &self.layer_dir(id)))?;
            if alone.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes layers that no image has.
    pub(super) fn drop_unnamed(&self) -> Result<u64, ImageError> {
        let mut named: BTreeSet<DiffId> = BTreeSet::new();
        for one in self.all_pulled()? {
            named.extend(one.pulled.record.layers);
        }
        for record in self.list()? {
            named.extend(record.layers);
        }
        let mut given_back = 0;
        for id in self.layers()? {
            if !named.contains(&id)
                && let Some(bytes) = self.remove_layer(&id)?
            {
                given_back += bytes;
            }
        }
        Ok(given_back)
    }
}

fn forget(one: &KeptRecord) -> Result<(), ImageError> {
    match fs::remove_file(&one.path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("removing", &one.path)(error)),
        _ => Ok(()),
    }
}
