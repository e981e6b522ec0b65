//! Rules about the text of the sources, each with the places where it does not hold.
//!
//! Clippy sees types and is the better judge where it can judge; these rules cover what its configuration cannot
//! say: who may name a thing, tests aside, and how long a file may be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::code;
use super::table::Table;
use crate::report::Report;
use crate::tree::SourceFile;

/// Nobody reads a longer file; what is longer is two things.
const MOST_LINES: usize = 800;

/// From here on, think about splitting.
const MANY_LINES: usize = 500;

/// Names that say nothing: a file is named after the thing it knows.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "common", "manager", "misc"];

/// Where a rule holds.
enum Scope {
    /// In all of the project but these folders.
    AllBut(&'static [&'static str]),
    /// In the pure packages.
    Pure,
}

/// Words that may not stand in code.
struct Rule {
    words: &'static [&'static str],
    scope: Scope,
    /// Whether test code may do it.
    tests_may: bool,
    why: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        words: &["unsafe"],
        scope: Scope::AllBut(&["crates/sandbox", "crates/task"]),
        tests_may: false,
        why: "only `sandbox` and `task` may contain unsafe code",
    },
    Rule {
        words: &["TcpListener", "TcpStream", "TcpSocket", "UdpSocket"],
        // The jobs' name server is in `sandbox`, which imports nothing of ours: it speaks for jobs, in the launcher's
        // network namespace.
        scope: Scope::AllBut(&[
            "crates/transport",
            "crates/sandbox/src/net/lookup",
            "crates/sandbox/src/net/lookup.rs",
        ]),
        tests_may: true,
        why: "only `transport` opens network sockets: take its listener or dialer",
    },
    Rule {
        words: &["UnixListener::bind", "UnixDatagram::bind"],
        scope: Scope::AllBut(&["crates/transport", "crates/sandbox", "crates/task"]),
        tests_may: true,
        why: "only `transport` binds Unix sockets, and `sandbox` and `task` those inside a sandbox",
    },
    Rule {
        words: &["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"],
        scope: Scope::Pure,
        tests_may: false,
        why: "a pure package asks no clock: `now` is an argument",
    },
    Rule {
        words: &["Uuid::new_v4", "Uuid::now_v7"],
        scope: Scope::Pure,
        tests_may: false,
        why: "a pure package mints no ids: they are arguments",
    },
    Rule {
        words: &[
            "std::fs",
            "std::env",
            "std::net",
            "std::process",
            "std::thread",
            "std::os",
        ],
        scope: Scope::Pure,
        tests_may: true,
        why: "a pure package touches no file, environment, socket, process or thread: the caller hands in data",
    },
];

/// Reads every Rust file of the checkout.
pub(crate) fn check(table: &Table, files: &[SourceFile]) -> Report {
    let mut report = Report::default();
    let pure: Vec<PathBuf> = table.pure().map(|name| Path::new("crates").join(name)).collect();
    let sources: Vec<(&SourceFile, String)> = files
        .iter()
        .filter(|file| file.path.extension().is_some_and(|extension| extension == "rs"))
        .map(|file| (file, code::strip(&file.text)))
        .collect();
    let test_files: BTreeSet<PathBuf> = sources
        .iter()
        .flat_map(|(file, stripped)| declared_tests(&file.path, stripped))
        .collect();
    for (file, stripped) in &sources {
        check_shape(file, &mut report);
        let all_tests = is_test_code(&file.path, &test_files);
        let shipped = if all_tests {
            String::new()
        } else {
            code::without_tests(stripped)
        };
        for rule in RULES.iter().filter(|rule| holds(&rule.scope, &file.path, &pure)) {
            let text = if rule.tests_may { &shipped } else { stripped };
            for word in rule.words {
                for line in code::lines_with(text, word) {
                    report
                        .problems
                        .push(format!("{}:{line}: `{word}`: {}", file.path.display(), rule.why));
                }
            }
        }
    }
    report
}

fn holds(scope: &Scope, path: &Path, pure: &[PathBuf]) -> bool {
    match scope {
        Scope::AllBut(folders) => !folders.iter().any(|folder| path.starts_with(folder)),
        Scope::Pure => pure.iter().any(|folder| path.starts_with(folder)),
    }
}

fn check_shape(file: &SourceFile, report: &mut Report) {
    let lines = file.text.lines().count();
    let name = file.path.display();
    if lines > MOST_LINES {
        report.problems.push(format!(
            "{name} has {lines} lines, {MOST_LINES} are allowed: split it by concept"
        ));
    } else if lines > MANY_LINES {
        report.warnings.push(format!(
            "{name} has {lines} lines; from {MANY_LINES} on, think about splitting"
        ));
    }
    let stem = file
        .path
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default();
    if EMPTY_NAMES.contains(&stem) {
        report.problems.push(format!(
            "{name}: a file is named after the thing it knows, and `{stem}` is no thing"
        ));
    }
}

/// Support packages, `tests` and `examples` folders, `tests.rs` and files declared under `#[cfg(test)]` are not shipped.
fn is_test_code(path: &Path, declared: &BTreeSet<PathBuf>) -> bool {
    let support = [
        "testkit",
        "tests",
        "xtask",
        "benches",
        "config-benches",
        "sandbox-benches",
        "fuzz",
    ];
    support.iter().any(|folder| path.starts_with(folder))
        || path.components().any(|part| {
            ["tests", "examples"]
                .iter()
                .any(|folder| part.as_os_str() == *folder)
        })
        || path.file_name().is_some_and(|name| name == "tests.rs")
        || path.ancestors().any(|ancestor| declared.contains(ancestor))
}

/// Where the modules lie that a file declares for tests only: as a file and as a folder.
fn declared_tests(path: &Path, stripped: &str) -> Vec<PathBuf> {
    let stem = path.file_stem().unwrap_or_default();
    let parent = path.parent().unwrap_or(Path::new(""));
    let is_root = ["lib", "main", "mod"].iter().any(|name| stem == *name);
    let folder = if is_root {
        parent.to_path_buf()
    } else {
        parent.join(stem)
    };
    let places = |name: String| [folder.join(format!("{name}.rs")), folder.join(name)];
    code::test_modules(stripped)
        .into_iter()
        .flat_map(places)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::layers::table::sample;
    use crate::tree::SourceFile;

    fn report(files: &[(&str, &str)]) -> super::Report {
        let files: Vec<SourceFile> = files
            .iter()
            .map(|(path, text)| SourceFile {
                path: path.into(),
                text: (*text).to_owned(),
            })
            .collect();
        check(
            &sample("| `domain` | pure | nothing |\n| `agent` | system | `domain` |"),
            &files,
        )
    }

    fn problems(path: &str, text: &str) -> Vec<String> {
        report(&[(path, text)]).problems
    }

    #[test]
    fn unsafe_code_stands_in_two_crates_only() {
        let text = "fn f() { unsafe { g() } }";
        assert_eq!(
            problems("crates/agent/src/lib.rs", text),
            ["crates/agent/src/lib.rs:1: `unsafe`: only `sandbox` and `task` may contain unsafe code"]
        );
        assert_eq!(problems("testkit/src/lib.rs", text).len(), 1);
        assert_eq!(problems("crates/sandbox/src/lib.rs", text).len(), 0);
        assert_eq!(
            problems(
                "crates/agent/src/lib.rs",
                "// unsafe\nconst A: &str = \"unsafe\";"
            )
            .len(),
            0
        );
    }

    #[test]
    fn only_transport_opens_sockets() {
        let text = "use tokio::net::TcpListener;";
        assert_eq!(problems("crates/gateway/src/lib.rs", text).len(), 1);
        assert_eq!(problems("crates/transport/src/lib.rs", text).len(), 0);
        assert_eq!(problems("crates/gateway/tests/main.rs", text).len(), 0);
        assert_eq!(problems("crates/sandbox/src/net/lookup.rs", text).len(), 0);
        assert_eq!(
            problems("crates/sandbox/src/net/lookup/upstream.rs", text).len(),
            0
        );
        assert_eq!(problems("crates/sandbox/src/net.rs", text).len(), 1);
        assert_eq!(
            problems(
                "crates/gateway/src/lib.rs",
                &format!("#[cfg(test)]\nmod tests {{ {text} }}")
            )
            .len(),
            0
        );
        assert_eq!(
            problems("crates/agent/src/doors.rs", "UnixListener::bind(path)").len(),
            1
        );
        assert_eq!(
            problems("crates/task/src/doors.rs", "UnixListener::bind(path)").len(),
            0
        );
    }

    #[test]
    fn a_module_declared_for_tests_is_test_code() {
        let user = ("crates/gateway/src/door/probe.rs", "use std::net::TcpStream;");
        let test_only = ("crates/gateway/src/door.rs", "#[cfg(test)]\nmod probe;");
        let shipped = ("crates/gateway/src/door.rs", "mod probe;");
        assert_eq!(report(&[test_only, user]).problems.len(), 0);
        assert_eq!(report(&[shipped, user]).problems.len(), 1);
    }

    #[test]
    fn pure_packages_ask_no_clock_even_in_tests() {
        let text = "#[cfg(test)]\nmod tests { fn f() { Instant::now(); std::fs::read(\"case\"); } }";
        let found = problems("crates/domain/src/lib.rs", text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("asks no clock"), "{found:?}");
        assert_eq!(problems("crates/agent/src/lib.rs", text).len(), 0);
        assert_eq!(
            problems("crates/domain/src/lib.rs", "std::fs::read(\"case\")").len(),
            1
        );
    }

    #[test]
    fn long_files_warn_and_then_fail() {
        let lines = |count: usize| "\n".repeat(count);
        assert_eq!(
            report(&[("crates/agent/src/a.rs", &lines(500))]).warnings.len(),
            0
        );
        assert_eq!(
            report(&[("crates/agent/src/a.rs", &lines(501))]).warnings.len(),
            1
        );
        assert_eq!(problems("crates/agent/src/a.rs", &lines(800)).len(), 0);
        assert_eq!(problems("crates/agent/src/a.rs", &lines(801)).len(), 1);
    }

    #[test]
    fn files_are_named_after_things() {
        assert_eq!(problems("crates/agent/src/utils.rs", "").len(), 1);
        assert_eq!(problems("crates/agent/src/lease.rs", "").len(), 0);
    }
}
