//! Jobs in virtual machines, on a real one: QEMU with Debian's kernel for clouds, emulated where the host cannot do
//! better. A boot takes about ten seconds of a processor, so each test does much in one.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use airlock_agent::Network;
use airlock_agent_protocol::Assignment;
use airlock_domain::plan::StepWhen;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_sandbox::{Place, find_leaks, reap_leftovers};
use airlock_testkit::{PATIENCE, add_kernel, wait_for};

use crate::support::{IMAGE, Machine, background, busybox_root, job, run, secret, silent_for, when};

/// Set in the process that plays the agent to be killed: the number of its job.
const KILLED: &str = "AIRLOCK_TEST_KILLED_MACHINE";

fn machine() -> Machine {
    Machine::with_image(IMAGE, |root| {
        busybox_root(root);
        add_kernel(root);
    })
}

fn in_machine(mut assignment: Assignment) -> Assignment {
    assignment.spec.machine = true;
    assignment
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_its_steps_in_a_machine_of_its_own() {
    let machine = machine();
    let host = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    let mut assignment = in_machine(job(
        40,
        vec![
            run(
                "where",
                "cat /proc/sys/kernel/random/boot_id; id -u; pwd; uname -r; [ -t 1 ] && echo terminal",
            ),
            background(run("service", "echo up; touch /tmp/up; exec sleep 1000")),
            run(
                "secret",
                "while [ ! -e /tmp/up ]; do sleep 0.1; done; echo $TOKEN; echo $CI",
            ),
            run(
                "root",
                "mkdir /tmp/m; mount -t tmpfs none /tmp/m && echo mounted; which circleci; cat /proc/1/comm; df /",
            ),
            run("flood", "seq 1 100000"),
            run("fail", "exit 3"),
            when(StepWhen::OnFail, run("after", "circleci step halt; echo after")),
        ],
    ));
    assignment.spec.secrets = vec![("TOKEN".into(), secret("canary-4711"))];
    assignment.spec.masks = vec![secret("canary-4711")];
    let finished = machine.server.run(assignment).await;
    let spin_up = machine.server.log(0);
    assert_eq!(
        finished.reason.as_deref(),
        Some("step 'fail' exited with code 3"),
        "{spin_up}"
    );
    assert!(
        spin_up.contains("Executor: a virtual machine by QEMU "),
        "{spin_up}"
    );
    let place = machine.server.log(1);
    let lines: Vec<&str> = place.lines().collect();
    assert_ne!(lines[0], host.trim(), "the steps ran on the host's kernel");
    assert_eq!(lines[1..3], ["0", "/root/project"], "{place}");
    assert!(
        lines[3].ends_with("-cloud-amd64") && lines[4] == "terminal",
        "{place}"
    );
    assert_eq!(machine.server.log(2), "up\n");
    let log = machine.server.log(3);
    assert!(!log.contains("canary") && log.ends_with("\ntrue\n"), "{log}");
    let log = machine.server.log(4);
    for part in ["mounted\n", "/run/airlock/bin/circleci\n", "init\n"] {
        assert!(log.contains(part), "{log}");
    }
    let flood = machine.server.log(5);
    assert_eq!(flood.lines().count(), 100_000);
    assert_eq!(machine.server.log(7), "after\n");
    let (_, status, _, ran_in) = machine.server.ends().swap_remove(0);
    assert_eq!(status, StepStatus::Success);
    assert!(
        ran_in
            .expect("what it ran in")
            .starts_with("a virtual machine by QEMU")
    );
    assert_eq!(finished.status, SliceStatus::Failed);
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_in_a_machine_is_limited_and_a_job_in_one_is_canceled() {
    let machine = machine();
    let silent = silent_for(1000, run("silent", "echo first; sleep 1000"));
    let long = run(
        "long",
        "trap 'echo asked; exit 0' TERM; echo begun; while :; do sleep 0.05; done",
    );
    machine
        .server
        .offer(in_machine(job(41, vec![silent, when(StepWhen::Always, long)])));
    machine
        .server
        .until(|rows| rows.log(2).contains("begun").then_some(()))
        .await;
    machine.server.rows().stop = true;
    let finished = machine.server.until(|rows| rows.finished.clone()).await;
    assert_eq!(finished.status, SliceStatus::Canceled, "{:?}", finished.reason);
    let ends = machine.server.ends();
    assert_eq!(ends[1].1, StepStatus::TimedOut, "{ends:?}");
    assert_eq!(ends[2].1, StepStatus::Canceled, "{ends:?}");
    assert!(
        machine.server.log(2).contains("asked\n"),
        "{}",
        machine.server.log(2)
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_gets_no_machine_runs_in_a_container_and_its_record_says_so() {
    // The image has no kernel.
    let machine = Machine::start();
    let finished = machine
        .server
        .run(in_machine(job(42, vec![run("run", "echo ran")])))
        .await;
    assert_eq!(finished.status, SliceStatus::Success, "{:?}", finished.reason);
    assert_eq!(machine.server.log(1), "ran\n");
    let why = machine.server.ends()[0].3.clone().expect("what it ran in");
    assert!(
        why.starts_with("a system container, as this agent has no virtual machine for the job: "),
        "{why}"
    );
    let log = machine.server.log(0);
    assert!(log.contains(&format!("Executor: {why}")), "{log}");
    machine.stop().await;
}

/// Not a test of its own: the agent that the next one kills.
#[tokio::test(flavor = "multi_thread")]
async fn agent_with_a_machine_that_is_killed() {
    let Ok(number) = std::env::var(KILLED) else { return };
    let machine = machine();
    let number = number.parse().expect("a number");
    machine.server.offer(in_machine(job(
        number,
        vec![run("long", "echo begun; sleep 1000")],
    )));
    machine
        .server
        .until(|rows| rows.log(1).contains("begun").then_some(()))
        .await;
    println!("begun {}", machine.dir.path().display());
    std::future::pending::<()>().await;
}

/// Processes whose command line has these words.
fn processes(words: &str) -> usize {
    let has = |path: &Path| {
        fs::read(path.join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(words))
    };
    let all = fs::read_dir("/proc").expect("listed").flatten();
    all.filter(|entry| has(&entry.path())).count()
}

#[test]
fn a_killed_agent_leaves_neither_machine_nor_disk() {
    let number = u128::from(std::process::id()) << 96;
    let mut agent = Command::new(std::env::current_exe().expect("this test"))
        .args([
            "--exact",
            "machine::agent_with_a_machine_that_is_killed",
            "--nocapture",
        ])
        .env(KILLED, number.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let lines = BufReader::new(agent.stdout.take().expect("a pipe")).lines();
    let begun = lines
        .map_while(Result::ok)
        .find_map(|line| line.split_once("begun ").map(|(_, path)| PathBuf::from(path)));
    let name = format!("airlock.hostname=airlock-{:08x}", std::process::id());
    let running = processes(&name);
    agent.kill().expect("killed");
    agent.wait().expect("reaped");
    let directory = begun.expect("the job began");
    assert_eq!(running, 1, "the machine ran, so that its end means something");
    wait_for("the machine to go", PATIENCE, || {
        (processes(&name) == 0).then_some(())
    })
    .expect("gone");
    let state_dir = directory.join("agent/launcher");
    reap_leftovers(&state_dir).expect("reaped");
    let place = Place {
        state_dir,
        work_dir: directory.join("agent/sandboxes"),
    };
    let left = find_leaks(&place).expect("counted");
    assert_eq!(left.leaks, [], "something of the machine is left");
    let sandboxes = fs::read_dir(directory.join("agent/sandboxes")).expect("listed");
    assert_eq!(sandboxes.count(), 0);
    fs::remove_dir_all(&directory).expect("removed");
}

/// The magic number of the file system on the disk that machines of this image begin with.
fn magic_of_the_disk(machine: &Machine) -> [u8; 2] {
    let derived = fs::read_dir(machine.dir.path().join("images/derived")).expect("listed");
    let disk = derived
        .flatten()
        .map(|entry| entry.path().join("machine/disk.raw"))
        .find(|path| path.exists())
        .expect("a disk");
    let mut magic = [0; 2];
    let file = fs::File::open(disk).expect("opened");
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut magic, 1080).expect("read");
    magic
}

/// Whoever is root in the machine may ruin it, and that is all; with a network it reaches neither this host nor what is
/// closed to every job.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_job_does_to_its_machine_stays_in_it() {
    let machine = Machine::with(Network::Egress, IMAGE, |root| {
        busybox_root(root);
        add_kernel(root);
    });
    let reach = "
        set +e
        # The control: what listens is reached.
        nc -l -p 7000 </dev/null >/dev/null & sleep 1
        nc -w 5 127.0.0.1 7000 </dev/null && echo own open
        for place in '10.0.2.2 22' '10.0.2.2 80' '10.0.2.2 443' '10.0.2.2 8443' '10.0.2.2 8022' '169.254.169.254 80'; do
            nc -w 5 $place </dev/null && echo $place open
        done
        ip route";
    let ruin = "
        head -c 2 /dev/zero | dd of=/dev/vda bs=1 seek=1080 conv=notrunc 2>/dev/null
        dd if=/dev/vda bs=1 skip=1080 count=2 2>/dev/null | hexdump -e '\"%02x\"'";
    let assignment = in_machine(job(
        43,
        vec![
            run("reach", reach),
            run("ruin", ruin),
            run("off", "poweroff -f; sleep 1000"),
        ],
    ));
    let finished = machine.server.run(assignment).await;
    let reached = machine.server.log(1);
    let open: Vec<&str> = reached.lines().filter(|line| line.ends_with(" open")).collect();
    assert_eq!(open, ["own open"], "{reached}");
    assert!(reached.contains("default via 10.0.2.2 dev eth0"), "{reached}");
    assert_eq!(
        machine.server.log(2).trim(),
        "00",
        "the machine's own disk is ruined"
    );
    assert_eq!(
        magic_of_the_disk(&machine),
        [0x53, 0xef],
        "the next machine's is not"
    );
    assert_eq!(finished.status, SliceStatus::InfrastructureFail);
    let reason = finished.reason.expect("a reason");
    assert!(reason.starts_with("step 'off' was cut off: "), "{reason}");
    machine.stop().await;
}
