//! What can go wrong in a use case, in words for the person who asked.

use airlock_domain::NameError;
use airlock_driver_interfaces::{BlobError, ForgeError, KeyError, StoreError, VaultError};
use airlock_workflow_engine::Refused;

/// A use case that was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum UseCaseError {
    /// There is no such thing, or the caller may not see it.
    #[error("{0} was not found")]
    NotFound(String),
    /// The request breaks a rule; the text says which and what to do.
    #[error("{0}")]
    Invalid(String),
    /// The caller may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// The state does not allow it.
    #[error("{0}")]
    Conflict(String),
    /// The doors are not open yet.
    #[error("this instance is still starting")]
    NotReady,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A blob failed.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The vault failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The forge failed.
    #[error(transparent)]
    Forge(#[from] ForgeError),
}

impl From<NameError> for UseCaseError {
    fn from(error: NameError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<KeyError> for UseCaseError {
    fn from(error: KeyError) -> Self {
        Self::Invalid(error.to_string())
    }
}

impl From<Refused> for UseCaseError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::UnknownJob(_) | Refused::UnknownSlice { .. } => Self::NotFound(refused.to_string()),
            Refused::Fenced { .. } | Refused::NotOnHold { .. } | Refused::Ended(_) => {
                Self::Conflict(refused.to_string())
            }
            Refused::NotAnEnd(_) => Self::Invalid(refused.to_string()),
        }
    }
}
