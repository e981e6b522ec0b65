//! A door with repositories and keys in a temporary folder, and ways to run git and ssh against it.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use airlock_domain::names::ProjectSlug;
use airlock_transport::ssh::{HostKey, SshListener, SshPrivateKey, SshPublicKey};
use async_trait::async_trait;
use tokio::process::Command;
use tokio::sync::{Semaphore, watch};

use crate::ssh::{
    BareRepo, Denied, DoorLimits, GitAccess, GitAction, PrincipalName, RefUpdate, SshDoor, start,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Who {
    name: String,
    may_push: bool,
}

impl PrincipalName for Who {
    fn name(&self) -> &str {
        &self.name
    }
}

/// Keys and repositories of one test.
pub(super) struct Access {
    keys: Mutex<HashMap<String, Who>>,
    repos: PathBuf,
    pub(super) pushes: Mutex<Vec<(String, Vec<RefUpdate>)>>,
    /// Taken by each `open`: a test may hold clients back with it.
    pub(super) gate: Semaphore,
    asked: watch::Sender<usize>,
    pushed: watch::Sender<usize>,
}

#[async_trait]
impl GitAccess for Access {
    type Principal = Who;

    async fn authenticate(&self, key: &SshPublicKey) -> Option<Who> {
        self.keys.lock().expect("lock").get(&key.fingerprint()).cloned()
    }

    async fn open(&self, who: &Who, repo: &ProjectSlug, action: GitAction) -> Result<BareRepo, Denied> {
        self.asked.send_modify(|count| *count += 1);
        let _entered = self.gate.acquire().await.expect("open");
        let path = self.repos.join(format!("{}.git", repo.short()));
        if !path.is_dir() {
            return Err(Denied::new(format!(
                "{} is not here, or not for you",
                repo.short()
            )));
        }
        if action == GitAction::Push && !who.may_push {
            return Err(Denied::new("this key may only read"));
        }
        Ok(BareRepo { path })
    }

    async fn pushed(&self, who: &Who, _: &ProjectSlug, updates: Vec<RefUpdate>) -> Vec<String> {
        let lines = updates
            .iter()
            .map(|update| format!("pipeline for {}: https://x.example/1", update.name))
            .collect();
        self.pushes
            .lock()
            .expect("lock")
            .push((who.name.clone(), updates));
        self.pushed.send_modify(|count| *count += 1);
        lines
    }
}

/// How a command ended.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) code: Option<i32>,
    pub(super) text: String,
    pub(super) errors: String,
}

impl Output {
    pub(super) fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    pub(super) fn failed(self) -> Self {
        assert!(self.code.is_some_and(|code| code != 0), "{self:#?}");
        self
    }

    pub(super) fn says(self, text: &str) -> Self {
        assert!(self.errors.contains(text), "not said: {text}\n{self:#?}");
        self
    }
}

pub(super) struct Bench {
    pub(super) dir: tempfile::TempDir,
    pub(super) access: Arc<Access>,
    pub(super) port: u16,
    door: Mutex<Option<SshDoor>>,
    host_key: HostKey,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(DoorLimits::default()).await
    }

    pub(super) async fn with(limits: DoorLimits) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let access = Arc::new(Access {
            keys: Mutex::default(),
            repos: dir.path().join("repos"),
            pushes: Mutex::default(),
            gate: Semaphore::new(100),
            asked: watch::Sender::new(0),
            pushed: watch::Sender::new(0),
        });
        let host_key = HostKey::open(&dir.path().join("host_key")).expect("host key");
        let listener = SshListener::bind(([127, 0, 0, 1], 0).into(), "--ssh-listen", 64)
            .await
            .expect("bound");
        let door = start(listener, &host_key, Arc::clone(&access), limits);
        let port = door.local_addr().port();
        let bench = Self {
            dir,
            access,
            port,
            door: Mutex::new(Some(door)),
            host_key,
        };
        bench.know(&bench.host_key.public());
        bench
    }

    /// A door with a key `dev` that may push and a repository `demo/hello` with one commit, also checked out in `work`.
    pub(super) async fn with_repository(limits: DoorLimits) -> Self {
        let bench = Self::with(limits).await;
        bench.key("dev", true);
        bench.bare("demo/hello").await;
        bench
            .local("git", ["init", "-q", "-b", "main", "work"])
            .await
            .ok();
        bench.commit("work", "hello.txt", b"hello").await;
        bench
            .git("dev", "work", ["push", "-q", &bench.url("demo/hello"), "main"])
            .await
            .ok();
        bench
    }

    /// Writes the known_hosts file with this key for the door.
    pub(super) fn know(&self, key: &SshPublicKey) {
        let line = key.known_hosts_line("127.0.0.1", self.port);
        std::fs::write(self.path("known_hosts"), line + "\n").expect("written");
    }

    /// Makes a key and lets it in.
    pub(super) fn key(&self, name: &str, may_push: bool) {
        let public = self.unknown_key(name);
        let who = Who {
            name: name.to_owned(),
            may_push,
        };
        self.access
            .keys
            .lock()
            .expect("lock")
            .insert(public.fingerprint(), who);
    }

    /// Makes a key that the door does not know.
    pub(super) fn unknown_key(&self, name: &str) -> SshPublicKey {
        let key = SshPrivateKey::generate(name).expect("key");
        let pem = key.to_openssh().expect("text");
        self.write_key(name, pem.expose());
        key.public()
    }

    fn write_key(&self, name: &str, pem: &[u8]) {
        use std::io::Write as _;
        use std::os::unix::fs::OpenOptionsExt as _;
        let path = self.path(&format!("key-{name}"));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .expect("made");
        file.write_all(pem).expect("written");
    }

    pub(super) async fn bare(&self, name: &str) {
        self.local(
            "git",
            ["init", "-q", "--bare", "-b", "main", &format!("repos/{name}.git")],
        )
        .await
        .ok();
    }

    pub(super) async fn commit(&self, work: &str, file: &str, content: &[u8]) {
        std::fs::write(self.path(work).join(file), content).expect("written");
        self.local("git", ["-C", work, "add", "."]).await.ok();
        self.local("git", ["-C", work, "commit", "-q", "-m", file])
            .await
            .ok();
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The door, to be shut.
    pub(super) fn take_door(&self) -> SshDoor {
        self.door.lock().expect("lock").take().expect("once")
    }

    /// Waits until so many pushes have been told.
    pub(super) async fn pushed(&self, times: usize) {
        self.access
            .pushed
            .subscribe()
            .wait_for(|count| *count >= times)
            .await
            .expect("alive");
    }

    /// Waits until so many commands have asked for their repository.
    pub(super) async fn asked(&self, times: usize) {
        self.access
            .asked
            .subscribe()
            .wait_for(|count| *count >= times)
            .await
            .expect("alive");
    }

    pub(super) fn url(&self, repo: &str) -> String {
        format!("ssh://git@127.0.0.1:{}/{repo}.git", self.port)
    }

    pub(super) fn ssh_options(&self, key: &str) -> Vec<String> {
        let known_hosts = format!("UserKnownHostsFile={}", self.path("known_hosts").display());
        let key = self.path(&format!("key-{key}")).display().to_string();
        let options = [
            "StrictHostKeyChecking=yes",
            "GlobalKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "IdentitiesOnly=yes",
        ];
        let mut all = vec![
            "-F".into(),
            "none".into(),
            "-i".into(),
            key,
            "-o".into(),
            known_hosts,
        ];
        all.extend(
            options
                .iter()
                .flat_map(|option| ["-o".to_owned(), (*option).to_owned()]),
        );
        all
    }

    /// Git in a folder, reaching the door with this key.
    pub(super) async fn git<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        key: &str,
        dir: &str,
        args: I,
    ) -> Output {
        finish(self.git_command(key, dir).args(args)).await
    }

    pub(super) fn git_command(&self, key: &str, dir: &str) -> Command {
        let mut command = self.command("git", &self.path(dir));
        command.env(
            "GIT_SSH_COMMAND",
            format!("ssh {}", self.ssh_options(key).join(" ")),
        );
        command
    }

    /// The ssh client with this key; `args` come before the host.
    pub(super) async fn ssh(&self, key: &str, args: &[&str], command: &[&str]) -> Output {
        let mut ssh = self.ssh_command(key);
        ssh.args(args).arg("git@127.0.0.1").args(command);
        finish(&mut ssh).await
    }

    pub(super) fn ssh_command(&self, key: &str) -> Command {
        let mut ssh = self.command("ssh", self.dir.path());
        ssh.args(self.ssh_options(key))
            .args(["-p", &self.port.to_string()]);
        ssh
    }

    /// A command that does not reach the door.
    pub(super) async fn local<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(
        &self,
        program: &str,
        args: I,
    ) -> Output {
        finish(self.command(program, self.dir.path()).args(args)).await
    }

    fn command(&self, program: &str, dir: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("PATH"))
            .env("HOME", self.dir.path());
        for who in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{who}_NAME"), "Dev")
                .env(format!("GIT_{who}_EMAIL"), "dev@x.example");
        }
        command
            .current_dir(dir)
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }
}

pub(super) async fn finish(command: &mut Command) -> Output {
    let output = command.output().await.expect("runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Output {
        code: output.status.code(),
        text: text(output.stdout),
        errors: text(output.stderr),
    }
}
