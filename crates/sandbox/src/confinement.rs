//! The last fence around a step: what its process gives up right before `exec`. Process 1 keeps what it has, since it
//! switches roots; everything a job runs goes through here.

use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
    set_capabilities,
};

use crate::limits::{MAX_OPEN_FILES_HARD, MAX_OPEN_FILES_SOFT};
use crate::seccomp;
use crate::spec::SeccompProfile;
use crate::sys;

/// Docker's capabilities less MKNOD and AUDIT_WRITE, of the sandbox's own user namespace.
const KEPT: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::KILL);

/// What a step's process gives up right before `exec`.
#[derive(Debug, Clone)]
pub struct Confinement {
    profile: SeccompProfile,
}

impl Confinement {
    pub(crate) fn new(profile: SeccompProfile) -> Self {
        Self { profile }
    }

    /// Identity of the seccomp filter in force, see [`SeccompProfile::filter_hash`].
    pub fn filter_hash(&self) -> &'static str {
        self.profile.filter_hash()
    }

    /// Applies it to the calling process, which must be the single-threaded child that will `exec` the step.
    ///
    /// A change of user comes after this: it needs capabilities that are kept, and nothing here needs the user.
    pub fn apply(&self) -> io::Result<()> {
        sys::reset_signals()?;
        sys::close_on_exec_from(3)?;
        clamp(Resource::Nofile, MAX_OPEN_FILES_SOFT, MAX_OPEN_FILES_HARD)?;
        // One, not zero: it also stops core dumps that the host's kernel.core_pattern pipes to a program.
        clamp(Resource::Core, 1, 1)?;
        sys::fresh_session_keyring()?;
        for capability in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
            if KEPT.contains(capability) {
                continue;
            }
            match remove_capability_from_bounding_set(capability) {
                // Not one this kernel knows.
                Ok(()) | Err(rustix::io::Errno::INVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        clear_ambient_capability_set()?;
        // Without no_new_privs a filter needs CAP_SYS_ADMIN, so the filter goes first and the capability after it.
        sys::install_filter(seccomp::filter(self.profile).program)?;
        let sets = CapabilitySets {
            effective: KEPT,
            permitted: KEPT,
            inheritable: CapabilitySet::empty(),
        };
        Ok(set_capabilities(None, sets)?)
    }
}

/// Lowers a limit; the launcher may lack the right to raise one.
fn clamp(resource: Resource, soft: u64, hard: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let hard = now.maximum.map_or(hard, |maximum| maximum.min(hard));
    Ok(setrlimit(
        resource,
        Rlimit {
            current: Some(soft.min(hard)),
            maximum: Some(hard),
        },
    )?)
}
