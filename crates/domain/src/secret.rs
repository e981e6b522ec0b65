//! A value that must not be seen: no `Debug` of its content, no `Display`, no serialisation, wiped when dropped.
//! Whoever needs the bytes calls [`Secret::expose`], which is easy to search for.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// Secret bytes, mostly text.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes themselves. Every call is a place where a secret can leak.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The text itself, where the bytes are UTF-8.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// Whether there is nothing inside.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret::new("canary-4711")), "Secret(…)");
        assert_eq!(Secret::new("canary").expose_text(), Some("canary"));
    }
}
