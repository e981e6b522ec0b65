//! A local run builds what lies in the folder now, committed or not: its files become one commit of a throwaway
//! repository, and jobs check that commit out as they would any other. `.gitignore` is honoured.

use std::path::Path;
use std::process::Command;

use airlock_domain::CommitSha;
use anyhow::Context as _;

/// What of the person's own repository a run should know.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Checkout {
    /// The branch that is checked out.
    pub(crate) branch: Option<String>,
    /// First line of its newest commit's message.
    pub(crate) subject: Option<String>,
}

/// Looks at the person's repository, if the folder is in one.
pub(crate) fn inspect(folder: &Path) -> Checkout {
    let ask = |arguments: &[&str]| {
        let output = git(folder)
            .args(arguments)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        String::from_utf8(output.stdout)
            .ok()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    Checkout {
        branch: ask(&["symbolic-ref", "--quiet", "--short", "HEAD"]),
        subject: ask(&["log", "-1", "--format=%s"]),
    }
}

/// Commits the folder's files to `reference` of a bare repository.
pub(crate) fn commit(
    folder: &Path,
    repository: &Path,
    reference: &str,
    message: &str,
) -> anyhow::Result<CommitSha> {
    let index = repository.join("airlock-snapshot-index");
    let run = |arguments: &[&str]| -> anyhow::Result<String> {
        let output = git(folder)
            .arg("--git-dir")
            .arg(repository)
            .arg("--work-tree")
            .arg(folder)
            .args(arguments)
            .env("GIT_INDEX_FILE", &index)
            .env("GIT_AUTHOR_NAME", "airlock run")
            .env("GIT_AUTHOR_EMAIL", "airlock@localhost")
            .env("GIT_COMMITTER_NAME", "airlock run")
            .env("GIT_COMMITTER_EMAIL", "airlock@localhost")
            .output()
            .context("git could not be started; is it installed?")?;
        anyhow::ensure!(
            output.status.success(),
            "git {} in {}: {}",
            arguments.first().unwrap_or(&""),
            folder.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    run(&["add", "--all", "--", "."])?;
    let tree = run(&["write-tree"])?;
    let sha = run(&["commit-tree", &tree, "-m", message])?;
    run(&["update-ref", reference, &sha])?;
    std::fs::remove_file(&index).with_context(|| format!("removing {}", index.display()))?;
    CommitSha::new(sha).context("git gave a commit of an unknown form")
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .current_dir(folder)
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE");
    // A folder of another user is read, never executed from: no hook runs in the commands above.
    command.args([
        "-c",
        "safe.directory=*",
        "-c",
        "core.hooksPath=/dev/null",
        "-c",
        "core.autocrlf=false",
    ]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(folder: &Path) {
        let status = git(folder)
            .args(["init", "--quiet", "--bare", "repository.git"])
            .status()
            .expect("git runs");
        assert!(status.success());
    }

    #[test]
    fn uncommitted_files_are_in_and_ignored_ones_are_not() {
        let scratch = tempfile::tempdir().expect("a folder");
        bare(scratch.path());
        let work = scratch.path().join("work");
        std::fs::create_dir_all(work.join("target")).expect("made");
        for (name, text) in [
            ("a.sh", "echo a\n"),
            (".gitignore", "target/\n"),
            ("target/x", "x"),
        ] {
            std::fs::write(work.join(name), text).expect("written");
        }
        let repository = scratch.path().join("repository.git");
        let sha = commit(&work, &repository, "refs/heads/main", "now").expect("committed");
        let tree = git(&repository)
            .args(["ls-tree", "-r", "--name-only", sha.as_str()])
            .output()
            .expect("listed");
        assert_eq!(String::from_utf8_lossy(&tree.stdout), ".gitignore\na.sh\n");
        assert_eq!(inspect(&work), Checkout::default());
    }

    #[test]
    fn a_missing_repository_is_named() {
        let scratch = tempfile::tempdir().expect("a folder");
        let error = commit(
            scratch.path(),
            &scratch.path().join("none"),
            "refs/heads/main",
            "x",
        )
        .expect_err("none");
        assert!(error.to_string().contains("git add in"), "{error:#}");
    }
}
