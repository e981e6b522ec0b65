//! What is left when the agent is killed, and that nothing is afterwards.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use airlock_sandbox::{Launcher, LauncherError, LauncherOptions, ReapError, StartError, reap_leftovers};

use crate::support::{Machine, zygote};

/// Set in the process that plays the agent; names the directory of the machine whose test started it.
const AGENT: &str = "AIRLOCK_TEST_AGENT";

/// First id of that machine's block.
const IDS: &str = "AIRLOCK_TEST_IDS";

/// Sandboxes of the killed agent: names that no test running beside uses.
fn left_behind(directory: &Path) -> [String; 2] {
    let name = directory.file_name().expect("a name").to_string_lossy();
    let name = name.trim_start_matches('.');
    [1, 2].map(|number| format!("left-{name}-{number}"))
}

/// Not a test of its own: the agent that `kill_an_agent` starts.
#[test]
fn agent_to_be_killed() {
    let Some(directory) = std::env::var_os(AGENT) else {
        return;
    };
    let directory = PathBuf::from(directory);
    let id_base = std::env::var(IDS).expect("a block of ids");
    let options = LauncherOptions {
        id_base: id_base.parse().expect("a number"),
        id_ranges: 4,
        network: true,
        assembly: crate::support::assembly(),
        ..LauncherOptions::new(directory.join("state"))
    };
    crate::network::own_namespace_named(&std::env::var("AIRLOCK_TEST_NETNS").expect("a namespace"));
    let launcher = Launcher::spawn(&zygote(), options).expect("a launcher");
    let mut sandboxes = Vec::new();
    for id in left_behind(&directory) {
        let mut spec = crate::support::spec_in(&directory, &id);
        spec.network = airlock_sandbox::Network::Egress;
        let mut inside = crate::support::Inside::new(launcher.start(&spec).expect("a sandbox"));
        inside.output("mkdir -p /a/b && echo x > /a/b/c && chmod 0 /a");
        inside.background("exec sleep 1000");
        sandboxes.push(inside);
    }
    let pids: Vec<String> = sandboxes
        .iter()
        .map(|inside| inside.sandbox.pid().to_string())
        .collect();
    println!("ready {}", pids.join(" "));
    loop {
        std::thread::park();
    }
}

fn groups(id: &str) -> Vec<PathBuf> {
    let found = Command::new("find")
        .args(["/sys/fs/cgroup", "-type", "d", "-name", id])
        .output()
        .expect("find");
    String::from_utf8_lossy(&found.stdout)
        .lines()
        .map(PathBuf::from)
        .collect()
}

#[test]
fn a_killed_agent_leaves_nothing_behind() {
    kill_an_agent(None);
}

#[test]
fn a_killed_agent_that_attached_layers_leaves_nothing_behind() {
    kill_an_agent(Some("paths"));
}

fn kill_an_agent(assembly: Option<&str>) {
    let machine = Machine::without_launcher();
    let [one, two] = left_behind(machine.path());
    let namespace = crate::network::Namespace::new();
    let mut agent = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "leftovers::agent_to_be_killed", "--nocapture"])
        .env(AGENT, machine.path())
        .env(IDS, machine.id_base.to_string())
        .env("AIRLOCK_TEST_NETNS", namespace.name())
        .envs(assembly.map(|word| (crate::support::ASSEMBLY, word)))
        .stdout(Stdio::piped())
        .spawn()
        .expect("an agent");
    let mut lines = BufReader::new(agent.stdout.take().expect("its output")).lines();
    let ready = lines
        .by_ref()
        .map(|line| line.expect("a line"))
        .find(|line| line.contains("ready "))
        .expect("an agent that got ready");
    let pids: Vec<i32> = ready
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(pids.len(), 2, "{ready}");

    // The controls: there is something to clean up, and it is not taken from a living agent.
    assert!(!groups(&one).is_empty() && machine.work_dir().join(&two).join("0/upper/a").exists());
    assert_eq!(namespace.devices_of_ours().len(), 3, "a bridge and two ports");
    assert!(matches!(
        reap_leftovers(&machine.state_dir()),
        Err(ReapError::InUse(_))
    ));
    let options = LauncherOptions {
        network: false,
        ..LauncherOptions::new(machine.state_dir())
    };
    assert!(matches!(
        Launcher::spawn(&zygote(), options),
        Err(LauncherError::InUse(_))
    ));

    let bases: Vec<PathBuf> = groups(&one)
        .iter()
        .map(|group| group.parent().expect("a base").to_owned())
        .collect();
    assert!(bases.iter().all(|base| base.exists()));

    agent.kill().expect("SIGKILL");
    agent.wait().expect("its end");
    let mounts = || fs::read_to_string("/proc/self/mountinfo").expect("the mount table");
    let place = machine.path().to_str().expect("text");
    assert!(!mounts().contains(place), "mounts are left");
    namespace.within(|| reap_leftovers(&machine.state_dir()).expect("a clean sweep"));

    assert!(pids.iter().all(|pid| !alive(*pid)), "processes are left");
    assert_eq!(groups(&one).len() + groups(&two).len(), 0);
    assert!(
        !bases.iter().any(|base| base.exists()),
        "groups of the launcher are left"
    );
    assert!(is_empty(&machine.work_dir()) && is_empty(&machine.state_dir().join("sandboxes")));
    assert_eq!(namespace.devices_of_ours(), [""; 0]);
    assert!(!namespace.rules().contains("airlock"), "rules are left");
    assert!(
        reap_leftovers(&machine.state_dir()).is_ok(),
        "sweeping twice is no error"
    );
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).expect("a directory").next().is_none()
}

fn alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| !status.contains("State:\tZ"))
}

#[test]
fn a_dropped_launcher_takes_its_sandboxes_along() {
    let mut machine = Machine::new();
    let inside = machine.start("kept");
    let pid = inside.sandbox.pid();
    let base = groups("kept")
        .first()
        .and_then(|group| group.parent())
        .expect("a base")
        .to_owned();
    // A handle forgotten by mistake must not keep the sandbox alive beyond the agent's process; here it is dropped late.
    machine.launcher = None;
    assert!(alive(pid), "sandboxes outlive the launcher's handle");
    drop(inside);
    assert!(!alive(pid) && groups("kept").is_empty() && !base.exists());
    assert!(
        reap_leftovers(&machine.state_dir()).is_ok(),
        "the directory is free again"
    );
}

#[test]
fn two_agents_with_the_same_block_of_ids_coexist() {
    let one = Machine::new();
    let two = Machine::sharing_ids_with(&one);
    let (mut a, mut b) = (one.start("same-id"), two.start("same-id"));
    assert_eq!((a.output("echo a"), b.output("echo b")), ("a".into(), "b".into()));
    assert!(a.sandbox.first_id().abs_diff(b.sandbox.first_id()) >= 65_536);
    let others: Vec<_> = ["c", "d"].map(|id| two.start(id)).into_iter().collect();
    let error = two
        .launcher()
        .start(&two.spec("e"))
        .expect_err("the fourth range is the other agent's");
    assert!(matches!(error, StartError::NoIdRange { .. }), "{error}");
    a.sandbox.destroy().expect("a clean end");
    two.start("e").sandbox.destroy().expect("a clean end");
    drop(others);
}

#[test]
fn options_that_cannot_work_are_refused() {
    let machine = Machine::without_launcher();
    let options = LauncherOptions {
        id_base: 0,
        ..LauncherOptions::new(machine.state_dir())
    };
    let error = Launcher::spawn(&zygote(), options).expect_err("host ids");
    assert!(error.to_string().contains("do not fit"), "{error}");
    let options = LauncherOptions {
        network: false,
        ..LauncherOptions::new(machine.state_dir())
    };
    let error = Launcher::spawn(Path::new("/nowhere/task"), options).expect_err("no such program");
    assert!(
        error.to_string().contains("running /nowhere/task launcher"),
        "{error}"
    );
}
