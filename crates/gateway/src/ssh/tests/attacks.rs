//! Who must not come in, and what must not be done. Beside each refusal stands the same thing done right.

use std::process::Stdio;
use std::time::Duration;

use airlock_transport::dial::{Dialer, HostPort};
use airlock_transport::ssh::SshPrivateKey;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::Bench;
use crate::ssh::DoorLimits;

#[tokio::test]
async fn an_unknown_key_another_user_and_a_password_are_refused() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    bench.unknown_key("mallory");
    let url = bench.url("demo/hello");
    bench.git("dev", ".", ["ls-remote", &url]).await.ok();
    bench
        .git("mallory", ".", ["ls-remote", &url])
        .await
        .failed()
        .says("Permission denied (publickey)");
    let root = url.replace("git@", "root@");
    bench
        .git("dev", ".", ["ls-remote", &root])
        .await
        .failed()
        .says("Permission denied (publickey)");
    let methods = [
        "-o",
        "PreferredAuthentications=password,keyboard-interactive,none",
        "-T",
    ];
    bench
        .ssh("dev", &methods, &[])
        .await
        .failed()
        .says("Permission denied (publickey)");
}

/// The client pins the host key: somebody else in the door's place gets nothing.
#[tokio::test]
async fn a_client_refuses_another_host_key() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let url = bench.url("demo/hello");
    bench.git("dev", ".", ["ls-remote", &url]).await.ok();
    bench.know(&SshPrivateKey::generate("other").expect("key").public());
    bench
        .git("dev", ".", ["ls-remote", &url])
        .await
        .failed()
        .says("Host key verification failed");
}

#[tokio::test]
async fn a_repository_that_is_not_there_is_told() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let output = bench
        .git("dev", ".", ["clone", &bench.url("demo/nowhere"), "copy"])
        .await
        .failed();
    output.says("remote: demo/nowhere is not here, or not for you");
}

#[tokio::test]
async fn a_deploy_key_reads_and_does_not_push() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    bench.key("deploy", false);
    let url = bench.url("demo/hello");
    bench.git("deploy", ".", ["clone", "-q", &url, "copy"]).await.ok();
    bench.commit("copy", "mine.txt", b"mine").await;
    bench
        .git("deploy", "copy", ["push", &url, "main"])
        .await
        .failed()
        .says("remote: this key may only read");
    assert_eq!(
        bench.access.pushes.lock().expect("lock").len(),
        1,
        "the first one only"
    );
    bench.git("dev", "copy", ["push", "-q", &url, "main"]).await.ok();
}

#[tokio::test]
async fn paths_outside_and_options_are_refused() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    // Where a traversal would lead, there is a repository.
    bench
        .local("git", ["init", "-q", "--bare", "outside.git"])
        .await
        .ok();
    let right = bench
        .ssh("dev", &["-T"], &["git-upload-pack '/demo/hello.git'"])
        .await;
    assert!(right.text.contains("refs/heads/main"), "{right:?}");
    for command in [
        "git-upload-pack '/../outside.git'",
        "git-upload-pack '/demo/../../outside.git'",
        "git-upload-pack '/demo/hello.git/../../../outside.git'",
        "git-upload-pack '~/outside.git'",
        "git-upload-pack --timeout=1 '/demo/hello.git'",
        "git-upload-pack '/demo/hello.git' && id",
        "git-receive-pack '/--help/x.git'",
        "git-upload-archive '/demo/hello.git'",
        "git-lfs-authenticate demo/hello download",
        "id",
        "scp -t /tmp",
    ] {
        let output = bench
            .ssh("dev", &["-T"], &[command])
            .await
            .failed()
            .says("remote: ");
        assert!(output.text.is_empty(), "{command}: {output:?}");
    }
}

#[tokio::test]
async fn shells_terminals_subsystems_and_forwarding_are_refused() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    bench
        .ssh("dev", &["-tt"], &[])
        .await
        .failed()
        .says("PTY allocation request failed");
    // At a terminal the client asks for one by itself and goes on without.
    let ssh = format!(
        "ssh {} -p {} git@127.0.0.1",
        bench.ssh_options("dev").join(" "),
        bench.port
    );
    let shown = bench
        .local("script", ["-qec", &ssh, "/dev/null"])
        .await
        .failed()
        .text;
    assert!(
        shown.contains("PTY allocation request failed") && shown.contains("Hi dev!"),
        "{shown}"
    );
    bench
        .ssh("dev", &["-s"], &["sftp"])
        .await
        .failed()
        .says("Hi dev!");
    let port = bench.port;
    let through = format!("127.0.0.1:{port}");
    bench
        .ssh("dev", &["-W", &through], &[])
        .await
        .failed()
        .says("administratively prohibited");
    let back = format!("0:127.0.0.1:{port}");
    bench
        .ssh("dev", &["-o", "ExitOnForwardFailure=yes", "-R", &back, "-T"], &[])
        .await
        .failed()
        .says("forwarding failed");
    bench
        .ssh("dev", &["-A", "-T"], &[])
        .await
        .failed()
        .says("Hi dev!");
}

/// A hook in a repository is a program of whoever could write there. The control shows that it would run.
#[tokio::test]
async fn hooks_in_a_repository_never_run() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let hook = bench.path("repos/demo/hello.git/hooks/post-receive");
    let trace = bench.path("trace");
    std::fs::create_dir_all(hook.parent().expect("folder")).expect("made");
    std::fs::write(&hook, format!("#!/bin/sh\ntouch '{}'\n", trace.display())).expect("written");
    bench
        .local("chmod", ["755", "repos/demo/hello.git/hooks/post-receive"])
        .await
        .ok();
    bench.commit("work", "second.txt", b"two").await;
    bench
        .git("dev", "work", ["push", "-q", &bench.url("demo/hello"), "main"])
        .await
        .ok();
    assert!(!trace.exists(), "the hook ran");
    bench.commit("work", "third.txt", b"three").await;
    let direct = bench.path("repos/demo/hello.git").display().to_string();
    bench
        .git("dev", "work", ["push", "-q", &direct, "main"])
        .await
        .ok();
    assert!(
        trace.exists(),
        "the positive control: pushed past the door, the hook runs"
    );
}

/// Objects that git itself would not make (here: a tree with an entry called `.git`) do not come in.
#[tokio::test]
async fn malformed_objects_are_refused() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let script = "cd work && blob=$(git hash-object -w hello.txt) && \
        tree=$(printf '100644 blob %s\\t.git' $blob | git mktree) && \
        commit=$(git commit-tree -m bad $tree) && git branch bad $commit";
    bench.local("sh", ["-c", script]).await.ok();
    let output = bench
        .git("dev", "work", ["push", &bench.url("demo/hello"), "bad"])
        .await
        .failed();
    output.says("fsck");
    assert_eq!(
        bench.access.pushes.lock().expect("lock").len(),
        1,
        "the first one only"
    );
    let lenient = bench.path("lenient.git").display().to_string();
    bench.local("git", ["init", "-q", "--bare", &lenient]).await.ok();
    bench
        .git("dev", "work", ["push", "-q", &lenient, "bad"])
        .await
        .ok();
}

#[tokio::test]
async fn who_does_not_log_in_is_cut_off() {
    let bench = Bench::with(DoorLimits {
        login: Duration::from_millis(300),
        ..DoorLimits::default()
    })
    .await;
    let place = HostPort::new("127.0.0.1", bench.port).expect("place");
    let dialer = Dialer::only(place.clone());
    // One that says nothing, and one that greets and then says nothing.
    for greeting in ["", "SSH-2.0-Silent\r\n"] {
        let mut stream = dialer.connect(&place).await.expect("connected");
        stream.write_all(greeting.as_bytes()).await.expect("written");
        let mut all = Vec::new();
        // Ends when the door closes the connection; as a reset if that comes quicker.
        let _closed_or_reset = stream.read_to_end(&mut all).await;
        assert!(String::from_utf8_lossy(&all).starts_with("SSH-2.0-Airlock\r\n"));
    }
}

#[tokio::test]
async fn one_address_cannot_fill_the_door_with_strangers() {
    let bench = Bench::with(DoorLimits {
        newcomers: 2,
        ..DoorLimits::default()
    })
    .await;
    bench.key("dev", true);
    let place = HostPort::new("127.0.0.1", bench.port).expect("place");
    let dialer = Dialer::only(place.clone());
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = dialer.connect(&place).await.expect("connected");
        stream.read_u8().await.expect("greeted");
        held.push(stream);
    }
    let mut third = dialer.connect(&place).await.expect("connected");
    assert!(third.read_u8().await.is_err(), "closed without a greeting");
    drop(held);
    // Their places are free again as soon as the door has seen them go.
    while !bench.ssh("dev", &["-T"], &[]).await.errors.contains("Hi dev!") {}
}

/// A client that is let in and then falls silent does not keep a git process for ever.
#[tokio::test]
async fn a_silent_git_is_ended() {
    // Long enough for git to begin on a machine that has much else to do.
    let limits = DoorLimits {
        idle: Duration::from_secs(5),
        ..DoorLimits::default()
    };
    let bench = Bench::with_repository(limits).await;
    let mut ssh = bench.ssh_command("dev");
    ssh.args(["-T", "git@127.0.0.1", "git-upload-pack '/demo/hello.git'"])
        .stdin(Stdio::piped());
    ssh.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = ssh.spawn().expect("ssh runs");
    let held = child.stdin.take();
    let output = child.wait_with_output().await.expect("ended by the door");
    assert!(!output.status.success());
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("refs/heads/main"),
        "it was served before"
    );
    drop(held);
}

/// The pusher is gone before its refs have moved: what git has taken is made known all the same.
#[tokio::test]
async fn a_push_counts_even_when_the_pusher_is_gone() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    bench.commit("work", "second.txt", b"two").await;
    let head = bench
        .local("git", ["-C", "work", "rev-parse", "HEAD"])
        .await
        .ok()
        .text
        .trim()
        .to_owned();
    // Git waits for the ref's lock, which the test holds until the pusher is gone.
    let bare = ["-C", "repos/demo/hello.git"];
    bench
        .local(
            "git",
            bare.iter()
                .chain(&["config", "core.filesRefLockTimeout", "60000"]),
        )
        .await
        .ok();
    let lock = bench.path("repos/demo/hello.git/refs/heads/main.lock");
    std::fs::write(&lock, "").expect("locked");
    let url = bench.url("demo/hello");
    let mut push = bench.git_command("dev", "work");
    let mut push = push
        .args(["push", "-q", &url, "main"])
        .process_group(0)
        .spawn()
        .expect("git runs");
    // The commit is in the repository once everything has been received and checked.
    while bench
        .local("git", bare.iter().chain(&["cat-file", "-e", &head]))
        .await
        .code
        != Some(0)
    {}
    let group = push
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process_group(group.expect("running"), rustix::process::Signal::KILL)
        .expect("killed");
    push.wait().await.expect("ended");
    assert_eq!(
        bench.access.pushes.lock().expect("lock").len(),
        1,
        "the second one cannot be through yet"
    );
    std::fs::remove_file(&lock).expect("unlocked");
    bench.pushed(2).await;
    let pushes = bench.access.pushes.lock().expect("lock");
    assert_eq!(pushes[1].1[0].new.as_ref().map(ToString::to_string), Some(head));
}

/// A push with more refs than allowed at a time is refused before git sees any of it.
#[tokio::test]
async fn a_push_of_too_many_refs_is_refused() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let script = "cd work && for i in $(seq 5001); do echo create refs/heads/many/$i HEAD; done | git update-ref --stdin";
    bench.local("sh", ["-c", script]).await.ok();
    let output = bench
        .git("dev", "work", ["push", "-q", &bench.url("demo/hello"), "--all"])
        .await
        .failed();
    output.says("remote: a push may move 5000 refs at a time");
    let refs = bench
        .git("dev", ".", ["ls-remote", &bench.url("demo/hello")])
        .await
        .ok()
        .text;
    assert!(!refs.contains("many"), "{refs}");
}
