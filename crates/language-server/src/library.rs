//! How a session reaches orbs: the caller finds them, this crate only reads what it is given.

/// Finds the sources of orbs.
pub trait Library {
    /// The orb of a reference such as `circleci/node@5.2.0`; nothing when it is not there.
    fn orb(&self, reference: &str) -> Option<OrbText>;

    /// References that can be named, for completion.
    fn references(&self) -> Vec<String>;
}

/// One orb as found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrbText {
    /// Where an editor can open it; absent when it is no file.
    pub uri: Option<String>,
    /// Its packed source.
    pub text: String,
}

/// A library with nothing in it.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoLibrary;

impl Library for NoLibrary {
    fn orb(&self, _reference: &str) -> Option<OrbText> {
        None
    }

    fn references(&self) -> Vec<String> {
        Vec::new()
    }
}
