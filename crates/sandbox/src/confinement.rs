//! The last fence around a step. Work in progress towards the full set.

use std::io;

use crate::spec::SeccompProfile;

/// What a step's process gives up right before `exec`.
#[derive(Debug, Clone)]
pub struct Confinement {
    pub(crate) profile: SeccompProfile,
}

impl Confinement {
    /// Applies it to the calling process, which must be the single-threaded child that will `exec` the step.
    pub fn apply(&self) -> io::Result<()> {
        let _ = self.profile;
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}
