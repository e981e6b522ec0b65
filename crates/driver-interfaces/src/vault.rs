//! Sealing of secrets. The control plane holds ciphertext only; it asks the vault to seal what people enter and to
//! open what one job may see.

use std::fmt;

use airlock_domain::Secret;
use async_trait::async_trait;

/// A sealed secret, `vault:vN:…`. Safe to store and to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(String);

impl Sealed {
    /// Checks the form `vault:v<N>:<base64>`.
    pub fn parse(text: impl Into<String>) -> Result<Self, VaultError> {
        let text = text.into();
        let valid = text
            .strip_prefix("vault:v")
            .and_then(|rest| rest.split_once(':'))
            .is_some_and(|(version, body)| version.parse::<u32>().is_ok_and(|n| n > 0) && !body.is_empty());
        if valid {
            Ok(Self(text))
        } else {
            Err(VaultError::NotSealed)
        }
    }

    /// The text form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealed(vault:…)")
    }
}

/// What a ciphertext is bound to: it opens only in the row and column it was sealed for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealingContext {
    /// Table, such as `environment`.
    pub table: &'static str,
    /// Row id, made of ids and names.
    pub row: String,
    /// Column, such as `value`.
    pub column: &'static str,
}

impl SealingContext {
    /// `table|row|column`, the derivation context.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{}|{}|{}", self.table, self.row, self.column)
    }
}

/// Seals and opens. Called from many tasks at once; both calls may be repeated.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Seals a secret under the newest version of a key, for one context.
    async fn seal(&self, key: &str, context: &SealingContext, secret: &Secret) -> Result<Sealed, VaultError>;
    /// Opens what was sealed under that key for that context.
    async fn open(&self, key: &str, context: &SealingContext, sealed: &Sealed) -> Result<Secret, VaultError>;
}

/// What can go wrong with sealing.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The text is no ciphertext.
    #[error("a stored secret is not of the form vault:v<N>:<base64>")]
    NotSealed,
    /// Wrong key, wrong context, or changed bytes.
    #[error(
        "a stored secret does not open for {context}: it was changed, moved, or sealed under another key"
    )]
    DoesNotOpen {
        /// Where it stands.
        context: String,
    },
    /// The key holder cannot be reached.
    #[error("the key holder does not answer: {reason}")]
    Unreachable {
        /// Why.
        reason: String,
    },
    /// The key holder refuses.
    #[error("the key holder refuses: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_vault_form_is_taken() {
        assert!(Sealed::parse("vault:v1:abcd").is_ok());
        for bad in [
            "",
            "hunter2",
            "vault:v0:x",
            "vault:v1:",
            "vault:vx:y",
            "vault:1:y",
        ] {
            assert!(Sealed::parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}
