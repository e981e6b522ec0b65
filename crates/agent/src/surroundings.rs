//! What all slices of one agent share: the machine's launcher, images, spool, and the way to the git host.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_sandbox::{Launcher, LauncherError, LauncherOptions, Network};

use crate::doors::GitDialer;
use crate::images::ImageStore;
use crate::resource_class::Machine;
use crate::spool::SpoolDisk;

/// One per agent.
pub(crate) struct Surroundings {
    /// The machine's name, for people.
    pub(crate) name: String,
    pub(crate) images: ImageStore,
    pub(crate) task_exe: PathBuf,
    /// What the machine has for one job.
    pub(crate) machine: Machine,
    /// Where sandboxes keep what they write.
    pub(crate) work_dir: PathBuf,
    pub(crate) spool: Arc<SpoolDisk>,
    pub(crate) network: Network,
    pub(crate) dialer: Arc<dyn GitDialer>,
    pub(crate) launcher_options: LauncherOptions,
    /// Empty only after a launcher died and no new one could be started.
    pub(crate) launcher: Mutex<Option<Arc<Launcher>>>,
}

impl Surroundings {
    /// The launcher, started if there is none.
    pub(crate) fn launcher(&self) -> Result<Arc<Launcher>, LauncherError> {
        let mut held = self.launcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(launcher) = &*held {
            return Ok(Arc::clone(launcher));
        }
        let launcher = Arc::new(Launcher::spawn(&self.task_exe, self.launcher_options.clone())?);
        *held = Some(Arc::clone(&launcher));
        Ok(launcher)
    }

    /// Another launcher in place of one that died. Its sandboxes died with it; their slices notice.
    pub(crate) fn replace_launcher(&self, dead: Arc<Launcher>) -> Result<Arc<Launcher>, LauncherError> {
        let mut held = self.launcher.lock().unwrap_or_else(PoisonError::into_inner);
        if held.as_ref().is_some_and(|current| Arc::ptr_eq(current, &dead)) {
            *held = None;
        }
        drop(held);
        // The new one needs the lock that the old one gives up when its last user is gone.
        drop(dead);
        self.launcher()
    }

    /// Limits that this machine only pretends to have.
    pub(crate) fn not_enforced(&self) -> Vec<&'static str> {
        let held = self.launcher.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(launcher) = &*held else { return Vec::new() };
        let enforced = launcher.enforced();
        [
            (enforced.cpu, "processors"),
            (enforced.memory, "memory"),
            (enforced.pids, "processes"),
            (enforced.disk && self.machine.disk_bytes.is_some(), "disk"),
        ]
        .into_iter()
        .filter_map(|(enforced, what)| (!enforced).then_some(what))
        .collect()
    }
}
