//! Every system call number on every interface of this kernel, asked of the kernel in a confined process and compared
//! with the rules read as a table. Nothing is called: see `examples/support/verdicts.rs`.

use airlock_sandbox::SeccompProfile;
use serde_json::json;

use crate::support::Machine;

#[path = "../src/seccomp/compile.rs"]
#[expect(
    dead_code,
    reason = "the part that reads rules; programs are compiled elsewhere"
)]
mod compile;

use compile::{Condition, ENOSYS, EPERM, Table, Test, Verdict, tables};

const X86_64: &str = include_str!("../seccomp/x86_64.names");
const I386: &str = include_str!("../seccomp/i386.names");
const DOCKER: &str = include_str!("../seccomp/docker.rules");
const ADDITIONS: &str = include_str!("../seccomp/additions.rules");
const MOUNTS: &str = include_str!("../seccomp/mounts.rules");
const HARDENING: &str = include_str!("../seccomp/hardening.rules");

/// Numbers that are asked about: twice as many as there are.
const COUNT: u32 = 1024;

/// First arguments: every value that a rule names, its neighbours, and nothing.
const FIRSTS: [u32; 14] = [
    0,
    1,
    2,
    8,
    17,
    37,
    38,
    39,
    40,
    41,
    0x2_0000,
    0x2_0008,
    0x1000_0011,
    0xffff_ffff,
];

/// What the example answers for a call that is let through.
const ALLOWED: u16 = 99;

fn holds(condition: &Condition, first: u32) -> bool {
    assert_eq!(condition.argument, 0, "only the first argument is varied here");
    match condition.test {
        Test::Less => first < condition.value,
        Test::Equal => first == condition.value,
        Test::Greater => first > condition.value,
        Test::Clear => first & condition.value == 0,
    }
}

fn expected(table: &Table, number: u32, first: u32) -> u16 {
    match table.verdict(number) {
        Verdict::Allow => ALLOWED,
        Verdict::Errno(code) => code,
        Verdict::When(conditions) if conditions.iter().any(|condition| holds(condition, first)) => ALLOWED,
        Verdict::When(_) => EPERM,
    }
}

#[test]
fn the_kernel_answers_every_number_of_every_interface_as_the_rules_say() {
    let machine = Machine::new();
    let profiles: [(SeccompProfile, &[&str]); 3] = [
        (SeccompProfile::Default, &[DOCKER, ADDITIONS, HARDENING]),
        (SeccompProfile::Nested, &[DOCKER, ADDITIONS, MOUNTS, HARDENING]),
        (SeccompProfile::Strict, &[DOCKER, HARDENING]),
    ];
    for (profile, files) in profiles {
        let mut inside = machine.start_with(&profile.filter_hash().replace('_', "-"), |spec| {
            spec.profile = profile;
        });
        let answers = inside.ask(&json!({ "do": "verdicts", "count": COUNT, "firsts": FIRSTS }));
        let [native, compatible] = tables(files, [X86_64, I386]).expect("sound rules");
        let mut allowed = 0;
        for interface in ["x86_64", "x32", "i386"] {
            for first in FIRSTS {
                let found = answers[interface][first.to_string()].as_array().expect("a list");
                assert_eq!(found.len(), COUNT as usize);
                for (number, found) in (0..COUNT).zip(found) {
                    // Calls that the kernel asks no filter about.
                    if found.as_i64() == Some(-1) {
                        assert!(interface == "x86_64" && [335, 336].contains(&number));
                        continue;
                    }
                    let expected = match interface {
                        "x86_64" => expected(&native, number, first),
                        "x32" => ENOSYS,
                        _ => expected(&compatible, number, first),
                    };
                    assert_eq!(
                        found.as_u64(),
                        Some(expected.into()),
                        "{profile:?}: {interface} {number} with {first:#x}"
                    );
                    allowed += u32::from(expected == ALLOWED);
                }
            }
        }
        assert!(
            allowed > 5_000,
            "the control: {allowed} verdicts let a call through"
        );
        inside.sandbox.destroy().expect("a clean end");
    }
}
