//! What can be asked of the launcher: plain data, checked by `launcher` before anything is created. It refuses to
//! hold a switch that would weaken isolation: there is no privileged mode, no host namespace, no host path.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One sandbox to start.
#[derive(Debug, Clone)]
pub struct SandboxSpec {
    /// Name of the sandbox, unique per launcher: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    pub id: String,
    /// Host name inside.
    pub hostname: String,
    /// Image directories, top first; their files carry plain image ids (0 to 65535).
    pub layers: Vec<PathBuf>,
    /// Ceilings for everything in the sandbox together.
    pub limits: Limits,
    /// What the sandbox can reach.
    pub network: Network,
    /// Which system calls a step may make.
    pub profile: SeccompProfile,
    /// The static in-job program, shown read-only in `/run/airlock/bin`.
    pub helper: PathBuf,
    /// Directory in which the sandbox's own writable layers are made; must exist, on a disk file system.
    pub work_dir: PathBuf,
}

/// Ceilings of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processor time in thousandths of one processor.
    pub cpu_millis: u32,
    /// Memory of all processes, page cache and tmpfs together.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
}

/// What a sandbox can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Loopback only.
    None,
    /// The outside through the host's address; never the host itself, other sandboxes or link-local addresses.
    Egress,
}

/// Which system calls a step may make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeccompProfile {
    /// Docker's default profile with `clone`, `setns` and `unshare` allowed without conditions.
    Default,
    /// Docker's default profile as it is: no new namespaces.
    Docker,
}

/// A read-only layer placed below the sandbox's own writable one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Directory on the host.
    pub path: PathBuf,
    /// How its owners are to be read.
    pub ids: LayerIds,
}

/// How the owners of a layer's files are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerIds {
    /// Plain ids, 0 to 65535, as in an image; shifted into the sandbox's range while mounted.
    Image,
    /// Already in this sandbox's range, as in its own frozen upper layers.
    Own,
}

/// What a sandbox used, read when it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Highest memory in use at once, in bytes.
    pub memory_peak: u64,
    /// Processor time in nanoseconds.
    pub cpu_ns: u64,
    /// Processes the kernel killed because the memory limit was reached.
    pub oom_kills: u64,
    /// Forks refused because the limit on processes was reached.
    pub pids_refused: u64,
}
