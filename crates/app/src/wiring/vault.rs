//! The key holder's process, and how the server reaches it: a Unix socket for this user only, and a token beside it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use airlock_backends::SystemClock;
use airlock_key_holder::{Engine, Hardening, RemoteVault, VaultToken, harden};
use airlock_transport::unix_socket::UnixDoor;
use anyhow::Context as _;

fn socket(data_dir: &Path) -> PathBuf {
    data_dir.join("run/vault.sock")
}

fn token(data_dir: &Path) -> PathBuf {
    data_dir.join("run/vault.token")
}

/// Protects this process's memory: no dumps, no tracing, no swap where that can be had.
pub(crate) fn protect() -> anyhow::Result<()> {
    let hardening: Hardening = harden().context("protecting the key holder's memory")?;
    tracing::info!(?hardening, "the key holder's memory is protected");
    Ok(())
}

/// Serves the keys below `data_dir/vault` until `shutdown` completes; `ready` is called when the socket answers.
pub(crate) async fn serve(
    data_dir: &Path,
    ready: impl FnOnce(),
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let engine = Engine::open_or_create(&data_dir.join("vault"), Arc::new(SystemClock))
        .context("opening the keyring")?
        .with_on_open(Arc::new(|opening| {
            tracing::info!(key = opening.key, "a secret was opened");
        }));
    let secret = kept_token(data_dir)?;
    let door = UnixDoor::bind(&socket(data_dir))
        .await
        .context("opening the key holder's socket")?;
    ready();
    airlock_key_holder::serve(door, Arc::new(engine), secret, shutdown).await;
    Ok(())
}

/// The token of earlier starts, so that a server that runs on is still known after the key holder was started again.
fn kept_token(data_dir: &Path) -> anyhow::Result<VaultToken> {
    if let Ok(kept) = VaultToken::read(&token(data_dir)) {
        return Ok(kept);
    }
    let fresh =
        VaultToken::generate().map_err(|_| anyhow::anyhow!("the operating system gives no random bytes"))?;
    fresh
        .write(&token(data_dir))
        .context("writing the key holder's token")?;
    Ok(fresh)
}

/// A client of the key holder of this data directory.
pub(crate) fn client(data_dir: &Path) -> anyhow::Result<RemoteVault> {
    let secret = VaultToken::read(&token(data_dir)).with_context(|| {
        format!(
            "no key holder runs for {}: start `airlock vault`, or everything with `airlock up`",
            data_dir.display()
        )
    })?;
    Ok(RemoteVault::new(socket(data_dir), secret))
}
