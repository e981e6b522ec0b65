//! SSH keys: the instance's host key in a file, keys made for deploying, and public keys as people paste them. RSA is
//! refused: its verification is not built in, and every OpenSSH of the last ten years makes ed25519 keys.

use std::fmt;
use std::path::{Path, PathBuf};

use airlock_domain::secret::Secret;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, HashAlg, PrivateKey, PublicKey};

use crate::key_files::{self, KeyFileError};

/// A key that could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum SshKeyError {
    /// The key's file.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// The file holds no usable private key.
    #[error("{path} is no usable SSH host key: {problem}", path = path.display())]
    HostKey {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The text is no public key.
    #[error(
        "this is not an SSH public key: {problem} (expected one line such as 'ssh-ed25519 AAAA… name', the content of a .pub file)"
    )]
    Public {
        /// What is wrong.
        problem: String,
    },
    /// Somebody pasted the wrong half.
    #[error(
        "this is a private key. Keep it to yourself (and consider it known now); what is wanted is the .pub file beside it"
    )]
    PrivatePasted,
    /// A kind of key that is not taken.
    #[error("{algorithm} keys are not supported: make another with ssh-keygen -t ed25519")]
    Algorithm {
        /// The kind.
        algorithm: String,
    },
    /// A private key could not be read or written as text.
    #[error("SSH private key: {problem}")]
    Private {
        /// What is wrong.
        problem: String,
    },
}

/// A public key of a kind this instance can verify.
#[derive(Clone, PartialEq, Eq)]
pub struct SshPublicKey(PublicKey);

impl SshPublicKey {
    /// Reads one line in OpenSSH's form: `ssh-ed25519 AAAA… comment`.
    pub fn parse(line: &str) -> Result<Self, SshKeyError> {
        let line = line.trim();
        if line.contains("PRIVATE KEY") {
            return Err(SshKeyError::PrivatePasted);
        }
        if line.contains(['\n', '\r']) {
            return Err(SshKeyError::Public {
                problem: "it has more than one line".into(),
            });
        }
        let key = PublicKey::from_openssh(line).map_err(|error| SshKeyError::Public {
            problem: error.to_string(),
        })?;
        Self::from_russh(key)
    }

    /// Takes a key that came over an SSH connection.
    pub fn from_russh(key: PublicKey) -> Result<Self, SshKeyError> {
        let algorithm = key.algorithm();
        let known = matches!(
            algorithm,
            Algorithm::Ed25519
                | Algorithm::SkEd25519
                | Algorithm::Ecdsa { .. }
                | Algorithm::SkEcdsaSha2NistP256
        );
        if known {
            Ok(Self(key))
        } else {
            Err(SshKeyError::Algorithm {
                algorithm: algorithm.to_string(),
            })
        }
    }

    /// `SHA256:…` as `ssh-keygen -l` prints it. Identifies the key: two keys with one fingerprint are one key.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// `ssh-ed25519 AAAA…` without the comment.
    pub fn to_line(&self) -> String {
        let mut bare = self.0.clone();
        bare.set_comment("");
        bare.to_openssh()
            .map(|line| line.trim_end().to_owned())
            .expect("a key that was read can be written")
    }

    /// What follows the key on its line; often `user@machine`.
    pub fn comment(&self) -> String {
        self.0.comment().to_string()
    }

    /// The line for a known_hosts file: `[host]:port ssh-ed25519 AAAA…`.
    pub fn known_hosts_line(&self, host: &str, port: u16) -> String {
        let place = if port == 22 {
            host.to_owned()
        } else {
            format!("[{host}]:{port}")
        };
        format!("{place} {}", self.to_line())
    }
}

impl fmt::Debug for SshPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshPublicKey({})", self.fingerprint())
    }
}

/// A private key made here, such as a project's deploy key.
#[derive(Clone)]
pub struct SshPrivateKey(PrivateKey);

impl SshPrivateKey {
    /// Makes an ed25519 key.
    pub fn generate(comment: &str) -> Result<Self, SshKeyError> {
        let mut key =
            PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519).map_err(|error| {
                SshKeyError::Private {
                    problem: error.to_string(),
                }
            })?;
        key.set_comment(comment);
        Ok(Self(key))
    }

    /// Reads a key in OpenSSH's form without passphrase.
    pub fn from_openssh(pem: &Secret) -> Result<Self, SshKeyError> {
        let key = PrivateKey::from_openssh(pem.expose()).map_err(|error| SshKeyError::Private {
            problem: error.to_string(),
        })?;
        if key.is_encrypted() {
            return Err(SshKeyError::Private {
                problem: "it is protected by a passphrase".into(),
            });
        }
        Ok(Self(key))
    }

    /// The key in OpenSSH's form.
    pub fn to_openssh(&self) -> Result<Secret, SshKeyError> {
        let pem = self
            .0
            .to_openssh(LineEnding::LF)
            .map_err(|error| SshKeyError::Private {
                problem: error.to_string(),
            })?;
        Ok(Secret::new(pem.as_bytes()))
    }

    /// Its public half.
    pub fn public(&self) -> SshPublicKey {
        SshPublicKey(self.0.public_key().clone())
    }
}

impl fmt::Debug for SshPrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SshPrivateKey({})", self.public().fingerprint())
    }
}

/// The instance's SSH host key.
#[derive(Debug, Clone)]
pub struct HostKey(SshPrivateKey);

impl HostKey {
    /// Opens the host key kept in a file, or makes an ed25519 key there.
    pub fn open(path: &Path) -> Result<Self, SshKeyError> {
        if let Some(pem) = key_files::read_private(path)? {
            let key = SshPrivateKey::from_openssh(&Secret::new(pem.as_bytes())).map_err(|error| {
                SshKeyError::HostKey {
                    path: path.to_owned(),
                    problem: error.to_string(),
                }
            })?;
            return Ok(Self(key));
        }
        if let Some(dir) = path.parent() {
            key_files::ensure_dir(dir)?;
        }
        let key = SshPrivateKey::generate("airlock")?;
        let pem = key
            .0
            .to_openssh(LineEnding::LF)
            .map_err(|error| SshKeyError::Private {
                problem: error.to_string(),
            })?;
        key_files::write_private(path, &pem)?;
        Ok(Self(key))
    }

    /// Its public half: what clients pin.
    pub fn public(&self) -> SshPublicKey {
        self.0.public()
    }

    /// The key as the SSH server takes it.
    pub fn to_russh(&self) -> PrivateKey {
        self.0.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn the_host_key_stays_and_is_private() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("ssh/host_ed25519");
        let first = HostKey::open(&path).expect("made");
        let again = HostKey::open(&path).expect("opened");
        assert_eq!(first.public().fingerprint(), again.public().fingerprint());
        assert_eq!(fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        fs::write(&path, "nonsense").expect("written");
        let error = HostKey::open(&path).expect_err("refused").to_string();
        assert!(
            error.contains("host_ed25519 is no usable SSH host key"),
            "{error}"
        );
    }

    /// OpenSSH reads what we write and prints the same fingerprint.
    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("host");
        let key = HostKey::open(&path).expect("made").public();
        let output = Command::new("ssh-keygen")
            .arg("-lf")
            .arg(&path)
            .output()
            .expect("ssh-keygen runs");
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            printed.contains(&key.fingerprint()) && printed.contains("ED25519"),
            "{printed}"
        );
    }

    #[test]
    fn a_line_comes_back_without_its_comment() {
        let key = SshPrivateKey::generate("me@here").expect("made").public();
        let line = key.to_line();
        let read = SshPublicKey::parse(&format!("  {line} you@there\n")).expect("read");
        assert_eq!(
            (read.to_line(), read.comment()),
            (line.clone(), "you@there".into())
        );
        assert_eq!(
            read.known_hosts_line("localhost", 8022),
            format!("[localhost]:8022 {line}")
        );
        assert_eq!(
            read.known_hosts_line("git.example", 22),
            format!("git.example {line}")
        );
    }

    #[test]
    fn what_is_no_public_key_is_told_apart() {
        let private = SshPrivateKey::generate("x")
            .expect("made")
            .to_openssh()
            .expect("text");
        let private = private.expose_text().expect("text");
        assert!(matches!(
            SshPublicKey::parse(private),
            Err(SshKeyError::PrivatePasted)
        ));
        for bad in ["", "ssh-ed25519", "ssh-ed25519 AAAA", "hello world"] {
            assert!(
                matches!(SshPublicKey::parse(bad), Err(SshKeyError::Public { .. })),
                "{bad:?}"
            );
        }
        let two = format!(
            "{0}\n{0}",
            SshPrivateKey::generate("x").expect("made").public().to_line()
        );
        assert!(
            SshPublicKey::parse(&two)
                .expect_err("refused")
                .to_string()
                .contains("more than one line")
        );
    }

    #[test]
    fn rsa_keys_are_refused_with_a_way_out() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("rsa");
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f"])
            .arg(&path)
            .status();
        assert!(made.expect("ssh-keygen runs").success());
        let line = fs::read_to_string(path.with_extension("pub")).expect("read");
        let error = SshPublicKey::parse(&line).expect_err("refused").to_string();
        assert!(error.contains("ssh-keygen -t ed25519"), "{error}");
    }

    #[test]
    fn no_debug_output_holds_a_private_key() {
        let key = SshPrivateKey::generate("x").expect("made");
        assert!(format!("{key:?}").starts_with("SshPrivateKey(SHA256:"));
    }
}
