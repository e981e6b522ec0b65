//! Files that hold private keys. Written complete or not at all, readable by their owner only; a key file that others
//! may read is refused, because it must be taken for stolen. Called by the CA and the SSH host key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// A key or certificate file that could not be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file could not be read.
    #[error("reading {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("writing {path}: {source}", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others than the owner may read the key.
    #[error(
        "{path} holds a private key, but its mode is {mode:04o}: others on this machine may have read it. \
         If that is certain not to have happened: chmod 600 {path}; otherwise remove it, a new one is made",
        path = path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
}

/// Makes the folder for keys, for its owner only, unless it is there.
pub(crate) fn ensure_dir(dir: &Path) -> Result<(), KeyFileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|source| KeyFileError::Write {
            path: dir.to_owned(),
            source,
        })
}

/// Reads a private key; `None` when there is no such file.
pub(crate) fn read_private(path: &Path) -> Result<Option<Zeroizing<String>>, KeyFileError> {
    let read = |source| KeyFileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(read(error)),
    };
    let mode = file.metadata().map_err(read)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyFileError::TooOpen {
            path: path.to_owned(),
            mode,
        });
    }
    let text = Zeroizing::new(io::read_to_string(file).map_err(read)?);
    Ok(Some(text))
}

/// Reads a certificate or other public file; `None` when there is no such file.
pub(crate) fn read_public(path: &Path) -> Result<Option<String>, KeyFileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyFileError::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// Writes a private key with mode 0600, under its name only when complete and on disk.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<(), KeyFileError> {
    write(path, text, 0o600)
}

/// Writes a certificate or other public file, under its name only when complete and on disk.
pub(crate) fn write_public(path: &Path, text: &str) -> Result<(), KeyFileError> {
    write(path, text, 0o644)
}

fn write(path: &Path, text: &str, mode: u32) -> Result<(), KeyFileError> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = PathBuf::from(name);
    let written = (|| {
        // A draft of a process that died is of no use, and `create_new` below must not follow a planted link.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&draft)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    })();
    written.map_err(|source| KeyFileError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_private_key_comes_back_and_is_for_its_owner_only() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.key");
        assert!(read_private(&path).expect("no file is no error").is_none());
        write_private(&path, "text").expect("written");
        assert_eq!(
            read_private(&path).expect("read").as_deref().map(String::as_str),
            Some("text")
        );
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        assert_eq!(
            fs::read_dir(dir.path()).expect("listed").count(),
            1,
            "no draft stays behind"
        );
    }

    #[test]
    fn a_key_that_others_may_read_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("x.key");
        write_private(&path, "text").expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("chmod");
        let error = read_private(&path).expect_err("refused").to_string();
        assert!(error.contains("0640") && error.contains("chmod 600"), "{error}");
    }
}
