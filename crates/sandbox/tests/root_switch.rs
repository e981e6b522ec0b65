//! The root switch between steps: a restored directory becomes a layer below what the job wrote, without a mount point
//! at its path, inside a user namespace, with id-mapped image and cache layers. Everything is done with roots assembled
//! by descriptor, where the kernel can, and by path.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use airlock_sandbox::{Assembly, Layer, LayerIds};

use crate::support::{Inside, Machine, can};

macro_rules! in_both_ways {
    ($($name:ident),* $(,)?) => {
        mod by_descriptor {
            $(#[test]
            fn $name() {
                if super::can(super::Assembly::Descriptors) {
                    super::$name(super::Assembly::Descriptors);
                }
            })*
        }
        mod by_path {
            $(#[test]
            fn $name() {
                super::$name(super::Assembly::Paths);
            })*
        }
    };
}

in_both_ways! {
    a_restored_directory_can_be_renamed_linked_and_deleted,
    every_state_before_survives_several_switches,
    the_kernels_file_systems_and_the_helper_come_along,
    a_background_process_keeps_its_files_and_sees_the_new_root,
    a_root_that_cannot_be_assembled_changes_nothing,
    a_start_and_an_end_leave_nothing,
    layers_may_have_any_name_and_be_many,
}

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

fn a_restored_directory_can_be_renamed_linked_and_deleted(assembly: Assembly) {
    let machine = Machine::with_assembly(assembly);
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

fn every_state_before_survives_several_switches(assembly: Assembly) {
    let machine = Machine::with_assembly(assembly);
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

fn the_kernels_file_systems_and_the_helper_come_along(assembly: Assembly) {
    let machine = Machine::with_assembly(assembly);
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

fn a_background_process_keeps_its_files_and_sees_the_new_root(assembly: Assembly) {
    let machine = Machine::with_assembly(assembly);
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

fn a_root_that_cannot_be_assembled_changes_nothing(assembly: Assembly) {
    let machine = Machine::with_assembly(assembly);
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

fn a_start_and_an_end_leave_nothing(assembly: Assembly) {
    let machine = Machine::with_assembly(assembly);
    assert_eq!(machine.launcher().assembly(), assembly);
    let mut inside = machine.start("a");
    let own = inside
        .output("echo new > /etc/a && cat /etc/a /etc/b && stat -c %u /etc/b && cat /proc/self/mountinfo");
    assert!(own.starts_with("new\nb\n0\n"), "{own}");
    // A device node in an image opens no device, whoever assembled the root.
    let line = own.lines().find(|line| line.contains(" / / ")).expect("the root");
    assert!(line.contains("nodev") && line.contains("volatile"), "{line}");
    switch(&mut inside, &[]);
    inside.sandbox.destroy().expect("a clean end");
    assert!(!machine.work_dir().join("a").exists());
    assert_eq!(
        fs::read_to_string(machine.image().join("etc/a")).expect("the image's file"),
        "a\n"
    );
}

fn layers_may_have_any_name_and_be_many(assembly: Assembly) {
    let machine = Machine::with_assembly(assembly);
    // What separates options and layers, and more than one option of the newer calls may be long.
    let odd = machine.path().join(format!("a:b,c\\d e\"{}", "x".repeat(200)));
    fs::create_dir(&odd).expect("a directory");
    let layers: Vec<Layer> = (0..300)
        .map(|number| {
            let path = odd.join(format!("::,upperdir=x,{number}\\"));
            fs::create_dir(&path).expect("a layer");
            fs::write(path.join(format!("file{number}")), number.to_string()).expect("a file");
            fs::write(path.join("top"), number.to_string()).expect("a file");
            Layer {
                path,
                ids: LayerIds::Image,
            }
        })
        .collect();
    let image = odd.join("image");
    fs::rename(machine.image(), &image).expect("the image at another place");
    let mut inside = machine.start_with("a", |spec| spec.layers = vec![image]);
    switch(&mut inside, &layers);
    assert_eq!(
        inside.output("cat /file0 /file299 /top; ls / | grep -c file"),
        "02990300"
    );
}

/// The mounts that a process sees below a directory.
fn mounts_below(process: &str, directory: &Path) -> usize {
    let table = fs::read_to_string(format!("/proc/{process}/mountinfo")).expect("the mount table");
    let directory = directory.to_str().expect("text");
    table.lines().filter(|line| line.contains(directory)).count()
}

#[test]
fn attached_layers_are_in_the_zygotes_mount_table_and_in_no_other() {
    let machine = Machine::with_assembly(Assembly::Paths);
    let mut inside = machine.start("a");
    let status = fs::read_to_string(format!("/proc/{}/status", inside.sandbox.pid())).expect("its status");
    let zygote = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:\t"))
        .expect("a parent");
    let namespace = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).expect("a namespace");
    assert_ne!(namespace(zygote), namespace("self"));
    let state = machine.state_dir();
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // The control: it is there to be seen, again and again, and not from here.
            for _ in 0..20 {
                while mounts_below(zygote, &state) == 0 {}
                assert_eq!(mounts_below("self", &state), 0);
            }
            enough.store(true, Ordering::Relaxed);
        });
        let mut number = 0;
        while !enough.load(Ordering::Relaxed) {
            inside.sandbox.assemble_root(&[]).expect("a root");
            number += 1;
            if number % 300 == 0 {
                inside = machine.start(&format!("a{number}"));
            }
        }
    });
    assert_eq!(mounts_below(zygote, &state), 0, "nothing stays attached");
}

/// Switches one sandbox goes through: more than any job has steps.
const SWITCHES: usize = 200;

#[test]
fn two_hundred_switches_keep_everything_and_leave_one_root() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    let server = inside.background("cd /root && exec sleep 1000");
    let before = inside.output("wc -l < /proc/self/mountinfo");
    for number in 1..=SWITCHES {
        inside.output(&format!(
            "echo {number} >> /root/log && mv /etc/b /etc/c && mv /etc/c /etc/b"
        ));
        switch(&mut inside, &[]);
    }
    assert_eq!(
        inside.output("wc -l < /root/log; tail -n 1 /root/log; cat /etc/b"),
        "200\n200\nb"
    );
    // A process of the first step still runs, and the roots in between hang on nothing.
    assert!(inside.succeeds(&format!("kill -0 {server}")));
    assert_eq!(inside.output("wc -l < /proc/self/mountinfo"), before);
    inside.sandbox.destroy().expect("a clean end");
    assert!(!machine.work_dir().join("a").exists());
}

#[test]
fn two_restores_that_overlap_are_one_tree_the_later_on_top() {
    let machine = Machine::new();
    let (one, two) = (cache(&machine, "one"), cache(&machine, "two"));
    fs::remove_file(two.path.join("root/dep/pkg/f3")).expect("a file less");
    fs::create_dir_all(two.path.join("root/dep/pkg/deep/er")).expect("a directory more");
    let mut inside = machine.start("a");
    switch(&mut inside, std::slice::from_ref(&one));
    inside.output("rm /root/dep/pkg/f9 && ln /root/dep/pkg/f8 /root/eight");
    switch(&mut inside, &[two]);
    assert_eq!(
        inside.output("cat /root/dep/pkg/f3 /root/dep/pkg/f4 /root/dep/pkg/f9 /root/eight"),
        "one 3\ntwo 4\ntwo 9\none 8"
    );
    // Across both: rename, link, delete.
    inside.output("mv /root/dep/pkg/deep /root/deep && ln /root/dep/pkg/f4 /root/four && echo x >> /root/four && rm -rf /root/dep");
    assert_eq!(
        inside.output("cat /root/four; ls /root | tr '\\n' ' '"),
        "two 4\nx\ndeep eight four"
    );
}

#[test]
fn a_tree_as_a_package_manager_replaces_it() {
    let machine = Machine::new();
    let cache = cache(&machine, "cache");
    let mut inside = machine.start("a");
    switch(&mut inside, std::slice::from_ref(&cache));
    // What `npm ci` does: delete all, write all again next to it, move it in place, make executable links.
    inside.output(
        "cd /root && rm -rf dep && mkdir .staging && for i in 1 2 3 4 5 6 7 8 9; do mkdir -p .staging/p$i/bin && echo $i > \
         .staging/p$i/bin/run && chmod 755 .staging/p$i/bin/run; done && mkdir -p dep/.bin && for i in 1 2 3 4 5 6 7 8 9; do mv \
         .staging/p$i dep/p$i && ln -s ../p$i/bin/run dep/.bin/p$i; done && rmdir .staging",
    );
    switch(&mut inside, &[]);
    assert_eq!(
        inside.output("cat /root/dep/.bin/p7; ls -A /root/dep | wc -l; test -e /root/dep/pkg || echo gone"),
        "7\n10\ngone"
    );
}
