//! SSH keys, made by the real `ssh-keygen`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::run::Run;

/// A key pair in files.
#[derive(Debug)]
pub struct SshKey {
    private: PathBuf,
}

impl SshKey {
    /// Makes an Ed25519 key without passphrase in this folder.
    pub fn generate(folder: &Path, name: &str) -> Result<Self> {
        let private = folder.join(name);
        Run::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&private)
            .directory(folder)
            .finish()?
            .success()?;
        Ok(Self { private })
    }

    /// The key that [`SshKey::generate`] made there before.
    #[must_use]
    pub fn open(folder: &Path, name: &str) -> Self {
        Self {
            private: folder.join(name),
        }
    }

    /// The file with the private key.
    pub fn private(&self) -> &Path {
        &self.private
    }

    /// The file with the public key.
    pub fn public(&self) -> PathBuf {
        self.private.with_extension("pub")
    }

    /// The public key as one line, as `authorized_keys` holds it.
    pub fn public_line(&self) -> Result<String> {
        let path = self.public();
        let text =
            std::fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        Ok(text.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::SshKey;
    use crate::data_dir::DataDir;

    #[test]
    fn a_key_has_a_public_line_with_its_name() {
        let data = DataDir::new().unwrap();
        let key = SshKey::generate(data.path(), "alice").unwrap();
        let line = key.public_line().unwrap();
        assert!(
            line.starts_with("ssh-ed25519 ") && line.ends_with(" alice"),
            "{line}"
        );
        assert!(SshKey::generate(&data.join("missing"), "bob").is_err());
    }
}
