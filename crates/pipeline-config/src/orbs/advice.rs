//! The way out for orbs that a config cannot have, which only the caller knows: a registry to import into, a folder, a
//! setting.

use crate::diagnostic::{Code, Diagnostic};

/// What a caller adds to the hints of diagnostics about orbs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrbAdvice {
    /// For an orb that was not found.
    pub missing: String,
    /// For an address that no prefix allows.
    pub not_allowed: String,
}

impl OrbAdvice {
    /// Adds the advice where it helps.
    pub fn add_to(&self, diagnostics: &mut [Diagnostic]) {
        for diagnostic in diagnostics {
            let way = match diagnostic.code {
                Code::UNKNOWN_ORB => &self.missing,
                // Another refusal says itself who may change it, and has no hint.
                Code::ORB_REFUSED if diagnostic.hint.is_some() => &self.not_allowed,
                _ => continue,
            };
            diagnostic.hint = Some(match diagnostic.hint.take() {
                Some(hint) => format!("{hint}; {way}"),
                None => way.clone(),
            });
        }
    }
}
