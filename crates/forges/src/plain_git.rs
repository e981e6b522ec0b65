//! The bare repositories of the built-in remote, one folder each below one root. Makes them and reads them at exact
//! commits; never writes refs (pushes do), never runs anything a repository brings.

mod objects;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use airlock_domain::names::{BranchName, CommitSha, ProjectSlug, TagName};
use airlock_driver_interfaces::forge::{CommitInfo, Forge, ForgeError};
use airlock_driver_interfaces::remote::Remote;
use async_trait::async_trait;
use tokio::fs;
use tokio::time::timeout;

use crate::file_path::FilePath;
use crate::git::{self, GitError};
use crate::limits;
use objects::{Found, Reader};

/// Repositories in folders `<root>/<org>/<repo>.git`.
#[derive(Debug, Clone)]
pub struct PlainGit {
    root: PathBuf,
}

/// A branch or tag and the object it points to (for an annotated tag, the tag object).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRef {
    /// `refs/heads/…` or `refs/tags/…`.
    pub name: String,
    /// What it points to.
    pub object: CommitSha,
}

impl PlainGit {
    /// The repositories below this folder.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder of a project's repository, whether it is there or not. Names cannot lead outside the root.
    pub fn folder(&self, project: &ProjectSlug) -> PathBuf {
        self.root
            .join(project.org.as_str())
            .join(format!("{}.git", project.repo))
    }

    /// Whether the project has a repository here.
    pub async fn exists(&self, project: &ProjectSlug) -> bool {
        fs::metadata(self.folder(project).join("HEAD")).await.is_ok()
    }

    /// Makes an empty bare repository with the branch `main`; one that is there stays as it is.
    pub async fn create(&self, project: &ProjectSlug) -> Result<(), ForgeError> {
        if self.exists(project).await {
            return Ok(());
        }
        let folder = self.folder(project);
        let failed =
            |doing: &str, reason: String| failed(project, &format!("{doing} {}", folder.display()), reason);
        let parent = folder.parent().unwrap_or(&self.root);
        fs::create_dir_all(parent)
            .await
            .map_err(|e| failed("making the folder for", e.to_string()))?;
        let draft = self.draft();
        let done = self
            .fill(&draft)
            .await
            .map_err(|error| failed("making", error.to_string()));
        let done = match done {
            // Under its name only when complete. Somebody else may have made it meanwhile.
            Ok(()) => match fs::rename(&draft, &folder).await {
                Err(_) if self.exists(project).await => Ok(()),
                renamed => renamed.map_err(|error| failed("making", error.to_string())),
            },
            Err(error) => Err(error),
        };
        // Gone already if it was moved into place.
        let _moved = fs::remove_dir_all(&draft).await;
        done
    }

    /// The content of one file at one commit; `None` when the commit has no such file. Links inside the repository
    /// are followed.
    pub async fn read_file(
        &self,
        project: &ProjectSlug,
        sha: &CommitSha,
        path: &FilePath,
    ) -> Result<Option<Vec<u8>>, ForgeError> {
        let folder = self.existing(project)?;
        let doing = || format!("reading {path} at {sha}");
        let work = async {
            let mut reader = Reader::open(&folder)?;
            if reader.find(&format!("{sha}^{{commit}}")).await? == Found::Nothing {
                return Ok(Err(missing(project, format!("commit {sha}"))));
            }
            let object = format!("{sha}:{path}");
            match reader.find(&object).await? {
                Found::Nothing => Ok(Ok(None)),
                Found::Other(kind) => Ok(Err(failed(
                    project,
                    &doing(),
                    format!("it is {kind}, not a file"),
                ))),
                Found::File { size } if size > limits::FILE_BYTES => Ok(Err(ForgeError::TooLarge {
                    path: path.to_string(),
                    project: project.to_string(),
                    size,
                    limit: limits::FILE_BYTES,
                })),
                Found::File { size } => Ok(Ok(Some(reader.content(&object, size).await?))),
            }
        };
        let answer = timeout(limits::READ, work)
            .await
            .map_err(|_| GitError::TimedOut(limits::READ));
        answer
            .and_then(|answer| answer)
            .map_err(|error| failed(project, &doing(), error.to_string()))?
    }

    /// The commit behind an object: itself, or what an annotated tag points to. `None` when it is not there or leads
    /// to no commit.
    pub async fn commit_of(
        &self,
        project: &ProjectSlug,
        object: &CommitSha,
    ) -> Result<Option<CommitSha>, ForgeError> {
        self.resolve(project, object.as_str()).await
    }

    /// The commit of a tag; `None` when there is no such tag.
    pub async fn tag_head(
        &self,
        project: &ProjectSlug,
        tag: &TagName,
    ) -> Result<Option<CommitSha>, ForgeError> {
        self.resolve(project, &format!("refs/tags/{tag}")).await
    }

    /// All branches and tags. What was pushed while the server was not there to hear is found by comparing them.
    pub async fn refs(&self, project: &ProjectSlug) -> Result<Vec<StoredRef>, ForgeError> {
        let folder = self.existing(project)?;
        let args = [
            "for-each-ref",
            "--format=%(objectname) %(refname)",
            "refs/heads/",
            "refs/tags/",
        ];
        let told = |error: GitError| failed(project, "listing the refs", error.to_string());
        let answer = git::run(Some(&folder), args, limits::LIST_BYTES, limits::READ)
            .await
            .map_err(told)?;
        let text = String::from_utf8_lossy(&answer.success().map_err(told)?).into_owned();
        let read = |line: &str| {
            let (object, name) = line.split_once(' ')?;
            Some(StoredRef {
                name: name.to_owned(),
                object: CommitSha::new(object).ok()?,
            })
        };
        text.lines()
            .map(|line| {
                read(line).ok_or_else(|| told(GitError::Unexpected(line.chars().take(200).collect())))
            })
            .collect()
    }

    /// Packs the repository anew if it has become untidy. Pushes leave that to this call.
    pub async fn maintain(&self, project: &ProjectSlug) -> Result<(), ForgeError> {
        let folder = self.existing(project)?;
        let args = [
            "-c",
            "gc.autoDetach=false",
            "-c",
            "pack.threads=1",
            "gc",
            "--auto",
            "--quiet",
        ];
        let done = git::run(Some(&folder), args, limits::ANSWER_BYTES, limits::MAINTENANCE).await;
        done.and_then(git::Answer::success)
            .map_err(|error| failed(project, "packing the repository", error.to_string()))?;
        Ok(())
    }

    async fn fill(&self, draft: &Path) -> Result<(), GitError> {
        let init = [
            "init",
            "--quiet",
            "--bare",
            "--initial-branch=main",
            "--template=",
            "--object-format=sha1",
            "--",
        ];
        let args = init.iter().map(std::ffi::OsStr::new).chain([draft.as_os_str()]);
        git::run(None, args, limits::ANSWER_BYTES, limits::READ)
            .await?
            .success()?;
        for (name, value) in [
            // Also for whoever works in the folder by hand: nothing that was pushed runs.
            ("core.hooksPath", "/dev/null"),
            ("receive.fsckObjects", "true"),
            ("transfer.fsckObjects", "true"),
            // Who moved a ref and when: kept for looking into things later.
            ("core.logAllRefUpdates", "true"),
        ] {
            let set = ["config", "--local", name, value];
            git::run(Some(draft), set, limits::ANSWER_BYTES, limits::READ)
                .await?
                .success()?;
        }
        Ok(())
    }

    /// A name beside the organisations that no organisation can have: theirs do not begin with a dot.
    fn draft(&self) -> PathBuf {
        static DRAFTS: AtomicU32 = AtomicU32::new(0);
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        self.root.join(format!(".draft-{}-{number}", std::process::id()))
    }

    fn existing(&self, project: &ProjectSlug) -> Result<PathBuf, ForgeError> {
        let folder = self.folder(project);
        if folder.join("HEAD").is_file() {
            Ok(folder)
        } else {
            Err(missing(project, "its repository".into()))
        }
    }

    /// The commit that a name (a full object id, or a full ref name) leads to.
    async fn resolve(&self, project: &ProjectSlug, name: &str) -> Result<Option<CommitSha>, ForgeError> {
        let folder = self.existing(project)?;
        let told = |error: GitError| failed(project, &format!("resolving {name}"), error.to_string());
        let work = async {
            let mut reader = Reader::open(&folder)?;
            reader.object_id(&format!("{name}^{{commit}}")).await
        };
        let found = timeout(limits::READ, work)
            .await
            .map_err(|_| told(GitError::TimedOut(limits::READ)))?;
        found.map_err(told)
    }
}

#[async_trait]
impl Forge for PlainGit {
    async fn file_at(
        &self,
        project: &ProjectSlug,
        sha: &CommitSha,
        path: &str,
    ) -> Result<Option<Vec<u8>>, ForgeError> {
        let path = path
            .parse()
            .map_err(|e: crate::FilePathError| failed(project, "reading a file", e.to_string()))?;
        self.read_file(project, sha, &path).await
    }

    async fn commit(&self, project: &ProjectSlug, sha: &CommitSha) -> Result<CommitInfo, ForgeError> {
        let Some(sha) = self.commit_of(project, sha).await? else {
            return Err(missing(project, format!("commit {sha}")));
        };
        let told = |error: GitError| failed(project, &format!("reading commit {sha}"), error.to_string());
        let args = [
            "log",
            "-1",
            "--no-color",
            "--encoding=UTF-8",
            "--format=%s%x00%an",
            "--end-of-options",
            sha.as_str(),
            "--",
        ];
        let answer = git::run(
            Some(&self.existing(project)?),
            args,
            limits::ANSWER_BYTES,
            limits::READ,
        )
        .await;
        let text = answer.and_then(git::Answer::success).map_err(told)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let (subject, author) = text
            .trim_end_matches('\n')
            .split_once('\0')
            .ok_or_else(|| told(GitError::Unexpected(text.chars().take(200).collect())))?;
        let shown = |text: &str, most| text.chars().filter(|c| !c.is_control()).take(most).collect();
        Ok(CommitInfo {
            subject: shown(subject, limits::SUBJECT_CHARS),
            author: shown(author, limits::AUTHOR_CHARS),
        })
    }

    async fn branch_head(
        &self,
        project: &ProjectSlug,
        branch: &BranchName,
    ) -> Result<Option<CommitSha>, ForgeError> {
        self.resolve(project, &format!("refs/heads/{branch}")).await
    }
}

#[async_trait]
impl Remote for PlainGit {
    async fn create_repository(&self, project: &ProjectSlug) -> Result<(), ForgeError> {
        self.create(project).await
    }

    async fn heads(&self, project: &ProjectSlug) -> Result<Vec<(String, CommitSha)>, ForgeError> {
        let mut heads = Vec::new();
        for stored in self.refs(project).await? {
            // An annotated tag points to a tag object; one that leads to no commit builds nothing.
            if let Some(commit) = self.commit_of(project, &stored.object).await? {
                heads.push((stored.name, commit));
            }
        }
        Ok(heads)
    }
}

fn missing(project: &ProjectSlug, what: String) -> ForgeError {
    ForgeError::Missing {
        what,
        project: project.to_string(),
    }
}

fn failed(project: &ProjectSlug, doing: &str, reason: String) -> ForgeError {
    ForgeError::Failed {
        doing: doing.to_owned(),
        project: project.to_string(),
        reason,
    }
}
