//! The vault: the one holder of keys.
//!
//! [`Engine`] is transit encryption in the format of HashiCorp Vault and OpenBao over a keyring in memory or in files.
//! [`EmbeddedVault`] offers it inside the calling process; [`serve`] offers it to other processes of the same user in the
//! shape of Vault's HTTP API, and [`RemoteVault`] is the client of that, or of a real Vault in its place. The vault
//! process calls [`harden`] before anything else.
//!
//! What this crate promises: key bytes and values never appear in `Debug`, errors or log; the keyring is on disk only
//! sealed, mode 0600; a change is durable before a value is sealed under it; each opening is told to
//! [`Engine::with_on_open`] before its value is given out. What it cannot promise: root on the machine, and whoever can
//! read the folder of the keyring as its user, can open everything (see `keyring_files`).

mod embedded;
mod engine;
mod hardening;
mod keyring_files;
pub mod limits;
mod remote;
mod server;
mod token;
mod transit;
mod wire;

pub use embedded::EmbeddedVault;
pub use engine::{Engine, EngineError, KeyDescription, OnOpen, Opening};
pub use hardening::{Hardening, HardeningError, MemoryLock, harden};
pub use keyring_files::KeyringFileError;
pub use remote::RemoteVault;
pub use server::serve;
pub use token::VaultToken;
pub use transit::{Binding, KeyName, TransitError};
