//! The internal error: what was being done, and what the system said. Every public error is made from one.

use std::io;

/// A step that failed.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What was being done, to what.
    pub(crate) doing: String,
    /// What the system said.
    pub(crate) source: io::Error,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.doing, self.source)
    }
}

/// Says what was being done when an error came back.
pub(crate) trait Doing<T> {
    /// `doing` is only built when there is an error.
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Doing<T> for Result<T, E> {
    fn doing<S: Into<String>>(self, doing: impl FnOnce() -> S) -> Result<T, Failure> {
        self.map_err(|error| Failure {
            doing: doing().into(),
            source: error.into(),
        })
    }
}
