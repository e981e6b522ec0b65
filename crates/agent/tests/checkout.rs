//! Checkout from a real git host over real ssh, through the sandbox's git door and key agent.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use airlock_agent_protocol::{Assignment, Source, StepSpec, StepWork};
use airlock_domain::plan::StepWhen;
use airlock_domain::state::SliceStatus;
use airlock_transport::ssh::{SshListener, SshPrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId};
use tempfile::TempDir;

use crate::support::{Machine, busybox_root, job, run, secret};

const IMAGE: &str = "test/git";

/// A root file system with this machine's own git and ssh.
fn git_root(root: &Path) {
    busybox_root(root);
    for program in ["/usr/bin/git", "/usr/bin/ssh"] {
        let target = root
            .join("bin")
            .join(Path::new(program).file_name().expect("a name"));
        fs::copy(program, target).expect("this machine's git and ssh");
        let libraries = Command::new("ldd").arg(program).output().expect("ldd runs");
        for word in String::from_utf8_lossy(&libraries.stdout).split_whitespace() {
            if word.starts_with('/') {
                let target = root.join(word.trim_start_matches('/'));
                fs::create_dir_all(target.parent().expect("a folder")).expect("made");
                fs::copy(word, target).expect("copied");
            }
        }
    }
}

/// A git host with one repository and one key that may read it.
struct GitHost {
    dir: TempDir,
    port: u16,
    host_key: SshPrivateKey,
    deploy_key: SshPrivateKey,
    sha: String,
}

fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(dir)
        .output()
        .expect("git runs");
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

impl GitHost {
    async fn start() -> Self {
        Self::speaking(Some(String::new())).await
    }

    /// With git's newer protocol or without.
    async fn speaking(protocol: Option<String>) -> Self {
        let dir = tempfile::tempdir_in("/var/tmp").expect("a directory");
        let repository = dir.path().join("hello");
        fs::create_dir(&repository).expect("made");
        git(&repository, &["init", "-q"]);
        fs::write(repository.join("file"), "content\n").expect("written");
        git(&repository, &["add", "."]);
        git(&repository, &["commit", "-qm", "the first one"]);
        git(&repository, &["branch", "other"]);
        git(&repository, &["config", "uploadpack.allowFilter", "true"]);
        let sha = git(&repository, &["rev-parse", "HEAD"]);
        let host_key = SshPrivateKey::generate("host").expect("a key");
        let deploy_key = SshPrivateKey::generate("deploy").expect("a key");
        let listener = SshListener::bind(([127, 0, 0, 1], 0).into(), "--x", 8)
            .await
            .expect("bound");
        let port = listener.local_addr().port();
        let pem = host_key.to_openssh().expect("encodes");
        let key = russh::keys::PrivateKey::from_openssh(pem.expose_text().expect("text")).expect("a key");
        let config = Arc::new(russh::server::Config {
            keys: vec![key],
            ..russh::server::Config::default()
        });
        let allowed = deploy_key.public().fingerprint();
        tokio::spawn(async move {
            loop {
                let connection = listener.accept().await;
                let session = HostSession {
                    allowed: allowed.clone(),
                    repository: repository.clone(),
                    channel: None,
                    protocol: protocol.clone(),
                };
                let config = Arc::clone(&config);
                tokio::spawn(async move {
                    if let Ok(session) = russh::server::run_stream(config, connection.stream, session).await {
                        // Clients that refuse the host key break off; that is what one test is about.
                        let _ended = session.await;
                    }
                    drop(connection.cut);
                });
            }
        });
        Self {
            dir,
            port,
            host_key,
            deploy_key,
            sha,
        }
    }

    fn source(&self) -> Source {
        let pem = self.deploy_key.to_openssh().expect("encodes");
        Source {
            host: "127.0.0.1".into(),
            port: self.port,
            url: format!("ssh://git@127.0.0.1:{}/hello", self.port),
            host_key: self.host_key.public().to_line(),
            deploy_key: secret(pem.expose_text().expect("text")),
            sha: self.sha.clone(),
            branch: Some("main".into()),
            tag: None,
        }
    }
}

struct HostSession {
    allowed: String,
    repository: std::path::PathBuf,
    channel: Option<Channel<Msg>>,
    /// What the client says in `GIT_PROTOCOL`, if this host listens to it.
    protocol: Option<String>,
}

impl Handler for HostSession {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let known = key
            .public_key
            .fingerprint(russh::keys::HashAlg::Sha256)
            .to_string()
            == self.allowed;
        Ok(if known && user == "git" {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        self.channel = Some(channel);
        reply.accept().await;
        Ok(())
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if name == "GIT_PROTOCOL" && self.protocol.is_some() {
            self.protocol = Some(value.to_owned());
        }
        session.channel_success(id)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        assert_eq!(String::from_utf8_lossy(command), "git-upload-pack '/hello'");
        session.channel_success(id)?;
        let channel = self.channel.take().expect("opened");
        let repository = self.repository.clone();
        let handle = session.handle();
        let protocol = self.protocol.clone().unwrap_or_default();
        tokio::spawn(async move {
            let mut git = tokio::process::Command::new("git")
                .arg("upload-pack")
                .arg(repository)
                .env("GIT_PROTOCOL", protocol)
                .stdin(std::process::Stdio::piped())
                .stdout(std::process::Stdio::piped())
                .spawn()
                .expect("git runs");
            let (mut input, mut output) = (
                git.stdin.take().expect("piped"),
                git.stdout.take().expect("piped"),
            );
            let (mut from_client, mut to_client) = tokio::io::split(channel.into_stream());
            let feeding = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut input).await });
            // A client that leaves early is its own affair.
            let _left = tokio::io::copy(&mut output, &mut to_client).await;
            let status = git.wait().await.expect("ended");
            let code = status
                .code()
                .and_then(|code| u32::try_from(code).ok())
                .unwrap_or(1);
            let _left = handle.exit_status_request(id, code).await;
            let _left = handle.eof(id).await;
            let _left = handle.close(id).await;
            feeding.abort();
        });
        Ok(())
    }
}

fn checkout(path: Option<&str>) -> StepSpec {
    StepSpec {
        name: "checkout".into(),
        when: StepWhen::OnSuccess,
        work: StepWork::Checkout {
            path: path.map(Into::into),
        },
    }
}

fn with_source(number: u128, source: Source, steps: Vec<StepSpec>) -> Assignment {
    let mut assignment = job(number, steps);
    assignment.spec.image = IMAGE.into();
    assignment.spec.source = Some(source);
    assignment
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commit_is_checked_out_and_the_key_stays_outside() {
    let host = GitHost::start().await;
    let machine = Machine::with_image(IMAGE, git_root);
    let search = "cat file; git rev-parse HEAD; git branch --show-current; git branch -r --no-color; git fetch -q && echo fetched; \
                  grep -rl 'OPENSSH PRIV[A]TE' /root /tmp /run /etc 2>/dev/null || echo no key";
    let assignment = with_source(
        30,
        host.source(),
        vec![
            checkout(None),
            checkout(None),
            checkout(Some("../second")),
            run("look", search),
        ],
    );
    let finished = machine.server.run(assignment).await;
    let logs: Vec<_> = (0..5).map(|step| machine.server.log(step)).collect();
    assert_eq!(finished.status, SliceStatus::Success, "{logs:#?}");
    assert!(
        logs[1].contains("Cloning ssh://git@127.0.0.1") && logs[1].contains("the first one"),
        "{}",
        logs[1]
    );
    assert!(
        logs[2].contains("Using the repository that is in /root/project"),
        "{}",
        logs[2]
    );
    assert!(logs[3].contains("into /root/second"), "{}", logs[3]);
    let sha = &host.sha;
    assert_eq!(
        logs[4],
        format!("content\n{sha}\nmain\n  origin/main\n  origin/other\nfetched\nno key\n")
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_or_an_older_commit_is_found() {
    let host = GitHost::start().await;
    let repository = host.dir.path().join("hello");
    git(&repository, &["tag", "v1"]);
    fs::write(repository.join("file"), "newer\n").expect("written");
    git(&repository, &["commit", "-qam", "the second one"]);
    let machine = Machine::with_image(IMAGE, git_root);
    let source = Source {
        branch: None,
        tag: Some("v1".into()),
        ..host.source()
    };
    let finished = machine
        .server
        .run(with_source(
            31,
            source,
            vec![checkout(None), run("look", "cat file; git describe --tags")],
        ))
        .await;
    assert_eq!(
        finished.status,
        SliceStatus::Success,
        "{:?} {}",
        finished.reason,
        machine.server.log(1)
    );
    assert_eq!(machine.server.log(2), "content\nv1\n");
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_keeps_its_blobs_is_cloned_in_full() {
    let host = GitHost::speaking(None).await;
    let machine = Machine::with_image(IMAGE, git_root);
    let finished = machine
        .server
        .run(with_source(
            37,
            host.source(),
            vec![checkout(None), run("look", "cat file")],
        ))
        .await;
    let log = machine.server.log(1);
    assert_eq!(finished.status, SliceStatus::Success, "{log}");
    assert!(log.contains("Trying once more with a full clone"), "{log}");
    assert_eq!(machine.server.log(2), "content\n");
    machine.stop().await;
}

/// Runs a checkout that must fail and returns its log.
async fn failing(number: u128, change: impl FnOnce(&mut Assignment)) -> String {
    let host = GitHost::start().await;
    let machine = Machine::with_image(IMAGE, git_root);
    let mut assignment = with_source(number, host.source(), vec![checkout(None)]);
    change(&mut assignment);
    let last = u32::try_from(assignment.spec.steps.len()).expect("few");
    let finished = machine.server.run(assignment).await;
    let log = machine.server.log(last);
    assert_eq!(finished.status, SliceStatus::Failed, "{log}");
    assert_eq!(
        finished.reason.as_deref(),
        Some("step 'checkout' exited with code 1"),
        "{log}"
    );
    machine.stop().await;
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_says_what_it_is() {
    let log = failing(32, |job| {
        job.spec.source.as_mut().expect("set").sha = "f".repeat(40);
    })
    .await;
    assert!(
        log.contains("Error: commit ffff") && log.contains("is not in ssh://git@127.0.0.1"),
        "{log}"
    );

    let other = SshPrivateKey::generate("other").expect("a key");
    let pem = other.to_openssh().expect("encodes");
    let log = failing(33, |job| {
        job.spec.source.as_mut().expect("set").deploy_key = secret(pem.expose_text().expect("text"));
    })
    .await;
    assert!(
        log.contains(&format!(
            "refused the project's deploy key ({})",
            other.public().fingerprint()
        )),
        "{log}"
    );

    let log = failing(34, |job| {
        job.spec.source.as_mut().expect("set").host_key = other.public().to_line();
    })
    .await;
    assert!(
        log.contains(&format!(
            "does not show the host key that this project trusts ({})",
            other.public().fingerprint()
        )),
        "{log}"
    );

    let log = failing(35, |job| {
        job.spec.steps.insert(0, run("litter", "touch litter"));
    })
    .await;
    assert!(
        log.contains("/root/project is not empty and holds no git repository"),
        "{log}"
    );

    // A port that was free a moment ago.
    let listener = SshListener::bind(([127, 0, 0, 1], 0).into(), "--x", 1)
        .await
        .expect("bound");
    let port = listener.local_addr().port();
    drop(listener);
    let log = failing(36, |job| job.spec.source.as_mut().expect("set").port = port).await;
    assert!(
        log.contains(&format!(
            "airlock: the git host cannot be reached: connecting to 127.0.0.1:{port}"
        )),
        "{log}"
    );
}
