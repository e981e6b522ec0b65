//! Names given by people. Constructors check what the field allows and say what is wrong; what is stored in a name is
//! safe to print, but not to paste into a shell or a path without quoting.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// A name that breaks the rules of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} '{text}' {problem}")]
pub struct NameError {
    kind: &'static str,
    text: String,
    problem: &'static str,
}

impl NameError {
    /// Why this text is no name of its kind.
    pub(crate) fn new(kind: &'static str, text: &str, problem: &'static str) -> Self {
        Self {
            kind,
            text: text.chars().take(80).collect(),
            problem,
        }
    }
}

macro_rules! name {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $check:path);* $(;)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and wraps it.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                match $check(&text) {
                    Ok(()) => Ok(Self(text)),
                    Err(problem) => Err(NameError { kind: $kind, text: text.chars().take(80).collect(), problem }),
                }
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    )*};
}

name! {
    /// An organisation's name: the first part of `<org>/<repo>`.
    OrgName, "organisation", check_path_part;
    /// A repository's name: the second part of `<org>/<repo>`.
    RepoName, "repository", check_path_part;
    /// A workflow's name as the config writes it.
    WorkflowName, "workflow", check_free_text;
    /// A job's name inside its workflow, after matrix and `name:`.
    JobName, "job", check_free_text;
    /// A context's name.
    ContextName, "context", check_free_text;
    /// An environment variable's name: `[A-Za-z_][A-Za-z0-9_]*`.
    EnvName, "environment variable", check_env;
    /// A branch, without `refs/heads/`.
    BranchName, "branch", check_ref;
    /// A tag, without `refs/tags/`.
    TagName, "tag", check_ref;
    /// A full commit id in lower-case hexadecimal, SHA-1 or SHA-256.
    CommitSha, "commit", check_sha;
    /// An image's name as the config writes it.
    ImageName, "image", check_image;
    /// A resource class, such as `medium`.
    ResourceClass, "resource class", check_class;
    /// An orb's name: `<namespace>/<orb>`.
    OrbName, "orb", crate::orbs::check_name;
    /// What an orb's text was hashed to: `sha256:` and hexadecimal digits.
    OrbDigest, "digest", crate::orbs::check_digest;
}

impl OrbDigest {
    /// Wraps a text that was made to be one.
    pub(crate) const fn trusted(text: String) -> Self {
        Self(text)
    }
}

fn check_path_part(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > limits::PATH_PART_BYTES {
        return Err("is longer than 100 bytes");
    }
    if text.starts_with(['.', '-']) {
        return Err("begins with a dot or a dash");
    }
    if text.strip_suffix(".git").or(text.strip_suffix(".lock")).is_some() {
        return Err("ends in .git or .lock, which git keeps for itself");
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        return Err("may hold only letters, digits, '-', '_' and '.'");
    }
    Ok(())
}

fn check_free_text(text: &str) -> Result<(), &'static str> {
    if text.trim().is_empty() {
        return Err("is empty");
    }
    if text.len() > limits::NAME_BYTES {
        return Err("is longer than 512 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    Ok(())
}

fn check_env(text: &str) -> Result<(), &'static str> {
    let mut bytes = text.bytes();
    let Some(first) = bytes.next() else {
        return Err("is empty");
    };
    if text.len() > limits::ENV_NAME_BYTES {
        return Err("is longer than 300 bytes");
    }
    if !(first.is_ascii_alphabetic() || first == b'_') {
        return Err("must begin with a letter or '_'");
    }
    if !bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err("may hold only letters, digits and '_'");
    }
    Ok(())
}

/// The rules of `git check-ref-format`, and no leading dash, which a command line would take for an option.
fn check_ref(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > limits::REF_BYTES {
        return Err("is longer than 1,024 bytes");
    }
    let bad_char = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    if text.chars().any(bad_char) {
        return Err("holds a character that git refuses in a ref");
    }
    if text.starts_with(['-', '/', '.']) || text.ends_with(['/', '.']) || text == "@" {
        return Err("begins or ends as git refuses");
    }
    if text.contains("..") || text.contains("//") || text.contains("@{") || text.contains("/.") {
        return Err("holds '..', '//', '/.' or '@{', which git refuses");
    }
    if text.split('/').any(|part| part.strip_suffix(".lock").is_some()) {
        return Err("has a part that ends in .lock, which git refuses");
    }
    Ok(())
}

fn check_sha(text: &str) -> Result<(), &'static str> {
    let hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if hex && matches!(text.len(), 40 | 64) {
        Ok(())
    } else {
        Err("is not 40 or 64 lower-case hexadecimal digits")
    }
}

/// As a resource class, and `$NAME` and `${NAME}`, which some configs write and which stay as written.
fn check_image(text: &str) -> Result<(), &'static str> {
    let plain: String = text.chars().filter(|c| !matches!(c, '$' | '{' | '}')).collect();
    check_class(&plain).map_err(|problem| {
        if problem.starts_with("may hold") {
            "may hold only letters, digits and - _ . / : @ + $ { }"
        } else {
            problem
        }
    })
}

fn check_class(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > limits::NAME_BYTES {
        return Err("is longer than 512 bytes");
    }
    if text.contains("..") || text.starts_with(['-', '/', '.']) {
        return Err("holds '..' or begins with '-', '/' or '.'");
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'@' | b'+'))
    {
        return Err("may hold only letters, digits and - _ . / : @ +");
    }
    if text.split_once('@').is_some_and(|(_, digest)| !is_digest(digest)) {
        return Err("has a digest that is not sha256: and 64 hexadecimal digits");
    }
    Ok(())
}

fn is_digest(text: &str) -> bool {
    const HEX_DIGITS: usize = 64;
    text.strip_prefix("sha256:")
        .is_some_and(|hex| hex.len() == HEX_DIGITS && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Where a project lives: `git/<org>/<repo>` on the built-in remote.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProjectSlug {
    /// The organisation.
    pub org: OrgName,
    /// The repository.
    pub repo: RepoName,
}

impl ProjectSlug {
    /// Reads `<org>/<repo>` or `git/<org>/<repo>`.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let short = text
            .strip_prefix("git/")
            .filter(|rest| rest.contains('/'))
            .unwrap_or(text);
        let Some((org, repo)) = short.split_once('/') else {
            return Err(NameError {
                kind: "project",
                text: text.chars().take(80).collect(),
                problem: "is not of the form <org>/<repo>",
            });
        };
        Ok(Self {
            org: OrgName::new(org)?,
            repo: RepoName::new(repo)?,
        })
    }

    /// `<org>/<repo>`, as people write it.
    #[must_use]
    pub fn short(&self) -> String {
        format!("{}/{}", self.org, self.repo)
    }
}

impl fmt::Display for ProjectSlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "git/{}/{}", self.org, self.repo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_read_in_both_forms() {
        let slug = ProjectSlug::parse("demo/hello").expect("short form");
        assert_eq!(slug.to_string(), "git/demo/hello");
        assert_eq!(ProjectSlug::parse("git/demo/hello"), Ok(slug));
    }

    #[test]
    fn names_that_could_hurt_are_refused() {
        for bad in ["", ".", "..", "-x", "a/b", "a b", "x.git", "a\nb", "é"] {
            assert!(RepoName::new(bad).is_err(), "{bad:?} was taken");
        }
        for bad in [
            "",
            "-x",
            "--upload-pack=x",
            "a..b",
            "a b",
            "x.lock",
            "a/.b",
            "a\u{7f}",
            "/a",
            "a/",
        ] {
            assert!(BranchName::new(bad).is_err(), "{bad:?} was taken");
        }
        for good in ["main", "feature/x-1", "release-1.2", "ünïcode"] {
            assert!(BranchName::new(good).is_ok(), "{good:?} was refused");
        }
        assert!(EnvName::new("1A").is_err() && EnvName::new("A-B").is_err() && EnvName::new("_A1").is_ok());
        assert!(CommitSha::new("A".repeat(40)).is_err() && CommitSha::new("a".repeat(40)).is_ok());
    }

    #[test]
    fn an_error_says_which_name_and_why() {
        let error = EnvName::new("1A").expect_err("refused");
        assert_eq!(
            error.to_string(),
            "environment variable '1A' must begin with a letter or '_'"
        );
    }
}
