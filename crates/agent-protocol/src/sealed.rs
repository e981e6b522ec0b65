//! A secret inside a message. It serialises, because that is its purpose, and shows nothing in `Debug`.

use airlock_domain::Secret;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A secret on its way to an agent, as text.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretValue(Secret);

impl SecretValue {
    /// Wraps a secret for sending. Non-UTF-8 secrets cannot be environment variables and are refused when they are set.
    #[must_use]
    pub const fn new(secret: Secret) -> Self {
        Self(secret)
    }

    /// The secret.
    #[must_use]
    pub const fn secret(&self) -> &Secret {
        &self.0
    }
}

impl std::fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

impl Serialize for SecretValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self
            .0
            .expose_text()
            .ok_or_else(|| serde::ser::Error::custom("a secret value is not UTF-8"))?;
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for SecretValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_travels_but_does_not_show() {
        let value = SecretValue::new(Secret::new("canary-4711"));
        assert!(!format!("{value:?}").contains("canary"));
        let text = serde_json::to_string(&value).expect("serialises");
        assert_eq!(
            serde_json::from_str::<SecretValue>(&text).expect("reads back"),
            value
        );
    }
}
