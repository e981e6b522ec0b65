//! Names of keys: what Vault takes in a path, so that a name needs no escaping in any address.

use std::fmt;

use super::TransitError;
use crate::limits::KEY_NAME_BYTES;

/// The name of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// Checks the form.
    pub fn parse(text: &str) -> Result<Self, TransitError> {
        if text.len() > KEY_NAME_BYTES {
            return Err(TransitError::TooLong {
                what: "a key's name",
                bytes: text.len(),
                limit: KEY_NAME_BYTES,
            });
        }
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let inner = |byte: &u8| word(byte) || matches!(byte, b'-' | b'.');
        let bytes = text.as_bytes();
        let valid =
            bytes.first().is_some_and(word) && bytes.last().is_some_and(word) && bytes.iter().all(inner);
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(TransitError::BadName)
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_need_no_escaping() {
        for good in ["a", "_", "org-0198c2f4.x", "A_9"] {
            assert_eq!(KeyName::parse(good).expect("taken").as_str(), good);
        }
        for bad in [
            "",
            "-a",
            "a-",
            ".",
            "..",
            "a/b",
            "a b",
            "ä",
            "a?x",
            "a%2f",
            &"x".repeat(129),
        ] {
            assert!(KeyName::parse(bad).is_err(), "{bad:?} was taken");
        }
    }
}
