//! What of the assembly by path can be seen by whom, and the texts it is made of. Whole roots are tested in `tests/`.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::process::Pid;
use rustix::thread::{UnshareFlags, gettid, unshare_unsafe};

use super::paths::{Stage, assemble, options};
use super::{Stack, UPPER, WORK};
use crate::limits::MAX_LAYERS;
use crate::root;
use crate::spec::{Layer, LayerIds};

/// The smallest page of any architecture: what the kernel takes as options, with the zero byte at the end.
const PAGE: usize = 4096;

#[test]
fn options_name_layers_top_first() {
    assert_eq!(
        options(3).to_str().expect("text"),
        "lowerdir=0:1:2,upperdir=w/upper,workdir=w/work,redirect_dir=on,index=off,metacopy=off,xino=auto,volatile"
    );
}

#[test]
fn options_for_the_most_layers_fit() {
    assert!(options(MAX_LAYERS).as_bytes_with_nul().len() <= PAGE);
}

/// Runs a closure in a thread of its own, which may go and live in another mount namespace.
fn in_a_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| scope.spawn(run).join().expect("no panic"))
}

/// How many lines of a thread's mount table have the path in them.
fn mounts(thread: Pid, path: &Path) -> usize {
    let table = format!("/proc/self/task/{}/mountinfo", thread.as_raw_nonzero());
    let table = fs::read_to_string(table).expect("the mount table");
    let path = path.to_str().expect("text");
    table.lines().filter(|line| line.contains(path)).count()
}

#[test]
fn a_stage_is_in_no_mount_table_but_that_of_its_namespace() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let point = directory.path();
    let put_up = || {
        let stage = Stage::put_up(point).expect("a stage");
        let tree = root::clone_tree("/proc", false).expect("a mount");
        stage.attach(&tree, "0", Path::new("/proc")).expect("attached");
        assert_eq!(
            mounts(gettid(), point),
            2,
            "stage and layer are where they were put"
        );
        stage
    };
    in_a_thread(|| {
        // A host as systemd sets it up: what is mounted anywhere is mounted everywhere.
        root::leave_mount_namespace().expect("a mount namespace");
        let shared = MountPropagationFlags::SHARED | MountPropagationFlags::REC;
        mount_change("/", shared).expect("shared mounts");
        let host = gettid();

        // The controls: in the host's namespace, and in one that still shares with it, the host sees the stage.
        let stage = put_up();
        assert_eq!(mounts(host, point), 2);
        drop(stage);
        assert_eq!(mounts(host, point), 0, "it goes as a whole");
        in_a_thread(|| {
            // SAFETY: unshares no memory and no descriptors.
            unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.expect("a mount namespace");
            let stage = put_up();
            assert_eq!(mounts(host, point), 2);
            drop(stage);
        });
        assert_eq!(mounts(host, point), 0);

        in_a_thread(|| {
            root::leave_mount_namespace().expect("a mount namespace");
            let stage = put_up();
            assert_eq!(mounts(host, point), 0);
            drop(stage);
        });
        assert_eq!(mounts(host, point), 0);
    });
}

#[test]
fn an_assembly_by_path_leaves_nothing_attached_whether_it_fails_or_not() {
    // On a disk: overlayfs does not take every file system for a writable layer.
    let directory = tempfile::tempdir_in("/var/tmp").expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    for name in [
        "stage",
        "layer",
        "gone",
        &format!("writable/{UPPER}"),
        &format!("writable/{WORK}"),
    ] {
        fs::create_dir_all(path(name)).expect("a directory");
    }
    fs::write(path("layer/file"), "content").expect("a file");
    let userns = File::open("/proc/self/ns/user").expect("a user namespace");
    let layers = ["layer", "gone"].map(|name| Layer {
        path: path(name),
        ids: LayerIds::Own,
    });
    let writable = path("writable");
    let stack = Stack {
        layers: &layers,
        writable: &writable,
        disk: None,
    };
    in_a_thread(|| {
        root::leave_mount_namespace().expect("a mount namespace");
        let mount = assemble(&path("stage"), &stack, userns.as_fd()).expect("a root");
        assert_eq!(mounts(gettid(), &path("stage")), 0);
        let file = rustix::fs::openat(
            &mount,
            "file",
            rustix::fs::OFlags::RDONLY,
            rustix::fs::Mode::empty(),
        );
        assert_eq!(
            std::io::read_to_string(File::from(file.expect("the file"))).expect("text"),
            "content"
        );

        fs::remove_dir(path("gone")).expect("removed");
        let failure = assemble(&path("stage"), &stack, userns.as_fd()).expect_err("no such layer");
        assert!(failure.doing.contains("opening layer"), "{failure:?}");
        assert_eq!(mounts(gettid(), &path("stage")), 0);
        assert_eq!(std::env::current_dir().expect("a directory"), Path::new("/"));
    });
}
