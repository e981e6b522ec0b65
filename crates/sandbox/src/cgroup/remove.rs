//! Killing what is in groups and removing them, by path alone: used by a sandbox's end and after a crash.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::write;
use crate::failure::{Doing, Failure};
use crate::limits::DEATH_MILLIS;
use crate::sys::pause;

/// Kills every process in the groups and those below; returns when none is left.
pub(crate) fn kill(directories: &[PathBuf]) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_millis(DEATH_MILLIS);
    for directory in directories {
        while directory.exists() {
            let left = kill_once(directory);
            if left == 0 {
                break;
            }
            if Instant::now() > deadline {
                return Err(io::Error::from(io::ErrorKind::TimedOut))
                    .doing(|| format!("killing {left} processes in {}", directory.display()));
            }
            pause();
        }
    }
    Ok(())
}

/// One round; returns how many processes were there.
fn kill_once(directory: &Path) -> usize {
    let count = processes(directory).len();
    if count == 0 || write_existing(&directory.join("cgroup.kill"), "1") {
        return count;
    }
    // Frozen, a group cannot fork away from the list that is being read.
    let state = directory.join("freezer.state");
    let frozen = write_existing(&state, "FROZEN");
    for process in processes(directory) {
        let _ = kill_process(process, Signal::KILL);
    }
    if frozen {
        write_existing(&state, "THAWED");
    }
    count
}

fn write_existing(path: &Path, value: &str) -> bool {
    path.exists() && write(path, value).is_ok()
}

/// Processes in the group itself.
pub(crate) fn own_processes(directory: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    // Zero stands for a process of another pid namespace, which cannot be one of ours.
    let numbers = text.lines().filter_map(|line| line.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

/// Processes in the group and below it, where a job may have made groups.
pub(crate) fn processes(directory: &Path) -> Vec<Pid> {
    let mut found = own_processes(directory);
    for below in subgroups(directory) {
        found.extend(processes(&below));
    }
    found
}

/// Groups directly in the group.
pub(crate) fn subgroups(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let directories = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

/// Removes the groups and those below; a missing one is no error. The last process may take a moment to let go.
pub(crate) fn remove(directories: &[PathBuf]) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_millis(DEATH_MILLIS);
    for directory in directories {
        loop {
            match remove_once(directory) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline => {
                    pause();
                }
                other => {
                    other.doing(|| format!("removing the cgroup {}", directory.display()))?;
                    break;
                }
            }
        }
    }
    Ok(())
}

fn remove_once(directory: &Path) -> io::Result<()> {
    for below in subgroups(directory) {
        remove_once(&below)?;
    }
    fs::remove_dir(directory)
}
