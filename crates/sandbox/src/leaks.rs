//! What belongs to an agent but to no living sandbox of it: counted and, if wanted, removed.
//!
//! What is there is read from the kernel and from directories, what should be there from the records, and the
//! difference is what leaked. Some things go a moment after their sandbox (a network device, a loop device), and a living
//! agent makes and ends sandboxes meanwhile; so only what is found again and again counts. Called by `airlock doctor`
//! and by tests.

mod find;
mod holders;
mod repair;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::errors::ReapError;
use crate::failure::Failure;
use crate::limits::{LEAK_LOOKS, LEAK_MILLIS};
use crate::sys;

/// Where an agent keeps records and files of its sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The launcher's state directory.
    pub state_dir: PathBuf,
    /// The work directory of its sandboxes.
    pub work_dir: PathBuf,
}

/// What kind of thing leaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeakKind {
    /// A process in a group of ours, or a launcher without an agent.
    Process,
    /// Something mounted below our directories.
    Mount,
    /// A network device.
    Interface,
    /// Packet filter rules.
    Rules,
    /// A control group.
    Cgroup,
    /// A range of ids that is claimed for no sandbox.
    IdRange,
    /// A loop device on a file of ours.
    LoopDevice,
    /// A file or directory.
    File,
}

impl LeakKind {
    /// All of them, in the order they are removed in.
    pub const ALL: [Self; 8] = [
        Self::Process,
        Self::Mount,
        Self::Interface,
        Self::Rules,
        Self::Cgroup,
        Self::IdRange,
        Self::LoopDevice,
        Self::File,
    ];

    /// Its name, for many.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Process => "processes",
            Self::Mount => "mounts",
            Self::Interface => "interfaces",
            Self::Rules => "packet filter tables",
            Self::Cgroup => "cgroups",
            Self::IdRange => "id ranges",
            Self::LoopDevice => "loop devices",
            Self::File => "files",
        }
    }
}

/// One thing that leaked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// What kind of thing it is.
    pub kind: LeakKind,
    /// Its name: a process id, a path, a device.
    pub name: String,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What was found at one place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeakReport {
    /// Whether an agent works there now.
    pub living_agent: bool,
    /// Sandboxes on record: of the living agent, or left by a killed one.
    pub sandboxes: usize,
    /// Those of them that were made ahead and have no job yet.
    pub waiting: usize,
    /// What belongs to nobody, each once, in the order of [`LeakKind::ALL`].
    pub leaks: Vec<Leak>,
}

/// Looks for what leaked and changes nothing.
pub fn find_leaks(place: &Place) -> Result<LeakReport, ReapError> {
    let failed = |Failure { doing, source }| ReapError::Step { doing, source };
    let place = absolute(place);
    let deadline = Instant::now() + Duration::from_millis(LEAK_MILLIS);
    let mut report = find::look(&place).map_err(failed)?;
    let mut suspects: BTreeSet<Leak> = report.leaks.iter().cloned().collect();
    let mut looks = 1;
    while !suspects.is_empty() && (looks < LEAK_LOOKS || Instant::now() < deadline) {
        sys::pause();
        report = find::look(&place).map_err(failed)?;
        let found: BTreeSet<Leak> = report.leaks.iter().cloned().collect();
        suspects.retain(|leak| found.contains(leak));
        looks += 1;
    }
    report.leaks = suspects.into_iter().collect();
    Ok(report)
}

/// Removes what leaked and says what is left after that. What a living agent has is not touched.
pub fn repair_leaks(place: &Place) -> Result<LeakReport, ReapError> {
    let failed = |Failure { doing, source }| ReapError::Step { doing, source };
    let found = find_leaks(place)?;
    let place = absolute(place);
    if !found.living_agent {
        match crate::reap::reap_leftovers(&place.state_dir) {
            // A launcher without an agent, which is removed below, or somebody who lives.
            Ok(()) | Err(ReapError::InUse(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let rest = find_leaks(&place)?;
    let (processes, others): (Vec<Leak>, Vec<Leak>) = rest
        .leaks
        .into_iter()
        .partition(|leak| leak.kind == LeakKind::Process);
    repair::remove(&processes).map_err(failed)?;
    // Whoever has the lock lives, seen or not; and nobody begins to live while it is held here.
    let alone = if rest.living_agent || !place.state_dir.exists() {
        None
    } else {
        let lock = crate::reap::lock(&place.state_dir).map_err(failed)?;
        Some(lock.ok_or_else(|| ReapError::InUse(place.state_dir.clone()))?)
    };
    repair::remove(&others).map_err(failed)?;
    drop(alone);
    find_leaks(&place)
}

/// Names in the kernel's tables are real paths.
fn absolute(place: &Place) -> Place {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    Place {
        state_dir: real(&place.state_dir),
        work_dir: real(&place.work_dir),
    }
}
