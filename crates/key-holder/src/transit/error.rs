//! What transit operations refuse, in the words of Vault, because a client may have been written against those.

/// Why a value was not sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransitError {
    /// There is no key of this name.
    #[error("encryption key not found")]
    NoSuchKey,
    /// There is one already, of another kind.
    #[error("the key exists already and is of another kind")]
    OtherKind,
    /// The text does not begin as a ciphertext does.
    #[error("invalid ciphertext: no prefix")]
    NoPrefix,
    /// No number, or no colon after it.
    #[error("invalid ciphertext: version number could not be decoded")]
    NoVersion,
    /// The key has no such version yet.
    #[error("invalid ciphertext: version is too new")]
    TooNew,
    /// The key's policy forbids versions this old, or they were trimmed.
    #[error("ciphertext or signature version is disallowed by policy (too old)")]
    TooOld,
    /// The body is not base64.
    #[error("invalid ciphertext: could not decode base64")]
    NoBase64,
    /// The body is shorter than a nonce and a tag.
    #[error("invalid ciphertext length")]
    TooShort,
    /// Another key, another context, other associated data, or changed bytes.
    #[error("cipher: message authentication failed")]
    NotAuthentic,
    /// The key derives, and no context was given.
    #[error(
        "missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key"
    )]
    NoContext,
    /// Not the form of a key's name.
    #[error(
        "a key's name is letters, digits, '_', '-' and '.', beginning and ending with a letter, digit or '_'"
    )]
    BadName,
    /// Longer than may be.
    #[error("{what} has {bytes} bytes, more than the {limit} that are possible")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// What is possible.
        limit: usize,
    },
    /// More keys than may be.
    #[error("the keyring holds {limit} keys already")]
    TooManyKeys {
        /// How many are possible.
        limit: usize,
    },
    /// A version that cannot be required or sealed under.
    #[error("version {version} is not between {lowest} and {highest}")]
    NoSuchVersion {
        /// What was asked for.
        version: u32,
        /// The lowest possible.
        lowest: u32,
        /// The highest possible.
        highest: u32,
    },
    /// The crypto library failed, which it does for no input of ours.
    #[error("the cipher failed")]
    Cipher,
}
