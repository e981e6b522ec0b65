//! The project's own tasks, so that working on it needs nothing but cargo.
//!
//! One file per command; this one only knows the command line. Nothing here ships, and no shipped crate may
//! import it. `CONTRIBUTING.md` says when to run what.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task runner talks to its terminal"
)]

mod bench;
mod deps;
mod fuzz;
mod graph;
mod install;
mod layers;
mod metadata;
mod packages;
mod report;
mod services;
mod test_run;
mod tree;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the Airlock project.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Compare the import table of ARCHITECTURE.md with manifests, resolved graph and sources.
    CheckLayers,
    /// Check licences, banned crates and duplicate versions among the dependencies.
    CheckDeps,
    /// Install what is missing and run every gate and every test. Example: `cargo xtask test --only fmt`.
    Test(test_run::Options),
    /// List the outside programs tests use, and how each is started.
    Services,
    /// Measure the real binary. Example: `cargo xtask bench journey --runs 10`.
    #[command(subcommand)]
    Bench(bench::Bench),
    /// Feed the parser and the compiler with inputs made up by a fuzzer. Example: `cargo xtask fuzz compile --seconds 60`.
    Fuzz(fuzz::Options),
    /// Install with apt what building and running Airlock needs, and check what the sandbox needs of this machine.
    Install,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::CheckLayers => layers::run(),
        Task::CheckDeps => deps::run(),
        Task::Test(options) => test_run::run(&options),
        Task::Services => services::run(),
        Task::Bench(bench) => bench::run(&bench),
        Task::Fuzz(options) => fuzz::run(&options),
        Task::Install => install::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
