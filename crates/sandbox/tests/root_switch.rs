//! The root switch between steps: a restored directory becomes a layer below what the job wrote, without a mount point
//! at its path, inside a user namespace, with id-mapped image and cache layers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use airlock_sandbox::{Layer, LayerIds};

use crate::support::{Inside, Machine};

/// A cache as the agent keeps it: plain ids, a prefix of directories down to the restored path.
fn cache(machine: &Machine, name: &str) -> Layer {
    let path = machine.path().join(name);
    let dep = path.join("root/dep");
    fs::create_dir_all(dep.join("pkg")).expect("a cache");
    for number in 0..200 {
        fs::write(dep.join(format!("pkg/f{number}")), format!("{name} {number}\n")).expect("a file");
    }
    symlink("pkg/f1", dep.join("link")).expect("a link");
    fs::hard_link(dep.join("pkg/f2"), dep.join("hard")).expect("a hard link");
    Layer {
        path,
        ids: LayerIds::Image,
    }
}

fn switch(inside: &mut Inside, layers: &[Layer]) {
    let root = inside.sandbox.assemble_root(layers).expect("a new root");
    inside.switch(root);
}

#[test]
fn a_restored_directory_can_be_renamed_linked_and_deleted() {
    let machine = Machine::new();
    let cache = cache(&machine, "cache");
    let mut inside = machine.start("a");
    // A step: deletes, creates, renames a directory of the image (EXDEV without redirect_dir).
    inside.output(
        "rm /etc/a && echo new > /etc/c && mv /root/dep/own /root/dep/own2 && echo mine > /root/dep/mine",
    );

    switch(&mut inside, std::slice::from_ref(&cache));

    assert_eq!(
        inside.output("ls /etc | tr '\\n' ' '"),
        "b c hostname hosts passwd resolv.conf"
    );
    assert_eq!(
        inside.output("ls /root/dep | tr '\\n' ' '"),
        "hard link mine own2 pkg"
    );
    assert_eq!(
        inside.output("cat /root/dep/own2/f /root/dep/mine /root/dep/link"),
        "o\nmine\ncache 1"
    );
    assert_eq!(
        inside.output("stat -c %u /root/dep/pkg/f1"),
        "0",
        "ids of the cache are shifted into the range"
    );
    // No mount point at the path: all of this fails with EBUSY otherwise.
    assert!(!inside.output("cat /proc/self/mountinfo").contains("/root"));
    inside.output("mv /root/dep /root/dep3 && mv /root/dep3/pkg /root/pkg && ln /root/pkg/f5 /root/five");
    assert_eq!(
        inside.output("echo more >> /root/pkg/f5 && cat /root/five && ls /root/pkg | wc -l"),
        "cache 5\nmore\n200"
    );
    inside.output("rm -rf /root/dep3 /root/pkg /root/five && mkdir /root/dep && rmdir /root/dep");
    assert_eq!(inside.output("ls -A /root | wc -l"), "0");
    assert_eq!(
        fs::read_to_string(cache.path.join("root/dep/pkg/f5")).expect("the cache"),
        "cache 5\n"
    );
}

#[test]
fn every_state_before_survives_several_switches() {
    let machine = Machine::new();
    let (one, two) = (cache(&machine, "one"), cache(&machine, "two"));
    let mut inside = machine.start("a");
    for (number, layers) in [vec![one], vec![two], vec![], vec![]].iter().enumerate() {
        inside.output(&format!(
            "mv /etc/b /etc/b2 && mv /etc/b2 /etc/b && echo {number} > /root/step{number}"
        ));
        switch(&mut inside, layers);
    }
    assert_eq!(inside.output("cat /root/step*"), "0\n1\n2\n3");
    assert_eq!(
        inside.output("cat /etc/b /root/dep/pkg/f7"),
        "b\ntwo 7",
        "the later restore lies above the earlier one"
    );
    inside.output("rm -rf /root/dep && test ! -e /root/dep");
    // A file the job wrote before a restore stays above it.
    assert!(inside.sandbox.stat_in_root("/root/step0").is_ok());
    inside.sandbox.destroy().expect("a clean end");
    assert!(!machine.work_dir().join("a").exists());
}

#[test]
fn the_kernels_file_systems_and_the_helper_come_along() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    inside.output("touch /run/airlock/sock /dev/shm/kept");
    switch(&mut inside, &[]);
    assert!(inside.succeeds("test -e /run/airlock/sock && test -e /dev/shm/kept && test -c /dev/pts/ptmx"));
    assert!(inside.succeeds("/run/airlock/bin/airlock-task true || test -x /run/airlock/bin/circleci"));
    assert!(!inside.succeeds("touch /run/airlock/bin/x"));
    assert!(
        inside
            .sh("echo 1 > /proc/sys/kernel/randomize_va_space")
            .err
            .contains("Read-only")
    );
    assert_eq!(
        inside.output("cat /proc/keys | wc -c; ls /run/airlock | tr '\\n' ' '"),
        "0\nbin sock"
    );
    assert_eq!(
        inside.output("ls -d /proc/self/root/run/airlock/.root 2>&1 | grep -c No"),
        "1"
    );
}

#[test]
fn a_background_process_keeps_its_files_and_sees_the_new_root() {
    let machine = Machine::new();
    let cache = cache(&machine, "cache");
    let mut inside = machine.start("a");
    let script = "cd /root/dep/own; exec 9< /etc/b; mkfifo /run/airlock/go /run/airlock/said; read x < /run/airlock/go; \
                  { cat <&9; cat f; ls /root/dep | wc -l; } > /run/airlock/said";
    inside.background(script);
    inside.output("until test -p /run/airlock/said; do sleep 0.01; done");
    switch(&mut inside, &[cache]);
    // Its open file and working directory are of the old root, names are looked up in the new one: own, pkg, link, hard.
    assert_eq!(
        inside.output("echo > /run/airlock/go; cat /run/airlock/said"),
        "b\no\n4"
    );
}

#[test]
fn a_root_that_cannot_be_assembled_changes_nothing() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    inside.output("echo kept > /root/kept");
    let absent = Layer {
        path: PathBuf::from("/nowhere/at/all"),
        ids: LayerIds::Image,
    };
    let error = inside
        .sandbox
        .assemble_root(&[absent])
        .expect_err("no such layer");
    assert!(
        error.to_string().contains("opening layer /nowhere/at/all"),
        "{error}"
    );
    switch(&mut inside, &[]);
    assert_eq!(inside.output("cat /root/kept"), "kept");
}
