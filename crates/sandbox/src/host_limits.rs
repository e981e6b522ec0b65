//! Which limits this host enforces, each with what enforces it or why nothing does. For people and for an agent's record;
//! changes nothing on the host beyond a file that is gone again.

use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::limits::MAX_OPEN_FILES_HARD;
use crate::{cgroup, disk};

/// One limit on this host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostLimit {
    /// What is bounded.
    pub what: &'static str,
    /// What enforces it; else why nothing does.
    pub enforced: Result<String, String>,
}

/// Finds out; a disk is tried in `scratch`, which is made if it is not there.
pub fn host_limits(scratch: &Path) -> Vec<HostLimit> {
    let (kind, enforced) = match cgroup::survey() {
        Ok((kind, enforced)) => (kind.to_owned(), enforced),
        Err(failure) => (failure.to_string(), cgroup::Enforced::default()),
    };
    let by_group = |what, enforced: bool, controller: &str| HostLimit {
        what,
        enforced: if enforced {
            Ok(format!("{controller} controller of {kind}"))
        } else {
            Err(format!("no {controller} controller for this process ({kind})"))
        },
    };
    let with_disk = tried_disk(scratch);
    let disk = |what| HostLimit {
        what,
        enforced: with_disk.clone(),
    };
    vec![
        by_group("processor time", enforced.cpu, "cpu"),
        by_group("memory, page cache and tmpfs", enforced.memory, "memory"),
        HostLimit {
            what: "memory without swap",
            enforced: without_swap(
                enforced.memory,
                &fs::read_to_string("/proc/swaps").unwrap_or_default(),
            ),
        },
        by_group("processes and threads", enforced.pids, "pids"),
        disk("bytes on disk"),
        disk("files on disk"),
        HostLimit {
            what: "open files",
            enforced: Ok(format!("RLIMIT_NOFILE, at most {}", open_files())),
        },
        HostLimit {
            what: "run time",
            enforced: Ok("the agent's clock".into()),
        },
    ]
}

/// What a step may open: ours, or this process's own bound where that is lower.
fn open_files() -> u64 {
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    own.map_or(MAX_OPEN_FILES_HARD, |own| own.min(MAX_OPEN_FILES_HARD))
}

fn tried_disk(scratch: &Path) -> Result<String, String> {
    let made = fs::create_dir_all(scratch).map_err(|error| format!("making {}: {error}", scratch.display()));
    made?;
    disk::probe(scratch)
        .map(|()| "an ext4 file system of the sandbox's own on a loop device".to_owned())
        .map_err(|failure: Failure| failure.to_string())
}

/// Swap as `/proc/swaps` tells of it.
fn without_swap(memory: bool, swaps: &str) -> Result<String, String> {
    match (memory, swaps.lines().count() > 1) {
        (_, false) => Ok("this host has no swap".into()),
        (true, true) => Ok("the memory controller, where it counts swap".into()),
        (false, true) => Err("no memory controller, and this host swaps".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::{host_limits, without_swap};

    #[test]
    fn each_limit_says_what_enforces_it_here() {
        let scratch = tempfile::tempdir_in("/var/tmp").expect("a temporary directory");
        let limits = host_limits(scratch.path());
        assert_eq!(limits.len(), 8);
        for limit in &limits {
            assert!(limit.enforced.is_ok(), "{limit:?}");
        }
        assert_eq!(
            std::fs::read_dir(scratch.path()).expect("the directory").count(),
            0,
            "what was tried is left"
        );
    }

    #[test]
    fn swap_is_no_matter_where_there_is_none() {
        let header = "Filename Type Size Used Priority\n";
        let some = format!("{header}/dev/vdb partition 1 0 -2\n");
        assert!(without_swap(false, header).is_ok());
        assert!(without_swap(true, &some).is_ok() && without_swap(false, &some).is_err());
    }
}
