//! The agent's side: starts the zygote, lends out ids and addresses, and asks for sandboxes. Calls block for a few
//! milliseconds and may come from any thread; the zygote serves one at a time.
//!
//! `making` is the order of a start, `shared` what sandboxes need until they are gone, `process` the zygote seen from
//! here; what waits ready-made is `warm`'s.

mod making;
mod options;
mod process;
mod shared;

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::making::{image_layers, in_request, make, make_writable, on_host};
pub use self::options::LauncherOptions;
use self::process::Process;
pub(crate) use self::shared::Shared;
use crate::cgroup::{self, Enforced};
use crate::disk::{self, Pool};
use crate::errors::{LauncherError, StartError};
use crate::failure::{Doing, Failure};
use crate::kernel;
use crate::limits::IDS_PER_SANDBOX;
use crate::net::JobNetwork;
use crate::overlay::Assembly;
use crate::reap;
use crate::record::{self, Stage};
use crate::sandbox::Sandbox;
use crate::slots::Slots;
use crate::spec::SandboxSpec;
use crate::warm::{Warm, WarmUse};

/// One running zygote and everything that is shared between its sandboxes.
#[derive(Debug)]
pub struct Launcher {
    /// Given up first: what waits in it holds what is shared.
    warm: Option<Warm>,
    shared: Arc<Shared>,
}

impl Launcher {
    /// Starts `task_exe launcher` and prepares what sandboxes share; leftovers of an earlier run are removed first.
    pub fn spawn(task_exe: &Path, options: LauncherOptions) -> Result<Self, LauncherError> {
        options.check()?;
        let step = |Failure { doing, source }| LauncherError::Step { doing, source };
        let LauncherOptions {
            state_dir,
            id_base,
            id_ranges,
            network,
            outside,
            name_servers,
            disks,
            observer,
            assembly,
            warm,
        } = options;
        let assembly = kernel::check(assembly)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state_dir)
            .doing(|| format!("making {}", state_dir.display()))
            .map_err(step)?;
        let Some(lock) = reap::lock(&state_dir).map_err(step)? else {
            return Err(LauncherError::InUse(state_dir));
        };
        reap::sweep(&state_dir).map_err(step)?;
        record::prepare(&state_dir).map_err(step)?;
        let tag = reap::tag(&state_dir);
        let cgroups = cgroup::probe(&reap::group_name(&tag)).map_err(step)?;
        record::write_bases(&state_dir, &cgroups.bases()).map_err(step)?;
        let disks = open_disks(disks.as_deref());
        let network = if network {
            record::write_network(&state_dir).map_err(step)?;
            Some(JobNetwork::create(&tag, &outside, name_servers)?)
        } else {
            None
        };
        let stage = match assembly {
            Assembly::Descriptors => None,
            Assembly::Paths => Some(make_stage(&state_dir).map_err(step)?),
        };
        let zygote = Some(Process::spawn(task_exe, &lock, stage).map_err(step)?);
        let ranges = Slots::new((0..id_ranges).map(|slot| id_base + slot * IDS_PER_SANDBOX));
        let shared = Shared {
            state_dir,
            cgroups,
            disks,
            network,
            ranges,
            id_ranges,
            observer,
            assembly,
            zygote,
            _lock: lock,
        };
        let shared = Arc::new(shared);
        let warm = match warm {
            0 => None,
            most => Some(Warm::open(&shared, most).map_err(step)?),
        };
        Ok(Self { warm, shared })
    }

    /// Which limits this host can enforce.
    pub fn enforced(&self) -> Enforced {
        Enforced {
            disk: self.shared.disks.is_ok(),
            ..self.shared.cgroups.enforced()
        }
    }

    /// Why limits on disk are not enforced; `None` when they are.
    pub fn no_disks(&self) -> Option<&str> {
        self.shared.disks.as_ref().err().map(String::as_str)
    }

    /// How roots are assembled on this host.
    pub fn assembly(&self) -> Assembly {
        self.shared.assembly
    }

    /// How sandboxes made ahead were of use; `None` where none are made.
    pub fn warm(&self) -> Option<WarmUse> {
        self.warm.as_ref().map(Warm::told)
    }

    /// Starts one sandbox, or takes one that was made ahead; process 1 runs the `init` function when this returns.
    pub fn start(&self, spec: &SandboxSpec) -> Result<Sandbox, StartError> {
        spec.check()?;
        match &self.warm {
            Some(warm) => warm.start(spec),
            None => make(&self.shared, spec, Stage::Running),
        }
    }
}

/// The pool of disks; a host that cannot make any is told about, and is no reason not to run.
fn open_disks(directory: Option<&Path>) -> Result<Pool, String> {
    let directory = directory.ok_or("the agent was started without them")?;
    let told = |failure: Failure| failure.to_string();
    let pool = Pool::open(directory).map_err(told)?;
    disk::probe(directory).map_err(told)?;
    Ok(pool)
}

/// The empty directory that the zygote attaches layers below.
fn make_stage(state_dir: &Path) -> Result<PathBuf, Failure> {
    // Absolute, since the zygote's working directory is another one.
    let state_dir =
        fs::canonicalize(state_dir).doing(|| format!("finding the real path of {}", state_dir.display()))?;
    let path = state_dir.join("layers");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .doing(|| format!("making {}", path.display()))?;
    Ok(path)
}
