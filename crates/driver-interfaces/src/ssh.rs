//! Who may enter jobs over SSH: people's public keys, and who was let into what.

use airlock_domain::Timestamp;
use async_trait::async_trait;
use uuid::Uuid;

use crate::store::StoreError;

/// A public key of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserKeyRow {
    /// Whose.
    pub user: String,
    /// `SHA256:…`; one key is one person's.
    pub fingerprint: String,
    /// The whole key in OpenSSH form.
    pub public_key: String,
    /// For people, such as the key's comment.
    pub label: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// People's keys, and grants.
#[async_trait]
pub trait SshAccess: Send + Sync {
    /// Adds a key; [`StoreError::Exists`] when somebody has it already.
    async fn add_user_key(&self, row: &UserKeyRow) -> Result<(), StoreError>;
    /// The key with this fingerprint.
    async fn user_key(&self, fingerprint: &str) -> Result<Option<UserKeyRow>, StoreError>;
    /// A person's keys, oldest first.
    async fn user_keys(&self, user: &str) -> Result<Vec<UserKeyRow>, StoreError>;
    /// Removes a person's key; whether there was one.
    async fn remove_user_key(&self, user: &str, fingerprint: &str) -> Result<bool, StoreError>;
    /// Lets a person into the jobs of a subject: a job, or the delivery that a pipeline came in. Again changes nothing.
    async fn grant_ssh(&self, subject: Uuid, user: &str, at: Timestamp) -> Result<(), StoreError>;
    /// Who was let into a subject, by name.
    async fn ssh_grants(&self, subject: Uuid) -> Result<Vec<String>, StoreError>;
}
