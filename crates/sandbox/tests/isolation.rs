//! What one sandbox sees of the host and of another.

use std::fs;
use std::os::unix::fs::MetadataExt;

use crate::support::Machine;

#[test]
fn a_sandbox_starts_runs_and_leaves_nothing() {
    let machine = Machine::new();
    let mut inside = machine.start("one");
    assert_eq!(inside.output("echo hello; hostname; id -u"), "hello\nhost-one\n0");
    let groups = inside.sandbox.pid();
    assert!(
        fs::read_to_string(format!("/proc/{groups}/cgroup"))
            .expect("its groups")
            .contains("/one")
    );
    let files = machine.work_dir().join("one");
    assert!(files.exists());
    let usage = inside.sandbox.destroy().expect("a clean end");
    assert!(usage.memory_peak > 0 && usage.cpu_ns > 0, "{usage:?}");
    assert!(!files.exists());
    assert_eq!(
        fs::read_dir(machine.state_dir().join("sandboxes"))
            .expect("records")
            .count(),
        0
    );
    let left = std::process::Command::new("find")
        .args(["/sys/fs/cgroup", "-name", "one"])
        .output()
        .expect("find");
    assert_eq!(String::from_utf8_lossy(&left.stdout), "");
}

#[test]
fn processes_of_host_and_neighbour_are_invisible() {
    let machine = Machine::new();
    let (mut a, mut b) = (machine.start("a"), machine.start("b"));
    a.background("exec sleep 1000");
    assert!(
        a.output("ps -o args").contains("sleep 1000"),
        "the control: it is visible at home"
    );
    let seen = b.output("ps -o args");
    assert!(!seen.contains("sleep 1000") && !seen.contains("cargo"), "{seen}");
    assert!(
        b.output("ls -d /proc/[0-9]* | wc -l")
            .parse::<u32>()
            .expect("a number")
            < 6
    );
    // By the number it has on the host.
    assert!(!b.succeeds(&format!("kill -0 {}", a.sandbox.pid())));
}

#[test]
fn files_of_the_host_cannot_be_reached() {
    let machine = Machine::new();
    let secret = machine.path().join("secret");
    fs::write(&secret, "x").expect("a file");
    let mut inside = machine.start("a");
    let path = secret.display();
    for attempt in [
        format!("cat {path}"),
        format!("cat /../../../../{path}"),
        format!("cat /proc/1/root/{path}"),
        format!("cat /proc/self/root/../{path}"),
        "ls /proc/1/cwd/".into(),
        "cat /proc/1/environ".into(),
        "ls -l /proc/1/fd/".into(),
        "cat /proc/1/mem".into(),
        format!("mkdir /tmp/r && cd /tmp/r && chroot . /bin/sh -c 'cat ../../{path}'"),
    ] {
        let ended = inside.sh(&attempt);
        assert_ne!(ended.code, Some(0), "{attempt}: {ended:?}");
    }
    // The sandbox's own root can be told from the host's by what is in it.
    assert_eq!(inside.output("cat /etc/a; ls -A /root"), "a\ndep");
}

#[test]
fn each_sandbox_has_ids_of_its_own_that_are_not_the_hosts() {
    let machine = Machine::new();
    let (mut a, mut b) = (machine.start("a"), machine.start("b"));
    let mut owners = Vec::new();
    for inside in [&mut a, &mut b] {
        assert_eq!(
            inside.output("touch /mine && stat -c %u:%g /mine /etc/a"),
            "0:0\n0:0"
        );
        let meta = fs::metadata(inside.sandbox.upper_dir().join("mine")).expect("the file on the host");
        assert_eq!(meta.uid(), inside.sandbox.first_id());
        owners.push(meta.uid());
        let pid = inside.sandbox.pid();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
        assert!(
            status.contains(&format!("Uid:\t{0}\t{0}\t{0}\t{0}", meta.uid())),
            "{status}"
        );
    }
    assert!(owners[0].abs_diff(owners[1]) >= 65_536, "{owners:?}");
    // Any user of the image exists inside.
    assert_eq!(
        a.output("chown 65534:1000 /mine && stat -c %u:%g /mine"),
        "65534:1000"
    );
    assert!(!a.succeeds("chown 65536 /mine"));
}

#[test]
fn destroying_everything_in_one_sandbox_hurts_nobody_else() {
    let machine = Machine::new();
    let (mut a, mut b) = (machine.start("a"), machine.start("b"));
    // Everything at once, since what deletes is deleted, too; then there is nothing left to run.
    let ended = a.sh("rm -rf /etc /root /var /tmp /bin/* /sys /proc /dev /run 2>/dev/null; exec /bin/ls /");
    assert_eq!(ended.code, Some(127), "{ended:?}");
    assert_eq!(a.sandbox.list_in_root("/bin").expect("an empty directory"), []);
    assert!(a.sandbox.stat_in_root("/etc/a").is_err());
    assert_eq!(b.output("cat /etc/a /root/dep/own/f"), "a\no");
    assert_eq!(
        fs::read_to_string(machine.image().join("etc/a")).expect("the image's file"),
        "a\n"
    );
    a.sandbox.destroy().expect("a clean end");
    assert_eq!(machine.start("c").output("cat /etc/a"), "a");
    assert!(b.succeeds("echo > /dev/null && test -d /proc/1 && test -x /run/airlock/bin/circleci"));
}

#[test]
fn descriptors_of_the_agent_do_not_leak_into_process_1() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    let open = inside.ask(&serde_json::json!({ "do": "descriptors" }))["open"].clone();
    let open = open.as_object().expect("a list");
    for (number, target) in open {
        let target = target.as_str().expect("text");
        let expected = match number.as_str() {
            "0" | "1" | "2" => target == "/dev/null",
            "3" => target.starts_with("socket:"),
            // The one the list is read through.
            _ => target.starts_with("/proc/"),
        };
        assert!(expected, "{number} -> {target}");
    }
    assert_eq!(inside.output("readlink /proc/self/fd/3 || echo closed"), "closed");
}

#[test]
fn terminal_and_signals_of_the_agent_stay_outside() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    let pid = inside.sandbox.pid();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("its state");
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .expect("a name")
        .1
        .split_whitespace()
        .collect();
    // state, parent, group, session, terminal
    assert_eq!(
        fields[2..5],
        [pid.to_string().as_str(), pid.to_string().as_str(), "0"]
    );
    let zygote = fields[1];
    let stat = fs::read_to_string(format!("/proc/{zygote}/stat")).expect("the zygote's state");
    assert_eq!(
        stat.rsplit_once(')').expect("a name").1.split_whitespace().nth(2),
        Some(zygote),
        "a group of its own"
    );
    assert!(
        inside
            .sh("echo x > /dev/tty")
            .err
            .contains("No such device or address")
    );
}

#[test]
fn a_dropped_sandbox_is_destroyed() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    inside.background("exec sleep 1000");
    let pid = inside.sandbox.pid();
    drop(inside);
    assert!(
        !fs::exists(format!("/proc/{pid}/exe")).expect("a look"),
        "process 1 outlived its sandbox"
    );
    assert!(!machine.work_dir().join("a").exists());
}

/// Looks at a range until a foreign child has let go of it: each look takes as long as a refused start.
const TRIES: u32 = 100_000;

#[test]
fn ids_and_ranges_are_used_once_at_a_time_and_again_later() {
    let machine = Machine::new();
    let running: Vec<_> = ["a", "b", "c", "d"]
        .map(|id| machine.start(id))
        .into_iter()
        .collect();
    let error = machine
        .launcher()
        .start(&machine.spec("e"))
        .expect_err("all ranges are lent");
    assert!(
        error.to_string().contains("all 4 id ranges are in use"),
        "{error}"
    );
    let mut running = running.into_iter();
    running
        .next()
        .expect("the first")
        .sandbox
        .destroy()
        .expect("a clean end");
    // A range is free when nobody has its claim open any more; a child that another test forks at this moment has it
    // open until it executes its program.
    let lent = |error: &str| error.contains("all 4 id ranges are in use");
    let own_error = (0..TRIES).find_map(|_| {
        let error = machine
            .launcher()
            .start(&machine.spec("b"))
            .expect_err("the id is in use")
            .to_string();
        (!lent(&error)).then_some(error)
    });
    let error = own_error.expect("a free range");
    assert!(error.contains("b.json"), "{error}");
    // Refused starts cost no range.
    let ran = (0..TRIES).find_map(|_| match machine.launcher().start(&machine.spec("e")) {
        Ok(sandbox) => Some(sandbox.destroy().expect("a clean end")),
        Err(error) => {
            assert!(lent(&error.to_string()), "{error}");
            None
        }
    });
    assert!(ran.is_some(), "the range stayed lent");
}

#[test]
fn a_start_that_fails_says_what_was_being_done_and_leaves_nothing() {
    let machine = Machine::new();
    let mut spec = machine.spec("a");
    spec.layers = vec![machine.path().join("absent")];
    let error = machine.launcher().start(&spec).expect_err("no such layer");
    assert!(error.to_string().contains("opening layer"), "{error}");
    let image = machine.path().join("odd");
    fs::create_dir(&image).expect("a directory");
    std::os::unix::fs::symlink("/tmp", image.join("proc")).expect("a link");
    spec.layers = vec![image];
    let error = machine
        .launcher()
        .start(&spec)
        .expect_err("a link in place of /proc");
    assert!(
        error.to_string().contains("inside the sandbox: finding /proc"),
        "{error}"
    );
    assert!(!machine.work_dir().join("a").exists());
    machine
        .start("a")
        .sandbox
        .destroy()
        .expect("the same id works afterwards");
}
