//! Probing from texts, and the files written, on plain directories that stand in for the kernel's.

use std::fs;
use std::path::Path;

use super::probe::hierarchies;
use super::v1::V1;
use super::v2::V2;
use super::{Backend, kill, remove};
use crate::sample::Gauges;
use crate::spec::{Limits, Usage};

const LIMITS: Limits = Limits {
    cpu_millis: 1500,
    memory_bytes: 64 << 20,
    pids: 100,
    disk: None,
};

fn show(mountinfo: &str, cgroup: &str, exists: &dyn Fn(&Path) -> bool) -> String {
    let lines = hierarchies(mountinfo, cgroup, exists)
        .into_iter()
        .map(|hierarchy| format!("{hierarchy:?}\n"));
    lines.collect()
}

#[test]
fn own_groups_are_found_in_v1_and_v2_mounts() {
    let mountinfo = "\
22 1 0:5 / /proc rw - proc proc rw
30 1 0:20 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct
31 1 0:21 /docker/ab /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
32 1 0:22 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
    let cgroup = "4:memory:/docker/ab/job\n3:cpu,cpuacct:/agents\n1:name=systemd:/x\n0::/gone\n";
    let exists = |path: &Path| !path.ends_with("gone");
    let expected = "\
Hierarchy { controllers: Some([\"rw\", \"cpu\", \"cpuacct\"]), own: \"/sys/fs/cgroup/cpu,cpuacct/agents\" }
Hierarchy { controllers: Some([\"rw\", \"memory\"]), own: \"/sys/fs/cgroup/memory/job\" }
Hierarchy { controllers: None, own: \"/sys/fs/cgroup/unified\" }
";
    assert_eq!(show(mountinfo, cgroup, &exists), expected);
}

fn content(directory: &Path, file: &str) -> String {
    fs::read_to_string(directory.join(file)).unwrap_or_else(|_| "absent".into())
}

#[test]
fn v2_writes_its_limits_and_reads_its_counters() {
    let tree = tempfile::tempdir().expect("a temporary directory");
    let base = tree.path().join("airlock");
    let backend = V2::prepare(&base, "cpuset cpu io memory pids\n").expect("a prepared base");
    backend.create("job", &LIMITS).expect("limits set");
    let group = base.join("job");
    assert_eq!(content(&group, "cpu.max"), "150000 100000");
    assert_eq!(content(&group, "memory.max"), "67108864");
    assert_eq!(content(&group, "memory.swap.max"), "0");
    assert_eq!(content(&group, "pids.max"), "100");
    for (file, text) in [
        ("memory.peak", "4096\n"),
        ("memory.events", "low 0\noom 3\noom_kill 2\n"),
        ("cpu.stat", "usage_usec 7\nuser_usec 5\n"),
        ("pids.events", "max 9\n"),
        ("pids.peak", "55\n"),
        ("memory.current", "2048\n"),
        ("memory.stat", "anon 1024\nfile 512\nfile_mapped 256\n"),
    ] {
        fs::write(group.join(file), text).expect("a counter");
    }
    let expected = Usage {
        memory_peak: 4096,
        cpu_ns: 7000,
        oom_kills: 2,
        pids_refused: 9,
        pids_peak: 55,
        ..Usage::default()
    };
    assert_eq!(backend.usage("job"), expected);
    let expected = Gauges {
        cpu_ns: 7000,
        memory_bytes: 2048,
        cache_bytes: 512,
    };
    assert_eq!(backend.gauges("job"), expected);
}

#[test]
fn v2_says_which_controllers_it_was_not_given() {
    let tree = tempfile::tempdir().expect("a temporary directory");
    let backend = V2::prepare(&tree.path().join("airlock"), "pids").expect("a prepared base");
    backend.create("job", &LIMITS).expect("limits set");
    assert!(!backend.enforced().memory && !backend.enforced().cpu && backend.enforced().pids);
    assert_eq!(content(&tree.path().join("airlock/job"), "memory.max"), "absent");
}

#[test]
fn v1_uses_a_shared_cpu_hierarchy_once_and_forbids_swap() {
    let tree = tempfile::tempdir().expect("a temporary directory");
    let at = |name: &str| Some(tree.path().join(name));
    let backend = V1 {
        cpu: at("cpu"),
        cpuacct: at("cpu"),
        memory: at("memory"),
        pids: at("pids"),
        freezer: None,
        unified: at("unified"),
    };
    backend.create("job", &LIMITS).expect("limits set");
    assert_eq!(backend.directories("job").len(), 4);
    let memory = tree.path().join("memory/job");
    assert_eq!(content(&memory, "memory.limit_in_bytes"), "67108864");
    assert_eq!(content(&memory, "memory.memsw.limit_in_bytes"), "67108864");
    assert_eq!(
        content(&tree.path().join("cpu/job"), "cpu.cfs_quota_us"),
        "150000"
    );
    fs::write(
        memory.join("memory.oom_control"),
        "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    )
    .expect("a counter");
    assert_eq!(backend.usage("job").oom_kills, 1);
    fs::write(memory.join("memory.usage_in_bytes"), "2048\n").expect("a gauge");
    fs::write(memory.join("memory.stat"), "cache 1\ntotal_cache 512\n").expect("a gauge");
    fs::write(tree.path().join("cpu/job/cpuacct.usage"), "7\n").expect("a counter");
    let expected = Gauges {
        cpu_ns: 7,
        memory_bytes: 2048,
        cache_bytes: 512,
    };
    assert_eq!(backend.gauges("job"), expected);
}

#[test]
fn groups_that_are_gone_are_no_error() {
    let tree = tempfile::tempdir().expect("a temporary directory");
    let missing = [tree.path().join("never")];
    kill(&missing).expect("nothing to kill");
    remove(&missing).expect("nothing to remove");
}
