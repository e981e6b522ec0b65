//! Measures the config compiler: `cargo xtask bench config` builds and starts this program.
//!
//! It knows nothing of the product but the three crates it measures, so that it is built in a minute. What it reads is a
//! config of its own and, where there is one, the folder of real configs (`AIRLOCK_CORPUS`, or `../shared/corpus` beside
//! the checkout). Each figure that is about memory has a process of its own: this program, started again. Beside the
//! figures stands what PyYAML needs to read the same files, where it is installed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program talks to its terminal"
)]

mod alone;
mod bombs;
mod corpus;
mod figure;
mod keystrokes;
mod peer;
mod sample;
mod series;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;

use crate::corpus::Corpus;
use crate::figure::{Figure, report};

/// What to measure and how to tell.
#[derive(Debug, Parser)]
#[command(
    name = "airlock-config-benches",
    after_help = "Example:\n  cargo xtask bench config --runs 50"
)]
struct Arguments {
    /// Real configs and orbs, as `configs/` and `orb-dir/`.
    #[arg(
        long,
        value_name = "DIR",
        env = "AIRLOCK_CORPUS",
        default_value = "../shared/corpus"
    )]
    corpus: PathBuf,
    /// Measure `airlock lsp` of this binary too, through its pipes.
    #[arg(long, value_name = "FILE", env = "AIRLOCK_BENCH_BINARY")]
    binary: Option<PathBuf>,
    /// Measured runs of each series.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Do one thing in this process and print what it took: how this program measures memory.
    #[arg(long, hide = true, value_name = "WHAT")]
    alone: Option<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let corpus = Corpus::open(&arguments.corpus);
    if let Some(what) = &arguments.alone {
        let took = alone::here(what, corpus.as_ref())?;
        println!("{}", took.line());
        return Ok(());
    }
    let figures = measure(arguments, corpus.as_ref())?;
    if arguments.json {
        let all: Vec<_> = figures.iter().map(Figure::json).collect();
        println!("{}", serde_json::to_string_pretty(&all).context("writing JSON")?);
    } else {
        print!("{}", report(&figures));
        if corpus.is_none() {
            println!("no real configs at {}", arguments.corpus.display());
        }
    }
    Ok(())
}

fn measure(arguments: &Arguments, corpus: Option<&Corpus>) -> anyhow::Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let own = [
        ("a config of 300 lines", sample::config(300), 1.0),
        ("a config of 2,866 lines", sample::config(2866), 10.0),
    ];
    for (title, text, target) in own {
        figures.extend(series::config(title, text.into_bytes(), target, arguments.runs)?);
    }
    if let Some(corpus) = corpus {
        let (name, bytes) = corpus.near(300)?;
        figures.extend(series::config(
            &format!("real: {name}"),
            bytes,
            1.0,
            arguments.runs,
        )?);
        let (name, bytes) = corpus.longest()?;
        figures.extend(series::config(
            &format!("real: {name}"),
            bytes,
            10.0,
            arguments.runs,
        )?);
        let runs = arguments.runs.div_ceil(6);
        let mut time = Figure::new("all real configs with their orbs", "ms", Some(500.0));
        let mut memory = Figure::new("the same, most memory", "MB", Some(60.0));
        for _ in 0..runs {
            let took = alone::started(alone::ALL, &arguments.corpus)?;
            time.samples.push(took.milliseconds);
            memory.samples.push(took.megabytes);
        }
        figures.extend([time, memory]);
    }
    let (title, text) = match corpus {
        Some(corpus) => {
            let (name, bytes) = corpus.longest()?;
            (format!("real: {name}"), bytes)
        }
        None => (
            "a config of 2,866 lines".to_owned(),
            sample::config(2866).into_bytes(),
        ),
    };
    figures.extend(keystrokes::in_process(
        &title,
        &text,
        Corpus::open(&arguments.corpus),
    )?);
    if let Some(binary) = &arguments.binary {
        figures.extend(keystrokes::through_pipes(
            &title,
            &text,
            binary,
            &arguments.corpus,
        )?);
    }
    for bomb in bombs::all() {
        let took = alone::started(bomb.name, &arguments.corpus)?;
        let mut time = Figure::new(format!("bomb: {}", bomb.name), "ms", Some(200.0));
        time.samples.push(took.milliseconds);
        let mut memory = Figure::new("  most memory", "MB", Some(256.0));
        memory.samples.push(took.megabytes);
        time.note = took.note;
        figures.extend([time, memory]);
    }
    Ok(figures)
}
