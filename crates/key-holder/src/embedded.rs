//! The vault inside the calling process: for `airlock run`, whose keys live as long as the command, and for whoever
//! holds the keys anyway.

use std::sync::Arc;

use airlock_domain::Secret;
use airlock_driver_interfaces::{Clock, Sealed, SealingContext, Vault, VaultError};
use async_trait::async_trait;

use crate::engine::{Engine, EngineError};
use crate::transit::{Binding, TransitError};

/// Seals and opens with an [`Engine`] of this process.
#[derive(Clone)]
pub struct EmbeddedVault {
    engine: Arc<Engine>,
}

impl EmbeddedVault {
    /// Uses an engine.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Keys that live and die with this process.
    #[must_use]
    pub fn ephemeral(clock: Arc<dyn Clock>) -> Self {
        Self::new(Arc::new(Engine::ephemeral(clock)))
    }

    /// The engine inside.
    #[must_use]
    pub fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    /// Calls the engine on a blocking thread, because a change waits for the disk.
    async fn call<T: Send + 'static>(
        &self,
        key: &str,
        context: &SealingContext,
        call: impl FnOnce(&Engine, &str, Binding<'_>) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let (engine, key, text) = (Arc::clone(&self.engine), key.to_owned(), context.to_text());
        let called =
            tokio::task::spawn_blocking(move || call(&engine, &key, Binding::context(text.as_bytes())));
        match called.await {
            Ok(done) => done.map_err(|error| vault_error(&error, context)),
            Err(_) => Err(VaultError::Refused {
                reason: "the engine stopped in the middle of it".to_owned(),
            }),
        }
    }
}

#[async_trait]
impl Vault for EmbeddedVault {
    async fn seal(&self, key: &str, context: &SealingContext, secret: &Secret) -> Result<Sealed, VaultError> {
        let secret = secret.clone();
        let sealing = self.call(key, context, move |engine, key, binding| {
            engine.seal(key, binding, None, &secret)
        });
        Sealed::parse(sealing.await?.0)
    }

    async fn open(&self, key: &str, context: &SealingContext, sealed: &Sealed) -> Result<Secret, VaultError> {
        let sealed = sealed.clone();
        self.call(key, context, move |engine, key, binding| {
            engine.open(key, binding, sealed.as_str())
        })
        .await
    }
}

/// Says it in the words of the trait.
fn vault_error(error: &EngineError, context: &SealingContext) -> VaultError {
    let refused = || VaultError::Refused {
        reason: error.to_string(),
    };
    match error {
        EngineError::Transit(transit) => match transit {
            TransitError::NoSuchKey
            | TransitError::NoPrefix
            | TransitError::NoVersion
            | TransitError::TooNew
            | TransitError::NoBase64
            | TransitError::TooShort
            | TransitError::NotAuthentic => VaultError::DoesNotOpen {
                context: context.to_text(),
            },
            TransitError::OtherKind
            | TransitError::TooOld
            | TransitError::NoContext
            | TransitError::BadName
            | TransitError::TooLong { .. }
            | TransitError::TooManyKeys { .. }
            | TransitError::NoSuchVersion { .. }
            | TransitError::Cipher => refused(),
        },
        EngineError::Keyring(_) | EngineError::NoRandomness => refused(),
    }
}
