//! Limits and accounting by control groups: one group per sandbox in every hierarchy that has something to offer.
//!
//! What the host mounts decides the backend, found out once per launcher. Groups are made below the agent's own, so
//! that whatever bounds the agent bounds its jobs. Taking groups apart works on any backend's directories, because
//! after a crash it has to work from their paths alone.

mod probe;
mod remove;
mod v1;
mod v2;

use std::fmt::{Debug, Display};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

pub(crate) use probe::{named, probe, survey};
pub(crate) use remove::{kill, own_processes, processes, remove, subgroups};

use crate::failure::{Doing, Failure};
use crate::sample::Gauges;
use crate::spec::{Limits, Usage};
use crate::wire::Placement;

/// Which limits this host can enforce.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent facts about a host, read as a table"
)]
pub struct Enforced {
    /// Processor time.
    pub cpu: bool,
    /// Memory.
    pub memory: bool,
    /// Number of processes.
    pub pids: bool,
    /// Bytes and files on disk.
    pub disk: bool,
    /// All of a group's processes killed by one write.
    pub kill: bool,
}

/// A way of making groups with limits.
pub(crate) trait Backend: Debug + Send + Sync {
    /// Where the groups of a sandbox are, made or not.
    fn directories(&self, id: &str) -> Vec<PathBuf>;
    /// The launcher's own groups, which those of sandboxes are made in.
    fn bases(&self) -> Vec<PathBuf> {
        self.directories("any")
            .iter()
            .filter_map(|group| Some(group.parent()?.to_owned()))
            .collect()
    }
    /// How a process gets into them.
    fn placement(&self, id: &str) -> Placement;
    /// Makes the groups and sets their limits.
    fn create(&self, id: &str, limits: &Limits) -> Result<(), Failure>;
    /// What the groups counted so far; what is not counted is zero.
    fn usage(&self, id: &str) -> Usage;
    /// What the groups hold and have counted at this moment; what is not counted is zero.
    fn gauges(&self, id: &str) -> Gauges;
    /// What `create` really enforces.
    fn enforced(&self) -> Enforced;
}

/// Length of the period processor quotas are given for, in microseconds: the kernel's default.
const CPU_PERIOD_MICROS: u64 = 100_000;

/// Quota for a limit in thousandths of a processor; the kernel refuses less than a millisecond.
fn cpu_quota(limits: &Limits) -> u64 {
    (u64::from(limits.cpu_millis) * CPU_PERIOD_MICROS / 1000).max(1000)
}

fn make(directory: &Path) -> Result<(), Failure> {
    fs::create_dir_all(directory).doing(|| format!("making the cgroup {}", directory.display()))
}

/// Writes a control file. `create` changes nothing for the kernel's files and lets tests use plain directories.
fn set(directory: &Path, file: &str, value: &dyn Display) -> Result<(), Failure> {
    let (path, value) = (directory.join(file), value.to_string());
    write(&path, &value).doing(|| format!("writing {value} to {}", path.display()))
}

fn write(path: &Path, value: &str) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?
        .write_all(value.as_bytes())
}

/// The number a control file holds, zero when it is not there.
fn number(directory: &Path, file: &str) -> u64 {
    let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

/// The number behind `key` in a control file of `key value` lines, zero when it is not there.
fn keyed(directory: &Path, file: &str, key: &str) -> u64 {
    let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs
        .find(|(name, _)| *name == key)
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
