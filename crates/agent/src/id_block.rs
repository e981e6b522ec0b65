//! A block of user ids that belongs to one agent process of this machine at a time, so that sandboxes of two agents never
//! share an id. Held by a lock on a file for as long as the process lives.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use airlock_sandbox::{DEFAULT_ID_BASE, IDS_PER_SANDBOX};

use crate::limits::{ID_BLOCKS, ID_RANGES};

/// Where the locks of this machine are.
pub(crate) const DIRECTORY: &str = "/run/airlock/id-blocks";

/// A block in use.
#[derive(Debug)]
pub(crate) struct IdBlock {
    /// Its first id.
    pub(crate) base: u32,
    _lock: File,
}

/// Takes the first free block.
pub(crate) fn take(directory: &Path) -> io::Result<IdBlock> {
    fs::create_dir_all(directory)?;
    for number in 0..ID_BLOCKS {
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join(number.to_string()))?;
        match lock.try_lock() {
            Ok(()) => {
                return Ok(IdBlock {
                    base: DEFAULT_ID_BASE + number * ID_RANGES * IDS_PER_SANDBOX,
                    _lock: lock,
                });
            }
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other(format!(
        "all {ID_BLOCKS} blocks of ids are held by other agents of this machine"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_agents_never_share_a_block() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = take(dir.path()).expect("taken");
        let second = take(dir.path()).expect("taken");
        assert_eq!(second.base - first.base, ID_RANGES * IDS_PER_SANDBOX);
        let base = first.base;
        drop(first);
        assert_eq!(take(dir.path()).expect("taken again").base, base);
    }
}
