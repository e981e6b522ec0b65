//! The keyring on disk: `keyring`, sealed under `unseal.key` beside it, both mode 0600 in a folder of mode 0700. Owns
//! that folder alone; writes by replacing the whole file, durable before it returns. Never makes a new key where an old
//! one may have been: a folder with one of the two files missing is an error that says so.
//!
//! The unseal key lies beside what it seals, so whoever can read the folder as this user can open the keyring. It keeps
//! secrets out of backups that leave it out, and is the place where shares of a quorum or a machine's TPM come in.

mod stored;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use crate::limits::KEYRING_FILE_BYTES;
use crate::transit::{KEY_BYTES, KeyMaterial, Keyring};

const KEYRING: &str = "keyring";
const UNSEAL_KEY: &str = "unseal.key";

/// The keyring's files could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyringFileError {
    /// Another process has them.
    #[error("the keyring in {dir} is in use by another process: is this instance running?", dir = dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// One of the two files is not there.
    #[error("{missing} is missing while {dir} is there: restore it from a backup, for no stored secret opens without it; to begin anew and enter every secret again, move the folder away", missing = missing.display(), dir = dir.display())]
    Missing {
        /// The file.
        missing: PathBuf,
        /// The folder.
        dir: PathBuf,
    },
    /// Others can read a file, or it belongs to another user, or it is no plain file.
    #[error("{path} {why}: make it a plain file of mode 0600 that belongs to the user the key holder runs as", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The keyring does not open under the unseal key.
    #[error("{path} does not open under the unseal key beside it: {why}; restore both from the same backup", path = path.display())]
    DoesNotOpen {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// The file system refused.
    #[error("{doing} {path}: {source}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
}

/// The open folder. Other processes are kept out while this lives.
pub(crate) struct KeyringFiles {
    dir: PathBuf,
    unseal_key: KeyMaterial,
    /// The unseal key's file, which is never replaced, carries the lock.
    _lock: File,
}

impl KeyringFiles {
    /// Reads the keyring, or makes an empty one with a fresh unseal key where there is no folder.
    pub(crate) fn open_or_create(dir: &Path) -> Result<(Self, Keyring), KeyringFileError> {
        let empty = fs::read_dir(dir).map_or_else(
            |error| {
                if error.kind() == io::ErrorKind::NotFound {
                    Ok(true)
                } else {
                    Err(error)
                }
            },
            |mut entries| Ok(entries.next().is_none()),
        );
        if empty.map_err(io_error("looking into", dir))? {
            create(dir)?;
        }
        Self::open(dir)
    }

    fn open(dir: &Path) -> Result<(Self, Keyring), KeyringFileError> {
        let (key_path, keyring_path) = (dir.join(UNSEAL_KEY), dir.join(KEYRING));
        for path in [&key_path, &keyring_path] {
            if !path.exists() {
                return Err(KeyringFileError::Missing {
                    missing: path.clone(),
                    dir: dir.to_owned(),
                });
            }
        }
        let mut key_file = open_private(&key_path)?;
        key_file.try_lock().map_err(|error| match error {
            fs::TryLockError::WouldBlock => KeyringFileError::InUse { dir: dir.to_owned() },
            fs::TryLockError::Error(source) => io_error("locking", &key_path)(source),
        })?;
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        key_file
            .read_exact(key.as_mut_slice())
            .map_err(io_error("reading", &key_path))?;
        let files = Self {
            dir: dir.to_owned(),
            unseal_key: KeyMaterial::new(key),
            _lock: key_file,
        };
        let keyring = files.load(&keyring_path)?;
        Ok((files, keyring))
    }

    fn load(&self, path: &Path) -> Result<Keyring, KeyringFileError> {
        let mut sealed = Vec::new();
        let file = open_private(path)?;
        file.take(KEYRING_FILE_BYTES)
            .read_to_end(&mut sealed)
            .map_err(io_error("reading", path))?;
        stored::open(&self.unseal_key, &sealed).map_err(|why| KeyringFileError::DoesNotOpen {
            path: path.to_owned(),
            why,
        })
    }

    /// Replaces the keyring; durable when it returns. The old one stays when it fails.
    pub(crate) fn save(&self, keyring: &Keyring) -> Result<(), KeyringFileError> {
        save(&self.dir, &self.unseal_key, keyring)
    }
}

/// Makes both files in a folder beside, and moves it to its place whole.
fn create(dir: &Path) -> Result<(), KeyringFileError> {
    let parent = dir
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut draft_name = std::ffi::OsString::from(".new-");
    draft_name.push(dir.file_name().unwrap_or_default());
    let draft = parent.join(draft_name);
    // Left behind by a start that was cut off; nothing was sealed under it.
    match fs::remove_dir_all(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("removing", &draft)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let mut folders = DirBuilder::new();
    folders
        .recursive(true)
        .mode(0o700)
        .create(&draft)
        .map_err(io_error("making", &draft))?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    aws_lc_rs::rand::fill(key.as_mut_slice())
        .map_err(|_| io_error("making a key for", dir)(io::Error::other("no random bytes could be had")))?;
    write_private(&draft.join(UNSEAL_KEY), key.as_slice())?;
    save(&draft, &KeyMaterial::new(key), &Keyring::default())?;
    fs::rename(&draft, dir).map_err(io_error("making", dir))?;
    sync_folder(parent)
}

fn save(dir: &Path, unseal_key: &KeyMaterial, keyring: &Keyring) -> Result<(), KeyringFileError> {
    let path = dir.join(KEYRING);
    let failed = |what| io_error("writing", &path)(io::Error::other(what));
    let sealed = stored::seal(unseal_key, keyring).map_err(failed)?;
    let draft = dir.join(".keyring.new");
    match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(io_error("removing", &draft)(error));
        }
        Ok(()) | Err(_) => {}
    }
    write_private(&draft, &sealed)?;
    fs::rename(&draft, &path).map_err(io_error("replacing", &path))?;
    sync_folder(dir)
}

pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), KeyringFileError> {
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file = file.map_err(io_error("making", path))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(io_error("writing", path))
}

/// Opens a file that nobody else can read or replace by a link.
pub(crate) fn open_private(path: &Path) -> Result<File, KeyringFileError> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    let file = options.open(path).map_err(io_error("opening", path))?;
    let metadata = file.metadata().map_err(io_error("looking at", path))?;
    let user = rustix::process::geteuid().as_raw();
    let why = if !metadata.is_file() {
        "is no plain file".to_owned()
    } else if metadata.mode() & 0o077 != 0 {
        format!("has mode {:04o}", metadata.mode() & 0o7777)
    } else if metadata.uid() != user {
        format!("belongs to user {}, not to {user}", metadata.uid())
    } else {
        return Ok(file);
    };
    Err(KeyringFileError::Exposed {
        path: path.to_owned(),
        why,
    })
}

fn sync_folder(dir: &Path) -> Result<(), KeyringFileError> {
    File::open(dir)
        .and_then(|folder| folder.sync_all())
        .map_err(io_error("syncing", dir))
}

fn io_error<'p>(doing: &'static str, path: &'p Path) -> impl Fn(io::Error) -> KeyringFileError + 'p {
    move |source| KeyringFileError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
