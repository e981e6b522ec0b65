//! Verdicts of the compiled filters: a small BPF machine runs them over every number of every architecture, and the
//! result is compared with the rules read as a table. What the kernel makes of them is tested in `tests/`.

use super::compile::{
    ARCH_I386, ARCH_X86_64, Condition, ENOSYS, EPERM, JA, JEQ, JGE, JGT, JSET, LD_ABS, RET, RET_ALLOW,
    RET_ERRNO, RET_KILL, Table, Test, Verdict, X32, parse_names, program, tables,
};
use super::filter;
use crate::spec::SeccompProfile;

const X86_64: &str = include_str!("../../seccomp/x86_64.names");
const I386: &str = include_str!("../../seccomp/i386.names");
const DOCKER: &str = include_str!("../../seccomp/docker.rules");
const ADDITIONS: &str = include_str!("../../seccomp/additions.rules");
const MOUNTS: &str = include_str!("../../seccomp/mounts.rules");
const HARDENING: &str = include_str!("../../seccomp/hardening.rules");

const DENIED: u32 = RET_ERRNO | EPERM as u32;
const UNKNOWN: u32 = RET_ERRNO | ENOSYS as u32;

/// Runs a filter as the kernel would.
fn run(profile: SeccompProfile, arch: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let program = filter(profile).program;
    let (mut at, mut accumulator) = (0_usize, 0_u32);
    loop {
        let instruction = program[at];
        at += 1;
        let k = instruction.k;
        let mut branch = |holds: bool| at += usize::from(if holds { instruction.jt } else { instruction.jf });
        match instruction.code {
            LD_ABS => {
                accumulator = match k {
                    0 => number,
                    4 => arch,
                    _ => {
                        let (argument, upper) = ((k - 16) / 8, (k - 16) % 8 == 4);
                        let value = arguments[argument as usize];
                        u32::try_from(if upper { value >> 32 } else { value & 0xffff_ffff }).expect("32 bits")
                    }
                }
            }
            JA => at += k as usize,
            JEQ => branch(accumulator == k),
            JGT => branch(accumulator > k),
            JGE => branch(accumulator >= k),
            JSET => branch(accumulator & k != 0),
            RET => return k,
            code => panic!("instruction {code:#x} is not one of ours"),
        }
    }
}

fn default(name: &str, arguments: [u64; 6]) -> u32 {
    run(
        SeccompProfile::Default,
        ARCH_X86_64,
        parse_names(X86_64)[name],
        arguments,
    )
}

fn holds(condition: &Condition, arguments: [u64; 6]) -> bool {
    let argument = arguments[condition.argument as usize] & 0xffff_ffff;
    let value = u64::from(condition.value);
    match condition.test {
        Test::Less => argument < value,
        Test::Equal => argument == value,
        Test::Greater => argument > value,
        Test::Clear => argument & value == 0,
    }
}

fn expected(table: &Table, number: u32, arguments: [u64; 6]) -> u32 {
    match table.verdict(number) {
        Verdict::Allow => RET_ALLOW,
        Verdict::Errno(code) => RET_ERRNO | u32::from(code),
        Verdict::When(conditions) if conditions.iter().any(|condition| holds(condition, arguments)) => {
            RET_ALLOW
        }
        Verdict::When(_) => DENIED,
    }
}

#[test]
fn every_number_of_every_architecture_gets_the_verdict_of_the_rules() {
    let profiles: [(SeccompProfile, &[&str]); 3] = [
        (SeccompProfile::Default, &[DOCKER, ADDITIONS, HARDENING]),
        (SeccompProfile::Nested, &[DOCKER, ADDITIONS, MOUNTS, HARDENING]),
        (SeccompProfile::Strict, &[DOCKER, HARDENING]),
    ];
    let values = [
        0,
        1,
        2,
        8,
        37,
        38,
        39,
        40,
        41,
        0x20000,
        0x20008,
        0x1000_0000,
        0xffff_ffff,
        0x1_0000_0026,
    ];
    for (profile, files) in profiles {
        let [native, compatible] = tables(files, [X86_64, I386]).expect("sound rules");
        let compiled = program(&native, &compatible)
            .into_iter()
            .map(|each| (each.code, each.jt, each.jf, each.k));
        let shipped = filter(profile)
            .program
            .iter()
            .map(|each| (each.code, each.jt, each.jf, each.k));
        assert!(
            shipped.eq(compiled),
            "{profile:?}: the constants are not what the rules compile to"
        );
        for (arch, table) in [(ARCH_X86_64, native), (ARCH_I386, compatible)] {
            for number in (0..1000).chain([0x3fff_ffff]) {
                for first in values {
                    let arguments = [first, 0, 0, 0, 0, 0];
                    let verdict = run(profile, arch, number, arguments);
                    assert_eq!(
                        verdict,
                        expected(&table, number, arguments),
                        "{profile:?} {arch:#x} {number} {first}"
                    );
                }
            }
        }
    }
}

#[test]
fn dangerous_calls_are_denied_and_ordinary_ones_allowed() {
    for name in [
        "io_uring_setup",
        "io_uring_enter",
        "keyctl",
        "add_key",
        "request_key",
        "bpf",
        "mount",
        "umount2",
        "pivot_root",
        "move_mount",
        "fsopen",
        "open_by_handle_at",
        "userfaultfd",
        "perf_event_open",
        "kexec_load",
        "init_module",
        "swapon",
        "settimeofday",
        "syslog",
        "acct",
        "quotactl",
        "reboot",
        "iopl",
        "vhangup",
    ] {
        assert_eq!(default(name, [0; 6]), DENIED, "{name}");
    }
    for name in [
        "read",
        "execve",
        "openat",
        "chroot",
        "ptrace",
        "seccomp",
        "capset",
        "fchmodat2",
        "unshare",
        "setns",
    ] {
        assert_eq!(default(name, [0; 6]), RET_ALLOW, "{name}");
    }
}

#[test]
fn address_families_that_reach_the_kernel_or_the_host_are_denied() {
    for (family, verdict) in [
        (1, RET_ALLOW),
        (2, RET_ALLOW),
        (16, RET_ALLOW),
        (38, DENIED),
        (40, DENIED),
    ] {
        assert_eq!(
            default("socket", [family, 0, 0, 0, 0, 0]),
            verdict,
            "family {family}"
        );
        // The kernel reads 32 bits of it, so the rest must not make another number of it.
        assert_eq!(
            default("socket", [family | 1 << 32, 0, 0, 0, 0, 0]),
            verdict,
            "family {family} with a high bit"
        );
    }
    let socketcall = parse_names(I386)["socketcall"];
    let call = |function| {
        run(
            SeccompProfile::Default,
            ARCH_I386,
            socketcall,
            [function, 0, 0, 0, 0, 0],
        )
    };
    assert_eq!((call(1), call(2)), (DENIED, RET_ALLOW));
}

#[test]
fn namespaces_can_be_made_by_default_and_not_with_dockers_own_profile() {
    let clone = parse_names(X86_64)["clone"];
    let new_user = [0x1000_0011, 0, 0, 0, 0, 0];
    let fork = [17, 0, 0, 0, 0, 0];
    assert_eq!(
        run(SeccompProfile::Default, ARCH_X86_64, clone, new_user),
        RET_ALLOW
    );
    assert_eq!(run(SeccompProfile::Strict, ARCH_X86_64, clone, new_user), DENIED);
    assert_eq!(run(SeccompProfile::Strict, ARCH_X86_64, clone, fork), RET_ALLOW);
    for profile in SeccompProfile::ALL {
        assert_eq!(
            run(profile, ARCH_X86_64, parse_names(X86_64)["clone3"], [0; 6]),
            UNKNOWN
        );
    }
}

#[test]
fn other_interfaces_do_not_lead_around_the_filter() {
    // x32 numbers carry the same architecture as native ones.
    assert_eq!(run(SeccompProfile::Default, ARCH_X86_64, X32, [0; 6]), UNKNOWN);
    assert_eq!(
        run(SeccompProfile::Default, ARCH_X86_64, X32 | 512, [0; 6]),
        UNKNOWN
    );
    const AARCH64: u32 = 0xc000_00b7;
    assert_eq!(run(SeccompProfile::Default, AARCH64, 0, [0; 6]), RET_KILL);
    // The number of i386's keyctl is another call on x86_64.
    assert_eq!(
        run(
            SeccompProfile::Default,
            ARCH_I386,
            parse_names(I386)["keyctl"],
            [0; 6]
        ),
        DENIED
    );
}

#[test]
fn rules_that_cannot_be_meant_fail_the_build() {
    let compile = |rules: &str| tables(&[rules], [X86_64]).expect_err("an error");
    assert_eq!(compile("allow raed"), "no architecture knows raed");
    assert_eq!(compile("alow read"), "not a rule: alow read");
    assert_eq!(
        compile("allow read if arg7 == 1"),
        "not a rule: allow read if arg7 == 1"
    );
    assert_eq!(
        compile("errno 38 read if arg0 == 1"),
        "not a rule: errno 38 read if arg0 == 1"
    );
}

#[test]
fn hashes_tell_profiles_apart() {
    let [default, strict] =
        [SeccompProfile::Default, SeccompProfile::Strict].map(|profile| filter(profile).hash);
    assert!(
        default.starts_with("default-") && strict.starts_with("strict-"),
        "{default} {strict}"
    );
    assert_ne!(default["default-".len()..], strict["strict-".len()..]);
}
