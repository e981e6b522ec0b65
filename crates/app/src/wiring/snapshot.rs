//! A local run builds what lies in the folder now, committed or not: its files become one commit of a throwaway
//! repository, and jobs check that commit out as they would any other. `.gitignore` is honoured.

use std::path::Path;
use std::process::{Command, Stdio};

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

/// Looks at the person's repository, if the folder is in one. Its configuration can name programs that git starts for
/// harmless questions (`gpg.program` for a signature, `uploadpack` for a missing object), and the folder may come from a
/// stranger while this process is root. So only names are asked for there; the commit itself is read through
/// `repository`, a bare one of our own, whose configuration names nothing.
pub(crate) fn inspect(folder: &Path, repository: &Path) -> Checkout {
    let branch = ask(git(folder).args(["symbolic-ref", "--quiet", "--short", "HEAD"]));
    let head = ask(git(folder).args(["rev-parse", "--quiet", "--verify", "HEAD"]))
        .and_then(|head| CommitSha::new(head).ok());
    let objects = ask(git(folder).args(["rev-parse", "--path-format=absolute", "--git-path", "objects"]));
    let subject = head.zip(objects).and_then(|(head, objects)| {
        let mut log = git(folder);
        log.arg("--git-dir")
            .arg(repository)
            .args(["log", "-1", "--format=%s", head.as_str(), "--"])
            .env("GIT_OBJECT_DIRECTORY", objects);
        ask(&mut log)
    });
    Checkout { branch, subject }
}

/// What git answers, if it answers anything.
fn ask(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    String::from_utf8(output.stdout)
        .ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
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
        .env_remove("GIT_INDEX_FILE")
        .env_remove("GIT_OBJECT_DIRECTORY");
    // A folder of another user is read, never executed from: no hook runs in the commands above, and files that look
    // like a bare repository are files.
    command.args([
        "-c",
        "safe.directory=*",
        "-c",
        "safe.bareRepository=explicit",
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
        let tree = git(&work)
            .arg("--git-dir")
            .arg(&repository)
            .args(["ls-tree", "-r", "--name-only", sha.as_str()])
            .output()
            .expect("listed");
        assert_eq!(String::from_utf8_lossy(&tree.stdout), ".gitignore\na.sh\n");
        assert_eq!(inspect(&work, &repository), Checkout::default());
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

    /// A repository whose configuration starts `program` at every chance.
    fn hostile(work: &Path, program: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let mark = program.with_extension("ran");
        std::fs::write(program, format!("#!/bin/sh\necho ran >> '{}'\n", mark.display())).expect("written");
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).expect("executable");
        let script = "git init --quiet --initial-branch=topic . && echo a > a && git add a \
            && git -c user.name=a -c user.email=a@b -c commit.gpgSign=false commit --quiet -m subject \
            && git cat-file commit HEAD | sed '/^committer/a gpgsig -----BEGIN PGP SIGNATURE-----\\n \\n x\\n -----END PGP SIGNATURE-----' \
            | git hash-object -t commit -w --literally --stdin | xargs git update-ref refs/heads/topic \
            && for key in gpg.program core.fsmonitor core.pager core.sshCommand core.editor diff.external \
                remote.origin.uploadpack filter.x.clean filter.x.process; do git config $key \"$1\"; done \
            && git config log.showSignature true && git config remote.origin.url ./nowhere \
            && echo '* filter=x diff=x' > .gitattributes";
        let made = Command::new("sh")
            .args(["-c", script, "sh"])
            .arg(program)
            .current_dir(work)
            .status();
        assert!(made.expect("a shell").success());
    }

    fn ran(program: &Path) -> bool {
        std::fs::remove_file(program.with_extension("ran")).is_ok()
    }

    #[test]
    fn a_checkout_of_a_stranger_runs_nothing() {
        let scratch = tempfile::tempdir().expect("a folder");
        bare(scratch.path());
        let repository = scratch.path().join("repository.git");
        let (work, program) = (scratch.path().join("work"), scratch.path().join("program"));
        std::fs::create_dir(&work).expect("made");
        hostile(&work, &program);
        let plain = |arguments: &[&str]| {
            let _its_end_does_not_matter = Command::new("git")
                .args(["-c", "safe.directory=*"])
                .args(arguments)
                .current_dir(&work)
                .output()
                .expect("git runs");
            ran(&program)
        };
        assert!(plain(&["log", "-1", "--format=%s"]), "no signature was checked");
        assert!(plain(&["add", "--all"]), "no filter ran");

        let known = inspect(&work, &repository);
        assert!(!ran(&program), "the look ran a program");
        assert_eq!(
            (known.branch.as_deref(), known.subject.as_deref()),
            (Some("topic"), Some("subject"))
        );
        commit(&work, &repository, "refs/heads/main", "now").expect("committed");
        assert!(!ran(&program), "the snapshot ran a program");

        // A commit that is missing is fetched by the program that the repository names.
        for (key, value) in [
            ("core.repositoryFormatVersion", "1"),
            ("extensions.partialClone", "origin"),
            ("remote.origin.promisor", "true"),
        ] {
            plain(&["config", key, value]);
        }
        std::fs::write(
            work.join(".git/refs/heads/topic"),
            format!("{}\n", "1".repeat(40)),
        )
        .expect("written");
        assert!(plain(&["log", "-1", "--format=%s"]), "nothing was fetched");
        assert_eq!(inspect(&work, &repository).subject, None);
        commit(&work, &repository, "refs/heads/main", "now").expect("committed");
        assert!(!ran(&program), "a missing commit ran a program");
    }

    #[test]
    fn files_that_look_like_a_bare_repository_are_files() {
        let scratch = tempfile::tempdir().expect("a folder");
        bare(scratch.path());
        let repository = scratch.path().join("repository.git");
        let inside = |arguments: &[&str]| ask(Command::new("git").args(arguments).current_dir(&repository));
        assert!(
            inside(&["symbolic-ref", "HEAD"]).is_some(),
            "git takes it for one"
        );
        assert_eq!(inspect(&repository, &repository), Checkout::default());
    }
}
