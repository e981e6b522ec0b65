//! A root with one repository, pushed to by the real git.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use airlock_domain::names::{CommitSha, ProjectSlug};
use airlock_driver_interfaces::forge::{Forge as _, ForgeError};
use airlock_forges::{PlainGit, limits};

struct Bench {
    dir: tempfile::TempDir,
    git: PlainGit,
    project: ProjectSlug,
}

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let git = PlainGit::new(dir.path().join("repos"));
        let project = ProjectSlug::parse("demo/hello").expect("slug");
        git.create(&project).await.expect("made");
        let bench = Self { dir, git, project };
        bench.run("git", ["init", "-q", "-b", "main", "work"]);
        bench
    }

    fn work(&self) -> std::path::PathBuf {
        self.dir.path().join("work")
    }

    fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, program: &str, args: I) -> String {
        run_in(self.dir.path(), program, args)
    }

    fn git_in_work<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(&self, args: I) -> String {
        run_in(&self.work(), "git", args)
    }

    /// Commits everything in the working folder, pushes all refs, and gives the commit.
    fn push(&self, message: &str) -> CommitSha {
        self.git_in_work(["add", "-A"]);
        self.git_in_work(["commit", "-q", "--allow-empty", "-m", message]);
        let folder = self.git.folder(&self.project).display().to_string();
        self.git_in_work(["push", "-q", "--follow-tags", &folder, "HEAD"]);
        CommitSha::new(self.git_in_work(["rev-parse", "HEAD"])).expect("sha")
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.work().join(path);
        std::fs::create_dir_all(path.parent().expect("folder")).expect("made");
        std::fs::write(path, content).expect("written");
    }

    async fn read(&self, sha: &CommitSha, path: &str) -> Result<Option<Vec<u8>>, ForgeError> {
        self.git.file_at(&self.project, sha, path).await
    }
}

fn run_in<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(dir: &Path, program: &str, args: I) -> String {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").expect("PATH"))
        .env("HOME", dir);
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "Dév")
            .env(format!("GIT_{who}_EMAIL"), "dev@x.example");
    }
    let output = command.current_dir(dir).args(args).output().expect("runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

const CONFIG: &str = ".circleci/config.yml";

#[tokio::test]
async fn a_file_is_read_as_it_was_at_its_commit() {
    let bench = Bench::new().await;
    bench.write(CONFIG, "one\n");
    let first = bench.push("first");
    bench.write(CONFIG, "two\n");
    let second = bench.push("second");
    assert_eq!(
        bench.read(&first, CONFIG).await.expect("read").as_deref(),
        Some(&b"one\n"[..])
    );
    assert_eq!(
        bench.read(&second, CONFIG).await.expect("read").as_deref(),
        Some(&b"two\n"[..])
    );
    assert_eq!(bench.read(&second, "nowhere.yml").await.expect("read"), None);
    assert_eq!(
        bench
            .read(&second, ".circleci/config.yml/below")
            .await
            .expect("read"),
        None
    );
}

#[tokio::test]
async fn empty_files_odd_bytes_and_odd_names_come_through() {
    let bench = Bench::new().await;
    bench.write("empty", "");
    bench.write("-bytes", [0, 10, 255, 10]);
    bench.write("a b: ü.yml", "x");
    let sha = bench.push("odd");
    assert_eq!(bench.read(&sha, "empty").await.expect("read"), Some(vec![]));
    assert_eq!(
        bench.read(&sha, "-bytes").await.expect("read"),
        Some(vec![0, 10, 255, 10])
    );
    assert_eq!(
        bench.read(&sha, "a b: ü.yml").await.expect("read"),
        Some(b"x".to_vec())
    );
}

#[tokio::test]
async fn links_are_followed_inside_and_nowhere_else() {
    let bench = Bench::new().await;
    bench.write("ci/real.yml", "real");
    for (link, target) in [
        ("inside.yml", "ci/real.yml"),
        ("dangling.yml", "nowhere"),
        ("loop.yml", "loop.yml"),
        ("outside.yml", "../../../../../etc/passwd"),
        ("absolute.yml", "/etc/passwd"),
    ] {
        std::os::unix::fs::symlink(target, bench.work().join(link)).expect("linked");
    }
    let sha = bench.push("links");
    assert_eq!(
        bench.read(&sha, "inside.yml").await.expect("read"),
        Some(b"real".to_vec())
    );
    assert_eq!(bench.read(&sha, "dangling.yml").await.expect("read"), None);
    for link in ["outside.yml", "absolute.yml", "loop.yml"] {
        let error = bench.read(&sha, link).await.expect_err("refused").to_string();
        assert!(
            error.contains(&format!(
                "reading {link} at {sha} in git/demo/hello: it is a link"
            )),
            "{error}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_with_its_place() {
    let bench = Bench::new().await;
    bench.write(CONFIG, "one\n");
    bench.write(
        "large",
        vec![b'x'; usize::try_from(limits::FILE_BYTES).expect("fits") + 1],
    );
    bench.write(
        "fits",
        vec![b'x'; usize::try_from(limits::FILE_BYTES).expect("fits")],
    );
    let sha = bench.push("first");
    assert_eq!(
        bench
            .read(&sha, "fits")
            .await
            .expect("read")
            .map(|b| b.len() as u64),
        Some(limits::FILE_BYTES)
    );
    let error = bench
        .read(&sha, "large")
        .await
        .expect_err("too large")
        .to_string();
    assert_eq!(
        error,
        "large in git/demo/hello has 5242881 bytes, more than the 5242880 that may be read"
    );
    let error = bench
        .read(&sha, ".circleci")
        .await
        .expect_err("folder")
        .to_string();
    assert!(error.ends_with("it is a folder, not a file"), "{error}");
    let error = bench.read(&sha, "../x").await.expect_err("outside").to_string();
    assert!(error.contains("is not a path inside a repository"), "{error}");
    let nowhere = CommitSha::new("1".repeat(40)).expect("sha");
    let error = bench
        .read(&nowhere, CONFIG)
        .await
        .expect_err("no commit")
        .to_string();
    assert_eq!(error, format!("commit {nowhere} is not in git/demo/hello"));
    let other = ProjectSlug::parse("demo/other").expect("slug");
    let error = bench
        .git
        .file_at(&other, &sha, CONFIG)
        .await
        .expect_err("no repository")
        .to_string();
    assert_eq!(error, "its repository is not in git/demo/other");
}

#[tokio::test]
async fn subject_and_author_of_a_commit_and_of_a_tag() {
    let bench = Bench::new().await;
    let sha = bench.push("Größe\u{7} zählt\n\nbody");
    let info = bench.git.commit(&bench.project, &sha).await.expect("read");
    assert_eq!(
        (info.subject.as_str(), info.author.as_str()),
        ("Größe zählt", "Dév")
    );
    bench.git_in_work(["tag", "-a", "-m", "not this", "v1"]);
    bench.push("next");
    let tag = CommitSha::new(bench.git_in_work(["rev-parse", "v1"])).expect("sha");
    assert_ne!(tag, sha);
    assert_eq!(
        bench.git.commit_of(&bench.project, &tag).await.expect("read"),
        Some(sha.clone())
    );
    assert_eq!(bench.git.commit(&bench.project, &tag).await.expect("read"), info);
    assert_eq!(
        bench
            .git
            .tag_head(&bench.project, &"v1".parse().expect("tag"))
            .await
            .expect("read"),
        Some(sha)
    );
    let long = bench.push(&"x".repeat(3000));
    let info = bench.git.commit(&bench.project, &long).await.expect("read");
    assert_eq!(info.subject.len(), limits::SUBJECT_CHARS);
    let nowhere = CommitSha::new("1".repeat(40)).expect("sha");
    let error = bench
        .git
        .commit(&bench.project, &nowhere)
        .await
        .expect_err("no commit")
        .to_string();
    assert_eq!(error, format!("commit {nowhere} is not in git/demo/hello"));
}

#[tokio::test]
async fn branches_are_found_by_their_full_name_only() {
    let bench = Bench::new().await;
    assert_eq!(
        bench
            .git
            .branch_head(&bench.project, &"main".parse().expect("name"))
            .await
            .expect("read"),
        None
    );
    let sha = bench.push("first");
    // A tag of the same name, and a branch that looks like an object's name, must not be mistaken for another.
    bench.git_in_work(["tag", "-a", "-m", "x", "main"]);
    let second = bench.push("second");
    bench.git_in_work(["checkout", "-q", "-b", &"1".repeat(40)]);
    let third = bench.push("third");
    let head = async |name: &str| {
        bench
            .git
            .branch_head(&bench.project, &name.parse().expect("name"))
            .await
            .expect("read")
    };
    assert_eq!(head("main").await, Some(second.clone()));
    assert_eq!(head(&"1".repeat(40)).await, Some(third.clone()));
    assert_eq!(head("nowhere").await, None);
    let refs = bench.git.refs(&bench.project).await.expect("listed");
    let names: Vec<_> = refs.iter().map(|r| r.name.as_str()).collect();
    let ones = format!("refs/heads/{}", "1".repeat(40));
    assert_eq!(names, [ones.as_str(), "refs/heads/main", "refs/tags/main"]);
    assert_eq!(refs[1].object, second);
    assert_eq!(
        bench
            .git
            .tag_head(&bench.project, &"main".parse().expect("tag"))
            .await
            .expect("read"),
        Some(sha)
    );
}

#[tokio::test]
async fn making_a_repository_again_and_at_once_keeps_it() {
    let bench = Bench::new().await;
    let sha = bench.push("first");
    bench.git.create(&bench.project).await.expect("there already");
    assert_eq!(
        bench
            .git
            .branch_head(&bench.project, &"main".parse().expect("name"))
            .await
            .expect("read"),
        Some(sha)
    );
    let other = ProjectSlug::parse("demo/other").expect("slug");
    let (one, two) = tokio::join!(bench.git.create(&other), bench.git.create(&other));
    one.expect("made");
    two.expect("made");
    assert!(bench.git.exists(&other).await);
    let left: Vec<_> = std::fs::read_dir(bench.dir.path().join("repos"))
        .expect("listed")
        .map(|e| e.expect("entry").file_name())
        .collect();
    assert_eq!(left, ["demo"], "no drafts stay behind");
    let head = std::fs::read_to_string(bench.git.folder(&other).join("HEAD")).expect("read");
    assert_eq!(head.trim(), "ref: refs/heads/main");
    assert!(!bench.git.folder(&other).join("hooks").exists());
}

#[tokio::test]
async fn a_repository_that_cannot_be_made_is_told() {
    let dir = tempfile::tempdir().expect("temporary folder");
    std::fs::write(dir.path().join("repos"), "a file").expect("written");
    let git = PlainGit::new(dir.path().join("repos"));
    let error = git
        .create(&ProjectSlug::parse("demo/hello").expect("slug"))
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("making the folder for") && error.contains("demo/hello.git"),
        "{error}"
    );
}

/// A pushed `refs/replace/…` shows one commit's content under another's id. The control shows that git obeys it.
#[tokio::test]
async fn replaced_objects_do_not_deceive_and_maintenance_keeps_everything() {
    let bench = Bench::new().await;
    bench.write(CONFIG, "honest\n");
    let first = bench.push("first");
    bench.write(CONFIG, "forged\n");
    let second = bench.push("second");
    let folder = bench.git.folder(&bench.project);
    run_in(&folder, "git", ["replace", first.as_str(), second.as_str()]);
    assert_eq!(
        run_in(&folder, "git", ["show", &format!("{first}:{CONFIG}")]),
        "forged",
        "the positive control"
    );
    assert_eq!(
        bench.read(&first, CONFIG).await.expect("read").as_deref(),
        Some(&b"honest\n"[..])
    );
    bench.git.maintain(&bench.project).await.expect("tidied");
    assert_eq!(
        bench.read(&second, CONFIG).await.expect("read").as_deref(),
        Some(&b"forged\n"[..])
    );
}
