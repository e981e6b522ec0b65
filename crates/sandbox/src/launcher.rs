//! The agent's side: starts the zygote and asks it for sandboxes.

use std::path::{Path, PathBuf};

use crate::errors::{LauncherError, ReapError, StartError};
use crate::limits::DEFAULT_ID_BASE;
use crate::sandbox::Sandbox;
use crate::spec::SandboxSpec;

/// How a launcher is to work.
#[derive(Debug, Clone)]
pub struct LauncherOptions {
    /// Where records of what exists are kept; one launcher per directory.
    pub state_dir: PathBuf,
    /// First id of the block that sandboxes get their ranges from; must not overlap another agent's.
    pub id_base: u32,
    /// How many sandboxes can exist at once: each owns 65,536 ids from `id_base` upwards.
    pub id_ranges: u32,
    /// Whether sandboxes can be given egress; needs `nft` and creates one bridge.
    pub network: bool,
}

impl LauncherOptions {
    /// 64 sandboxes at once, with network.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            id_base: DEFAULT_ID_BASE,
            id_ranges: 64,
            network: true,
        }
    }
}

/// One running zygote and everything that is shared between its sandboxes.
#[derive(Debug)]
pub struct Launcher {}

impl Launcher {
    /// Starts `task_exe launcher` and prepares what sandboxes share.
    pub fn spawn(task_exe: &Path, options: LauncherOptions) -> Result<Self, LauncherError> {
        let _ = task_exe;
        Err(LauncherError::Options(format!("{options:?}")))
    }

    /// Starts one sandbox; process 1 runs the `init` function when this returns.
    pub fn start(&self, spec: &SandboxSpec) -> Result<Sandbox, StartError> {
        Err(StartError::Spec {
            id: spec.id.clone(),
            reason: "not yet".into(),
        })
    }
}

/// Removes every process, cgroup, directory and network device that launchers on `state_dir` left behind.
pub fn reap_leftovers(state_dir: &Path) -> Result<(), ReapError> {
    Err(ReapError::InUse(state_dir.to_owned()))
}
