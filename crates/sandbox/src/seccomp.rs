//! The system call filters of steps: Docker's default profile, with what the project adds and takes away in
//! `seccomp/*.rules`. Compiled by `build.rs`; here they are constants.

#[cfg(test)]
mod compile;
#[cfg(test)]
mod tests;

use crate::spec::SeccompProfile;
use crate::sys::Instruction;

#[cfg(not(target_arch = "x86_64"))]
compile_error!("the seccomp filters are made for x86_64; another architecture needs its names in seccomp/");

/// One compiled profile.
#[derive(Debug)]
pub(crate) struct Filter {
    /// Name of the profile and a hash of the instructions.
    pub(crate) hash: &'static str,
    pub(crate) program: &'static [Instruction],
}

mod compiled {
    use super::{Filter, Instruction};

    include!(concat!(env!("OUT_DIR"), "/filters.rs"));
}

/// The filter of a profile.
pub(crate) fn filter(profile: SeccompProfile) -> &'static Filter {
    match profile {
        SeccompProfile::Default => &compiled::DEFAULT,
        SeccompProfile::Nested => &compiled::NESTED,
        SeccompProfile::Strict => &compiled::STRICT,
    }
}
