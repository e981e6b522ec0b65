//! `cargo xtask fuzz`: builds the fuzz targets and runs them on their kept inputs.
//!
//! The targets are libFuzzer programs built by the project's own toolchain: the flags that count coverage are stable ones,
//! so neither a nightly compiler nor another tool is needed. New inputs stay below the target folder; what is worth
//! keeping is copied to `fuzz/corpus/` by hand. `test_run` runs each for some seconds, a person for ten minutes.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use crate::metadata;

/// The targets; `fuzz/Cargo.toml` has them too, and a test compares.
const TARGETS: &[Target] = &[
    Target {
        name: "yaml-tree",
        more_inputs: Some("crates/yaml-tree/tests/cases"),
    },
    Target {
        name: "expressions",
        more_inputs: None,
    },
    Target {
        name: "compile",
        more_inputs: Some("crates/pipeline-config/tests/cases"),
    },
    Target {
        name: "templates",
        more_inputs: None,
    },
    Target {
        name: "packed",
        more_inputs: None,
    },
];

/// Counts which way a program went; everything else about the build is ordinary.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares";

/// Most memory of one target, in megabytes: what is asked of the compiler for the worst config, with the fuzzer's own.
const MEMORY_MB: u32 = 512;

/// Seconds that one input may take; a loaded machine is many times slower than a quiet one.
const HANG_SECONDS: u32 = 10;

/// Largest input. Size has tests of its own; here it would only make each try slow.
const INPUT_BYTES: u32 = 8192;

/// Seconds for each target when a person asks.
const SECONDS: u32 = 600;

/// Seconds for each target as part of all tests.
const TEST_SECONDS: u32 = 20;

/// Where the tests begin, so that every fresh checkout begins alike.
const TEST_SEED: u32 = 1;

/// The fuzzer's word for a beginning of its own choice.
const ANY_SEED: u32 = 0;

struct Target {
    name: &'static str,
    /// A folder of tests whose files are good inputs as well.
    more_inputs: Option<&'static str>,
}

/// What to fuzz and how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these targets.
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Seconds for each.
    #[arg(long, value_name = "N", default_value_t = SECONDS)]
    seconds: u32,
}

/// Fuzzes what was asked for.
pub(crate) fn run(options: &Options) -> Result<()> {
    let targets = chosen(&options.targets)?;
    fuzz(targets, options.seconds, ANY_SEED)
}

/// Fuzzes everything for the time it has among the tests.
pub(crate) fn run_shortly() -> Result<()> {
    fuzz(TARGETS.iter().collect(), TEST_SECONDS, TEST_SEED)
}

fn chosen(names: &[String]) -> Result<VecDeque<&'static Target>> {
    if names.is_empty() {
        return Ok(TARGETS.iter().collect());
    }
    let find = |name: &String| {
        let known = || {
            TARGETS
                .iter()
                .map(|target| target.name)
                .collect::<Vec<_>>()
                .join(", ")
        };
        TARGETS
            .iter()
            .find(|target| target.name == *name)
            .with_context(|| format!("there is no fuzz target {name}; there are {}", known()))
    };
    names.iter().map(find).collect()
}

fn fuzz(targets: VecDeque<&'static Target>, seconds: u32, seed: u32) -> Result<()> {
    build()?;
    let lanes = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(targets.len());
    println!("{} targets, {seconds} s each, {lanes} at a time", targets.len());
    let waiting = Mutex::new(targets);
    let next = || waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
    let lane = || -> Result<()> {
        while let Some(target) = next() {
            run_target(target, seconds, seed)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..lanes).map(|_| scope.spawn(lane)).collect();
        let ends = lanes.into_iter().map(|lane| match lane.join() {
            Ok(end) => end,
            Err(_) => bail!("a thread that watched a fuzz target panicked"),
        });
        ends.collect::<Vec<_>>().into_iter().collect()
    })
}

fn folder() -> PathBuf {
    metadata::root().join("target/fuzz")
}

fn build() -> Result<()> {
    let status = Command::new(metadata::cargo())
        .args(["build", "--release", "--bins", "--target", metadata::PLATFORM])
        .current_dir(metadata::root().join("fuzz"))
        .env("CARGO_TARGET_DIR", folder())
        .env("RUSTFLAGS", FLAGS)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stdin(Stdio::null())
        .status()
        .context("could not start cargo")?;
    ensure!(status.success(), "building the fuzz targets ended with {status}");
    Ok(())
}

fn run_target(target: &Target, seconds: u32, seed: u32) -> Result<()> {
    let found = folder().join("found").join(target.name);
    fs::create_dir_all(&found).with_context(|| format!("making {}", found.display()))?;
    let log = folder().join(format!("{}.log", target.name));
    let output = File::create(&log).with_context(|| format!("making {}", log.display()))?;
    let errors = output.try_clone().context("sharing the log")?;
    let program = folder()
        .join(metadata::PLATFORM)
        .join("release")
        .join(target.name);
    let begun = Instant::now();
    let status = Command::new(&program)
        .args(arguments(target, &found, seconds, seed))
        .current_dir(metadata::root())
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .status()
        .with_context(|| format!("starting {}", program.display()))?;
    let text = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
    ensure!(status.success(), failure(target, status, &text, &log));
    let count = statistic(&text, "number_of_executed_units").unwrap_or("?");
    let memory = statistic(&text, "peak_rss_mb").unwrap_or("?");
    println!(
        "{:<12} {count:>9} inputs in {:.0} s, at most {memory} MB",
        target.name,
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

fn arguments(target: &Target, found: &Path, seconds: u32, seed: u32) -> Vec<String> {
    let artifacts = folder().join(format!("{}-", target.name));
    // The first folder takes what is new; the others are only read.
    let mut arguments = vec![
        found.display().to_string(),
        format!("fuzz/corpus/{}", target.name),
        format!("-dict=fuzz/dictionaries/{}", target.name),
        format!("-artifact_prefix={}", artifacts.display()),
        format!("-max_total_time={seconds}"),
        format!("-seed={seed}"),
        format!("-rss_limit_mb={MEMORY_MB}"),
        format!("-timeout={HANG_SECONDS}"),
        format!("-max_len={INPUT_BYTES}"),
        "-print_final_stats=1".to_owned(),
    ];
    if let Some(folder) = target.more_inputs {
        arguments.insert(2, folder.to_owned());
    }
    arguments
}

/// What a person needs to know of a target that broke: what it said, and the input.
fn failure(target: &Target, status: ExitStatus, text: &str, log: &Path) -> String {
    const SHOWN: usize = 20;
    let told = |line: &&str| !line.starts_with('#') && !line.trim().is_empty();
    let told: Vec<&str> = text.lines().filter(told).collect();
    let from = told
        .iter()
        .position(|line| line.contains("panicked at") || line.contains("ERROR: libFuzzer"))
        .unwrap_or_else(|| told.len().saturating_sub(SHOWN));
    let to = told.len().min(from + SHOWN);
    format!(
        "fuzz target {} ended with {status}:\n{}\n\nall it said is in {}; the line `Test unit written to` there names the \
         input, and starting the target with that file repeats it",
        target.name,
        told[from..to].join("\n"),
        log.display()
    )
}

fn statistic<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let prefix = format!("stat::{name}:");
    text.lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::{TARGETS, chosen, statistic};
    use crate::metadata;

    #[test]
    fn the_manifest_has_the_same_targets_and_each_has_inputs() {
        let folder = metadata::root().join("fuzz");
        let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).expect("the manifest can be read");
        let manifest: toml::Table = manifest.parse().expect("the manifest is TOML");
        let bins = manifest["bin"].as_array().expect("a list of programs");
        let names: Vec<_> = bins.iter().filter_map(|bin| bin["name"].as_str()).collect();
        let ours: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
        assert_eq!(names, ours);
        for target in TARGETS {
            let inputs = std::fs::read_dir(folder.join("corpus").join(target.name));
            assert!(
                inputs.is_ok_and(|mut inputs| inputs.next().is_some()),
                "{}",
                target.name
            );
            assert!(
                folder.join("dictionaries").join(target.name).is_file(),
                "{}",
                target.name
            );
            let more = target.more_inputs.map(|folder| metadata::root().join(folder));
            assert!(more.is_none_or(|more| more.is_dir()), "{}", target.name);
        }
    }

    #[test]
    fn a_name_that_is_no_target_is_refused_with_those_there_are() {
        let error = chosen(&["yaml".to_owned()]).err().map(|error| error.to_string());
        assert!(error.is_some_and(|error| error.contains("yaml-tree, expressions")));
        assert_eq!(chosen(&[]).map(|all| all.len()).ok(), Some(TARGETS.len()));
    }

    #[test]
    fn statistics_are_found_by_name() {
        let text = "x\nstat::number_of_executed_units: 42\nstat::peak_rss_mb:              39\n";
        assert_eq!(statistic(text, "peak_rss_mb"), Some("39"));
        assert_eq!(statistic(text, "other"), None);
    }
}
