//! How sandboxes made ahead were of use, and the file beside the records in which a launcher tells it to whoever looks
//! from outside.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::failure::{Doing, Failure};

/// Counted since the launcher started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WarmUse {
    /// Starts that found one waiting.
    pub hits: u64,
    /// Starts that found none.
    pub misses: u64,
    /// How many wait now.
    pub waiting: u64,
    /// Made, and destroyed without having had a job.
    pub discarded: u64,
    /// Attempts to make one that failed.
    pub failed: u64,
}

const FILE: &str = "warm.json";

pub(super) fn write(state_dir: &Path, told: WarmUse) -> io::Result<()> {
    fs::write(state_dir.join(FILE), serde_json::to_vec(&told)?)
}

/// Removes what an earlier launcher told.
pub(super) fn forget(state_dir: &Path) -> Result<(), Failure> {
    let path = state_dir.join(FILE);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.doing(|| format!("removing {}", path.display())),
    }
}

/// What the last launcher on a state directory tells; `None` for one that made nothing ahead.
pub fn warm_use(state_dir: &Path) -> Option<WarmUse> {
    serde_json::from_slice(&fs::read(state_dir.join(FILE)).ok()?).ok()
}
