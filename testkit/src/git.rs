//! The real git, free of the configuration of whoever runs the tests.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::keys::SshKey;
use crate::run::{Finished, Run};

/// A work tree and the git command in it.
#[derive(Debug)]
pub struct Git {
    directory: PathBuf,
    ssh_command: Option<String>,
}

/// How to reach a remote over SSH.
#[derive(Debug)]
pub struct Remote<'a> {
    /// The key to show.
    pub key: &'a SshKey,
    /// The file that remembers host keys; an unknown host is accepted once, a changed one refused.
    pub known_hosts: &'a Path,
}

impl Git {
    /// Makes a repository with the branch `main`.
    pub fn init(directory: impl Into<PathBuf>) -> Result<Self> {
        let git = Self {
            directory: directory.into(),
            ssh_command: None,
        };
        let folder = &git.directory;
        std::fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
        git.run(["init", "--quiet", "--initial-branch=main", "."])?;
        Ok(git)
    }

    /// Uses the repository that is already there.
    pub fn open(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
            ssh_command: None,
        }
    }

    /// Shows this key, and only this key, to SSH remotes from now on.
    #[must_use]
    pub fn with_remote(mut self, remote: &Remote<'_>) -> Self {
        self.ssh_command = Some(format!(
            "ssh -F none -i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
             -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={}",
            quoted(remote.key.private()),
            quoted(remote.known_hosts)
        ));
        self
    }

    /// The work tree.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Runs git to success.
    pub fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Result<Finished> {
        self.command(arguments).finish()?.success()
    }

    /// A git command that may fail.
    pub fn command(&self, arguments: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Run {
        let mut run = Run::new("git")
            .args(arguments)
            .directory(&self.directory)
            .variable("GIT_CONFIG_GLOBAL", "/dev/null")
            .variable("GIT_CONFIG_NOSYSTEM", "1")
            .variable("GIT_TERMINAL_PROMPT", "0")
            .variable("GIT_AUTHOR_NAME", "Alice")
            .variable("GIT_AUTHOR_EMAIL", "alice@example.com")
            .variable("GIT_COMMITTER_NAME", "Alice")
            .variable("GIT_COMMITTER_EMAIL", "alice@example.com");
        if let Some(command) = &self.ssh_command {
            run = run.variable("GIT_SSH_COMMAND", command);
        }
        run
    }

    /// Commits everything in the work tree and returns the new commit's name.
    pub fn commit_all(&self, message: &str) -> Result<String> {
        self.run(["add", "--all"])?;
        self.run(["commit", "--quiet", "--allow-empty", "-m", message])?;
        self.head()
    }

    /// The name of the checked-out commit.
    pub fn head(&self) -> Result<String> {
        Ok(self.run(["rev-parse", "HEAD"])?.stdout.trim().to_owned())
    }

    /// Pushes a branch or tag; git's own words are in the result.
    pub fn push(&self, url: &str, reference: &str) -> Result<Finished> {
        self.run(["push", url, reference])
    }
}

/// A path for the shell that reads `GIT_SSH_COMMAND`.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{Git, Remote, quoted};
    use crate::data_dir::DataDir;
    use crate::keys::SshKey;

    #[test]
    fn commits_travel_between_repositories() {
        let data = DataDir::new().unwrap();
        let bare = data.join("bare.git");
        let git = Git::init(data.join("work")).unwrap();
        git.run([
            "init",
            "--quiet",
            "--bare",
            "--initial-branch=main",
            bare.to_str().unwrap(),
        ])
        .unwrap();
        data.write("work/a.txt", "a").unwrap();
        let commit = git.commit_all("work: begin").unwrap();
        git.push(bare.to_str().unwrap(), "main").unwrap();
        let there = Git::open(&bare).run(["rev-parse", "main"]).unwrap();
        assert_eq!(there.stdout.trim(), commit);
    }

    #[test]
    fn the_developers_configuration_stays_outside() {
        let data = DataDir::new().unwrap();
        let git = Git::init(data.join("work")).unwrap();
        // The home of the command is its work tree: a configuration there must not count.
        data.write("work/.gitconfig", "[user]\n\tname = Mallory\n")
            .unwrap();
        let list = git.run(["config", "--list", "--show-origin"]).unwrap().stdout;
        assert!(
            list.lines().all(|line| line.starts_with("file:.git/config")),
            "{list}"
        );
    }

    #[test]
    fn the_key_is_handed_to_ssh() {
        let data = DataDir::new().unwrap();
        let key = SshKey::generate(data.path(), "it's alice").unwrap();
        let known_hosts = data.join("known_hosts");
        let remote = Remote {
            key: &key,
            known_hosts: &known_hosts,
        };
        let git = Git::init(data.join("work")).unwrap().with_remote(&remote);
        // Nobody listens on the discard port; the point is that ssh accepts its options and gets as far as connecting.
        let done = git
            .command(["ls-remote", "ssh://git@127.0.0.1:9/a/b.git"])
            .finish()
            .unwrap();
        assert!(done.stderr.contains("port 9"), "{}", done.stderr);
        assert!(!done.stderr.contains("Bad configuration"), "{}", done.stderr);
    }

    #[test]
    fn paths_are_quoted_for_the_shell() {
        assert_eq!(quoted("/a b/it's".as_ref()), r"'/a b/it'\''s'");
    }
}
