//! What exists on the host for one sandbox, and how far it has got, written down before it comes to be. After a crash
//! these files are all that is known: whoever sweeps goes on where the stage says that the one before stopped.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::failure::{Doing, Failure};

/// Where the records of a state directory are.
const DIRECTORY: &str = "sandboxes";

/// How far a sandbox has got. Each stage is written before the first thing that belongs to it is done, so what stands
/// in a record may be done in part, and what comes before it is done.
///
/// One letter each: going on to another stage replaces a single byte, which is written or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// Groups, files, devices and processes are coming to be.
    #[serde(rename = "m", alias = "making")]
    Making,
    /// It was made ahead, and no job has it yet.
    #[serde(rename = "w")]
    Waiting,
    /// Process 1 is at work.
    #[serde(rename = "r", alias = "running")]
    Running,
    /// Its processes are being killed.
    #[serde(rename = "k", alias = "killing")]
    Killing,
    /// No process is left; its groups are being removed.
    #[serde(rename = "u", alias = "ungrouping")]
    Ungrouping,
    /// No group is left; its files are being deleted.
    #[serde(rename = "d", alias = "deleting")]
    Deleting,
}

/// What stands in a record before the letter of its stage.
const BEFORE_STAGE: &str = r#"{"stage":""#;

impl Stage {
    /// All of them, in order.
    pub const ALL: [Self; 6] = [
        Self::Making,
        Self::Waiting,
        Self::Running,
        Self::Killing,
        Self::Ungrouping,
        Self::Deleting,
    ];
}

/// One sandbox's traces on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// First, so that its letter is always in the same place.
    pub(crate) stage: Stage,
    pub(crate) id: String,
    /// Control groups, the one to kill by first.
    pub(crate) cgroups: Vec<PathBuf>,
    /// Everything the sandbox writes.
    pub(crate) files: PathBuf,
    /// First id of its range.
    pub(crate) first_id: u32,
    /// The host's end of its network, which goes by itself once its processes are gone.
    pub(crate) port: Option<String>,
}

impl Record {
    /// Where it is written.
    pub(crate) fn path(&self, state_dir: &Path) -> PathBuf {
        state_dir.join(DIRECTORY).join(format!("{}.json", self.id))
    }

    /// Writes the record; an existing one means that the id is in use.
    pub(crate) fn write(&self, state_dir: &Path) -> Result<(), Failure> {
        let path = self.path(state_dir);
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec(self)?;
            let mut file = fs::File::options().write(true).create_new(true).open(&path)?;
            io::Write::write_all(&mut file, &text)
        };
        write().doing(|| format!("writing {} (is the id in use?)", path.display()))
    }

    /// Goes on to another stage. A replaced file would have to be on the disk before it takes the other's place, which
    /// takes longer than what most stages do; a single byte is the old one or the new one.
    pub(crate) fn enter(&mut self, stage: Stage, state_dir: &Path) -> Result<(), Failure> {
        let path = self.path(state_dir);
        self.stage = stage;
        let write = || -> io::Result<()> {
            let letter = serde_json::to_vec(&stage)?;
            let file = fs::File::options().read(true).write(true).open(&path)?;
            let mut head = [0; BEFORE_STAGE.len() + 2];
            file.read_exact_at(&mut head, 0)?;
            if head.starts_with(BEFORE_STAGE.as_bytes()) && head.ends_with(b"\"") {
                // Without the quotation marks.
                return file.write_all_at(&letter[1..letter.len() - 1], BEFORE_STAGE.len() as u64);
            }
            // What an older agent wrote: in another order, and in words.
            let next = path.with_extension("next");
            fs::write(&next, serde_json::to_vec(self)?)?;
            fs::rename(&next, &path)
        };
        write().doing(|| format!("writing {}", path.display()))
    }

    /// Removes the record once everything it names is gone.
    pub(crate) fn remove(&self, state_dir: &Path) -> Result<(), Failure> {
        let path = self.path(state_dir);
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

/// What stands in a state directory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Records {
    pub(crate) whole: Vec<Record>,
    /// Files that were being written when their writer was killed, or that a sandbox's end removes at this moment.
    pub(crate) torn: Vec<PathBuf>,
}

/// Reads the records of a state directory and changes nothing.
pub(crate) fn read(state_dir: &Path) -> Result<Records, Failure> {
    let directory = state_dir.join(DIRECTORY);
    let entries = match fs::read_dir(&directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Records::default()),
        other => other.doing(|| format!("listing {}", directory.display()))?,
    };
    let mut found = Records::default();
    for entry in entries {
        let path = entry.doing(|| format!("listing {}", directory.display()))?.path();
        let text = match fs::read(&path) {
            // It ended meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            other => other.doing(|| format!("reading {}", path.display()))?,
        };
        let is_record = path.extension().is_some_and(|ending| ending == "json");
        match serde_json::from_slice::<Record>(&text) {
            Ok(record) if is_record => found.whole.push(record),
            _ => found.torn.push(path),
        }
    }
    Ok(found)
}

/// All records of a state directory that nobody works in. One cut short by a crash named nothing that had been made: it
/// is dropped.
pub(crate) fn all(state_dir: &Path) -> Result<Vec<Record>, Failure> {
    let found = read(state_dir)?;
    for path in &found.torn {
        fs::remove_file(path).doing(|| format!("removing {}", path.display()))?;
    }
    Ok(found.whole)
}

#[cfg(test)]
mod tests {
    use super::{Record, Stage, all, prepare, read};

    #[test]
    fn records_outlive_their_writer_and_torn_ones_are_dropped() {
        let state = tempfile::tempdir().expect("a temporary directory");
        assert!(all(state.path()).expect("no records").is_empty());
        prepare(state.path()).expect("a directory");
        let mut record = Record {
            stage: Stage::Making,
            id: "a.b".into(),
            cgroups: vec!["/c".into()],
            files: "/f".into(),
            first_id: 65_536,
            port: None,
        };
        record.write(state.path()).expect("a record");
        assert!(
            record.write(state.path()).is_err(),
            "an id in use was taken again"
        );
        for stage in Stage::ALL {
            record.enter(stage, state.path()).expect("another stage");
            assert_eq!(read(state.path()).expect("records").whole, [record.clone()]);
        }
        std::fs::write(state.path().join("sandboxes/b.json"), "{\"stage\":").expect("a torn record");
        assert_eq!(read(state.path()).expect("records").torn.len(), 1);
        assert_eq!(all(state.path()).expect("records"), std::slice::from_ref(&record));
        assert!(read(state.path()).expect("records").torn.is_empty());
        record.remove(state.path()).expect("removal");
        assert!(all(state.path()).expect("no records").is_empty());
    }

    #[test]
    fn each_stage_is_one_letter_in_the_same_place_and_had_a_word_before() {
        for stage in Stage::ALL {
            let letter = serde_json::to_string(&stage).expect("json");
            assert_eq!(letter.len(), 3, "{letter}");
        }
        let words: Vec<Stage> =
            serde_json::from_str(r#"["making","running","killing","ungrouping","deleting"]"#)
                .expect("what an older agent wrote");
        assert_eq!(words.len(), 5);
    }
}
