//! Linux isolation for one job slice: namespaces, an id-mapped overlay root, cgroup limits, network and seccomp.
//!
//! The agent's side is [`Launcher`] and [`Sandbox`]: blocking calls of a few milliseconds that talk to one
//! single-threaded process, the zygote, over a socket. The inside is [`zygote::serve`], which clones a child into
//! fresh namespaces, builds its root and hands it over to the caller's `init` function as process 1, and
//! [`Confinement::apply`], which a step calls right before `exec`.
//!
//! Where to start reading: `spec` (what can be asked for), `launcher` (the order of a start), `zygote` (the same
//! order seen from the inside), `warm` (what is made ahead), `reap` (what is left after a crash and how it goes away).
//!
//! # What is needed of the kernel
//!
#![doc = include_str!("kernel.md")]
//!
//! The crate knows nothing of jobs, steps or configuration, imports nothing of ours and has no async runtime.

#![expect(
    unsafe_code,
    reason = "namespaces, mounts and seccomp have no safe wrappers; every block says why it is sound"
)]

mod cgroup;
pub mod channel;
mod claim;
mod confinement;
mod disk;
pub mod enter;
mod errors;
mod failure;
mod file_lock;
mod host_limits;
mod in_root;
mod kernel;
mod launcher;
mod leaks;
mod limits;
pub mod machine;
mod net;
mod overlay;
mod reap;
mod record;
pub mod root;
mod sample;
mod sandbox;
mod seccomp;
mod service;
mod slots;
mod spec;
mod sys;
mod tree;
mod warm;
mod wire;
pub mod zygote;

pub use cgroup::Enforced;
pub use confinement::Confinement;
pub use errors::{DestroyError, InRootError, LauncherError, ReapError, StartError};
pub use file_lock::FileLock;
pub use host_limits::{HostLimit, host_limits};
pub use in_root::{InRootEntry, InRootKind, InRootStat};
pub use launcher::{Launcher, LauncherOptions};
pub use leaks::{Leak, LeakKind, LeakReport, Place, find_leaks, repair_leaks};
pub use limits::{DEFAULT_ID_BASE, IDS_PER_SANDBOX};
pub use net::{BlockError, Flow, Flows, Ipv4Block, NameRule, Outside, Verdict};
pub use overlay::Assembly;
pub use reap::reap_leftovers;
pub use record::Stage;
pub use sample::Sample;
pub use sandbox::Sandbox;
pub use service::{Service, ServiceSpec};
pub use spec::{DiskLimit, Layer, LayerIds, Limits, Network, SandboxSpec, SeccompProfile, Usage};
pub use warm::{WarmUse, warm_use};
pub use zygote::Init;
