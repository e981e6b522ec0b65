//! What the long-running processes share: the folder they own, the signals they obey, the line that says "ready".

use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use crate::terminal;

/// The one line a supervised process writes to standard output when it serves.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Ready {
    /// Where the server is reached; absent from the others.
    #[serde(default)]
    pub(crate) url: Option<String>,
    /// Where its git door is.
    #[serde(default)]
    pub(crate) ssh: Option<String>,
}

impl Ready {
    /// Says it.
    pub(crate) fn say(&self) {
        match serde_json::to_string(self) {
            Ok(text) => terminal::line(&text),
            Err(error) => terminal::error(&format!("the ready line could not be written: {error}")),
        }
    }
}

/// What tells that an open folder is a data directory: `airlock run` and `airlock image` make these.
const MARKS: [&str; 5] = ["airlock.db", "vault", "runs", "images", "agent"];

/// Makes the data directory, for its owner only. A folder that others use must not be closed to them by a slip of the
/// pen, as in `--data-dir /tmp`.
pub(crate) fn data_dir(path: &Path) -> anyhow::Result<()> {
    anyhow::ensure!(
        !belongs_to_others(path),
        "{} holds other files, and a data directory is closed to everybody but its owner: choose a new or an empty folder with --data-dir",
        path.display()
    );
    let make = |folder: &Path| -> std::io::Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
    };
    make(path)
        .and_then(|()| make(&path.join("run")))
        .with_context(|| {
            format!(
                "the data directory {} cannot be made or written: choose another with --data-dir",
                path.display()
            )
        })
}

/// Whether this is an open folder with something in it, and nothing of ours.
fn belongs_to_others(path: &Path) -> bool {
    let open = std::fs::metadata(path).is_ok_and(|folder| folder.permissions().mode() & 0o077 != 0);
    let empty = || std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    let ours = || MARKS.iter().any(|mark| path.join(mark).exists());
    open && !empty() && !ours()
}

/// Completes when somebody asks the process to end. Listens from the call on, not from the first look, so that nobody
/// who was told that the process serves can end it the hard way.
pub(crate) fn asked_to_stop() -> impl Future<Output = ()> + Send {
    let (terminate, interrupt) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        match (terminate, interrupt) {
            (Ok(mut terminate), Ok(mut interrupt)) => {
                tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            }
            (Err(error), _) | (_, Err(error)) => {
                tracing::error!(%error, "signals cannot be heard; stop this process with SIGKILL");
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Asks the kernel to end this process when its supervisor ends, however that ends.
pub(crate) fn end_with_supervisor(supervisor: Option<u32>) -> anyhow::Result<()> {
    let Some(supervisor) = supervisor else {
        return Ok(());
    };
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))
        .context("asking to be told of the supervisor's end")?;
    // It may have ended before the kernel was asked.
    let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
    anyhow::ensure!(
        u32::try_from(parent) == Ok(supervisor),
        "the supervisor {supervisor} has ended"
    );
    Ok(())
}

/// 32 bytes from the operating system.
pub(crate) fn random() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the operating system gives no random bytes"))?;
    Ok(bytes)
}

/// Writes a file that only its owner may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let fresh = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    };
    write().with_context(|| format!("writing {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_others_use_is_not_closed_to_them() {
        let scratch = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
        let open = |name: &str, file: &str| {
            let path = scratch.path().join(name);
            std::fs::create_dir_all(path.join(file)).expect("made");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("opened");
            path
        };
        let shared = open("shared", "something");
        let refused = data_dir(&shared).expect_err("it is somebody else's");
        assert!(refused.to_string().contains("--data-dir"), "{refused}");
        assert_eq!(mode(&shared), 0o755);
        for ours in [
            open("ours", "runs"),
            open("empty", ""),
            scratch.path().join("new"),
        ] {
            data_dir(&ours).expect("ours");
            data_dir(&ours).expect("again");
            assert_eq!(mode(&ours), 0o700, "{}", ours.display());
        }
    }
}
