//! The helper, `/etc`, and reading a sandbox's files from outside.

use std::fs;
use std::io::Read;

use airlock_sandbox::{InRootKind, InRootStat};

use crate::support::Machine;

#[test]
fn the_helper_is_there_under_three_names_and_cannot_be_changed() {
    let machine = Machine::new();
    let helper = machine.path().join("helper");
    fs::copy(crate::support::busybox(), &helper).expect("a helper");
    let mut inside = machine.start_with("a", |spec| spec.helper = helper.clone());
    let before = fs::read(&helper).expect("the helper");
    for name in ["airlock-task", "circleci", "circleci-agent"] {
        assert!(
            inside.succeeds(&format!("test -x /run/airlock/bin/{name}")),
            "{name}"
        );
    }
    for attack in [
        "echo evil > /run/airlock/bin/airlock-task",
        "rm -f /run/airlock/bin/circleci",
        "ln -sf /bin/sh /run/airlock/bin/circleci",
        "mv /run/airlock/bin /run/airlock/old",
        "rm -rf /run/airlock/bin",
        "touch /run/airlock/bin/git",
        "chmod 777 /run/airlock/bin/airlock-task",
    ] {
        assert_ne!(inside.sh(attack).code, Some(0), "{attack}");
    }
    assert_eq!(
        inside.output("ls /run/airlock/bin"),
        "airlock-task\ncircleci\ncircleci-agent"
    );
    assert!(fs::read(&helper).expect("the helper") == before);
    // The control: the directory beside it can be written.
    assert!(inside.succeeds("touch /run/airlock/sock"));
}

#[test]
fn etc_names_the_sandbox_and_replaces_links_of_the_image() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    assert_eq!(inside.output("cat /etc/hostname"), "host-a");
    assert!(
        inside
            .output("cat /etc/hosts")
            .contains("127.0.0.1\tlocalhost host-a")
    );
    assert!(inside.succeeds("test -f /etc/resolv.conf && ! test -L /etc/resolv.conf"));
    assert_eq!(inside.output("cat /etc/resolv.conf"), "# this job has no network");
    assert_eq!(inside.output("stat -c %a /tmp; stat -c %a /dev/shm"), "755\n1777");
}

#[test]
fn the_agent_reads_files_of_the_job_and_only_those() {
    let machine = Machine::new();
    fs::write(machine.path().join("secret"), "host").expect("a file");
    let mut inside = machine.start("a");
    let secret = machine.path().join("secret");
    inside.output(&format!(
        "mkdir -p /out/sub && cd /out && echo text > file && chmod 640 file && ln -s file link && ln -s /etc/a absolute \
         && ln -s {} escape && ln -s ../../../../../../etc/a up && ln -s /proc/1/environ proc && ln -s /dev/zero dev \
         && mkfifo pipe && ln -s /proc/self/root/etc/a magic",
        secret.display()
    ));
    let read = |path: &str| {
        let mut text = String::new();
        inside.sandbox.open_in_root(path).map(|mut file| {
            file.read_to_string(&mut text).expect("readable");
            text
        })
    };
    assert_eq!(read("/out/file").expect("a file"), "text\n");
    assert_eq!(read("/out/link").expect("a link within"), "text\n");
    assert_eq!(read("/out/absolute").expect("an absolute link"), "a\n");
    assert_eq!(
        read("/out/up").expect("a link that climbs ends at the root"),
        "a\n"
    );
    for (path, reason) in [
        ("/out/escape", "No such file"),
        ("/out/magic", "No such file"),
        ("/out/proc", "a file of the kernel's"),
        ("/proc/1/environ", "a file of the kernel's"),
        ("/proc/1/mem", "a file of the kernel's"),
        ("/sys/kernel", "a file of the kernel's"),
        ("/out/dev", "a device, socket or pipe"),
        ("/out/pipe", "a device, socket or pipe"),
        ("/out/none", "No such file"),
    ] {
        let error = read(path).expect_err(path);
        let text = format!(
            "{error}: {:?}",
            std::error::Error::source(&error).map(ToString::to_string)
        );
        assert!(text.contains(reason), "{path}: {text}");
    }
    let InRootStat { kind, size, mode, .. } = inside.sandbox.stat_in_root("/out/file").expect("a file");
    assert_eq!((kind, size, mode), (InRootKind::File, 5, 0o640));
    let listed = inside.sandbox.list_in_root("/out").expect("a directory");
    let listed: Vec<_> = listed
        .iter()
        .map(|entry| (entry.name.to_str().expect("text"), entry.kind))
        .collect();
    assert_eq!(listed.len(), 10);
    assert!(listed.contains(&("file", InRootKind::File)) && listed.contains(&("sub", InRootKind::Directory)));
    assert!(listed.contains(&("pipe", InRootKind::Other)) && listed.contains(&("link", InRootKind::Symlink)));
}
