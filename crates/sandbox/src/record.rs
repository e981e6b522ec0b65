//! What exists on the host for one sandbox, written down before any of it is made. After a crash these files are all
//! that is known; whatever they name is removed, whether it came to be or not.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Doing, Failure};

/// Where the records of a state directory are.
const DIRECTORY: &str = "sandboxes";

/// One sandbox's traces on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: String,
    /// Control groups, the one to kill by first.
    pub(crate) cgroups: Vec<PathBuf>,
    /// Everything the sandbox writes.
    pub(crate) files: PathBuf,
}

impl Record {
    fn path(state_dir: &Path, id: &str) -> PathBuf {
        state_dir.join(DIRECTORY).join(format!("{id}.json"))
    }

    /// Writes the record; an existing one means that the id is in use.
    pub(crate) fn write(&self, state_dir: &Path) -> Result<(), Failure> {
        let path = Self::path(state_dir, &self.id);
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec(self)?;
            let mut file = fs::File::options().write(true).create_new(true).open(&path)?;
            io::Write::write_all(&mut file, &text)
        };
        write().doing(|| format!("writing {} (is the id in use?)", path.display()))
    }

    /// Removes the record once everything it names is gone.
    pub(crate) fn remove(&self, state_dir: &Path) -> Result<(), Failure> {
        let path = Self::path(state_dir, &self.id);
        fs::remove_file(&path).doing(|| format!("removing {}", path.display()))
    }
}

/// Makes the directory for records.
pub(crate) fn prepare(state_dir: &Path) -> Result<(), Failure> {
    let path = state_dir.join(DIRECTORY);
    fs::create_dir_all(&path).doing(|| format!("making {}", path.display()))
}

/// Where a launcher writes which groups it makes its sandboxes' in.
const BASES: &str = "cgroups.json";

/// Writes the launcher's own groups down, which outlive each sandbox.
pub(crate) fn write_bases(state_dir: &Path, bases: &[PathBuf]) -> Result<(), Failure> {
    let path = state_dir.join(BASES);
    let write = || -> io::Result<()> { fs::write(&path, serde_json::to_vec(bases)?) };
    write().doing(|| format!("writing {}", path.display()))
}

/// The groups of the launcher that had the state directory before.
pub(crate) fn bases(state_dir: &Path) -> Vec<PathBuf> {
    let text = fs::read(state_dir.join(BASES)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Stands in a state directory from before its launcher makes a network until that has been removed. Removing costs
/// two runs of `nft`, which nobody should wait for whose launcher never made one.
const NETWORK: &str = "network";

/// Writes down that there is going to be a network.
pub(crate) fn write_network(state_dir: &Path) -> Result<(), Failure> {
    let path = state_dir.join(NETWORK);
    fs::write(&path, "").doing(|| format!("writing {}", path.display()))
}

/// Whether there may be one.
pub(crate) fn has_network(state_dir: &Path) -> bool {
    state_dir.join(NETWORK).exists()
}

/// Forgets it, once it has been removed.
pub(crate) fn forget_network(state_dir: &Path) -> Result<(), Failure> {
    let path = state_dir.join(NETWORK);
    fs::remove_file(&path).doing(|| format!("removing {}", path.display()))
}

/// All records of a state directory. One cut short by a crash named nothing that had been made: it is dropped.
pub(crate) fn all(state_dir: &Path) -> Result<Vec<Record>, Failure> {
    let directory = state_dir.join(DIRECTORY);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.doing(|| format!("listing {}", directory.display()))?,
    };
    let mut records = Vec::new();
    for entry in entries {
        let path = entry.doing(|| format!("listing {}", directory.display()))?.path();
        let text = fs::read(&path).doing(|| format!("reading {}", path.display()))?;
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) => records.push(record),
            Err(_) => fs::remove_file(&path).doing(|| format!("removing {}", path.display()))?,
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::{Record, all, prepare};

    #[test]
    fn records_outlive_their_writer_and_torn_ones_are_dropped() {
        let state = tempfile::tempdir().expect("a temporary directory");
        assert!(all(state.path()).expect("no records").is_empty());
        prepare(state.path()).expect("a directory");
        let record = Record {
            id: "a".into(),
            cgroups: vec!["/c".into()],
            files: "/f".into(),
        };
        record.write(state.path()).expect("a record");
        assert!(
            record.write(state.path()).is_err(),
            "an id in use was taken again"
        );
        std::fs::write(state.path().join("sandboxes/b.json"), "{\"id\":").expect("a torn record");
        assert_eq!(all(state.path()).expect("records"), std::slice::from_ref(&record));
        record.remove(state.path()).expect("removal");
        assert!(all(state.path()).expect("no records").is_empty());
    }
}
