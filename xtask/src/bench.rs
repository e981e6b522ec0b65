//! `cargo xtask bench`: builds what is measured and the program that measures, and starts it.
//!
//! It measures nothing itself: that are the packages `benches`, `config-benches` and `sandbox-benches`, so that this one
//! stays small. `config` is the compiler alone, and builds in a minute. `journey` is what a person waits for and `sandbox`
//! what a sandbox costs, both on the release binary; `AIRLOCK_BENCH_BINARY` names another one.

use std::ffi::OsString;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand};

use crate::metadata;

/// Names the binary to measure, instead of the release build.
const BINARY: &str = "AIRLOCK_BENCH_BINARY";

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// From trigger and push to the first line, start-up, memory and size, on the real binary. Wants root.
    Journey(Options),
    /// The config compiler on configs of its own, on real ones where there are some, and on bombs.
    Config(ConfigOptions),
    /// How long a sandbox takes, beside bwrap, runc and docker. Wants root.
    Sandbox(SandboxOptions),
}

/// How to measure sandboxes. Everything else is asked of the measuring program: `cargo xtask bench sandbox -- --help`.
#[derive(Args)]
pub(crate) struct SandboxOptions {
    /// Measured rounds.
    #[arg(long, value_name = "N")]
    n: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Handed on as they are.
    #[arg(last = true)]
    more: Vec<String>,
}

/// How to measure the compiler. Everything else is asked of the measuring program: `cargo xtask bench config -- --help`.
#[derive(Args)]
pub(crate) struct ConfigOptions {
    /// Measured runs of each series.
    #[arg(long, value_name = "N")]
    runs: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Handed on as they are.
    #[arg(last = true)]
    more: Vec<String>,
}

/// How to measure. Everything else is asked of the measuring program: `cargo xtask bench journey -- --help`.
#[derive(Args)]
pub(crate) struct Options {
    /// Measured runs of each series.
    #[arg(long, value_name = "N")]
    runs: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Compare with other tools that start isolated processes.
    #[arg(long)]
    peers: bool,
    /// Handed on as they are.
    #[arg(last = true)]
    more: Vec<String>,
}

/// Builds and measures.
pub(crate) fn run(bench: &Bench) -> Result<()> {
    match bench {
        Bench::Journey(options) => {
            let given = std::env::var_os(BINARY).is_some();
            for step in steps(options, given) {
                cargo(&step)?;
            }
            Ok(())
        }
        Bench::Config(options) => cargo(&config_step(options)),
        Bench::Sandbox(options) => {
            let given = std::env::var_os(BINARY).is_some();
            for step in sandbox_steps(options, given) {
                cargo(&step)?;
            }
            Ok(())
        }
    }
}

/// The calls of cargo that build the binary, unless one was named, and start the program for sandboxes.
fn sandbox_steps(options: &SandboxOptions, given: bool) -> Vec<Vec<OsString>> {
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let mut steps = Vec::new();
    if !given {
        // Alone, so that it has the features that are shipped and no others.
        steps.push(words(&["build", "--release", "--package", "airlock-app"]));
    }
    let mut measure = words(&[
        "run",
        "--quiet",
        "--release",
        "--package",
        "airlock-sandbox-benches",
        "--",
    ]);
    if let Some(n) = options.n {
        measure.extend(words(&["--n", &n.to_string()]));
    }
    if options.json {
        measure.push("--json".into());
    }
    measure.extend(options.more.iter().map(OsString::from));
    steps.push(measure);
    steps
}

/// The call of cargo that builds and starts the program for the compiler, alone and as it is shipped.
fn config_step(options: &ConfigOptions) -> Vec<OsString> {
    let words = [
        "run",
        "--quiet",
        "--release",
        "--package",
        "airlock-config-benches",
        "--",
    ];
    let mut step: Vec<OsString> = words.iter().map(OsString::from).collect();
    if let Some(runs) = options.runs {
        step.extend(["--runs".into(), runs.to_string().into()]);
    }
    if options.json {
        step.push("--json".into());
    }
    step.extend(options.more.iter().map(OsString::from));
    step
}

/// The calls of cargo. A binary that was named is not built, and the measuring program then shares the build of tests.
fn steps(options: &Options, given: bool) -> Vec<Vec<OsString>> {
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    let mut steps = Vec::new();
    let mut measure = words(&["run", "--quiet", "--package", "airlock-benches"]);
    if !given {
        // Alone, so that it has the features that are shipped and no others.
        steps.push(words(&["build", "--release", "--package", "airlock-app"]));
        measure.push("--release".into());
    }
    measure.push("--".into());
    if let Some(runs) = options.runs {
        measure.extend(words(&["--runs", &runs.to_string()]));
    }
    if options.json {
        measure.push("--json".into());
    }
    if options.peers {
        measure.push("--peers".into());
    }
    measure.extend(options.more.iter().map(OsString::from));
    steps.push(measure);
    steps
}

fn cargo(arguments: &[OsString]) -> Result<()> {
    let status = Command::new(metadata::cargo())
        .args(arguments)
        .current_dir(metadata::root())
        .stdin(Stdio::null())
        .status()
        .context("could not start cargo")?;
    let shown: Vec<_> = arguments.iter().map(|word| word.to_string_lossy()).collect();
    ensure!(
        status.success(),
        "`cargo {}` ended with {status}",
        shown.join(" ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{ConfigOptions, Options, SandboxOptions, config_step, sandbox_steps, steps};

    fn options() -> Options {
        Options {
            runs: Some(3),
            json: true,
            peers: false,
            more: vec!["--only".to_owned(), "size".to_owned()],
        }
    }

    #[test]
    fn the_release_build_is_what_is_measured() {
        let [build, measure] = &steps(&options(), false)[..] else {
            panic!("two calls of cargo")
        };
        assert_eq!(build.join(" ".as_ref()), "build --release --package airlock-app");
        assert_eq!(
            measure.join(" ".as_ref()),
            "run --quiet --package airlock-benches --release -- --runs 3 --json --only size"
        );
    }

    #[test]
    fn the_compiler_is_measured_as_it_is_shipped() {
        let options = ConfigOptions {
            runs: Some(5),
            json: true,
            more: vec!["--corpus".to_owned(), "/c".to_owned()],
        };
        assert_eq!(
            config_step(&options).join(" ".as_ref()),
            "run --quiet --release --package airlock-config-benches -- --runs 5 --json --corpus /c"
        );
    }

    #[test]
    fn sandboxes_are_measured_with_the_release_build() {
        let options = SandboxOptions {
            n: Some(50),
            json: true,
            more: vec!["--alone".to_owned()],
        };
        let [build, measure] = &sandbox_steps(&options, false)[..] else {
            panic!("two calls of cargo")
        };
        assert_eq!(build.join(" ".as_ref()), "build --release --package airlock-app");
        assert_eq!(
            measure.join(" ".as_ref()),
            "run --quiet --release --package airlock-sandbox-benches -- --n 50 --json --alone"
        );
        assert_eq!(sandbox_steps(&options, true).len(), 1);
    }

    #[test]
    fn a_named_binary_is_not_built() {
        let steps = steps(&options(), true);
        assert_eq!(steps.len(), 1);
        assert!(!steps[0].contains(&"--release".into()));
    }
}
