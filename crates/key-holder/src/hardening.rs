//! What a process that holds keys does first: no core dumps, no reading of its memory by other processes of its user,
//! no new rights, and no pages on swap where the machine allows it. Called once by `airlock vault`, before it reads a
//! key and before it starts a thread.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_no_new_privs};

/// What was reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hardening {
    /// Whether pages stay out of swap.
    pub memory: MemoryLock,
}

/// Whether the process's pages stay out of swap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemoryLock {
    /// They do.
    Locked,
    /// The process may lock only this many bytes, fewer than it may come to need: raise `LimitMEMLOCK` or grant
    /// `CAP_IPC_LOCK`.
    NotAllowed {
        /// How many it may lock.
        limit: u64,
    },
    /// The kernel refused.
    Refused {
        /// What it said.
        why: String,
    },
}

/// The kernel refused a call without which no key may be read.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct HardeningError {
    /// What was being done.
    pub doing: &'static str,
    /// What the kernel said.
    pub source: std::io::Error,
}

/// Hardens the calling process. Locking memory may be impossible, which is told; everything else must succeed.
pub fn harden() -> Result<Hardening, HardeningError> {
    let failed = |doing| {
        move |error: Errno| HardeningError {
            doing,
            source: error.into(),
        }
    };
    // Also hands the files of this process in /proc to root.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(failed("forbidding to read this process's memory"))?;
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )
    .map_err(failed("forbidding core dumps"))?;
    set_no_new_privs(true).map_err(failed("forbidding new rights"))?;
    Ok(Hardening {
        memory: lock_memory(),
    })
}

fn lock_memory() -> MemoryLock {
    let allowed = getrlimit(Resource::Memlock);
    let capable = capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    // With a limit, a later allocation beyond it would fail and end the process: better no lock than that.
    if let (false, Some(limit)) = (capable, allowed.current) {
        return MemoryLock::NotAllowed { limit };
    }
    // On fault: stacks of threads are reserved large and used little.
    match mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        Ok(()) => MemoryLock::Locked,
        Err(error) => MemoryLock::Refused {
            why: error.to_string(),
        },
    }
}
