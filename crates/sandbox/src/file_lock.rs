//! A lock on a file that ends when its holder lets go, not when the last copy of a descriptor closes.
//!
//! A child that another thread is just starting has a copy of every descriptor until its `exec`. Closing ours would
//! leave the lock with the child for that moment, and whoever asks next would be told that the file is still in use.

use std::fs::File;
use std::io;

use rustix::fs::{FlockOperation, flock};

/// A file locked by this process; unlocked when dropped, or when the process ends.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// Locks for this holder alone; `None` when somebody else holds the lock.
    pub fn try_exclusive(file: File) -> io::Result<Option<Self>> {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Locks for this holder alone, once everybody else has let go.
    pub fn exclusive(file: File) -> io::Result<Self> {
        Self::waited_for(file, FlockOperation::LockExclusive)
    }

    /// Locks beside others who share, once nobody holds the file alone.
    pub fn shared(file: File) -> io::Result<Self> {
        Self::waited_for(file, FlockOperation::LockShared)
    }

    fn waited_for(file: File, operation: FlockOperation) -> io::Result<Self> {
        rustix::io::retry_on_intr(|| flock(&file, operation))?;
        Ok(Self(file))
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Closing the descriptor, which follows, unlocks as well unless a child has a copy.
        let _closing_follows = flock(&self.0, FlockOperation::Unlock);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::FileLock;

    #[test]
    fn a_copy_of_the_descriptor_does_not_keep_the_lock() {
        let path = tempfile::NamedTempFile::new().expect("a file");
        let open = || File::options().write(true).open(path.path()).expect("opened");
        let file = open();
        let what_a_child_has = file.try_clone().expect("a copy");
        let held = FileLock::exclusive(file).expect("locked");
        assert!(FileLock::try_exclusive(open()).expect("asked").is_none());
        drop(held);
        FileLock::try_exclusive(open()).expect("asked").expect("free");
        drop(what_a_child_has);
    }

    #[test]
    fn those_who_share_keep_out_who_wants_it_alone() {
        let path = tempfile::NamedTempFile::new().expect("a file");
        let open = || File::options().write(true).open(path.path()).expect("opened");
        let (one, other) = (FileLock::shared(open()), FileLock::shared(open()));
        let (one, other) = (one.expect("locked"), other.expect("locked"));
        drop(one);
        assert!(FileLock::try_exclusive(open()).expect("asked").is_none());
        drop(other);
        FileLock::try_exclusive(open()).expect("asked").expect("free");
    }
}
