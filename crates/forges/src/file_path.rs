//! The path of a file inside a repository, such as `.circleci/config.yml`. Checked once here, so that what reaches git is
//! neither an option nor another object's name, and leads nowhere outside.

use std::fmt;
use std::str::FromStr;

use crate::limits;

/// A relative path without `.`, `..` and empty parts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FilePath(String);

/// A text that is no such path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a path inside a repository: {problem}")]
pub struct FilePathError {
    text: String,
    problem: &'static str,
}

impl FilePath {
    /// The path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FilePath {
    type Err = FilePathError;

    fn from_str(text: &str) -> Result<Self, FilePathError> {
        let wrong = |problem| {
            let text = text.chars().filter(|c| !c.is_control()).take(80).collect();
            Err(FilePathError { text, problem })
        };
        if text.is_empty() {
            return wrong("it is empty");
        }
        if text.len() > limits::PATH_BYTES {
            return wrong("it is longer than 4,096 bytes");
        }
        if text.chars().any(char::is_control) {
            return wrong("it holds a control character");
        }
        if text.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return wrong("it begins or ends with '/', or has an empty part, '.' or '..'");
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_inside_are_taken_and_others_are_not() {
        for good in [".circleci/config.yml", "a", "a b/ü.yml", "-x", "a..b", "a:b"] {
            assert_eq!(good.parse::<FilePath>().expect(good).as_str(), good);
        }
        for bad in [
            "",
            "/etc/passwd",
            "a/",
            "a//b",
            "../x",
            "a/../../x",
            "./a",
            "a\nb",
            "a\0",
            &"x/".repeat(3000),
        ] {
            assert!(bad.parse::<FilePath>().is_err(), "{bad:?} was taken");
        }
        let error = "/etc/passwd"
            .parse::<FilePath>()
            .expect_err("refused")
            .to_string();
        assert!(
            error.starts_with("'/etc/passwd' is not a path inside a repository: it begins"),
            "{error}"
        );
    }
}
