//! Limits hold, and what they did is counted.

use airlock_sandbox::{Assembly, DiskLimit, Layer, LayerIds, Limits};

use crate::support::Machine;

fn limits(memory_bytes: u64, pids: u32) -> Limits {
    Limits {
        cpu_millis: 2000,
        memory_bytes,
        pids,
        disk: None,
    }
}

/// 32 MiB and 208 files, a multiple of what fits a block, which is what the file system makes of any number.
const DISK: Option<DiskLimit> = Some(DiskLimit {
    bytes: 32 << 20,
    inodes: 208,
});

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

#[test]
fn a_disk_filler_stops_at_the_limit_and_is_counted() {
    let machine = Machine::new();
    assert!(
        machine.launcher().enforced().disk,
        "{:?}",
        machine.launcher().no_disks()
    );
    let fill = "dd if=/dev/zero of=/filler bs=1M count=48 && sync && echo written";
    let mut wide = machine.start("wide");
    assert_eq!(wide.output(fill), "written", "the control");
    assert_eq!(wide.sandbox.destroy().expect("a clean end").disk_full, 0);

    let mut narrow = machine.start_with("narrow", |spec| spec.limits.disk = DISK);
    let mut beside = machine.start_with("beside", |spec| spec.limits.disk = DISK);
    let ended = narrow.sh(fill);
    assert!(
        ended.code != Some(0) && ended.err.contains("No space left"),
        "{ended:?}"
    );
    assert_eq!(
        beside.output("head -c 1048576 /dev/zero > /x && stat -c %s /x"),
        "1048576"
    );
    assert!(
        narrow.succeeds("rm /filler && head -c 1048576 /dev/zero > /x"),
        "it goes on"
    );
    // What was full between two looks: the step's end is one.
    assert!(!narrow.succeeds(fill));
    let usage = narrow.sandbox.usage();
    assert!(usage.disk_full > 0 && usage.out_of_inodes == 0, "{usage:?}");
    assert!(
        usage.disk_peak > 24 << 20 && usage.disk_peak <= 32 << 20,
        "{usage:?}"
    );
    assert_eq!(
        narrow.sandbox.destroy().expect("a clean end").disk_peak,
        usage.disk_peak
    );
    assert_eq!(beside.sandbox.destroy().expect("a clean end").disk_full, 0);
    let left = std::fs::read_dir(machine.work_dir())
        .expect("the work directory")
        .count();
    assert_eq!(left, 0, "files of sandboxes are left");
}

#[test]
fn an_inode_filler_stops_at_the_limit_and_is_counted() {
    let machine = Machine::new();
    let fill =
        "mkdir /many && i=0; while [ $i -lt 300 ]; do : > /many/$i || exit 7; i=$((i+1)); done; echo made";
    let mut wide = machine.start("wide");
    assert_eq!(wide.output(fill), "made", "the control");
    let mut narrow = machine.start_with("narrow", |spec| spec.limits.disk = DISK);
    assert!(!narrow.succeeds(fill));
    let usage = narrow.sandbox.destroy().expect("a clean end");
    assert!(usage.out_of_inodes > 0 && usage.disk_full == 0, "{usage:?}");
    assert!(usage.inodes_peak > 200 && usage.inodes_peak <= 208, "{usage:?}");
}

#[test]
fn roots_switch_on_a_disk_as_without_one() {
    for assembly in [Assembly::Descriptors, Assembly::Paths] {
        if !crate::support::can(assembly) {
            continue;
        }
        let machine = Machine::with_assembly(assembly);
        let mut inside = machine.start_with("switched", |spec| spec.limits.disk = DISK);
        for round in 0..5 {
            let layer = machine.path().join(format!("layer-{round}"));
            std::fs::create_dir_all(layer.join("restored")).expect("a layer");
            std::fs::write(layer.join("restored/file"), "r").expect("a file");
            inside.output(&format!(
                "rm -rf /restored; echo {round} > /written-{round}; rm -f /etc/a"
            ));
            let extra = Layer {
                path: layer,
                ids: LayerIds::Image,
            };
            let root = inside.sandbox.assemble_root(&[extra]).expect("a root");
            inside.switch(root);
            assert_eq!(inside.output("cat /restored/file /written-0"), "r0");
            assert!(!inside.succeeds("test -e /etc/a"), "a deletion came back");
        }
        let usage = inside.sandbox.usage();
        assert!(usage.inodes_peak > 20, "{usage:?}");
        let written = inside.sandbox.upper_dir();
        inside.output("echo now > /now");
        assert!(written.join("now").exists());
        inside.sandbox.destroy().expect("a clean end");
    }
}
