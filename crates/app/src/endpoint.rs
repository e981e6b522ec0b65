//! `<data-dir>/run/endpoint.json`: how programs on this machine find a running instance and may use it. Mode 0600,
//! because it holds the administrator's token.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::processes;

/// What the file holds.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// `https://localhost:8443`.
    pub(crate) url: String,
    /// `ssh://git@localhost:8022`.
    pub(crate) ssh: String,
    /// `ssh://localhost:8023`, where jobs are entered.
    #[serde(default)]
    pub(crate) job_ssh: String,
    /// The instance's CA certificate.
    pub(crate) ca_file: PathBuf,
    /// A token of the administrator.
    pub(crate) admin_token: String,
    /// The process to stop: the supervisor, or the server where there is none.
    pub(crate) pid: u32,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint")
            .field("url", &self.url)
            .field("pid", &self.pid)
            .finish_non_exhaustive()
    }
}

/// Where the file stands.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("run/endpoint.json")
}

/// Reads it; `None` when there is none.
pub(crate) fn read(data_dir: &Path) -> anyhow::Result<Option<Endpoint>> {
    let path = path(data_dir);
    match std::fs::read(&path) {
        Ok(bytes) => Ok(Some(
            serde_json::from_slice(&bytes).with_context(|| format!("reading {}", path.display()))?,
        )),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
    }
}

/// Writes it whole: who waits for the file never sees half of it.
pub(crate) fn write(data_dir: &Path, endpoint: &Endpoint) -> anyhow::Result<()> {
    let path = path(data_dir);
    let text = serde_json::to_vec_pretty(endpoint).with_context(|| format!("writing {}", path.display()))?;
    processes::write_private(&path, &text)
}

impl Endpoint {
    /// Whether the process that wrote it still runs: one that was killed leaves the file.
    pub(crate) fn is_alive(&self) -> bool {
        let known = i32::try_from(self.pid)
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        let is_airlock = || {
            std::fs::read_link(format!("/proc/{}/exe", self.pid)).is_ok_and(|program| {
                program
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("airlock"))
            })
        };
        known.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok()) && is_airlock()
    }
}

/// Removes it, so that nobody takes a stopped instance for a running one.
pub(crate) fn remove(data_dir: &Path) {
    let _gone_is_as_good = std::fs::remove_file(path(data_dir));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_for_its_owner_only_and_does_not_show_the_token() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("run")).expect("made");
        let endpoint = Endpoint {
            url: "https://localhost:1".into(),
            ssh: "ssh://git@localhost:2".into(),
            job_ssh: "ssh://localhost:3".into(),
            ca_file: "ca.crt".into(),
            admin_token: "canary-4711".into(),
            pid: 7,
        };
        write(folder.path(), &endpoint).expect("written");
        let mode = std::fs::metadata(path(folder.path()))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = read(folder.path()).expect("read").expect("there");
        assert_eq!(read.admin_token, endpoint.admin_token);
        assert!(!format!("{read:?}").contains("canary"));
    }
}
