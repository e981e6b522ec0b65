//! Measures what a person waits for, on the real binary: `cargo xtask bench journey` builds and starts this program.
//!
//! It starts `airlock up` on a folder of its own, is a client of it as a browser or the command line is, and looks at
//! the clock. Everything happens on loopback, every series has a fixed number of runs and every wait a deadline. This
//! file only knows the command line and the order; each figure has a module of its own.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program talks to its terminal"
)]

mod api;
mod figure;
mod instance;
mod limits;
mod live;
mod machine;
mod memory;
mod moments;
mod peers;
mod program;
mod push;
mod report;
mod rows;
mod start_up;
mod stats;
mod trigger;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};

use crate::figure::Figure;
use crate::machine::Machine;
use crate::report::Report;
use crate::world::World;

/// What to measure and how to tell.
#[derive(Debug, Parser)]
#[command(
    name = "airlock-benches",
    after_help = "Example:\n  cargo xtask bench journey --runs 10 --only trigger"
)]
struct Arguments {
    /// The `airlock` to measure; the one beside this program otherwise.
    #[arg(long, value_name = "FILE", env = "AIRLOCK_BENCH_BINARY")]
    binary: Option<PathBuf>,
    /// Images that are there already, shared by everything on this machine.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_IMAGE_CACHE", default_value = limits::IMAGE_CACHE)]
    image_cache: PathBuf,
    /// Measured runs of each series, after the warm-up.
    #[arg(long, default_value_t = limits::RUNS, value_parser = clap::value_parser!(u32).range(1..=limits::MOST_RUNS))]
    runs: u32,
    /// Measure only this; may be given several times.
    #[arg(long, value_enum, value_name = "WHAT")]
    only: Vec<What>,
    /// Start isolated processes with other tools as well, where they are installed.
    #[arg(long)]
    peers: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What there is to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum What {
    Trigger,
    Push,
    StartUp,
    Memory,
    Size,
}

impl Arguments {
    fn wants(&self, what: What) -> bool {
        self.only.is_empty() || self.only.contains(&what)
    }
}

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("starting the runtime")?;
    let binary = match &arguments.binary {
        Some(path) => path.clone(),
        None => program::beside_this_program()?,
    };
    let world = World::new(&binary, &arguments.image_cache, arguments.runs)?;
    let mut report = Report {
        machine: Machine::here(),
        program: program::Program::read(&binary)?,
        load_before: machine::load(),
        load_after: String::new(),
        figures: Vec::new(),
    };
    if arguments.wants(What::Size) {
        report.figures.push(report.program.figure());
    }
    if arguments.wants(What::StartUp) {
        report.figures.push(start_up::measure(&world, &runtime)?);
    }
    report.figures.extend(journeys(arguments, &world, &runtime)?);
    if arguments.peers {
        report.figures.extend(peers::measure(&world)?);
    }
    report.load_after = machine::load();
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

/// Everything that needs a running instance, on one, so that memory is measured after work was done.
fn journeys(
    arguments: &Arguments,
    world: &World,
    runtime: &tokio::runtime::Runtime,
) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let any = [What::Trigger, What::Push, What::Memory];
    if !any.into_iter().any(|what| arguments.wants(what)) {
        return Ok(figures);
    }
    let (instance, _took) = instance::Instance::start(world)?;
    if arguments.wants(What::Trigger) {
        figures.extend(runtime.block_on(trigger::measure(world, &instance))?);
    }
    if arguments.wants(What::Push) {
        figures.push(runtime.block_on(push::measure(world, &instance))?);
    }
    let worked = !figures.is_empty();
    if arguments.wants(What::Memory) {
        figures.push(runtime.block_on(memory::measure(world, &instance, worked))?);
    }
    instance.stop()?;
    Ok(figures)
}
