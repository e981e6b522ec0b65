//! What has been pulled: one record for each image and whoever may have it. An image that was pulled with a password is
//! found by that password alone; another job must show the registry its own. Records are written when every layer is
//! here, and their files' times say when a job last used them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use airlock_transport::registry::{ImageReference, RegistryLogin};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};

use super::layers::{ANYONE, DiffId};
use super::{ImageDir, ImageError, ImageRecord, ImageStore, at};

/// One pulled image.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PulledRecord {
    pub(super) record: ImageRecord,
    /// When the registry last said that this is the image, in seconds since 1970.
    pub(super) asked_at: u64,
}

/// What an image is kept under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PullKey {
    /// Names the image and whoever may have it; the name of a lock as well.
    pub(super) text: String,
    /// Whoever may have it.
    pub(super) who: String,
    file: String,
}

/// A record and the file it is in.
#[derive(Debug)]
pub(super) struct KeptRecord {
    pub(super) path: PathBuf,
    pub(super) pulled: PulledRecord,
    pub(super) used_at: SystemTime,
}

impl ImageStore {
    pub(super) fn pull_key(
        &self,
        image: &ImageReference,
        login: &RegistryLogin,
    ) -> Result<PullKey, ImageError> {
        let who = self.who(login)?;
        let text = format!("pulled/{who}/{image}");
        let file = format!("{}.json", hex::encode(digest(&SHA256, text.as_bytes())));
        Ok(PullKey { text, who, file })
    }

    /// What stands for a login in the names of files.
    fn who(&self, login: &RegistryLogin) -> Result<String, ImageError> {
        match login {
            RegistryLogin::Anonymous => Ok(ANYONE.to_owned()),
            RegistryLogin::Password { username, password } => {
                // Keyed, so that a copy of the store does not let passwords be guessed.
                let key = hmac::Key::new(hmac::HMAC_SHA256, &self.fingerprint_key()?);
                let mut context = hmac::Context::with_key(&key);
                for part in [username.as_bytes(), password.expose()] {
                    context.update(&(part.len() as u64).to_be_bytes());
                    context.update(part);
                }
                Ok(hex::encode(&context.sign().as_ref()[..16]))
            }
        }
    }

    fn fingerprint_key(&self) -> Result<Vec<u8>, ImageError> {
        let path = self.dir.join("key");
        match fs::read(&path) {
            Ok(key) => return Ok(key),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(at("reading", &path)(error)),
        }
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key)
            .map_err(|_| at("making a key in", &path)(io::Error::other("no randomness")))?;
        let mut file = tempfile::NamedTempFile::new_in(self.dir.join("tmp")).map_err(at("writing", &path))?;
        io::Write::write_all(&mut file, &key)
            .and_then(|()| file.as_file().sync_all())
            .map_err(at("writing", &path))?;
        match file.persist_noclobber(&path) {
            Ok(_file) => Ok(key.to_vec()),
            // Somebody else was first.
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                fs::read(&path).map_err(at("reading", &path))
            }
            Err(error) => Err(at("writing", &path)(error.error)),
        }
    }

    fn pulled_path(&self, key: &PullKey) -> PathBuf {
        self.dir.join("pulled").join(&key.file)
    }

    /// What was pulled under this key, if every layer of it is still here.
    pub(super) fn find_pulled(&self, key: &PullKey) -> Result<Option<(PulledRecord, ImageDir)>, ImageError> {
        let path = self.pulled_path(key);
        let Some(pulled) = read_record(&path)? else {
            return Ok(None);
        };
        let Some(image) = self.hold(&pulled.record)? else {
            return Ok(None);
        };
        touch(&path)?;
        Ok(Some((pulled, image)))
    }

    pub(super) fn keep_pulled(&self, key: &PullKey, pulled: &PulledRecord) -> Result<(), ImageError> {
        self.write_json(&self.pulled_path(key), pulled)
    }

    /// Everything that was pulled.
    pub(super) fn all_pulled(&self) -> Result<Vec<KeptRecord>, ImageError> {
        let dir = self.dir.join("pulled");
        let mut all = Vec::new();
        for entry in fs::read_dir(&dir).map_err(at("listing", &dir))? {
            let entry = entry.map_err(at("listing", &dir))?;
            let path = entry.path();
            let used_at = match entry.metadata().and_then(|meta| meta.modified()) {
                Ok(used_at) => used_at,
                // Removed at this moment.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(at("reading", &path)(error)),
            };
            if let Some(pulled) = read_record(&path)? {
                all.push(KeptRecord {
                    path,
                    pulled,
                    used_at,
                });
            }
        }
        Ok(all)
    }

    /// The image of a record, so that it stays; `None` when a part of it is gone.
    pub(super) fn hold(&self, record: &ImageRecord) -> Result<Option<ImageDir>, ImageError> {
        let mut in_use = Vec::new();
        let mut layers = Vec::new();
        if record.layers.is_empty() {
            let path = self.rootfs(&record.digest);
            let lock = airlock_sandbox::FileLock::shared(self.lock_file(&record.digest)?)
                .map_err(at("locking the image", &path))?;
            if !path.is_dir() {
                return Ok(None);
            }
            in_use.push(lock);
            layers.push(path);
        }
        // Highest first. A layer that comes twice lies where it lies highest: the lower one shows nothing of its own.
        for id in record.layers.iter().rev() {
            let path = self.layer_dir(id);
            if layers.contains(&path) {
                continue;
            }
            let Some(lock) = self.hold_layer(id)? else {
                return Ok(None);
            };
            in_use.push(lock);
            layers.push(path);
        }
        Ok(Some(ImageDir {
            record: record.clone(),
            layers,
            _in_use: in_use,
        }))
    }

    /// How much the files of these layers take.
    pub(super) fn size_of(&self, layers: &[DiffId]) -> u64 {
        let mut known: Vec<&DiffId> = layers.iter().collect();
        known.sort();
        known.dedup();
        known
            .into_iter()
            .filter_map(|id| self.layer_facts(id))
            .map(|facts| facts.bytes)
            .sum()
    }
}

/// Seconds since 1970.
pub(super) fn seconds(moment: SystemTime) -> u64 {
    moment
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

/// A record; one that this version cannot read is as good as none, and is written anew.
fn read_record(path: &Path) -> Result<Option<PulledRecord>, ImageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("reading", path)(error)),
    }
}

fn touch(path: &Path) -> Result<(), ImageError> {
    let now = rustix::fs::Timestamps {
        last_access: rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_OMIT,
        },
        last_modification: rustix::fs::Timespec {
            tv_sec: 0,
            tv_nsec: rustix::fs::UTIME_NOW,
        },
    };
    match rustix::fs::utimensat(rustix::fs::CWD, path, &now, rustix::fs::AtFlags::empty()) {
        // Removed at this moment; its layers are held.
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(at("touching", path)(errno.into())),
    }
}
