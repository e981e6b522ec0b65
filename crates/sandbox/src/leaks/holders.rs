//! Who holds a state directory and ranges of ids, told by open files: locks end with their holders, so whoever has the
//! file open lives.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::claim;
use crate::failure::{Doing, Failure};

/// The processes of one agent.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// The agent itself.
    pub(super) agent: Option<i32>,
    /// Launchers, which the agent has one of.
    pub(super) launchers: BTreeSet<i32>,
    /// First ids of the ranges that the agent claims.
    pub(super) claims: BTreeSet<u32>,
}

impl Holders {
    /// Finds them among all processes.
    pub(super) fn of(state_dir: &Path) -> Result<Self, Failure> {
        let lock = state_dir.join("lock");
        let mut found = Self::default();
        for (pid, process) in processes()? {
            let open = open_files(&process);
            if !open.contains(&lock) {
                continue;
            }
            if is_launcher(&process) {
                found.launchers.insert(pid);
                continue;
            }
            found.agent = Some(pid);
            let ours = open
                .iter()
                .filter(|file| claim::owner(file).as_deref() == Some(state_dir));
            found.claims.extend(ours.filter_map(|file| range(file)));
        }
        Ok(found)
    }
}

/// Processes whose user namespace is one of these ranges, which nobody claims any more.
pub(super) fn of_ranges(ranges: &BTreeSet<u32>) -> BTreeSet<i32> {
    let mut inside = BTreeSet::new();
    let mut claimed = BTreeSet::new();
    for (pid, process) in processes().unwrap_or_default() {
        let map = fs::read_to_string(process.join("uid_map")).unwrap_or_default();
        let mut numbers = map.split_whitespace().filter_map(|word| word.parse::<u32>().ok());
        if let (Some(0), Some(first)) = (numbers.next(), numbers.next())
            && ranges.contains(&first)
        {
            inside.insert((pid, first));
        }
        let open = open_files(&process);
        claimed.extend(open.iter().filter_map(|file| range(file)));
    }
    let unclaimed = inside.into_iter().filter(|(_, first)| !claimed.contains(first));
    unclaimed.map(|(pid, _)| pid).collect()
}

/// First id of the range that a claim is on.
fn range(file: &Path) -> Option<u32> {
    let name = file.strip_prefix(claim::DIRECTORY).ok()?;
    name.to_str()?.parse().ok()
}

/// Process ids and their directories.
fn processes() -> Result<Vec<(i32, PathBuf)>, Failure> {
    let entries = fs::read_dir("/proc").doing(|| "listing /proc")?;
    let numbered = entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())));
    Ok(numbered.collect())
}

/// What a process has open; nothing for one that ended.
fn open_files(process: &Path) -> BTreeSet<PathBuf> {
    let Ok(entries) = fs::read_dir(process.join("fd")) else {
        return BTreeSet::new();
    };
    let links = entries.flatten().map(|entry| fs::read_link(entry.path()));
    links.flatten().collect()
}

fn is_launcher(process: &Path) -> bool {
    let words = fs::read(process.join("cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).nth(1) == Some(b"launcher")
}
