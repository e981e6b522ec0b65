//! The limits of the key holder, each with its reason.

use std::time::Duration;

/// Bytes of one secret. A variable of 64 KiB must fit with room; what is larger belongs into a blob.
pub const SECRET_BYTES: usize = 256 * 1024;

/// Bytes of one request or answer: a secret in base64 twice over, with names and context.
pub const MESSAGE_BYTES: usize = 1024 * 1024;

/// Bytes of a key's name. Names are ids with a prefix.
pub const KEY_NAME_BYTES: usize = 128;

/// Bytes of a derivation context. Rows are named by ids and names, which are far shorter.
pub const CONTEXT_BYTES: usize = 4096;

/// Keys of one keyring: one for each organisation, with room. Each change writes the whole keyring.
pub const KEYS: usize = 10_000;

/// Values sealed under one version of a key before it is rotated on its own. NIST SP 800-38D allows 2^32 random
/// nonces for one key; half of that leaves room for counts lost in crashes.
pub const SEALS_PER_VERSION: u64 = 1 << 31;

/// Seals that are counted on disk ahead of time, so that not each one writes the keyring.
pub const SEALS_RESERVED: u64 = 1 << 16;

/// Bytes of a keyring file that are read: far more than [`KEYS`] keys after years of rotation.
pub const KEYRING_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// Bytes of a token. Ours have 43, those of a real Vault up to a few hundred.
pub const TOKEN_BYTES: usize = 1024;

/// How long one request may take. Sealing takes microseconds; the first one of a key waits for the disk.
pub const REQUEST: Duration = Duration::from_secs(5);

/// How long a caller waits for a key holder that restarts. Longer than a start takes, shorter than a job's patience.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The first pause between two attempts; each one after doubles it.
pub const FIRST_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two attempts.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(1);
