//! The built-in git remote as the control plane needs it: making repositories and keys. Reading goes through
//! [`crate::Forge`] as for any other forge.

use airlock_domain::{CommitSha, ProjectSlug, Secret};
use async_trait::async_trait;

use crate::forge::ForgeError;

/// Makes repositories on this machine. Called from many tasks at once; making one that is there changes nothing.
#[async_trait]
pub trait Remote: Send + Sync {
    /// Makes an empty bare repository for a project.
    async fn create_repository(&self, project: &ProjectSlug) -> Result<(), ForgeError>;
    /// Every branch and tag by its full name, with the commit it leads to.
    async fn heads(&self, project: &ProjectSlug) -> Result<Vec<(String, CommitSha)>, ForgeError>;
}

/// Makes and reads SSH keys.
pub trait SshKeys: Send + Sync {
    /// A fresh ed25519 key: its public half in OpenSSH form and its private half as OpenSSH PEM.
    fn generate(&self, comment: &str) -> Result<NewKey, KeyError>;
    /// Reads a public key in OpenSSH form, one line.
    fn parse_public(&self, text: &str) -> Result<PublicKeyInfo, KeyError>;
}

/// A key pair.
#[derive(Debug, Clone)]
pub struct NewKey {
    /// The public half.
    pub public: PublicKeyInfo,
    /// The private half.
    pub private: Secret,
}

/// A public key and its name among keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKeyInfo {
    /// `SHA256:…`.
    pub fingerprint: String,
    /// `ssh-ed25519 AAAA… comment`.
    pub openssh: String,
    /// The comment.
    pub comment: String,
}

/// A text that is no usable key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeyError(pub String);
