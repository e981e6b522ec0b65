//! How orbs are named: `<namespace>/<orb>`, a version that exists in a registry, and the digest of its text.
//!
//! Owns what a stored version is called. What a config may ask for (`@1`, `@1.2`, `@volatile`) is the compiler's; which
//! stored version answers it is chosen there as well.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{NameError, OrbDigest, OrbName};

/// Longest label of a development version: CircleCI's own limit.
const DEV_LABEL_BYTES: usize = 1_023;
/// A namespace and an orb's name become folder names.
const PART_BYTES: usize = 100;

/// A version that a registry can hold. Releases are ordered as numbers; development versions come before all of them, so
/// that none is ever the newest.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum OrbVersion {
    /// `1.2.3`: its text never changes.
    Release {
        /// The first number.
        major: u64,
        /// The second.
        minor: u64,
        /// The third.
        patch: u64,
    },
    /// `dev:label`: may be replaced, and ends by itself.
    Dev {
        /// What follows `dev:`.
        label: String,
    },
}

impl OrbVersion {
    /// Whether its text may never change.
    #[must_use]
    pub const fn is_release(&self) -> bool {
        match self {
            Self::Release { .. } => true,
            Self::Dev { .. } => false,
        }
    }

    fn numbers(&self) -> Option<(u64, u64, u64)> {
        match self {
            Self::Release { major, minor, patch } => Some((*major, *minor, *patch)),
            Self::Dev { .. } => None,
        }
    }

    fn label(&self) -> &str {
        match self {
            Self::Release { .. } => "",
            Self::Dev { label } => label,
        }
    }
}

impl Ord for OrbVersion {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers()
            .cmp(&other.numbers())
            .then_with(|| self.label().cmp(other.label()))
    }
}

impl PartialOrd for OrbVersion {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for OrbVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release { major, minor, patch } => write!(f, "{major}.{minor}.{patch}"),
            Self::Dev { label } => write!(f, "dev:{label}"),
        }
    }
}

impl FromStr for OrbVersion {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let refuse = |problem| Err(NameError::new("orb version", text, problem));
        if let Some(label) = text.strip_prefix("dev:") {
            if label.is_empty() || label.len() > DEV_LABEL_BYTES {
                return refuse("has a label that is empty or longer than 1,023 bytes");
            }
            if !label.bytes().all(|b| b.is_ascii_graphic()) {
                return refuse("has a label that is not of printed ASCII characters without blanks");
            }
            return Ok(Self::Dev {
                label: label.to_owned(),
            });
        }
        let mut numbers = text.split('.').map(number);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => {
                Ok(Self::Release { major, minor, patch })
            }
            _ => refuse("is neither three numbers, as in 1.2.3, nor dev:<label>"),
        }
    }
}

/// One number of a version; without leading zeros, so that each version has one spelling.
fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

impl TryFrom<String> for OrbVersion {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<OrbVersion> for String {
    fn from(version: OrbVersion) -> Self {
        version.to_string()
    }
}

impl OrbDigest {
    /// The digest that is this SHA-256.
    #[must_use]
    pub fn of_sha256(hash: &[u8; 32]) -> Self {
        use fmt::Write as _;
        let text = hash.iter().fold("sha256:".to_owned(), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        });
        Self::trusted(text)
    }
}

impl OrbName {
    /// The part before the slash.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.as_str()
            .split_once('/')
            .map_or("", |(namespace, _)| namespace)
    }

    /// The part after it.
    #[must_use]
    pub fn orb(&self) -> &str {
        self.as_str().split_once('/').map_or("", |(_, orb)| orb)
    }
}

pub(crate) fn check_name(text: &str) -> Result<(), &'static str> {
    let Some((namespace, orb)) = text.split_once('/') else {
        return Err("is not of the form <namespace>/<orb>");
    };
    for part in [namespace, orb] {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if !part.bytes().next().is_some_and(plain)
            || !part.bytes().all(|b| plain(b) || matches!(b, b'_' | b'-'))
        {
            return Err(
                "has a part that is not of lower-case letters, digits, '-' and '_', a letter or digit first",
            );
        }
        if part.len() > PART_BYTES {
            return Err("has a part that is longer than 100 bytes");
        }
    }
    Ok(())
}

pub(crate) fn check_digest(text: &str) -> Result<(), &'static str> {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    if hex.len() == 64 && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        Ok(())
    } else {
        Err("is not sha256: and 64 lower-case hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> OrbVersion {
        text.parse().expect("a version")
    }

    #[test]
    fn versions_are_ordered_as_numbers_and_development_is_never_the_newest() {
        let mut versions: Vec<OrbVersion> = ["1.10.0", "dev:first", "1.9.0", "2.0.0", "0.0.1", "dev:alpha"]
            .map(version)
            .into();
        versions.sort();
        let words: Vec<String> = versions.iter().map(ToString::to_string).collect();
        assert_eq!(
            words,
            ["dev:alpha", "dev:first", "0.0.1", "1.9.0", "1.10.0", "2.0.0"]
        );
        assert!(version("0.0.1").is_release() && !version("dev:a").is_release());
    }

    #[test]
    fn each_version_has_one_spelling() {
        for text in [
            "1",
            "1.2",
            "1.2.3.4",
            "01.2.3",
            "1.2.x",
            "v1.2.3",
            "1.2.",
            "volatile",
            "dev:",
            "dev:ä",
            "dev:a b",
            "",
            "99999999999999999999.0.0",
        ] {
            assert!(text.parse::<OrbVersion>().is_err(), "{text}");
        }
        assert_eq!(version("dev:a.b_c-1").to_string(), "dev:a.b_c-1");
        assert_eq!(String::from(version("1.2.3")), "1.2.3");
        assert!(OrbVersion::try_from("1.2".to_owned()).is_err());
    }

    #[test]
    fn names_have_two_parts() {
        let name = OrbName::new("cypress-io/cypress_2").expect("a name");
        assert_eq!((name.namespace(), name.orb()), ("cypress-io", "cypress_2"));
        for text in [
            "node",
            "-a/b",
            "Circleci/node",
            "circleci/node/x",
            "../../etc",
            "circleci/.node",
            "/x",
            "aa/",
        ] {
            assert!(OrbName::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn digests_say_how_they_were_made() {
        let good = format!("sha256:{}", "0a".repeat(32));
        assert!(OrbDigest::new(good.as_str()).is_ok());
        for text in [&good[7..], &good[..70], &good.to_uppercase()] {
            assert!(OrbDigest::new(text).is_err(), "{text}");
        }
    }
}
