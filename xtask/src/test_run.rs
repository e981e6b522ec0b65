//! `cargo xtask test`: everything that must hold, in one command, on a clean checkout.
//!
//! A list of stages, cheap ones first; the first that fails ends the run. The tests themselves are run by plain
//! `cargo test`, so its words about results are cargo's own.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};

use crate::packages::{self, Purpose};
use crate::{deps, fuzz, layers, metadata};

/// Which stages to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Run only this stage; may be given several times.
    #[arg(long, value_enum, value_name = "STAGE")]
    only: Vec<Name>,
    /// Leave this stage out; may be given several times.
    #[arg(long, value_enum, value_name = "STAGE")]
    skip: Vec<Name>,
}

/// The stages by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    Packages,
    Fmt,
    Layers,
    Clippy,
    Deps,
    Build,
    Fuzz,
    Tests,
}

/// One thing that must hold.
#[derive(Debug)]
struct Stage {
    name: Name,
    title: &'static str,
    work: Work,
}

/// How a stage is carried out.
#[derive(Debug)]
enum Work {
    Call(fn() -> Result<()>),
    Cargo(&'static [&'static str]),
}

const STAGES: &[Stage] = &[
    Stage {
        name: Name::Packages,
        title: "packages: install what tests need and this machine lacks",
        work: Work::Call(|| packages::install_missing(&[Purpose::Build, Purpose::Run, Purpose::Test])),
    },
    Stage {
        name: Name::Fmt,
        title: "fmt: every file is formatted",
        work: Work::Cargo(&["fmt", "--all", "--check"]),
    },
    Stage {
        name: Name::Layers,
        title: "layers: imports and sources keep to the table",
        work: Work::Call(layers::run),
    },
    Stage {
        name: Name::Deps,
        title: "deps: licences, bans, duplicates",
        work: Work::Call(deps::run),
    },
    Stage {
        name: Name::Clippy,
        title: "clippy: no warnings",
        work: Work::Cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]),
    },
    Stage {
        // Journeys start the real binary; cargo builds binaries for tests only within one package, so all are built
        // here, with the same features as the tests below.
        name: Name::Build,
        title: "build: libraries, binaries and tests",
        work: Work::Cargo(&["build", "--workspace", "--lib", "--bins", "--tests"]),
    },
    Stage {
        name: Name::Fuzz,
        title: "fuzz: parser and compiler on made-up inputs, a few seconds each",
        work: Work::Call(fuzz::run_shortly),
    },
    Stage {
        name: Name::Tests,
        title: "tests: unit tests, integration tests and journeys",
        work: Work::Cargo(&["test", "--workspace", "--no-fail-fast"]),
    },
];

/// Runs the chosen stages until one fails.
pub(crate) fn run(options: &Options) -> Result<()> {
    let stages = chosen(options);
    ensure!(!stages.is_empty(), "no stage is left to run");
    run_all(&stages, carry_out)
}

fn chosen(options: &Options) -> Vec<&'static Stage> {
    let wanted = |stage: &&Stage| {
        (options.only.is_empty() || options.only.contains(&stage.name)) && !options.skip.contains(&stage.name)
    };
    STAGES.iter().filter(wanted).collect()
}

fn run_all(stages: &[&Stage], mut carry_out: impl FnMut(&Stage) -> Result<()>) -> Result<()> {
    let mut took = Vec::new();
    for stage in stages {
        println!("\n=== {}", stage.title);
        let started = Instant::now();
        carry_out(stage).with_context(|| format!("stage {} failed", word(stage.name)))?;
        let duration = started.elapsed();
        println!("=== {} passed in {}", word(stage.name), seconds(duration));
        took.push((stage.name, duration));
    }
    println!();
    for (name, duration) in &took {
        println!("{:<9} {:>8}", word(*name), seconds(*duration));
    }
    println!(
        "every stage passed: {} in {}",
        took.len(),
        seconds(took.iter().map(|(_, duration)| *duration).sum())
    );
    Ok(())
}

fn carry_out(stage: &Stage) -> Result<()> {
    match stage.work {
        Work::Call(call) => call(),
        Work::Cargo(arguments) => cargo(arguments),
    }
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(metadata::cargo());
    if std::env::var_os("AIRLOCK_CORPUS").is_none() && !metadata::root().join("../shared/corpus").is_dir() {
        println!("no real configs at ../shared/corpus: tests that read them are left out");
        command.env("AIRLOCK_WITHOUT_CORPUS", "1");
    }
    let status = command
        .args(arguments)
        .current_dir(metadata::root())
        // A snapshot that differs is a failure, never a file to accept.
        .env("INSTA_UPDATE", "no")
        .stdin(Stdio::null())
        .status()
        .context("could not start cargo")?;
    ensure!(
        status.success(),
        "`cargo {}` ended with {status}",
        arguments.join(" ")
    );
    Ok(())
}

fn word(name: Name) -> String {
    name.to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::{Name, Options, STAGES, chosen, run_all};

    fn names(only: &[Name], skip: &[Name]) -> Vec<Name> {
        let options = Options {
            only: only.to_vec(),
            skip: skip.to_vec(),
        };
        chosen(&options).iter().map(|stage| stage.name).collect()
    }

    #[test]
    fn all_stages_run_unless_chosen() {
        assert_eq!(names(&[], &[]).len(), STAGES.len());
        assert_eq!(names(&[Name::Fmt], &[]), [Name::Fmt]);
        assert_eq!(
            names(&[Name::Tests, Name::Fmt], &[]),
            [Name::Fmt, Name::Tests],
            "their order stays"
        );
        assert!(!names(&[], &[Name::Clippy]).contains(&Name::Clippy));
        assert_eq!(names(&[Name::Fmt], &[Name::Fmt]), []);
    }

    #[test]
    fn the_first_failure_ends_the_run() {
        let stages: Vec<_> = STAGES.iter().collect();
        let mut ran = Vec::new();
        let error = run_all(&stages, |stage| {
            ran.push(stage.name);
            anyhow::ensure!(stage.name != Name::Layers, "an arrow points down");
            Ok(())
        })
        .expect_err("a failed stage must fail the run");
        assert_eq!(ran, [Name::Packages, Name::Fmt, Name::Layers]);
        assert_eq!(format!("{error:#}"), "stage layers failed: an arrow points down");
    }
}
