//! The parts of SSH that belong to the connection rather than to what is spoken inside: host keys, public keys in
//! OpenSSH's form, known_hosts lines, and the listener. The git remote in the gateway builds on it.

mod key;
mod listener;

pub use key::{HostKey, SshKeyError, SshPrivateKey, SshPublicKey};
pub use listener::{SshConnection, SshCut, SshListener, SshStream};
