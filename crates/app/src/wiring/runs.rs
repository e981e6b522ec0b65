//! Folders of runs without a server: `<data-dir>/runs/…`, each held by a lock while its process lives. Whoever makes one
//! first removes what killed runs left: their files, cgroups and network devices.

use std::fs::File;
use std::path::{Path, PathBuf};

use airlock_sandbox::{FileLock, ReapError, reap_leftovers};
use anyhow::Context as _;
use tempfile::TempDir;

/// Held in a run's folder while the run lives.
const ALIVE: &str = "alive";
/// Held in the folder of all runs while one is made or removed.
const GATE: &str = "gate";
/// Where agent and single sandbox keep what their launcher wrote down.
const LAUNCHERS: [&str; 2] = ["agent/launcher", "launcher"];

/// The folder of one run, gone when it is dropped.
pub(crate) struct RunFolder {
    folder: TempDir,
    _alive: FileLock,
}

impl RunFolder {
    /// Makes a folder below `data_dir/runs`.
    pub(crate) fn make(data_dir: &Path, prefix: &str) -> anyhow::Result<Self> {
        let runs = data_dir.join("runs");
        std::fs::create_dir_all(&runs).with_context(|| format!("creating {}", runs.display()))?;
        // A folder that is made while somebody sweeps must not be taken for a dead one before its lock is held.
        let gate = runs.join(GATE);
        let _gate =
            FileLock::exclusive(lock_file(&gate)?).with_context(|| format!("locking {}", gate.display()))?;
        sweep(&runs)?;
        let folder = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(&runs)
            .with_context(|| format!("creating a folder in {}", runs.display()))?;
        let alive = held(&folder.path().join(ALIVE))?.context("a folder that was just made is in use")?;
        Ok(Self {
            folder,
            _alive: alive,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// The locked file; `None` when somebody else holds it.
fn held(path: &Path) -> anyhow::Result<Option<FileLock>> {
    FileLock::try_exclusive(lock_file(path)?).with_context(|| format!("locking {}", path.display()))
}

fn lock_file(path: &Path) -> anyhow::Result<File> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))
}

/// Removes the folders of runs that were killed. One that cannot be removed is no reason not to run.
fn sweep(runs: &Path) -> anyhow::Result<()> {
    let doing = || format!("reading {}", runs.display());
    for entry in std::fs::read_dir(runs).with_context(doing)? {
        let folder = entry.with_context(doing)?.path();
        if folder.is_dir()
            && let Err(error) = remove(&folder)
        {
            tracing::warn!("what a run left in {} stays: {error:#}", folder.display());
        }
    }
    Ok(())
}

fn remove(folder: &PathBuf) -> anyhow::Result<()> {
    let Some(_alive) = held(&folder.join(ALIVE))? else {
        return Ok(());
    };
    for launcher in LAUNCHERS {
        match reap_leftovers(&folder.join(launcher)) {
            Ok(()) => {}
            // Its sandboxes outlive it for a moment; the next run finds them gone.
            Err(ReapError::InUse(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
    std::fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))
}

/// Directories of the agents that runs have, or had.
pub(crate) fn agents(data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folders = folders(data_dir)?;
    let agents = folders
        .iter()
        .flat_map(|folder| [folder.join("agent"), folder.clone()]);
    Ok(agents.filter(|agent| agent.join("launcher").exists()).collect())
}

/// Folders of runs that were killed, removed first if wanted.
pub(crate) fn dead(data_dir: &Path, repair: bool) -> anyhow::Result<Vec<PathBuf>> {
    let runs = data_dir.join("runs");
    if !runs.exists() {
        return Ok(Vec::new());
    }
    // For a look as well: a run that is being made must find its own lock free.
    let gate = runs.join(GATE);
    let _gate =
        FileLock::exclusive(lock_file(&gate)?).with_context(|| format!("locking {}", gate.display()))?;
    if repair {
        sweep(&runs)?;
    }
    let mut dead = Vec::new();
    for folder in folders(data_dir)? {
        // Opened, not made: a run that ends now removes its folder.
        let alive = folder.join(ALIVE);
        let file = match File::options().write(true).open(&alive) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("opening {}", alive.display())),
        };
        if FileLock::try_exclusive(file)?.is_some() {
            dead.push(folder);
        }
    }
    Ok(dead)
}

fn folders(data_dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let runs = data_dir.join("runs");
    if !runs.exists() {
        return Ok(Vec::new());
    }
    let doing = || format!("reading {}", runs.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&runs).with_context(doing)? {
        let folder = entry.with_context(doing)?.path();
        if folder.is_dir() {
            found.push(folder);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_killed_runs_left_goes_and_what_lives_stays() {
        let data = tempfile::tempdir().expect("a folder");
        let living = RunFolder::make(data.path(), "run-").expect("made");
        let killed = data.path().join("runs/run-killed");
        std::fs::create_dir_all(killed.join("agent/launcher")).expect("made");
        std::fs::write(killed.join(ALIVE), "").expect("written");

        let found = dead(data.path(), false).expect("a look");
        assert_eq!(found, std::slice::from_ref(&killed));
        assert_eq!(agents(data.path()).expect("a look"), [killed.join("agent")]);

        let next = RunFolder::make(data.path(), "run-").expect("made");
        assert_eq!(
            dead(data.path(), true).expect("a look"),
            [""; 0].map(PathBuf::from)
        );
        assert!(living.path().is_dir() && next.path().is_dir());
        assert!(!killed.exists(), "what a killed run left is still there");

        let place = living.path().to_owned();
        drop(living);
        assert!(!place.exists());
    }
}
