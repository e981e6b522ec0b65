//! Who asks, and the tokens that prove it. The store keeps SHA-256 of tokens only; a token is shown once, when made.

use airlock_domain::Secret;
use airlock_driver_interfaces::rows::{AuditRow, TokenPurpose, TokenRow};

use crate::{ControlPlane, UseCaseError, limits};

/// Who does something, for rows and the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The user's name, or `key SHA256:…` for a push.
    pub name: String,
}

impl Actor {
    /// An actor of this name.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// A fresh session of a browser.
#[derive(Debug)]
pub struct Session {
    /// The cookie's value.
    pub token: Secret,
    /// Who is signed in.
    pub actor: Actor,
}

impl ControlPlane {
    /// Makes a token that is shown once. `random` are 32 bytes from the operating system.
    pub async fn issue_token(
        &self,
        purpose: TokenPurpose,
        user: &str,
        random: [u8; 32],
    ) -> Result<Secret, UseCaseError> {
        let token = format!("{}{}", prefix(purpose), hex(&random));
        let now = self.now();
        let expires_at = match purpose {
            TokenPurpose::Api => None,
            TokenPurpose::SignIn => Some(now.plus_millis(limits::SIGN_IN_LINK_MS)),
            TokenPurpose::Session => Some(now.plus_millis(limits::SESSION_MS)),
        };
        let row = TokenRow {
            hash: hash(&token),
            purpose,
            user: user.to_owned(),
            expires_at,
            created_at: now,
        };
        self.store().add_token(&row).await?;
        Ok(Secret::new(token))
    }

    /// Who a bearer token or a session cookie speaks for.
    pub async fn authenticate(
        &self,
        purpose: TokenPurpose,
        token: &str,
    ) -> Result<Option<Actor>, UseCaseError> {
        if !token.starts_with(prefix(purpose)) {
            return Ok(None);
        }
        let row = self.store().token(&hash(token), purpose, self.now()).await?;
        Ok(row.map(|row| Actor::new(row.user)))
    }

    /// Turns a one-time sign-in link into a session. `None` when it was used, is too old, or never was.
    pub async fn sign_in(&self, link: &str, random: [u8; 32]) -> Result<Option<Session>, UseCaseError> {
        let Some(row) = self
            .store()
            .take_token(&hash(link), TokenPurpose::SignIn, self.now())
            .await?
        else {
            return Ok(None);
        };
        let token = self.issue_token(TokenPurpose::Session, &row.user, random).await?;
        self.audit("user.sign_in", &row.user, &row.user).await?;
        Ok(Some(Session {
            token,
            actor: Actor::new(row.user),
        }))
    }

    /// Ends a session.
    pub async fn sign_out(&self, session: &str) -> Result<(), UseCaseError> {
        self.store().remove_token(&hash(session)).await?;
        Ok(())
    }

    /// Writes an audit row.
    pub(crate) async fn audit(&self, action: &str, actor: &str, target: &str) -> Result<(), UseCaseError> {
        let row = AuditRow {
            number: 0,
            action: action.to_owned(),
            actor: actor.to_owned(),
            target: target.to_owned(),
            at: self.now(),
        };
        Ok(self.store().audit(&row).await?)
    }
}

const fn prefix(purpose: TokenPurpose) -> &'static str {
    match purpose {
        TokenPurpose::Api => "alk_",
        TokenPurpose::SignIn => "als_",
        TokenPurpose::Session => "alb_",
    }
}

/// The digest of a text that is kept under it.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

fn hash(token: &str) -> String {
    hex(&sha256(token.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}
