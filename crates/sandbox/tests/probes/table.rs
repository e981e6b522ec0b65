//! The probes, as data. `@NAME@` in a script stands for a place of the scene.

use std::fmt;

/// A way to try.
#[derive(Debug)]
pub(super) enum Attempt {
    /// A shell script: it succeeds if it exits with 0.
    Sh(&'static str),
    /// A system call: it succeeds if the kernel does it, or looks at its arguments and refuses those.
    Call(&'static [i64]),
}

/// Where the same attempt must succeed.
#[derive(Debug)]
pub(super) enum Off {
    /// In the same sandbox without the last fence: all capabilities over the sandbox, no filter.
    Unfenced,
    /// The same, after something that only works there, such as taking a lid off.
    UnfencedAfter(&'static str),
    /// Outside of any sandbox.
    OnTheHost,
    /// Outside, in other words because paths or numbers differ.
    OnTheHostAs(&'static str),
    /// In the step, against what is its own.
    OnItsOwn(Attempt),
    /// In the other sandbox, by the one it belongs to.
    AtTheNeighbours(&'static str),
}

impl fmt::Display for Off {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unfenced => "without capability limits and filter",
            Self::UnfencedAfter(_) => "the same, after the lid is taken off",
            Self::OnTheHost | Self::OnTheHostAs(_) => "on the host",
            Self::OnItsOwn(_) => "against the job's own",
            Self::AtTheNeighbours(_) => "by the neighbour itself",
        })
    }
}

/// One row.
#[derive(Debug)]
pub(super) struct Probe {
    pub(super) group: &'static str,
    pub(super) name: &'static str,
    pub(super) attempt: Attempt,
    pub(super) off: Off,
}

/// Stands in a call for the number of a process of the job's own.
pub(super) const OWN: i64 = i64::MIN;

const fn call(group: &'static str, name: &'static str, call: &'static [i64], off: Off) -> Probe {
    Probe {
        group,
        name,
        attempt: Attempt::Call(call),
        off,
    }
}

const fn sh(group: &'static str, name: &'static str, script: &'static str, off: Off) -> Probe {
    Probe {
        group,
        name,
        attempt: Attempt::Sh(script),
        off,
    }
}

const KERNEL: &str = "Calls into the kernel's rarely used parts";
const MOUNT: &str = "Mounting";
const CAPS: &str = "Rights over the sandbox that a step does not have";
const MACHINE: &str = "Settings of the machine";
const LIDS: &str = "Files of the kernel";
const PROCESSES: &str = "Other processes";
const FILES: &str = "Files outside";
const IDS: &str = "Ids and device nodes";
const NETWORK: &str = "Network and messages";
const NAMESPACES: &str = "Ways out through namespaces of one's own";
const OURS: &str = "What belongs to Airlock inside the sandbox";

use Off::{AtTheNeighbours, OnItsOwn, OnTheHost, OnTheHostAs, Unfenced, UnfencedAfter};

pub(super) const PROBES: &[Probe] = &[
    call(
        KERNEL,
        "read the session keyring",
        &[libc::SYS_keyctl, 0, -3, 0],
        Unfenced,
    ),
    call(KERNEL, "add a key", &[libc::SYS_add_key, 0, 0, 0], Unfenced),
    call(
        KERNEL,
        "ask for a key",
        &[libc::SYS_request_key, 0, 0, 0],
        Unfenced,
    ),
    call(
        KERNEL,
        "io_uring: set up",
        &[libc::SYS_io_uring_setup, 8, 0],
        Unfenced,
    ),
    call(
        KERNEL,
        "io_uring: enter",
        &[libc::SYS_io_uring_enter, -1, 0, 0, 0],
        Unfenced,
    ),
    call(
        KERNEL,
        "io_uring: register",
        &[libc::SYS_io_uring_register, -1, 0, 0, 0],
        Unfenced,
    ),
    call(
        KERNEL,
        "load a BPF program",
        &[libc::SYS_bpf, 9999, 0, 0],
        OnTheHost,
    ),
    call(
        KERNEL,
        "watch performance counters",
        &[libc::SYS_perf_event_open, 0, 0, -1, -1],
        Unfenced,
    ),
    call(
        KERNEL,
        "handle page faults of the kernel",
        &[libc::SYS_userfaultfd, 1],
        Unfenced,
    ),
    call(
        KERNEL,
        "watch whole file systems",
        &[libc::SYS_fanotify_init, 0, 0],
        OnTheHost,
    ),
    call(
        KERNEL,
        "open a file by its inode number",
        &[libc::SYS_open_by_handle_at, -1, 0, 0],
        OnTheHost,
    ),
    call(
        KERNEL,
        "a socket into the kernel's cryptography",
        &[libc::SYS_socket, 38, 5, 0],
        Unfenced,
    ),
    call(
        KERNEL,
        "the same, with the family disguised",
        &[libc::SYS_socket, 0x1_0000_0026, 5, 0],
        Unfenced,
    ),
    call(
        KERNEL,
        "a socket to the hypervisor",
        &[libc::SYS_socket, 40, 1, 0],
        Unfenced,
    ),
    call(
        KERNEL,
        "move memory between nodes",
        &[libc::SYS_move_pages, 0, 0, 0, 0, 0],
        OnTheHost,
    ),
    call(
        KERNEL,
        "set a disk quota",
        &[libc::SYS_quotactl, 0, 0, 0, 0],
        OnTheHost,
    ),
    call(MOUNT, "mount", &[libc::SYS_mount, 0, 0, 0, 0, 0], Unfenced),
    call(MOUNT, "unmount", &[libc::SYS_umount2, 0, 0], Unfenced),
    call(
        MOUNT,
        "change the root mount",
        &[libc::SYS_pivot_root, 0, 0],
        Unfenced,
    ),
    call(MOUNT, "open a file system", &[libc::SYS_fsopen, 0, 0], Unfenced),
    call(
        MOUNT,
        "configure a file system",
        &[libc::SYS_fsconfig, -1, 0, 0, 0, 0],
        OnTheHost,
    ),
    call(
        MOUNT,
        "make a mount of it",
        &[libc::SYS_fsmount, -1, 0, 0],
        Unfenced,
    ),
    call(
        MOUNT,
        "pick a mounted file system",
        &[libc::SYS_fspick, -1, 0, 0],
        Unfenced,
    ),
    call(
        MOUNT,
        "copy a tree of mounts",
        &[libc::SYS_open_tree, -1, 0, 1],
        Unfenced,
    ),
    call(
        MOUNT,
        "attach a mount",
        &[libc::SYS_move_mount, -1, 0, -1, 0, 0],
        Unfenced,
    ),
    call(
        MOUNT,
        "change the attributes of a mount",
        &[libc::SYS_mount_setattr, -1, 0, 0, 0, 0],
        OnTheHost,
    ),
    sh(
        MOUNT,
        "a file system in memory",
        "mkdir -p /tmp/m && mount -t tmpfs t /tmp/m && umount /tmp/m",
        Unfenced,
    ),
    sh(
        MOUNT,
        "a directory at another place",
        "mkdir -p /tmp/b && mount -o bind /etc /tmp/b && umount /tmp/b",
        Unfenced,
    ),
    sh(CAPS, "rename the machine", "hostname job-was-here", Unfenced),
    sh(
        CAPS,
        "add a network device",
        "ip link add probe0 type veth peer name probe1 && ip link del probe0",
        Unfenced,
    ),
    sh(
        CAPS,
        "take loopback down",
        "ip link set lo down && ip link set lo up",
        Unfenced,
    ),
    sh(
        CAPS,
        "take another address",
        "ip addr add 198.51.100.7/32 dev lo && ip addr del 198.51.100.7/32 dev lo",
        Unfenced,
    ),
    sh(CAPS, "a larger core file", "ulimit -c unlimited", Unfenced),
    call(
        MACHINE,
        "set the clock",
        &[libc::SYS_clock_settime, 0, 0],
        OnTheHost,
    ),
    call(
        MACHINE,
        "set the time of day",
        &[libc::SYS_settimeofday, 0, 0],
        OnTheHost,
    ),
    call(
        MACHINE,
        "restart the machine",
        &[libc::SYS_reboot, 0, 0, 0, 0],
        OnTheHost,
    ),
    call(MACHINE, "use a swap file", &[libc::SYS_swapon, 0, 0], OnTheHost),
    call(MACHINE, "give a swap file up", &[libc::SYS_swapoff, 0], OnTheHost),
    call(
        MACHINE,
        "read the kernel's log",
        &[libc::SYS_syslog, 10, 0, 0],
        OnTheHost,
    ),
    sh(
        MACHINE,
        "precedence over all other processes",
        "nice -n -5 true",
        OnTheHostAs("nice -n -5 true"),
    ),
    sh(MACHINE, "open the kernel's log", "test -e /dev/kmsg", OnTheHost),
    sh(
        MACHINE,
        "see the machine's disks",
        "ls /dev | grep -qE '^(vd|sd|nvme|loop)'",
        OnTheHost,
    ),
    sh(
        MACHINE,
        "see the control groups",
        "test -n \"$(ls /sys/fs/cgroup)\"",
        OnTheHost,
    ),
    sh(
        LIDS,
        "read the interrupts of the machine",
        "test -n \"$(head -c 1 /proc/interrupts)\"",
        UnfencedAfter("umount /proc/interrupts"),
    ),
    sh(
        LIDS,
        "read the keys of others",
        "cat /proc/keys | cat > /dev/null && test -r /proc/keys && ! test -c /proc/keys",
        UnfencedAfter("umount /proc/keys"),
    ),
    sh(
        LIDS,
        "look at timers",
        "test -e /proc/timer_list && ! test -c /proc/timer_list",
        UnfencedAfter("umount /proc/timer_list"),
    ),
    sh(
        LIDS,
        "look at the firmware",
        "test -n \"$(ls /sys/firmware)\"",
        UnfencedAfter("umount /sys/firmware"),
    ),
    sh(
        LIDS,
        "change a setting of the kernel",
        "echo 63 > /proc/sys/net/ipv4/ip_default_ttl",
        UnfencedAfter("umount /proc/sys"),
    ),
    sh(
        LIDS,
        "where core dumps go",
        "echo '|/tmp/x' > /proc/sys/kernel/core_pattern",
        OnTheHostAs("p=$(cat /proc/sys/kernel/core_pattern) && echo \"$p\" > /proc/sys/kernel/core_pattern"),
    ),
    sh(
        PROCESSES,
        "trace process 1",
        "cat /proc/1/syscall",
        OnItsOwn(Attempt::Sh("cat /proc/@OWN@/syscall")),
    ),
    call(
        PROCESSES,
        "attach to process 1",
        &[libc::SYS_ptrace, 16, 1, 0, 0],
        OnItsOwn(Attempt::Call(&[libc::SYS_ptrace, 16, OWN, 0, 0])),
    ),
    sh(
        PROCESSES,
        "read the memory map of process 1",
        "cat /proc/1/maps | grep -q .",
        OnItsOwn(Attempt::Sh("cat /proc/@OWN@/maps | grep -q .")),
    ),
    sh(
        PROCESSES,
        "read the environment of process 1",
        "cat /proc/1/environ",
        OnItsOwn(Attempt::Sh("cat /proc/@OWN@/environ")),
    ),
    sh(
        PROCESSES,
        "list the descriptors of process 1",
        "ls /proc/1/fd/",
        OnItsOwn(Attempt::Sh("ls /proc/@OWN@/fd/")),
    ),
    sh(
        PROCESSES,
        "go through the root of process 1",
        "ls /proc/1/root/",
        OnItsOwn(Attempt::Sh("ls /proc/@OWN@/root/")),
    ),
    sh(
        PROCESSES,
        "see a process of the host",
        "ps -o args | grep -v grep | grep -q 'sleep 1000'",
        OnTheHostAs("tr '\\0' ' ' < /proc/@HOSTPID@/cmdline | grep -q 'sleep 1000'"),
    ),
    sh(
        PROCESSES,
        "see a process of the neighbour",
        "ps -o args | grep -v grep | grep -q 'sleep 2000'",
        AtTheNeighbours("ps -o args | grep -v grep | grep -q 'sleep 2000'"),
    ),
    sh(
        PROCESSES,
        "signal a process of the host",
        "kill -0 @HOSTPID@",
        OnTheHost,
    ),
    sh(
        PROCESSES,
        "signal the neighbour by its number on the host",
        "kill -0 @NEIGHBOUR@",
        OnTheHost,
    ),
    sh(
        FILES,
        "read a file of the host by its path",
        "cat @SECRET@",
        OnTheHost,
    ),
    sh(
        FILES,
        "read it by climbing",
        "cat /../../../..@SECRET@",
        OnTheHost,
    ),
    sh(
        FILES,
        "read it by a link",
        "ln -sf @SECRET@ /tmp/l && cat /tmp/l",
        OnTheHostAs("ln -sf @SECRET@ @SCRATCH@/l && cat @SCRATCH@/l"),
    ),
    sh(
        FILES,
        "read it by a root of one's own",
        "mkdir -p /tmp/r && cd / && chroot /tmp/r /bin/true 2>/dev/null; cat ../../..@SECRET@",
        OnTheHost,
    ),
    sh(
        FILES,
        "read what the neighbour wrote",
        "cat @UPPER@/root/theirs",
        OnTheHost,
    ),
    sh(
        FILES,
        "the same by its name inside",
        "cat /root/theirs",
        AtTheNeighbours("cat /root/theirs"),
    ),
    sh(
        FILES,
        "read the neighbour's shared memory",
        "cat /dev/shm/theirs",
        AtTheNeighbours("cat /dev/shm/theirs"),
    ),
    sh(
        FILES,
        "change the image on the disk",
        "echo x > @IMAGE@/probe",
        OnTheHost,
    ),
    sh(
        IDS,
        "give a file to an id of the host",
        "touch /tmp/f && chown 70000 /tmp/f",
        OnTheHostAs("touch @SCRATCH@/f && chown 70000 @SCRATCH@/f"),
    ),
    sh(
        IDS,
        "make a node of a disk",
        "mknod /tmp/disk b 254 0",
        OnTheHostAs("mknod @SCRATCH@/disk b 254 0"),
    ),
    sh(
        IDS,
        "make a node of the kernel's memory",
        "mknod /tmp/mem c 1 1",
        OnTheHostAs("mknod @SCRATCH@/mem c 1 1"),
    ),
    sh(
        IDS,
        "use a device node of the image",
        "head -c 1 /node | grep -q .; test \"$(head -c 4 /node | wc -c)\" = 4",
        OnTheHostAs("test \"$(head -c 4 @IMAGE@/node | wc -c)\" = 4"),
    ),
    sh(
        NETWORK,
        "reach a port of the host's loopback",
        "nc -w 2 127.0.0.1 @PORT@ < /dev/null",
        OnTheHost,
    ),
    sh(
        NETWORK,
        "see the host's sockets",
        "grep -qi \":$(printf %04X @PORT@) \" /proc/net/tcp",
        OnTheHost,
    ),
    sh(
        NETWORK,
        "see the host's devices",
        "ls /sys/class/net | grep -qv '^lo$'",
        OnTheHost,
    ),
    sh(
        NAMESPACES,
        "mount in namespaces of one's own",
        "mkdir -p /tmp/n && unshare -U -r -m mount -t tmpfs t /tmp/n",
        Unfenced,
    ),
    sh(
        NAMESPACES,
        "read the namespaces of process 1",
        "readlink /proc/1/ns/mnt | grep -q .",
        OnItsOwn(Attempt::Sh("readlink /proc/@OWN@/ns/mnt | grep -q .")),
    ),
    sh(
        OURS,
        "replace the helper",
        "echo evil > /run/airlock/bin/airlock-task",
        OnTheHostAs("echo evil > @SCRATCH@/helper"),
    ),
    sh(
        OURS,
        "put a program beside it",
        "echo x > /run/airlock/bin/git",
        UnfencedAfter("umount -l /run/airlock/bin"),
    ),
    sh(
        OURS,
        "move the directory away",
        "mv /run/airlock/bin /run/airlock/away",
        UnfencedAfter("{ umount -l /run/airlock/bin || true; }"),
    ),
    sh(
        OURS,
        "end process 1",
        "kill -9 1; ! test -d /proc/1",
        OnItsOwn(Attempt::Sh(
            "sleep 100 & p=$!; kill -9 $p; wait $p 2>/dev/null; ! test -d /proc/$p",
        )),
    ),
];
