//! What can be asked of the launcher: plain data, checked by `launcher` before anything is created. It refuses to
//! hold a switch that would weaken isolation: there is no privileged mode, no host namespace, no host path.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::errors::StartError;
use crate::limits::{MAX_DISK_BYTES, MAX_HOSTNAME, MAX_ID, MAX_LAYERS, MIN_DISK, MIN_MEMORY_BYTES, MIN_PIDS};

/// One sandbox to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxSpec {
    /// Name of the sandbox, unique per launcher: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
    pub id: String,
    /// Host name inside.
    pub hostname: String,
    /// Image directories, top first; their files carry plain image ids (0 to 65535).
    pub layers: Vec<PathBuf>,
    /// Ceilings for everything in the sandbox together.
    pub limits: Limits,
    /// Further names for the sandbox itself, those of its services: each stands for 127.0.0.1 inside.
    pub local_names: Vec<String>,
    /// What the sandbox can reach.
    pub network: Network,
    /// Which system calls a step may make.
    pub profile: SeccompProfile,
    /// The static in-job program, shown read-only in `/run/airlock/bin`.
    pub helper: PathBuf,
    /// Directory in which the sandbox's own writable layers are made; must exist, on a disk file system.
    pub work_dir: PathBuf,
}

/// Ceilings of one sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processor time in thousandths of one processor.
    pub cpu_millis: u32,
    /// Memory of all processes, page cache and tmpfs together.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u32,
    /// Everything it writes to its root; `None` for what the host's file system takes.
    pub disk: Option<DiskLimit>,
}

/// The ceiling of what a sandbox writes to its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DiskLimit {
    /// Bytes, the file system's own tables included.
    pub bytes: u64,
    /// Files, directories and links.
    pub inodes: u64,
}

impl DiskLimit {
    /// What is always possible where anything is.
    pub(crate) const SMALLEST: Self = Self {
        bytes: MIN_DISK.0,
        inodes: MIN_DISK.1,
    };
}

/// What a sandbox can reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    /// Loopback only.
    None,
    /// The outside through the host's address; never the host itself, other sandboxes, private or link-local addresses.
    Egress,
    /// Of the same, only what [`crate::Sandbox::open_blocks`] and [`crate::Sandbox::open_names`] open.
    Listed,
}

/// Which system calls a step may make.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SeccompProfile {
    /// Docker's default profile with `clone`, `setns` and `unshare` allowed without conditions.
    #[default]
    Default,
    /// The same with the calls that mount, for builds that start containers of their own. A step has no right to mount
    /// anything; it gets one only over a mount namespace in a user namespace that it makes.
    Nested,
    /// Docker's default profile as it is: no new namespaces.
    Strict,
}

impl SeccompProfile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Default, Self::Nested, Self::Strict];

    /// Identity of the filter, for records: name of the profile and a hash of its instructions.
    pub fn filter_hash(self) -> &'static str {
        crate::seccomp::filter(self).hash
    }
}

/// A read-only layer placed below the sandbox's own writable one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Directory on the host.
    pub path: PathBuf,
    /// How its owners are to be read.
    pub ids: LayerIds,
}

/// How the owners of a layer's files are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LayerIds {
    /// Plain ids, 0 to 65535, as in an image; shifted into the sandbox's range while mounted.
    Image,
    /// Already in this sandbox's range, as in its own frozen upper layers.
    Own,
}

/// What a sandbox used, read when it is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Highest memory in use at once, in bytes.
    pub memory_peak: u64,
    /// Processor time in nanoseconds.
    pub cpu_ns: u64,
    /// Processes the kernel killed because the memory limit was reached.
    pub oom_kills: u64,
    /// Forks refused because the limit on processes was reached.
    pub pids_refused: u64,
    /// Most processes and threads at once; zero where the kernel does not count.
    pub pids_peak: u64,
    /// Most bytes on its disk at once, as far as it was looked at; zero without a disk of its own.
    pub disk_peak: u64,
    /// Most files on its disk at once, likewise.
    pub inodes_peak: u64,
    /// Looks that found its disk without room for another block.
    pub disk_full: u64,
    /// Looks that found its disk without room for another file.
    pub out_of_inodes: u64,
}

impl SandboxSpec {
    /// Refuses what cannot work, before anything is made.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        match self.problem() {
            Some(reason) => Err(StartError::Spec {
                id: self.id.clone(),
                reason,
            }),
            None => Ok(()),
        }
    }

    fn problem(&self) -> Option<String> {
        let word = |text: &str, longest: usize| {
            text.len() <= longest
                && text.starts_with(|first: char| first.is_ascii_alphanumeric())
                && text
                    .chars()
                    .all(|each| each.is_ascii_alphanumeric() || "._-".contains(each))
        };
        if !word(&self.id, MAX_ID) {
            return Some(format!(
                "its id must be 1 to {MAX_ID} letters, digits, `.`, `_` or `-`, the first a letter or digit"
            ));
        }
        if !word(&self.hostname, MAX_HOSTNAME) {
            return Some(format!(
                "the host name {:?} is not one; use letters, digits, `.` and `-`",
                self.hostname
            ));
        }
        if let Some(name) = self.local_names.iter().find(|name| !word(name, MAX_HOSTNAME)) {
            return Some(format!(
                "the name {name:?} of a service is no host name; use letters, digits, `.`, `_` and `-`"
            ));
        }
        if self.layers.is_empty() || self.layers.len() > MAX_LAYERS {
            return Some(format!(
                "{} image layers; between 1 and {MAX_LAYERS} are possible",
                self.layers.len()
            ));
        }
        for path in self.layers.iter().chain([&self.helper, &self.work_dir]) {
            if !path.is_absolute() || path.to_str().is_none() {
                return Some(format!("{} must be an absolute path in UTF-8", path.display()));
            }
        }
        let Limits {
            cpu_millis,
            memory_bytes,
            pids,
            disk,
        } = self.limits;
        if cpu_millis == 0 || memory_bytes < MIN_MEMORY_BYTES || pids < MIN_PIDS {
            return Some(format!(
                "limits of {cpu_millis} thousandths of a processor, {memory_bytes} bytes and {pids} processes are too \
                 low; at least 1, {MIN_MEMORY_BYTES} and {MIN_PIDS} are needed"
            ));
        }
        if let Some(DiskLimit { bytes, inodes }) = disk
            && (bytes < MIN_DISK.0 || bytes > MAX_DISK_BYTES || inodes < MIN_DISK.1 || inodes > bytes / 4096)
        {
            return Some(format!(
                "a disk of {bytes} bytes and {inodes} files cannot be made; at least {} and {} are needed, at most \
                 {MAX_DISK_BYTES} bytes and a file for each 4096 of them are possible",
                MIN_DISK.0, MIN_DISK.1
            ));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{DiskLimit, Limits, Network, SandboxSpec, SeccompProfile};

    fn spec() -> SandboxSpec {
        SandboxSpec {
            id: "job-1.2".into(),
            hostname: "job-1".into(),
            layers: vec!["/image".into()],
            local_names: Vec::new(),
            limits: Limits {
                cpu_millis: 1000,
                memory_bytes: 64 << 20,
                pids: 64,
                disk: None,
            },
            network: Network::None,
            profile: SeccompProfile::Default,
            helper: "/helper".into(),
            work_dir: "/work".into(),
        }
    }

    fn problem(change: impl FnOnce(&mut SandboxSpec)) -> String {
        let mut spec = spec();
        change(&mut spec);
        spec.problem().unwrap_or_default()
    }

    #[test]
    fn a_sound_specification_has_no_problem() {
        assert_eq!(problem(|_| {}), "");
    }

    #[test]
    fn ids_cannot_become_paths() {
        for id in ["", "..", "a/b", ".hidden", "-rf", "a b", &"x".repeat(65)] {
            assert!(
                problem(|spec| spec.id = id.into()).starts_with("its id must be"),
                "{id:?} was taken"
            );
        }
    }

    #[test]
    fn host_names_cannot_write_lines_of_etc_hosts() {
        assert!(problem(|spec| spec.hostname = "x\n10.0.0.1 git".into()).contains("is not one"));
        assert!(
            problem(|spec| spec.local_names = vec!["x\n10.0.0.1 git".into()]).contains("is no host name")
        );
    }

    #[test]
    fn impossible_limits_and_paths_are_named() {
        assert!(problem(|spec| spec.layers.clear()).starts_with("0 image layers"));
        assert!(problem(|spec| spec.helper = "task".into()).contains("absolute"));
        assert!(problem(|spec| spec.limits.pids = 1).contains("too low"));
        let disk = |bytes, inodes| problem(|spec| spec.limits.disk = Some(DiskLimit { bytes, inodes }));
        assert!(disk(1 << 20, 64).contains("cannot be made"));
        assert!(disk(16 << 20, 1 << 20).contains("cannot be made"));
        assert_eq!(disk(16 << 20, 64), "");
    }
}
