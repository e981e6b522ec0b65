//! Taking sandboxes apart by what is written down about them: at a sandbox's end, and for whatever a killed agent left.
//!
//! A state directory belongs to the process that holds the lock in it. The zygote inherits the lock, so it is free
//! only when neither agent nor zygote lives, and then no sandbox does: each dies with the zygote.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use crate::cgroup;
use crate::errors::ReapError;
use crate::failure::{Doing, Failure};
use crate::limits::LOCK_MILLIS;
use crate::net;
use crate::record::{self, Record, Stage};
use crate::sys::pause;
use crate::tree::remove_tree;

/// Removes every process, cgroup, directory and network device that launchers on `state_dir` left behind.
pub fn reap_leftovers(state_dir: &Path) -> Result<(), ReapError> {
    if !state_dir.exists() {
        return Ok(());
    }
    let step = |Failure { doing, source }| ReapError::Step { doing, source };
    let Some(lock) = lock(state_dir).map_err(step)? else {
        return Err(ReapError::InUse(state_dir.to_owned()));
    };
    sweep(state_dir).map_err(step)?;
    drop(lock);
    Ok(())
}

/// The same for a caller that holds the lock.
pub(crate) fn sweep(state_dir: &Path) -> Result<(), Failure> {
    for mut record in record::all(state_dir)? {
        take_apart(&mut record, state_dir, None)?;
    }
    cgroup::remove(&record::bases(state_dir))?;
    if record::has_network(state_dir) {
        net::remove(&tag(state_dir))?;
        record::forget_network(state_dir)?;
    }
    Ok(())
}

/// Removes what a record names and then the record, going on from the stage it has got to. Nothing waits for the network
/// device: it goes with the last process, in a worker of the kernel.
pub(crate) fn take_apart(
    record: &mut Record,
    state_dir: &Path,
    observer: Option<fn(Stage)>,
) -> Result<(), Failure> {
    let enter = |record: &mut Record, stage| {
        record.enter(stage, state_dir)?;
        if let Some(observer) = observer {
            observer(stage);
        }
        Ok::<_, Failure>(())
    };
    loop {
        match record.stage {
            Stage::Making | Stage::Waiting | Stage::Running => enter(record, Stage::Killing)?,
            Stage::Killing => {
                cgroup::kill(&record.cgroups)?;
                enter(record, Stage::Ungrouping)?;
            }
            Stage::Ungrouping => {
                cgroup::remove(&record.cgroups)?;
                enter(record, Stage::Deleting)?;
            }
            Stage::Deleting => {
                remove_tree(&record.files).doing(|| format!("deleting {}", record.files.display()))?;
                return record.remove(state_dir);
            }
        }
    }
}

/// What the groups of launchers are called, before the tag.
pub(crate) const GROUPS: &str = "airlock-";

/// The name of a launcher's groups.
pub(crate) fn group_name(tag: &str) -> String {
    format!("{GROUPS}{tag}")
}

/// Takes the lock, waiting a little for a zygote whose agent has just died; `None` when somebody keeps it.
pub(crate) fn lock(state_dir: &Path) -> Result<Option<OwnedFd>, Failure> {
    let path = state_dir.join("lock");
    let open = || {
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
    };
    let file = open().doing(|| format!("opening {}", path.display()))?;
    let deadline = Instant::now() + Duration::from_millis(LOCK_MILLIS);
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file.into())),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < deadline => {
                pause();
            }
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(io::Error::from(error)).doing(|| format!("locking {}", path.display())),
        }
    }
}

/// Six characters that stand for a state directory in names that must be short.
pub(crate) fn tag(state_dir: &Path) -> String {
    let path = fs::canonicalize(state_dir).unwrap_or_else(|_| state_dir.to_owned());
    // FNV-1a: it only has to tell a handful of directories of one host apart.
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{:06x}", (hash ^ (hash >> 24) ^ (hash >> 48)) & 0x00ff_ffff)
}

#[cfg(test)]
mod tests {
    use super::{lock, reap_leftovers, tag};
    use crate::errors::ReapError;

    #[test]
    fn a_directory_in_use_is_not_swept() {
        let state = tempfile::tempdir().expect("a temporary directory");
        let held = lock(state.path()).expect("a lock file").expect("the lock");
        assert!(matches!(reap_leftovers(state.path()), Err(ReapError::InUse(_))));
        drop(held);
        assert!(lock(state.path()).expect("a lock file").is_some());
    }

    #[test]
    fn tags_differ_between_directories_and_not_between_spellings() {
        let state = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(state.path().join("x")).expect("a directory");
        assert_eq!(tag(state.path()), tag(&state.path().join("x/..")));
        assert_ne!(tag(state.path()), tag(&state.path().join("x")));
        assert_eq!(tag(state.path()).len(), 6);
    }
}
