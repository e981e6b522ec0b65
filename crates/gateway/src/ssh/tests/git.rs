//! What people do all day: push, clone, fetch; large, side by side, and with other protocols.

use std::io::Read as _;

use airlock_transport::dial::{Dialer, HostPort};

use super::Bench;
use crate::ssh::{DoorLimits, RefName};

/// The library of this door and Debian's OpenSSH agree on key exchange, host key and an ed25519 login.
#[tokio::test]
async fn openssh_logs_in_and_is_greeted() {
    let bench = Bench::new().await;
    bench.key("alice", true);
    let output = bench.ssh("alice", &["-T"], &[]).await.failed();
    assert_eq!(output.code, Some(1));
    output.says("remote: Hi alice! You've authenticated, but Airlock does not give shell access.");
}

#[tokio::test]
async fn push_clone_change_and_fetch() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let url = bench.url("demo/hello");
    bench.git("dev", ".", ["clone", "-q", &url, "copy"]).await.ok();
    assert_eq!(
        std::fs::read_to_string(bench.path("copy/hello.txt")).expect("cloned"),
        "hello"
    );
    bench.commit("work", "second.txt", b"two").await;
    bench.git("dev", "work", ["push", "-q", &url, "main"]).await.ok();
    bench.git("dev", "copy", ["pull", "-q", "--ff-only"]).await.ok();
    assert_eq!(
        std::fs::read_to_string(bench.path("copy/second.txt")).expect("fetched"),
        "two"
    );
    bench
        .git(
            "dev",
            "copy",
            ["-c", "protocol.version=0", "fetch", "-q", &url, "main"],
        )
        .await
        .ok();
    let list = bench.git("dev", ".", ["ls-remote", &url]).await.ok();
    assert!(list.text.contains("refs/heads/main"), "{list:?}");
}

#[tokio::test]
async fn the_pusher_sees_what_the_push_started() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    bench.commit("work", "second.txt", b"two").await;
    let output = bench
        .git("dev", "work", ["push", &bench.url("demo/hello"), "main"])
        .await
        .ok();
    output
        .says("remote: pipeline for refs/heads/main: https://x.example/1\n")
        .says("main -> main");
    let head = bench
        .local("git", ["-C", "work", "rev-parse", "HEAD", "HEAD~1"])
        .await
        .ok()
        .text;
    let shas: Vec<_> = head.lines().collect();
    let pushes = bench.access.pushes.lock().expect("lock");
    let (who, updates) = pushes.last().expect("told");
    assert_eq!((who.as_str(), updates.len()), ("dev", 1));
    assert!(matches!(&updates[0].name, RefName::Branch(name) if name.as_str() == "main"));
    let sha = |sha: &Option<_>| sha.as_ref().map(ToString::to_string);
    assert_eq!(
        (sha(&updates[0].new).as_deref(), sha(&updates[0].old).as_deref()),
        (Some(shas[0]), Some(shas[1]))
    );
}

#[tokio::test]
async fn branches_tags_and_deletions_are_told_and_refused_refs_are_not() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let url = bench.url("demo/hello");
    bench
        .local("git", ["-C", "work", "tag", "-a", "-m", "one", "v1"])
        .await
        .ok();
    bench.local("git", ["-C", "work", "branch", "extra"]).await.ok();
    bench
        .git("dev", "work", ["push", "-q", &url, "v1", "extra"])
        .await
        .ok();
    bench
        .git("dev", "work", ["push", "-q", &url, ":extra"])
        .await
        .ok();
    // Git refuses to delete the branch that HEAD names; the other update of the same push is carried out.
    let both = bench
        .git("dev", "work", ["push", &url, ":main", "main:other"])
        .await
        .failed();
    both.says("remote rejected").says("pipeline for refs/heads/other");
    let pushes = bench.access.pushes.lock().expect("lock");
    let told: Vec<Vec<(String, bool)>> = pushes[1..]
        .iter()
        .map(|(_, updates)| {
            updates
                .iter()
                .map(|u| (u.name.to_string(), u.new.is_some()))
                .collect()
        })
        .collect();
    let expected = [
        vec![
            ("refs/heads/extra".to_owned(), true),
            ("refs/tags/v1".to_owned(), true),
        ],
        vec![("refs/heads/extra".to_owned(), false)],
        vec![("refs/heads/other".to_owned(), true)],
    ];
    let sorted: Vec<_> = told
        .into_iter()
        .map(|mut updates| {
            updates.sort();
            updates
        })
        .collect();
    assert_eq!(sorted, expected);
}

#[tokio::test]
async fn nothing_new_starts_nothing() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let output = bench
        .git("dev", "work", ["push", &bench.url("demo/hello"), "main"])
        .await
        .ok();
    output.says("Everything up-to-date");
    assert_eq!(
        bench.access.pushes.lock().expect("lock").len(),
        1,
        "the first one only"
    );
}

/// 20 MB that cannot be compressed, there and twice back at the same time.
#[tokio::test]
async fn a_large_push_and_two_clones_side_by_side() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let mut content = Vec::new();
    let random = std::fs::File::open("/dev/urandom").expect("open");
    random
        .take(20 * 1024 * 1024)
        .read_to_end(&mut content)
        .expect("read");
    bench.commit("work", "large.bin", &content).await;
    let url = bench.url("demo/hello");
    bench
        .git("dev", "work", ["push", &url, "main"])
        .await
        .ok()
        .says("remote: pipeline for refs/heads/main");
    let (one, two) = tokio::join!(
        bench.git("dev", ".", ["clone", "-q", &url, "one"]),
        bench.git("dev", ".", ["clone", "-q", &url, "two"]),
    );
    one.ok();
    two.ok();
    for copy in ["one", "two"] {
        assert!(
            std::fs::read(bench.path(copy).join("large.bin")).expect("cloned") == content,
            "{copy} differs"
        );
    }
}

/// What an agent does: exactly one commit, nothing else.
#[tokio::test]
async fn one_commit_is_fetched_by_its_name() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let sha = bench
        .local("git", ["-C", "work", "rev-parse", "HEAD"])
        .await
        .ok()
        .text
        .trim()
        .to_owned();
    bench.commit("work", "second.txt", b"two").await;
    bench
        .git("dev", "work", ["push", "-q", &bench.url("demo/hello"), "main"])
        .await
        .ok();
    for version in ["protocol.version=2", "protocol.version=0"] {
        let dir = format!("fetched-{version}");
        bench.local("git", ["init", "-q", &dir]).await.ok();
        let url = bench.url("demo/hello");
        bench
            .git(
                "dev",
                &dir,
                ["-c", version, "fetch", "-q", "--depth", "1", &url, &sha],
            )
            .await
            .ok();
        let found = bench
            .local("git", ["-C", &dir, "rev-parse", "FETCH_HEAD"])
            .await
            .ok();
        assert_eq!(found.text.trim(), sha);
    }
}

/// People have old RSA keys in their folder; the client offers them first and must get on to the right one.
#[tokio::test]
async fn an_rsa_key_offered_first_does_no_harm() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let made = bench
        .local(
            "ssh-keygen",
            ["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", "key-rsa"],
        )
        .await;
    made.ok();
    let dev = bench.path("key-dev").display().to_string();
    bench
        .ssh("rsa", &["-T", "-i", &dev], &[])
        .await
        .failed()
        .says("Hi dev!");
}

#[tokio::test]
async fn several_commands_share_one_connection() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let socket = bench.path("mux").display().to_string();
    let path = format!("ControlPath={socket}");
    let mut master = bench.ssh_command("dev");
    let mut master = master
        .args([
            "-o",
            &path,
            "-o",
            "ControlMaster=yes",
            "-o",
            "ControlPersist=no",
            "-T",
            "git@127.0.0.1",
        ])
        .args(["git-upload-pack '/demo/hello.git'"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("ssh runs");
    while !bench.path("mux").exists() {
        tokio::task::yield_now().await;
    }
    let options = ["-o", &path, "-o", "ControlMaster=no", "-T"];
    let second = bench
        .ssh("dev", &options, &["git-upload-pack '/demo/hello.git'"])
        .await;
    assert!(second.text.contains("refs/heads/main"), "{second:?}");
    drop(master.stdin.take());
    master.wait().await.expect("ended");
}

#[tokio::test]
async fn a_stopping_door_lets_a_running_clone_end_and_takes_no_other() {
    let bench = Bench::with_repository(DoorLimits::default()).await;
    let url = bench.url("demo/hello");
    let place = HostPort::new("127.0.0.1", bench.port).expect("place");
    let held = bench.access.gate.acquire_many(100).await.expect("held");
    let stopping = async {
        // The push of `with_repository` was the first to ask; now the clone waits for its repository.
        bench.asked(2).await;
        let mut stop = std::pin::pin!(bench.take_door().shutdown());
        let refused = async { while Dialer::only(place.clone()).connect(&place).await.is_ok() {} };
        tokio::select! {
            () = &mut stop => panic!("a clone is running"),
            () = refused => {}
        }
        drop(held);
        stop.await;
    };
    let (clone, ()) = tokio::join!(bench.git("dev", ".", ["clone", "-q", &url, "copy"]), stopping);
    clone.ok();
}
