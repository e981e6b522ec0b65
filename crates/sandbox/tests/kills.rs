//! Agents and launchers killed at every stage of a sandbox and at random moments; after each, whoever comes next finds
//! everything and leaves nothing.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use airlock_sandbox::{
    DiskLimit, Launcher, LauncherOptions, Leak, LeakKind, Network, SandboxSpec, Stage, find_leaks,
    reap_leftovers, repair_leaks,
};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use crate::network::Namespace;
use crate::support::{Inside, Machine, spec_in, zygote};

/// Set in the process that plays the agent; names the directory of the machine whose test started it.
const AGENT: &str = "AIRLOCK_TEST_KILLED_AGENT";
/// First id of that machine's block.
const IDS: &str = "AIRLOCK_TEST_KILLED_IDS";
/// Network namespace that it lives in.
const NAMESPACE: &str = "AIRLOCK_TEST_KILLED_NETNS";
/// The stage it waits in to be killed; without it, it runs jobs until it is.
const STAGE: &str = "AIRLOCK_TEST_KILLED_STAGE";
/// How many jobs run until the counting of what is left.
const JOBS: &str = "AIRLOCK_TEST_KILL_JOBS";
/// What random moments come from.
const SEED: &str = "AIRLOCK_TEST_SEED";

const RANGES: u32 = 8;

fn options(directory: &Path, id_base: u32) -> LauncherOptions {
    LauncherOptions {
        id_base,
        id_ranges: RANGES,
        network: true,
        disks: Some(directory.join("disks")),
        assembly: crate::support::assembly(),
        observer: Some(stop_at_the_stage),
        warm: 2,
        ..LauncherOptions::new(directory.join("state"))
    }
}

/// Waits to be killed in the stage that this process was told.
#[expect(clippy::print_stdout, reason = "the test that kills reads it")]
fn stop_at_the_stage(stage: Stage) {
    if std::env::var(STAGE).is_ok_and(|wanted| wanted == format!("{stage:?}")) {
        println!("entered {stage:?}");
        loop {
            std::thread::park();
        }
    }
}

fn job(directory: &Path, name: &str) -> SandboxSpec {
    let mut spec = spec_in(directory, name);
    spec.network = Network::Egress;
    spec.limits.disk = Some(DiskLimit {
        bytes: 32 << 20,
        inodes: 512,
    });
    spec
}

/// Not a test of its own: the agent that tests below start and kill.
#[test]
fn agent_that_is_killed() {
    let Some(directory) = std::env::var_os(AGENT).map(PathBuf::from) else {
        return;
    };
    crate::network::own_namespace_named(&std::env::var(NAMESPACE).expect("a namespace"));
    let id_base = std::env::var(IDS)
        .expect("a block of ids")
        .parse()
        .expect("a number");
    let jobs = AtomicU32::new(0);
    // A new launcher whenever one is gone, as the agent does.
    loop {
        let launcher = Launcher::spawn(&zygote(), options(&directory, id_base)).expect("a launcher");
        println!("ready");
        std::thread::scope(|scope| {
            for worker in 0..3 {
                let (launcher, directory, jobs) = (&launcher, &directory, &jobs);
                scope.spawn(move || {
                    loop {
                        let number = jobs.fetch_add(1, Ordering::Relaxed);
                        let id = format!("job-{}-{worker}-{number}", std::process::id());
                        let mut spec = job(directory, &id);
                        if number % 2 == 1 {
                            spec.limits.disk = None;
                        }
                        let Ok(sandbox) = launcher.start(&spec) else {
                            return;
                        };
                        work(sandbox, number);
                        println!("done {number}");
                    }
                });
            }
        });
    }
}

/// A short job that leaves processes and files about. Any of it may fail when the launcher is killed.
fn work(sandbox: airlock_sandbox::Sandbox, number: u32) {
    let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut inside = Inside::new(sandbox);
        inside.sh("mkdir -p /a/b && echo x > /a/b/c && chmod 0 /a");
        inside.background("exec sleep 1000");
        if number.is_multiple_of(3) {
            // Forgotten by its owner, which must be no other end than a proper one.
            return;
        }
        let _ = inside.sandbox.destroy();
    }));
    drop(worked);
}

struct Agent {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Agent {
    fn start(machine: &Machine, namespace: &Namespace, stage: Option<Stage>) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this test"));
        command
            .args(["--exact", "kills::agent_that_is_killed", "--nocapture"])
            .env(AGENT, machine.path())
            .env(IDS, machine.id_base.to_string())
            .env(NAMESPACE, namespace.name())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(stage) = stage {
            command.env(STAGE, format!("{stage:?}"));
        }
        let mut process = command.spawn().expect("an agent");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        Self { process, lines }
    }

    fn await_line(&mut self, start: &str) {
        let found = self
            .lines
            .by_ref()
            .any(|line| line.expect("a line").contains(start));
        assert!(found, "the agent ended before it said {start:?}");
    }

    /// Its launcher's process, if it has one now.
    fn launcher(&self) -> Option<Pid> {
        let pid = self.process.id();
        let children = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        let children = children.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        children
            .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .find_map(|child| {
                let words = fs::read(format!("/proc/{child}/cmdline")).ok()?;
                let is_launcher = words.split(|byte| *byte == 0).nth(1) == Some(b"launcher");
                is_launcher.then(|| Pid::from_raw(child.parse().ok()?))?
            })
    }

    /// Kills it, and returns when its launcher, which goes with it and keeps the lock until then, is gone as well.
    fn kill(mut self) {
        let launcher = self.launcher();
        let launcher = launcher.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        self.process.kill().expect("SIGKILL");
        self.process.wait().expect("its end");
        if let Some(launcher) = launcher {
            let mut ended = [PollFd::new(&launcher, PollFlags::IN)];
            rustix::io::retry_on_intr(|| poll(&mut ended, None)).expect("polled");
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // Also when a test fails half-way.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn leaks(machine: &Machine, namespace: &Namespace) -> Vec<Leak> {
    namespace.within(|| find_leaks(&machine.place()).expect("a look").leaks)
}

#[test]
fn an_agent_killed_in_any_stage_leaves_nothing_after_a_restart() {
    let namespace = Namespace::new();
    for stage in Stage::ALL {
        let machine = Machine::without_launcher();
        let mut agent = Agent::start(&machine, &namespace, Some(stage));
        agent.await_line(&format!("entered {stage:?}"));
        agent.kill();
        // The control: there is something that belongs to nobody. Devices may already have gone with their namespace.
        let left = leaks(&machine, &namespace);
        let has = |kind| left.iter().any(|leak| leak.kind == kind);
        assert!(has(LeakKind::File), "{stage:?}: {left:?}");
        if (Stage::Waiting..=Stage::Ungrouping).contains(&stage) {
            assert!(has(LeakKind::Cgroup), "{stage:?}: {left:?}");
        }
        let restarted = namespace.within(|| {
            let launcher = Launcher::spawn(&zygote(), options(machine.path(), machine.id_base));
            launcher.expect("a launcher after a crash")
        });
        assert_eq!(
            leaks(&machine, &namespace),
            [],
            "{stage:?}, with an agent at work"
        );
        namespace.within(|| drop(restarted));
        assert_eq!(leaks(&machine, &namespace), [], "{stage:?}, without one");
    }
}

#[test]
fn what_a_killed_agent_left_is_repaired_without_one() {
    let namespace = Namespace::new();
    let machine = Machine::without_launcher();
    let mut agent = Agent::start(&machine, &namespace, Some(Stage::Running));
    agent.await_line("entered Running");
    let report = namespace.within(|| find_leaks(&machine.place()).expect("a look"));
    assert!(report.living_agent && report.sandboxes > 0);
    assert_eq!(report.leaks, [], "what a living agent has is none");

    // What nobody has on record does not belong to a living agent either.
    let stray = machine.work_dir().join("stray");
    fs::create_dir_all(stray.join("upper")).expect("a directory");
    let expected = Leak {
        kind: LeakKind::File,
        name: fs::canonicalize(&stray).expect("its path").display().to_string(),
    };
    assert_eq!(leaks(&machine, &namespace), [expected]);
    let report = namespace.within(|| repair_leaks(&machine.place()).expect("repaired"));
    assert!(report.living_agent && report.leaks.is_empty() && !stray.exists());

    agent.kill();
    assert!(!leaks(&machine, &namespace).is_empty(), "the control");
    let report = namespace.within(|| repair_leaks(&machine.place()).expect("repaired"));
    assert_eq!(
        (report.leaks, report.sandboxes, report.living_agent),
        (Vec::new(), 0, false)
    );
}

/// Numbers that look random and come again with the same seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // Splitmix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

fn number_from(variable: &str, otherwise: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(otherwise, |text| text.parse().expect("a number"))
}

#[test]
fn random_kills_of_agents_and_launchers_leave_nothing() {
    let (jobs, seed) = (number_from(JOBS, 200), number_from(SEED, 20_260_101));
    println!("{jobs} jobs; {SEED}={seed}");
    let mut dice = Dice(seed);
    let namespace = Namespace::new();
    let machine = Machine::without_launcher();
    let (mut done, mut agents, mut launchers) = (0, 0, 0);
    while done < jobs {
        let mut agent = Agent::start(&machine, &namespace, None);
        agents += 1;
        agent.await_line("ready");
        // A moment is told by what the agent has done and by how long a spin lasts after it: no clock decides.
        for _ in 0..dice.below(30) {
            agent.await_line("done ");
            done += 1;
            if dice.below(10) == 0
                && let Some(launcher) = agent.launcher()
            {
                let _ended_meanwhile = kill_process(launcher, Signal::KILL);
                launchers += 1;
                agent.await_line("ready");
            }
        }
        for _ in 0..dice.below(2_000_000) {
            std::hint::spin_loop();
        }
        agent.kill();
        if dice.below(4) == 0 {
            namespace.within(|| reap_leftovers(&machine.state_dir()).expect("a sweep"));
        }
    }
    println!("{done} jobs done, {agents} agents and {launchers} launchers killed");
    namespace.within(|| reap_leftovers(&machine.state_dir()).expect("a sweep"));
    assert_eq!(
        leaks(&machine, &namespace),
        [],
        "after {done} jobs; {SEED}={seed}"
    );
}
