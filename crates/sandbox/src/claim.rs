//! Claims on id ranges, valid for the whole host. Two agents may well be given the same block of ids; a range in use
//! by one of them is then passed over by the other. A claim ends with its holder, even a killed one.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use crate::failure::{Doing, Failure};
use crate::file_lock::FileLock;

/// Where claims are made; emptied by a reboot, as sandboxes are.
pub(crate) const DIRECTORY: &str = "/run/airlock-ids";

/// Claims the range beginning at `first_id`; `None` when somebody else has it.
pub(crate) fn claim(directory: &Path, first_id: u32) -> Result<Option<FileLock>, Failure> {
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
    FileLock::try_exclusive(file).doing(|| format!("locking {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::claim;

    #[test]
    fn a_range_has_one_holder_at_a_time() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let take = |first_id| claim(directory.path(), first_id).expect("a claim file");
        let held = take(65_536).expect("a free range");
        assert!(take(65_536).is_none());
        assert!(take(131_072).is_some());
        drop(held);
        assert!(take(65_536).is_some());
    }
}
