//! References to orbs: `namespace/orb@version` and `https://…`. Owns their grammar and the words for what breaks it; which
//! version a reference fits is `select`'s business, and fetching is the caller's.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::limits::MAX_ORB_REFERENCE_BYTES;

/// What stands under `orbs:` for an orb that is not written in place.
///
/// `Display` gives the text that [`OrbReference::parse`] reads back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrbReference {
    /// `circleci/node@5.2`.
    Registry {
        /// The orb.
        name: OrbName,
        /// Which of its versions.
        version: OrbVersion,
    },
    /// `https://host/path/orb.yml`: the text itself, checked to be of that form.
    Url(String),
}

/// `namespace/orb`. Both parts are of letters, digits, `-` and `_`, so that they are safe as names of folders.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OrbName {
    namespace: String,
    orb: String,
}

/// A published version: numbers that never change their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Changes that break callers.
    pub major: u64,
    /// Additions.
    pub minor: u64,
    /// Repairs.
    pub patch: u64,
}

/// Which version of an orb is wanted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrbVersion {
    /// `5.2.0`: this one.
    Exact(Version),
    /// `5.2`: the newest patch.
    Minor(u64, u64),
    /// `5`: the newest of that major version.
    Major(u64),
    /// `volatile`: the newest published.
    Volatile,
    /// `dev:label`, without the `dev:`. The label may hold anything but blanks: a driver that makes a path of it must
    /// refuse separators.
    Dev(String),
}

/// Why a text is no reference.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OrbReferenceError {
    /// Nothing before the `@`, or nothing at all.
    #[error("`{0}` names no orb")]
    NoName(String),
    /// No `@version`.
    #[error("orb version is required: `{0}` has none")]
    NoVersion(String),
    /// No `namespace/`.
    #[error("`{0}` names no namespace")]
    NoNamespace(String),
    /// A name that cannot be one.
    #[error("`{0}` is no name of an orb or namespace")]
    BadName(String),
    /// A version that cannot be one.
    #[error("`{0}` is no version of an orb")]
    BadVersion(String),
    /// An address that is not `https://host/path`, or not plain.
    #[error("`{text}` is no address of an orb: {reason}")]
    BadUrl {
        /// The address.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Longer than any reference.
    #[error("a reference to an orb has at most {MAX_ORB_REFERENCE_BYTES} bytes")]
    TooLong,
}

impl OrbReferenceError {
    /// The way out, for the author of a config.
    pub fn hint(&self) -> String {
        match self {
            Self::NoVersion(text) => {
                format!("write `{text}@` and a version, such as `5.2.0`, `5` or `volatile`")
            }
            Self::BadName(text) if with_at(text).is_some() => {
                format!("the version comes after an `@`: `{}`", with_at(text).unwrap_or_default())
            }
            Self::BadName(text) if text.chars().any(char::is_uppercase) => {
                format!("names of orbs are lower case: `{}`", text.to_lowercase())
            }
            Self::BadVersion(text) if is_numbers(text.strip_prefix('v')) => {
                format!("write it without the `v`: `{}`", &text[1..])
            }
            Self::BadVersion(_) => {
                "a version is `5.2.0`, `5.2` (newest patch), `5` (newest minor), `volatile` (newest) or `dev:label`"
                    .to_owned()
            }
            Self::BadUrl { .. } => "an address looks like `https://example.com/orbs/orb.yml`".to_owned(),
            Self::NoName(_) | Self::NoNamespace(_) | Self::BadName(_) | Self::TooLong => {
                "an orb is named `namespace/orb@version`, such as `circleci/node@5.2.0`".to_owned()
            }
        }
    }
}

impl OrbReferenceError {
    /// A part of the text and what it should read, where that is plain.
    pub fn repair(&self) -> Option<(String, String)> {
        match self {
            Self::BadName(text) => {
                if let Some(right) = with_at(text) {
                    Some((text.clone(), right))
                } else {
                    let right = text.to_lowercase();
                    let (namespace, orb) = right.split_once('/')?;
                    (OrbName::new(namespace, orb).is_ok() && right != *text)
                        .then(|| (text.clone(), right.clone()))
                }
            }
            Self::BadVersion(text) => {
                let right = text.strip_prefix('v').filter(|right| is_numbers(Some(right)))?;
                Some((text.clone(), right.to_owned()))
            }
            Self::NoName(_)
            | Self::NoVersion(_)
            | Self::NoNamespace(_)
            | Self::BadUrl { .. }
            | Self::TooLong => None,
        }
    }
}

/// `circleci/node:5.2` as it should have been written.
fn with_at(text: &str) -> Option<String> {
    let (name, version) = text.split_once(':')?;
    let right = format!("{name}@{version}");
    OrbReference::parse(&right).is_ok().then_some(right)
}

fn is_numbers(text: Option<&str>) -> bool {
    text.is_some_and(|text| OrbVersion::parse(text).is_ok())
}

impl OrbReference {
    /// Reads a reference. Templates must have been filled in.
    pub fn parse(text: &str) -> Result<Self, OrbReferenceError> {
        let text = text.trim();
        if text.len() > MAX_ORB_REFERENCE_BYTES {
            return Err(OrbReferenceError::TooLong);
        }
        if text.contains("://") {
            return url(text).map(Self::Url);
        }
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if name.is_empty() {
            return Err(OrbReferenceError::NoName(text.to_owned()));
        }
        if version.is_none() && with_at(name).is_some() {
            return Err(OrbReferenceError::BadName(name.to_owned()));
        }
        let Some((namespace, orb)) = name.split_once('/') else {
            return Err(OrbReferenceError::NoNamespace(text.to_owned()));
        };
        let name = OrbName::new(namespace, orb)?;
        match version {
            None | Some("") => Err(OrbReferenceError::NoVersion(name.to_string())),
            Some(version) => Ok(Self::Registry {
                name,
                version: OrbVersion::parse(version)?,
            }),
        }
    }

    /// The orb's name, when it is one of a registry.
    pub fn name(&self) -> Option<&OrbName> {
        match self {
            Self::Registry { name, .. } => Some(name),
            Self::Url(_) => None,
        }
    }

    /// Whether the same reference may mean another content tomorrow.
    pub fn floats(&self) -> bool {
        match self {
            Self::Registry { version, .. } => !matches!(version, OrbVersion::Exact(_)),
            Self::Url(_) => true,
        }
    }
}

impl fmt::Display for OrbReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { name, version } => write!(f, "{name}@{version}"),
            Self::Url(text) => f.write_str(text),
        }
    }
}

impl FromStr for OrbReference {
    type Err = OrbReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl OrbName {
    /// Makes a name of its two parts.
    pub fn new(namespace: &str, orb: &str) -> Result<Self, OrbReferenceError> {
        for part in [namespace, orb] {
            let first = part
                .chars()
                .next()
                .is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            let rest = part
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
            if !first || !rest {
                return Err(OrbReferenceError::BadName(format!("{namespace}/{orb}")));
            }
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            orb: orb.to_owned(),
        })
    }

    /// What stands before the `/`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// What stands after it.
    pub fn orb(&self) -> &str {
        &self.orb
    }
}

impl fmt::Display for OrbName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.orb)
    }
}

impl OrbVersion {
    /// Reads a version: what stands after the `@`.
    pub fn parse(text: &str) -> Result<Self, OrbReferenceError> {
        let bad = || OrbReferenceError::BadVersion(text.to_owned());
        if text == "volatile" {
            return Ok(Self::Volatile);
        }
        if let Some(label) = text.strip_prefix("dev:") {
            let blank = |c: char| c.is_whitespace() || c.is_control();
            return if label.is_empty() || label.contains(blank) {
                Err(bad())
            } else {
                Ok(Self::Dev(label.to_owned()))
            };
        }
        let mut numbers = Vec::new();
        for part in text.split('.') {
            if part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(bad());
            }
            numbers.push(part.parse::<u64>().map_err(|_| bad())?);
        }
        match *numbers.as_slice() {
            [major] => Ok(Self::Major(major)),
            [major, minor] => Ok(Self::Minor(major, minor)),
            [major, minor, patch] => Ok(Self::Exact(Version { major, minor, patch })),
            _ => Err(bad()),
        }
    }
}

impl fmt::Display for OrbVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(version) => version.fmt(f),
            Self::Minor(major, minor) => write!(f, "{major}.{minor}"),
            Self::Major(major) => write!(f, "{major}"),
            Self::Volatile => f.write_str("volatile"),
            Self::Dev(label) => write!(f, "dev:{label}"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Checks an address. What could make it mean another place than its beginning says is refused: permission is given by
/// beginnings.
fn url(text: &str) -> Result<String, OrbReferenceError> {
    let bad = |reason| {
        Err(OrbReferenceError::BadUrl {
            text: text.to_owned(),
            reason,
        })
    };
    let Some(rest) = text.strip_prefix("https://") else {
        return bad("orbs are fetched by `https://` only");
    };
    if text
        .chars()
        .any(|c| c.is_whitespace() || c.is_control() || c == '\\')
    {
        return bad("it holds a blank or a backslash");
    }
    let Some((host, path)) = rest.split_once('/') else {
        return bad("it names no file");
    };
    if host.is_empty() {
        return bad("it names no host");
    }
    if host.contains('@') {
        return bad("it holds a name or password");
    }
    if text.contains('#') {
        return bad("it has a part after `#`");
    }
    let lower = path.to_ascii_lowercase().replace("%2e", ".").replace("%2f", "/");
    if lower
        .split(['/', '?'])
        .any(|part| matches!(part, "." | "..") || part.contains("%5c"))
    {
        return bad("it goes up a folder");
    }
    Ok(text.to_owned())
}

/// Whether an address may be fetched: it begins with one of the prefixes, each of which is `https://` and ends with `/`;
/// one that does not is no permission at all.
pub fn url_is_allowed(url: &str, prefixes: &[String]) -> bool {
    prefixes
        .iter()
        .filter(|prefix| prefix.starts_with("https://") && prefix.ends_with('/'))
        .any(|prefix| prefix.len() > "https://".len() && url.starts_with(prefix.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        match OrbReference::parse(text) {
            Ok(reference) => panic!("{text} was read as {reference}"),
            Err(error) => format!("{error}; {}", error.hint()),
        }
    }

    #[test]
    fn every_form_reads_back_as_it_was_written() {
        for text in [
            "circleci/node@5.2.0",
            "circleci/node@5.2",
            "circleci/node@5",
            "circleci/node@volatile",
            "my_ns/an-orb2@dev:first",
            "circleci/node@dev:0123abc",
            "ns/orb@dev:Feature.X_1",
            "https://example.com/orbs/a.yml?token=x",
        ] {
            let reference = OrbReference::parse(text).expect("it is a reference");
            assert_eq!(reference.to_string(), text);
        }
        assert_eq!(
            OrbReference::parse(" a/b@1.2.3 ").map(|reference| reference.floats()),
            Ok(false)
        );
    }

    #[test]
    fn what_is_no_reference_is_told_by_its_fault() {
        assert_eq!(
            error("circleci/node"),
            "orb version is required: `circleci/node` has none; write `circleci/node@` and a version, such as \
             `5.2.0`, `5` or `volatile`"
        );
        assert!(error("circleci/node@").starts_with("orb version is required"));
        assert!(error("node@5").starts_with("`node@5` names no namespace; an orb is named"));
        assert!(error("").starts_with("`` names no orb"));
        assert!(error("@5").starts_with("`@5` names no orb"));
        assert!(error("Circle/Node@5").ends_with("names of orbs are lower case: `circle/node`"));
        assert!(error("../etc@5").starts_with("`../etc` is no name"));
        assert!(error("a/b:4.1").ends_with("the version comes after an `@`: `a/b@4.1`"));
        assert!(error("a/b/c@5").starts_with("`a/b/c` is no name"));
        assert!(error("<namespace>/<orb-name>@1").starts_with("`<namespace>/<orb-name>` is no name"));
        assert!(error("a/b@v5.2.0").ends_with("write it without the `v`: `5.2.0`"));
        for version in [
            "x.y.z",
            "1.2.3.4",
            "1..2",
            "-1",
            "dev:",
            "dev:a b",
            "latest",
            "99999999999999999999",
        ] {
            let text = format!("a/b@{version}");
            assert!(error(&text).contains("is no version of an orb"), "{text}");
        }
        assert_eq!(
            OrbReference::parse(&format!("a/b@dev:{}", "x".repeat(2000))),
            Err(OrbReferenceError::TooLong)
        );
    }

    #[test]
    fn addresses_must_say_plainly_where_they_lead() {
        for text in [
            "http://example.com/a.yml",
            "https://example.com",
            "https:///a.yml",
            "https://user@example.com/a.yml",
            "https://example.com/orbs/../secret.yml",
            "https://example.com/orbs/%2E%2e/secret.yml",
            "https://example.com/orbs/..%2fsecret.yml",
            "https://example.com/a\\b",
            "https://example.com/a b",
            "https://example.com/a#b",
            "file:///etc/passwd",
        ] {
            assert!(
                matches!(OrbReference::parse(text), Err(OrbReferenceError::BadUrl { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn prefixes_without_a_slash_at_the_end_allow_nothing() {
        let allowed = |prefix: &str| url_is_allowed("https://example.com/orbs/a.yml", &[prefix.to_owned()]);
        assert!(allowed("https://example.com/") && allowed("https://example.com/orbs/"));
        assert!(!allowed("https://example.com/orbs") && !allowed("https://example.org/"));
        assert!(!allowed("https://") && !allowed("http://example.com/") && !allowed(""));
    }
}
