//! Claims on id ranges, valid for the whole host. Two agents may well be given the same block of ids; a range in use
//! by one of them is then passed over by the other. A claim ends with its holder, even a killed one.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::failure::{Doing, Failure};
use crate::file_lock::FileLock;

/// Where claims are made; emptied by a reboot, as sandboxes are.
pub(crate) const DIRECTORY: &str = "/run/airlock-ids";

/// Claims the range beginning at `first_id`; `None` when somebody else has it.
/// The claim names the state directory it is for, so that one too many can be told.
pub(crate) fn claim(directory: &Path, first_id: u32, state_dir: &Path) -> Result<Option<FileLock>, Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .doing(|| format!("making {}", directory.display()))?;
    let path = directory.join(first_id.to_string());
    let open = || {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
    };
    let file = open().doing(|| format!("opening {}", path.display()))?;
    let held = FileLock::try_exclusive(file).doing(|| format!("locking {}", path.display()))?;
    if held.is_some() {
        let owner = fs::canonicalize(state_dir).unwrap_or_else(|_| state_dir.to_owned());
        fs::write(&path, owner.as_os_str().as_bytes()).doing(|| format!("writing {}", path.display()))?;
    }
    Ok(held)
}

/// The state directory a claim file is, or last was, for; `None` for other files.
pub(crate) fn owner(file: &Path) -> Option<PathBuf> {
    file.strip_prefix(DIRECTORY).ok()?;
    Some(PathBuf::from(OsString::from_vec(fs::read(file).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::claim;

    #[test]
    fn a_range_has_one_holder_at_a_time() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let take = |first_id| claim(directory.path(), first_id, directory.path()).expect("a claim file");
        let held = take(65_536).expect("a free range");
        assert!(take(65_536).is_none());
        assert!(take(131_072).is_some());
        drop(held);
        assert!(take(65_536).is_some());
    }
}
