//! The vault in another process, spoken to over its Unix socket: the key holder's, or the one of a real Vault or
//! OpenBao (`listener "unix"`). Waits for one that restarts; never keeps a value or a key. Called by the server.

use std::path::PathBuf;
use std::time::Duration;

use airlock_domain::Secret;
use airlock_driver_interfaces::{Sealed, SealingContext, Vault, VaultError};
use airlock_transport::unix_http::request_unix;
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};
use tracing::debug;

use crate::limits::{FIRST_PAUSE, LONGEST_PAUSE, MESSAGE_BYTES, PATIENCE, REQUEST};
use crate::token::VaultToken;
use crate::transit::KeyName;
use crate::wire::{
    self, CipherRequest, ConfigRequest, Envelope, Errors, KeyRequest, MOUNT, Sealing, SecretText, Unsealing,
};

/// A client of a vault. Clones are the same client.
#[derive(Debug, Clone)]
pub struct RemoteVault {
    socket: PathBuf,
    token: VaultToken,
    patience: Duration,
}

/// What the vault said when it did not say yes.
enum Failure {
    /// It said no, with these texts.
    Refused { status: StatusCode, errors: Vec<String> },
    /// It said nothing, for as long as we were patient.
    Unreachable(String),
}

impl RemoteVault {
    /// A client of the vault behind this socket. Does not connect yet.
    #[must_use]
    pub fn new(socket: PathBuf, token: VaultToken) -> Self {
        Self {
            socket,
            token,
            patience: PATIENCE,
        }
    }

    /// Waits this long for a vault that restarts.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Makes a key that derives one of its own for each context. One that is there stays as it is.
    pub async fn create(&self, key: &str) -> Result<(), VaultError> {
        let request = KeyRequest {
            kind: Some(wire::KEY_TYPE.to_owned()),
            derived: true,
            ..KeyRequest::default()
        };
        self.manage(key, "", &request).await
    }

    /// Adds a newer version to a key.
    pub async fn rotate(&self, key: &str) -> Result<(), VaultError> {
        self.manage(key, "/rotate", &serde_json::Map::new()).await
    }

    /// Forbids versions older than this to open.
    pub async fn require(&self, key: &str, min_decryption: u32) -> Result<(), VaultError> {
        let request = ConfigRequest {
            min_decryption_version: Some(min_decryption),
            ..ConfigRequest::default()
        };
        self.manage(key, "/config", &request).await
    }

    /// Seals a value anew under the newest version, inside the vault.
    pub async fn rewrap(
        &self,
        key: &str,
        context: &SealingContext,
        sealed: &Sealed,
    ) -> Result<Sealed, VaultError> {
        let request = CipherRequest {
            ciphertext: Some(sealed.as_str().to_owned()),
            ..bound(context)
        };
        let sealing: Sealing = self.cipher("rewrap", key, context, &request).await?;
        Sealed::parse(sealing.ciphertext)
    }

    /// Whether the vault answers and is ready to open values.
    pub async fn is_ready(&self) -> bool {
        let request = Request::get(wire::HEALTH).body(Bytes::new());
        let Ok(request) = request else { return false };
        let answer = request_unix(&self.socket, request, MESSAGE_BYTES, REQUEST).await;
        answer.is_ok_and(|answer| answer.status() == StatusCode::OK)
    }

    async fn manage<B: Serialize + Sync>(&self, key: &str, action: &str, body: &B) -> Result<(), VaultError> {
        let key = name(key)?;
        match self.call(&format!("{MOUNT}keys/{key}{action}"), body).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.plain()),
        }
    }

    async fn cipher<T: DeserializeOwned>(
        &self,
        action: &str,
        key: &str,
        context: &SealingContext,
        request: &CipherRequest,
    ) -> Result<T, VaultError> {
        let key = name(key)?;
        let answer = self.call(&format!("{MOUNT}{action}/{key}"), request).await;
        let answer = answer.map_err(|failure| failure.about(context))?;
        let envelope: Envelope<T> = wire::read(answer.body()).map_err(|error| VaultError::Refused {
            reason: format!("its answer is not readable: {error}"),
        })?;
        Ok(envelope.data)
    }

    /// Sends a request until it is answered or patience ends. Every request of ours may be repeated: a rotation done
    /// twice is one version more.
    async fn call<B: Serialize + Sync>(&self, path: &str, body: &B) -> Result<Response<Bytes>, Failure> {
        let unsendable = |why: String| Failure::Refused {
            status: StatusCode::BAD_REQUEST,
            errors: vec![why],
        };
        let body = Bytes::from(serde_json::to_vec(body).map_err(|_| unsendable("not JSON".to_owned()))?);
        let mut token =
            HeaderValue::from_bytes(self.token.expose()).map_err(|_| unsendable("no token".to_owned()))?;
        token.set_sensitive(true);
        let end = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut request = Request::new(body.clone());
            *request.method_mut() = Method::POST;
            *request.uri_mut() = path.parse().map_err(|_| unsendable(format!("no path: {path}")))?;
            let headers = request.headers_mut();
            headers.insert(wire::TOKEN_HEADER, token.clone());
            headers.insert(wire::REQUEST_HEADER, HeaderValue::from_static("true"));
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            let reason = match request_unix(&self.socket, request, MESSAGE_BYTES, REQUEST).await {
                Ok(answer) if answer.status().is_success() => return Ok(answer),
                // Sealed, or not the active one of several.
                Ok(answer) if answer.status() == StatusCode::SERVICE_UNAVAILABLE => {
                    format!("it is not ready ({})", texts(&answer).join("; "))
                }
                Ok(answer) => {
                    return Err(Failure::Refused {
                        status: answer.status(),
                        errors: texts(&answer),
                    });
                }
                Err(error) if error.may_pass() => error.to_string(),
                Err(error) => return Err(Failure::Unreachable(error.to_string())),
            };
            if Instant::now() + pause > end {
                return Err(Failure::Unreachable(reason));
            }
            debug!(reason, "waiting for the key holder");
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[async_trait]
impl Vault for RemoteVault {
    async fn seal(&self, key: &str, context: &SealingContext, secret: &Secret) -> Result<Sealed, VaultError> {
        let request = CipherRequest {
            plaintext: Some(SecretText::encode(secret)),
            ..bound(context)
        };
        let sealing: Sealing = self.cipher("encrypt", key, context, &request).await?;
        Sealed::parse(sealing.ciphertext)
    }

    async fn open(&self, key: &str, context: &SealingContext, sealed: &Sealed) -> Result<Secret, VaultError> {
        let request = CipherRequest {
            ciphertext: Some(sealed.as_str().to_owned()),
            ..bound(context)
        };
        let unsealing: Unsealing = self.cipher("decrypt", key, context, &request).await?;
        let unreadable = || VaultError::Refused {
            reason: "its answer is not base64".to_owned(),
        };
        unsealing.plaintext.decode().ok_or_else(unreadable)
    }
}

impl Failure {
    /// In the words of the trait.
    fn plain(self) -> VaultError {
        match self {
            Self::Unreachable(reason) => VaultError::Unreachable { reason },
            Self::Refused { status, errors } if errors.is_empty() => VaultError::Refused {
                reason: status.to_string(),
            },
            Self::Refused { errors, .. } => VaultError::Refused {
                reason: errors.join("; "),
            },
        }
    }

    /// The same, when it was about one value. Vault has one status for all of it, so the text decides.
    fn about(self, context: &SealingContext) -> VaultError {
        const SAYS_IT_DOES_NOT_OPEN: [&str; 3] = [
            "message authentication failed",
            "invalid ciphertext",
            "encryption key not found",
        ];
        let does_not_open = match &self {
            Self::Unreachable(_) => false,
            Self::Refused { status, errors } => {
                *status == StatusCode::BAD_REQUEST
                    && errors
                        .iter()
                        .any(|error| SAYS_IT_DOES_NOT_OPEN.iter().any(|text| error.contains(text)))
            }
        };
        if does_not_open {
            VaultError::DoesNotOpen {
                context: context.to_text(),
            }
        } else {
            self.plain()
        }
    }
}

/// A request bound to a context.
fn bound(context: &SealingContext) -> CipherRequest {
    CipherRequest {
        context: Some(STANDARD.encode(context.to_text())),
        ..CipherRequest::default()
    }
}

/// A name that needs no escaping in a path.
fn name(key: &str) -> Result<KeyName, VaultError> {
    KeyName::parse(key).map_err(|error| VaultError::Refused {
        reason: error.to_string(),
    })
}

/// What an answer without content says.
fn texts(answer: &Response<Bytes>) -> Vec<String> {
    wire::read::<Errors>(answer.body())
        .map(|errors| errors.errors)
        .unwrap_or_default()
}
