//! Sandboxes made ahead: a job that takes one sees what it would see in one made for it, nobody sees it twice, and none
//! outlives its use.

#![expect(
    clippy::disallowed_methods,
    reason = "what a thread of the launcher does by itself sends no word of it"
)]

use std::fs;
use std::time::{Duration, Instant};

use airlock_sandbox::{
    DiskLimit, Launcher, LauncherOptions, Network, SandboxSpec, WarmUse, find_leaks, warm_use,
};

use crate::network::Namespace;
use crate::support::{Inside, Machine, zygote};

fn launcher(machine: &Machine, network: bool, warm: u32) -> Launcher {
    let options = LauncherOptions {
        id_base: machine.id_base,
        id_ranges: 4,
        network,
        disks: Some(machine.path().join("disks")),
        assembly: crate::support::assembly(),
        warm,
        ..LauncherOptions::new(machine.state_dir())
    };
    Launcher::spawn(&zygote(), options).expect("a launcher")
}

/// Waits until the launcher tells of it; how long is nobody's promise.
fn until(launcher: &Launcher, seen: impl Fn(WarmUse) -> bool) -> WarmUse {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let told = launcher.warm().expect("a launcher that makes ahead");
        if seen(told) {
            return told;
        }
        assert!(Instant::now() < deadline, "{told:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn start(launcher: &Launcher, spec: &SandboxSpec) -> Inside {
    Inside::new(launcher.start(spec).expect("a sandbox"))
}

/// What a job can see of its sandbox that could differ; ids of the host and the order of
/// mounts do, between any two.
const LOOK: &str = r"hostname; cat /etc/hostname /etc/hosts /etc/resolv.conf; stat -c '%n %a %u %g' / /etc /etc/* \
                    /tmp /run /run/airlock; mount | sed 's/[0-9]\{9,\}/ID/g; s/ext4.*//' | cut -d' ' -f3- | sort; id; ulimit -a; cat /proc/self/cgroup; \
                    set -- /proc/[0-9]*; echo $#; find / -xdev 2>/dev/null | grep -v ^/proc | sort";

#[test]
fn a_job_sees_no_difference() {
    let machine = Machine::without_launcher();
    let mut spec = machine.spec("job-one");
    spec.local_names = vec!["a-database-with-a-long-name".into()];
    spec.limits.disk = Some(DiskLimit {
        bytes: 32 << 20,
        inodes: 512,
    });
    let mut seen = Vec::new();
    for warm in [0, 1] {
        let launcher = launcher(&machine, false, warm);
        if warm > 0 {
            drop(start(&launcher, &spec));
            until(&launcher, |told| told.waiting == 1);
        }
        // Names that are shorter than those it was made with, and longer ones.
        for name in ["x", "a-host-name-that-is-longer-than-the-one-before"] {
            spec.hostname = name.into();
            spec.id = format!("job-{warm}-{name}");
            let mut inside = start(&launcher, &spec);
            seen.push(inside.output(LOOK));
            inside.sandbox.destroy().expect("destroyed");
            if warm > 0 {
                until(&launcher, |told| told.waiting == 1);
            }
        }
        let told = launcher.warm().map(|told| (told.hits, told.misses, told.failed));
        assert_eq!(told, (warm > 0).then_some((2, 1, 0)));
    }
    assert_eq!(seen[0], seen[2]);
    assert_eq!(seen[1], seen[3]);
    assert!(seen[0].contains("127.0.0.1\ta-database-with-a-long-name") && seen[0] != seen[1]);
}

#[test]
fn a_sandbox_has_one_job_and_leaves_nothing() {
    let machine = Machine::without_launcher();
    let launcher = launcher(&machine, false, 1);
    let mut ids = Vec::new();
    for number in 0..4 {
        let mut inside = start(&launcher, &machine.spec(&format!("job-{number}")));
        assert_eq!(
            inside.output("cat /left 2>/dev/null; ls /tmp"),
            "",
            "somebody was here before"
        );
        inside.output("echo mine > /left; echo mine > /tmp/left");
        inside.background("exec sleep 1000");
        ids.push(inside.sandbox.id().to_owned());
        inside.sandbox.destroy().expect("destroyed");
        until(&launcher, |told| told.waiting == 1);
    }
    let used = launcher.warm().expect("told");
    assert_eq!((used.hits, used.misses), (3, 1));
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
    let report = find_leaks(&machine.place()).expect("a look");
    assert_eq!(
        (report.leaks, report.sandboxes, report.waiting),
        (Vec::new(), 1, 1)
    );
    // What stands there is written a moment after it is true.
    let deadline = Instant::now() + Duration::from_mins(1);
    while warm_use(&machine.state_dir()) != launcher.warm() {
        assert!(Instant::now() < deadline, "{:?}", warm_use(&machine.state_dir()));
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(launcher);
    let report = find_leaks(&machine.place()).expect("a look");
    assert_eq!((report.leaks, report.sandboxes), (Vec::new(), 0));
}

#[test]
fn one_that_died_or_lost_its_image_is_not_given_out() {
    let machine = Machine::without_launcher();
    let launcher = launcher(&machine, false, 1);
    start(&launcher, &machine.spec("first"))
        .sandbox
        .destroy()
        .expect("destroyed");
    until(&launcher, |told| told.waiting == 1);
    let groups = fs::read_dir(machine.state_dir().join("sandboxes")).expect("records");
    let record = groups.flatten().next().expect("one record").path();
    let text = fs::read_to_string(record).expect("a record");
    let record: serde_json::Value = serde_json::from_str(&text).expect("json");
    assert_eq!(record["stage"], "w");
    let first_id = record["first_id"].as_u64().expect("a number");
    kill_users(first_id);
    let mut inside = start(&launcher, &machine.spec("second"));
    assert_eq!(inside.output("echo alive"), "alive");
    inside.sandbox.destroy().expect("destroyed");
    let told = until(&launcher, |told| told.waiting == 1 && told.discarded == 1);
    assert_eq!((told.hits, told.misses), (0, 2));

    // Another image at the same path, as after a prune and a new pull.
    let (image, aside) = (machine.image(), machine.path().join("aside"));
    fs::rename(&image, &aside).expect("moved");
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([&aside, &image])
        .status();
    assert!(copied.expect("cp").success());
    fs::write(image.join("etc/newer"), "").expect("a file");
    let mut inside = start(&launcher, &machine.spec("third"));
    assert!(inside.succeeds("test -e /etc/newer"), "the old image");
    let told = until(&launcher, |told| told.discarded == 2);
    assert_eq!((told.hits, told.misses), (0, 3));
}

/// Kills every process of a range, as the kernel does that is out of memory.
fn kill_users(first_id: u64) {
    let mut killed = 0;
    for process in fs::read_dir("/proc").expect("processes").flatten() {
        let map = fs::read_to_string(process.path().join("uid_map")).unwrap_or_default();
        if map.split_whitespace().nth(1) == Some(&first_id.to_string()) {
            let number = process.file_name().to_string_lossy().parse().expect("a number");
            let pid = rustix::process::Pid::from_raw(number).expect("a process");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
            killed += 1;
        }
    }
    assert!(killed > 0);
    // Gone when nobody has these ids any more.
    let deadline = Instant::now() + Duration::from_mins(1);
    while fs::read_dir("/proc")
        .expect("processes")
        .flatten()
        .any(|process| {
            let map = fs::read_to_string(process.path().join("uid_map")).unwrap_or_default();
            map.split_whitespace().nth(1) == Some(&first_id.to_string())
        })
    {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
}

#[test]
fn what_waits_makes_room_for_a_job() {
    let machine = Machine::without_launcher();
    // Four ranges of ids, and two of them for what waits.
    let launcher = launcher(&machine, false, 2);
    // A kind each, so that one of each waits whenever they came.
    let (one, mut two) = (machine.spec("one"), machine.spec("two"));
    two.limits.pids += 1;
    let held = [start(&launcher, &one), start(&launcher, &two)];
    until(&launcher, |told| told.waiting == 2);
    // Of another kind, so that it cannot take what waits.
    let mut other = machine.spec("three");
    other.limits.pids += 2;
    let three = start(&launcher, &other);
    let told = until(&launcher, |told| told.discarded == 2);
    assert_eq!((told.hits, told.misses), (0, 3));
    drop((held, three));
}

#[test]
fn one_made_ahead_has_an_address_of_its_own() {
    let namespace = Namespace::new();
    namespace.within(|| {
        let machine = Machine::without_launcher();
        let launcher = launcher(&machine, true, 2);
        let mut spec = machine.spec("first");
        spec.network = Network::Egress;
        let mut first = start(&launcher, &spec);
        let address = |inside: &mut Inside| inside.output("ip -4 -o addr show eth0 | awk '{print $4}'");
        let first_address = address(&mut first);
        first.sandbox.destroy().expect("destroyed");
        until(&launcher, |told| told.waiting == 1);
        spec.id = "second".into();
        spec.hostname = "second".into();
        let mut second = start(&launcher, &spec);
        let second_address = address(&mut second);
        assert_ne!(first_address, second_address);
        let hosts = second.output("cat /etc/hosts");
        let own = second_address.split('/').next().expect("an address");
        assert!(hosts.contains(&format!("{own}\tsecond")), "{hosts}");
        assert_eq!(launcher.warm().expect("told").hits, 1);
        // One with a list is another kind than one that is open.
        spec.id = "listed".into();
        spec.network = Network::Listed;
        start(&launcher, &spec).sandbox.destroy().expect("destroyed");
        assert_eq!(launcher.warm().expect("told").misses, 2);
    });
}
