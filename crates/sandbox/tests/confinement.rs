//! What a step may not do, against the same without the fence.

use airlock_sandbox::SeccompProfile;
use rustix::io::Errno;

use crate::support::Machine;

const EPERM: i64 = 1;
const ENOSYS: i64 = 38;

#[test]
fn a_step_has_twelve_capabilities_and_cannot_regain_others() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, SETFCAP
    let docker_less_two = "00000000800425fb".to_owned();
    let status = inside.output("cat /proc/self/status");
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert!(
            status.contains(&format!("{set}:\t{docker_less_two}")),
            "{set}: {status}"
        );
    }
    for set in ["CapInh", "CapAmb"] {
        assert!(
            status.contains(&format!("{set}:\t0000000000000000")),
            "{set}: {status}"
        );
    }
    assert!(
        status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t0"),
        "{status}"
    );
    assert!(
        inside
            .unconfined("cat /proc/self/status")
            .out
            .contains("Seccomp:\t0"),
        "the control"
    );
}

#[test]
fn mounting_is_denied() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    let attack = "mkdir -p /tmp/m && mount -t tmpfs t /tmp/m";
    assert_eq!(inside.unconfined(attack).code, Some(0), "the control");
    assert_ne!(inside.sh(attack).code, Some(0));
    assert_ne!(inside.sh("umount /proc/kcore").code, Some(0));
    // In namespaces of its own, which it may make, the filter still denies it.
    let nested = format!("unshare -U -r -m sh -c '{}'", attack.replace("/tmp/m", "/tmp/n"));
    let control = inside.unconfined(&nested);
    assert_eq!(control.code, Some(0), "the control: {control:?}");
    assert_eq!(inside.sh("unshare -U -r true").code, Some(0));
    assert_ne!(inside.sh(&nested).code, Some(0));
}

#[test]
fn denied_system_calls_fail_and_succeed_without_the_filter() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    let get_persistent = [libc::SYS_keyctl, 0, -3, 0]; // KEYCTL_GET_KEYRING_ID of the session keyring
    let af_alg = [libc::SYS_socket, 38, libc::SOCK_SEQPACKET.into(), 0];
    let disguised = [libc::SYS_socket, 0x1_0000_0026, libc::SOCK_SEQPACKET.into(), 0];
    let vsock = [libc::SYS_socket, 40, libc::SOCK_STREAM.into(), 0];
    assert_eq!(inside.syscall(false, &get_persistent), 0, "the control of keyctl");
    assert_eq!(inside.syscall(true, &get_persistent), EPERM, "keyctl");
    for (name, call) in [
        ("AF_ALG", &af_alg),
        ("AF_ALG in disguise", &disguised),
        ("AF_VSOCK", &vsock),
    ] {
        // Not every kernel has these families; then it says so itself.
        let control = inside.syscall(false, call);
        assert!(
            [0, Errno::AFNOSUPPORT.raw_os_error().into()].contains(&control),
            "the control of {name}: {control}"
        );
        assert_eq!(inside.syscall(true, call), EPERM, "{name}");
    }
    // Null pointers: EFAULT is the kernel looking at the argument, EPERM the filter before it.
    for (name, call) in [
        ("io_uring_setup", [libc::SYS_io_uring_setup, 8, 0, 0]),
        ("add_key", [libc::SYS_add_key, 0, 0, 0]),
        ("mount", [libc::SYS_mount, 0, 0, 0]),
    ] {
        assert_eq!(
            inside.syscall(false, &call),
            i64::from(Errno::FAULT.raw_os_error()),
            "the control of {name}"
        );
        assert_eq!(inside.syscall(true, &call), EPERM, "{name}");
    }
    assert_eq!(
        inside.syscall(false, &[libc::SYS_clone3, 0, 0]),
        i64::from(Errno::INVAL.raw_os_error()),
        "the control"
    );
    assert_eq!(inside.syscall(true, &[libc::SYS_clone3, 0, 0]), ENOSYS);
    assert_eq!(inside.syscall(true, &[100_000]), ENOSYS);
}

#[test]
fn every_known_number_is_answered_as_the_table_says() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    // With impossible arguments in all places: what is denied answers EPERM, what is allowed anything else.
    for (name, number) in [
        ("bpf", libc::SYS_bpf),
        ("pivot_root", libc::SYS_pivot_root),
        ("swapon", libc::SYS_swapon),
        ("kexec", libc::SYS_kexec_load),
    ] {
        assert_eq!(
            inside.syscall(true, &[number, -1, -1, -1, -1, -1]),
            EPERM,
            "{name}"
        );
    }
    for (name, number, answer) in [
        ("read", libc::SYS_read, Errno::BADF),
        ("openat2", libc::SYS_openat2, Errno::TOOBIG),
        ("capset", libc::SYS_capset, Errno::FAULT),
    ] {
        let got = inside.syscall(true, &[number, -1, -1, -1, -1, -1]);
        assert_eq!(got, i64::from(answer.raw_os_error()), "{name}");
    }
    // The kernel is asked, even one that has never heard of it.
    let newer = [libc::SYS_fchmodat2, -1, -1, -1, -1, -1];
    let known = [i64::from(Errno::INVAL.raw_os_error()), ENOSYS];
    assert!(known.contains(&inside.syscall(false, &newer)), "the control");
    assert_eq!(inside.syscall(true, &newer), inside.syscall(false, &newer));
}

#[test]
fn process_1_cannot_be_traced_or_killed_by_the_job() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    let attach = |pid| [libc::SYS_ptrace, 16, pid, 0, 0];
    let job = inside.background("exec sleep 1000");
    assert_eq!(
        inside.syscall(true, &attach(job)),
        0,
        "the control: its own processes may be traced"
    );
    assert_eq!(inside.syscall(true, &attach(1)), EPERM);
    // Even with every capability of the sandbox.
    assert_eq!(inside.syscall(false, &attach(1)), EPERM);
    assert!(inside.succeeds("kill -9 1; kill -TERM 1; true"));
    assert_eq!(inside.output("echo alive"), "alive");
}

#[test]
fn the_strict_profile_lets_nobody_make_namespaces() {
    let machine = Machine::new();
    let mut default = machine.start("a");
    let mut strict = machine.start_with("b", |spec| spec.profile = SeccompProfile::Strict);
    let attempt = "unshare -U true";
    assert!(default.succeeds(attempt));
    assert!(!strict.succeeds(attempt));
}

#[test]
fn the_nested_profile_lets_a_job_mount_in_namespaces_of_its_own_alone() {
    let machine = Machine::new();
    let mut default = machine.start("a");
    let mut nested = machine.start_with("b", |spec| spec.profile = SeccompProfile::Nested);
    let own = |script: &str| format!("mkdir -p /tmp/m && unshare -U -r -m -p -f sh -c '{script}'");
    let mount = own("mount -t tmpfs t /tmp/m && echo x > /tmp/m/x && umount /tmp/m");
    assert!(!default.succeeds(&mount), "the control: nobody else may");
    let ended = nested.sh(&mount);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(
        !nested.succeeds("mount -t tmpfs t /tmp/m"),
        "over the sandbox itself"
    );
    // What lies under a lid stays there, and a new /proc would show it.
    for attempt in [
        "umount /proc/interrupts",
        "umount /proc/sys",
        "mount -o remount,rw,bind /proc/sys",
        "mount -t proc p /tmp/m",
    ] {
        assert!(!nested.succeeds(&own(attempt)), "{attempt}");
    }
    let control = nested.unconfined("umount /proc/interrupts && test -n \"$(head -c 1 /proc/interrupts)\"");
    assert_eq!(
        control.code,
        Some(0),
        "the control: there is something under it, {control:?}"
    );
}

#[test]
fn kernel_files_are_masked_or_read_only() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    // Root of the host itself reads something from these.
    assert!(
        std::fs::read("/proc/interrupts").is_ok_and(|text| !text.is_empty()),
        "the control"
    );
    for masked in [
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/timer_list",
        "/proc/sched_debug",
    ] {
        assert_eq!(
            inside.output(&format!("cat {masked} 2>/dev/null | wc -c")),
            "0",
            "{masked}"
        );
    }
    assert_eq!(inside.output("ls /sys/firmware | wc -l"), "0");
    // A setting of its own network namespace, which it could change without the lid.
    let setting = "/proc/sys/net/ipv4/ip_default_ttl";
    assert!(
        inside
            .sh(&format!("echo 63 > {setting}"))
            .err
            .contains("Read-only")
    );
    assert!(inside.sh("mkdir /sys/fs/x").code != Some(0));
    for device in ["null", "zero", "full", "random", "urandom", "tty", "ptmx"] {
        assert!(inside.succeeds(&format!("test -c /dev/{device}")), "{device}");
    }
    assert_eq!(
        inside.output("head -c 4 /dev/zero | wc -c; echo x > /dev/null && echo written"),
        "4\nwritten"
    );
    assert!(!inside.succeeds("mknod /tmp/disk b 254 0"));
    assert_eq!(
        inside.unconfined("mknod /tmp/disk b 254 0").code,
        Some(1),
        "not even with all capabilities of the sandbox"
    );
}

#[test]
fn limits_of_a_step_are_lowered_and_core_dumps_stay_in() {
    let machine = Machine::new();
    let mut inside = machine.start("a");
    let limits = inside.output("cat /proc/self/limits");
    let line = |name: &str| {
        limits
            .lines()
            .find(|line| line.starts_with(name))
            .expect("a limit")
            .to_owned()
    };
    assert!(line("Max core file size").contains(" 1  "), "{limits}");
    let soft: u64 = line("Max open files")
        .split_whitespace()
        .nth(3)
        .and_then(|word| word.parse().ok())
        .expect("a number");
    assert!(soft <= 65_536);
    let ended = inside.sh("kill -SEGV $$");
    assert_eq!(ended.signal, Some(11));
    assert_eq!(inside.output("ls /core* /tmp/core* 2>/dev/null | wc -l"), "0");
}
