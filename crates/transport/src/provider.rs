//! The one cryptography provider of the process. rustls panics at its first handshake when none is installed, so
//! `main` and every test call [`install`] first; nothing else in the product chooses a provider.

/// Installs aws-lc-rs as the process-wide rustls provider. May be called any number of times.
pub fn install() {
    // The error only says that a provider is there already: ours, as nobody else installs one.
    let _already_there = rustls::crypto::aws_lc_rs::default_provider().install_default();
}
