//! Limits hold, and what they did is counted.

use airlock_sandbox::Limits;

use crate::support::Machine;

fn limits(memory_bytes: u64, pids: u32) -> Limits {
    Limits {
        cpu_millis: 2000,
        memory_bytes,
        pids,
    }
}

/// Grows a shell variable to some 64 MB.
const GROW: &str = "a=0123456789abcdef; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22; do a=$a$a; done; echo ${#a}";

#[test]
fn too_much_memory_kills_and_is_counted() {
    let machine = Machine::new();
    assert!(machine.launcher().enforced().memory);
    let mut wide = machine.start_with("wide", |spec| spec.limits = limits(1 << 30, 50));
    assert_eq!(wide.output(GROW), "67108864", "the control");
    assert_eq!(wide.sandbox.destroy().expect("a clean end").oom_kills, 0);

    let mut narrow = machine.start_with("narrow", |spec| spec.limits = limits(32 << 20, 50));
    assert_eq!(narrow.sh(GROW).signal, Some(9));
    assert!(narrow.succeeds("true"), "the sandbox outlives its job");
    let usage = narrow.sandbox.destroy().expect("a clean end");
    assert_eq!(usage.oom_kills, 1);
    assert!(
        usage.memory_peak > 16 << 20 && usage.memory_peak <= 32 << 20,
        "{usage:?}"
    );
}

#[test]
fn a_fork_bomb_stops_at_the_limit_and_is_counted() {
    let machine = Machine::new();
    let bomb =
        "n=0; while [ $n -lt 60 ]; do sleep 1000 > /dev/null 2>&1 & n=$((n+1)); done 2>/dev/null; echo $n";
    let mut wide = machine.start_with("wide", |spec| spec.limits = limits(256 << 20, 200));
    assert_eq!(wide.output(bomb), "60", "the control");
    assert_eq!(wide.sandbox.destroy().expect("a clean end").pids_refused, 0);

    let mut narrow = machine.start_with("narrow", |spec| spec.limits = limits(256 << 20, 20));
    assert_ne!(narrow.sh(bomb).out.trim(), "60");
    // With what the shell has built in: there may be no room for another process.
    let running = narrow.output("set -- /proc/[0-9]*; echo $#");
    assert!(running.parse::<u32>().expect("a number") <= 21, "{running}");
    assert!(narrow.sandbox.destroy().expect("a clean end").pids_refused > 0);
}

#[test]
fn memory_of_tmpfs_counts() {
    let machine = Machine::new();
    let mut inside = machine.start_with("a", |spec| spec.limits = limits(64 << 20, 50));
    assert_eq!(
        inside.output("head -c 16777216 /dev/zero > /dev/shm/x && stat -c %s /dev/shm/x"),
        "16777216"
    );
    assert!(inside.sandbox.usage().memory_peak >= 16 << 20);
    // Half of the limit is where /dev/shm ends.
    assert!(!inside.succeeds("head -c 41943040 /dev/zero > /dev/shm/y"));
}

#[test]
fn processor_time_is_counted_and_bounded() {
    let machine = Machine::new();
    assert!(machine.launcher().enforced().cpu);
    let mut inside = machine.start_with("a", |spec| spec.limits.cpu_millis = 50);
    let group =
        std::fs::read_to_string(format!("/proc/{}/cgroup", inside.sandbox.pid())).expect("its groups");
    assert!(inside.succeeds("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"));
    let usage = inside.sandbox.usage();
    assert!(usage.cpu_ns > 1_000_000, "{usage:?}");
    // What the kernel made of the limit, where this host has the controller in a hierarchy of its own.
    if let Some(path) = group.lines().find_map(|line| line.split_once(":cpu:")) {
        let quota = format!("/sys/fs/cgroup/cpu{}/cpu.cfs_quota_us", path.1);
        assert_eq!(std::fs::read_to_string(&quota).expect("a quota").trim(), "5000");
    }
}
