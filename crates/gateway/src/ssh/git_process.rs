//! The git program as a child: a clean environment, settings that do not depend on the machine or the repository, no
//! hooks, and an end to the whole process group when the door is done with it.

use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

use super::access::{BareRepo, GitAction};
use super::limits;

/// A running `git upload-pack` or `git receive-pack`. Killed with its children when dropped.
pub(super) struct GitProcess {
    child: Child,
    pub(super) stdin: Option<ChildStdin>,
    pub(super) stdout: Option<ChildStdout>,
    pub(super) stderr: Option<ChildStderr>,
}

impl GitProcess {
    /// Starts it in the repository. `protocol` is what the client asked for by `GIT_PROTOCOL`.
    pub(super) fn start(action: GitAction, repo: &BareRepo, protocol: Option<&str>) -> io::Result<Self> {
        let mut command = Command::new("git");
        command.env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1");
        if let Some(protocol) = protocol {
            command.env("GIT_PROTOCOL", protocol);
        }
        for setting in settings() {
            command.args(["-c", &setting]);
        }
        command.arg(action.program());
        if action == GitAction::Fetch {
            // Only exactly this folder, not one that a `.git` below or above it points to.
            command.arg("--strict");
        }
        command
            .arg(absolute(&repo.path)?)
            .current_dir(&repo.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok(Self {
            child,
            stdin,
            stdout,
            stderr,
        })
    }

    /// Waits for its end.
    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Kills it and what it started.
    pub(super) fn kill(&mut self) {
        // No id once it has been waited for: the number may belong to somebody else by then.
        let group = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _gone_already = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

impl Drop for GitProcess {
    fn drop(&mut self) {
        self.kill();
    }
}

fn absolute(path: &Path) -> io::Result<std::path::PathBuf> {
    std::path::absolute(path)
}

fn settings() -> [String; 11] {
    [
        // Hooks are programs of whoever could write to the repository's folder.
        "core.hooksPath=/dev/null".into(),
        "core.fsmonitor=false".into(),
        // Objects are checked before they are kept, so that what jobs clone later is well-formed.
        "receive.fsckObjects=true".into(),
        format!("receive.maxInputSize={}", limits::PUSH_BYTES),
        // Packing in the background would outlive this process; the server packs repositories on its own time.
        "receive.autogc=false".into(),
        "gc.auto=0".into(),
        // Jobs fetch exact commits, also with clients that do not speak protocol 2.
        "uploadpack.allowReachableSHA1InWant=true".into(),
        "uploadpack.allowFilter=true".into(),
        // Many clones run side by side; each takes one processor and a bounded part of memory.
        "pack.threads=1".into(),
        "pack.windowMemory=256m".into(),
        "core.bigFileThreshold=64m".into(),
    ]
}
