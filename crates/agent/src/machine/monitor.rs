//! What starts machines: a program that runs in a sandbox, given its files there. QEMU is one; another (Firecracker) fits
//! if it takes a kernel, an initial file system and a disk, and reaches the agent through the sandbox's socket.

use std::fmt;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// How a machine's processor is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Accelerator {
    /// By the host's processor.
    Kvm,
    /// By translation, which is slow and works everywhere; with the reason why not otherwise.
    Emulation {
        /// Why the host's processor is not used.
        why: String,
    },
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kvm => f.write_str("KVM"),
            Self::Emulation { .. } => f.write_str("emulation (TCG)"),
        }
    }
}

/// One machine as its monitor must make it. Paths are those inside the sandbox.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) cpus: u32,
    pub(super) memory_mib: u64,
    pub(super) network: bool,
    pub(super) hostname: String,
    pub(super) accelerator: Accelerator,
    /// Directory of kernel, initial file system and disk.
    pub(super) files: String,
    /// Socket of the sandbox at which the agent is.
    pub(super) socket: String,
}

/// A program that makes machines.
pub(super) trait Monitor: fmt::Debug + Send + Sync {
    /// Name and version, for people.
    fn title(&self) -> &str;
    /// Names this very program with all it needs; differs when any of it changes.
    fn key(&self) -> &str;
    /// Fills a layer with the program and all it needs.
    fn fill(&self, layer: &Path) -> io::Result<()>;
    /// The program and its arguments.
    fn command(&self, shape: &Shape) -> Vec<String>;
}
