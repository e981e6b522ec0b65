//! The token a client shows to the key holder, so that reaching the socket alone is not enough. Lives in a file of mode
//! 0600; never in an argument, a log or an error.

use std::fmt;
use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use airlock_domain::Secret;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::error::Unspecified;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::keyring_files::{KeyringFileError, open_private, write_private};
use crate::limits::TOKEN_BYTES;

/// A token.
#[derive(Clone)]
pub struct VaultToken(Secret);

impl VaultToken {
    /// A fresh token.
    pub fn generate() -> Result<Self, Unspecified> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut_slice())?;
        Ok(Self(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice()))))
    }

    /// A token made elsewhere, by a real Vault for instance. `None` when it could not stand in a header.
    pub fn from_secret(secret: Secret) -> Option<Self> {
        let bytes = secret.expose();
        let possible = (1..=TOKEN_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic);
        possible.then_some(Self(secret))
    }

    /// Reads it from a file that nobody else can read.
    pub fn read(path: &Path) -> Result<Self, KeyringFileError> {
        let io_error = |source| KeyringFileError::Io {
            doing: "reading",
            path: path.to_owned(),
            source,
        };
        let mut bytes = Zeroizing::new(Vec::with_capacity(TOKEN_BYTES + 2));
        open_private(path)?
            .take(TOKEN_BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(io_error)?;
        let secret = Secret::new(bytes.trim_ascii_end());
        Self::from_secret(secret).ok_or_else(|| io_error(io::Error::other("it holds no token")))
    }

    /// Writes it to a file that nobody else can read, in the place of one that is there.
    pub fn write(&self, path: &Path) -> Result<(), KeyringFileError> {
        match fs::remove_file(path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(KeyringFileError::Io {
                doing: "replacing",
                path: path.to_owned(),
                source,
            }),
            Ok(()) | Err(_) => write_private(path, self.0.expose()),
        }
    }

    /// Whether this is what a client showed, told in the same time whatever the client showed.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        verify_slices_are_equal(self.0.expose(), shown).is_ok()
    }

    /// The value of the header that shows it.
    pub(crate) fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl fmt::Debug for VaultToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VaultToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    #[test]
    fn a_token_survives_in_a_file_of_its_own_user() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("token");
        let token = VaultToken::generate().expect("randomness");
        for _ in 0..2 {
            token.write(&path).expect("written");
        }
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        assert!(VaultToken::read(&path).expect("read").is(token.expose()));
        assert!(!VaultToken::generate().expect("randomness").is(token.expose()));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o604)).expect("changed");
        let error = VaultToken::read(&path).expect_err("exposed").to_string();
        assert!(error.contains("mode 0604"), "{error}");
    }

    #[test]
    fn what_is_no_token_is_refused() {
        for bad in ["", "two\nlines", "a b", "ä", &"x".repeat(TOKEN_BYTES + 1)] {
            assert!(
                VaultToken::from_secret(Secret::new(bad)).is_none(),
                "{bad:?} was taken"
            );
        }
        let good = VaultToken::from_secret(Secret::new("s.canary")).expect("as Vault makes them");
        assert_eq!(format!("{good:?}"), "VaultToken(…)");
    }
}
