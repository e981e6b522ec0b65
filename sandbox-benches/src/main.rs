//! Measures how long a sandbox takes: `cargo xtask bench sandbox` builds and starts this program.
//!
//! Every round runs each contender once, so that whatever else the machine does hits all of them alike: our launcher,
//! our command line, bwrap, runc and docker, those of them that are installed. It starts itself again in a network and
//! a mount namespace of its own; the host's bridges, rules and mounts stay as they are.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measuring program talks to its terminal"
)]

mod docker;
mod limits;
mod ours;
mod peers;
mod place;
mod report;
mod series;

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;

use crate::docker::Engine;
use crate::ours::{Ours, Parts};
use crate::peers::Peer;
use crate::place::Place;
use crate::report::{AIRLOCK, BWRAP, COLD, DOCKER, IDLE, LARGE, RUNC, Report, SWITCH, WARM, WARM_FIRST};
use crate::series::{Series, milliseconds};

/// Says that the namespaces are made.
const INSIDE: &str = "AIRLOCK_BENCH_INSIDE";

/// What to measure and how to tell.
#[derive(Debug, Parser)]
#[command(
    name = "airlock-sandbox-benches",
    after_help = "Example:\n  cargo xtask bench sandbox --n 50"
)]
struct Arguments {
    /// The `airlock` to measure; it holds the in-job program.
    #[arg(long, value_name = "FILE", env = "AIRLOCK_BENCH_BINARY")]
    binary: Option<PathBuf>,
    /// Measured rounds, after the warm-up.
    #[arg(long, default_value_t = limits::ROUNDS, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    n: u32,
    /// The in-job program; the one inside the binary otherwise.
    #[arg(long, value_name = "FILE")]
    task: Option<PathBuf>,
    /// Only our own.
    #[arg(long)]
    alone: bool,
    /// Where the sandboxes write; on a disk, as for jobs.
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    work_dir: PathBuf,
    /// Run everything at a real-time priority, so that other work on the machine hardly counts. Real-time processes may
    /// not enter the groups of the old `cpu` controller, so nobody's processor time is limited then. Without docker.
    #[arg(long)]
    realtime: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = if std::env::var_os(INSIDE).is_some() {
        measure(&arguments)
    } else {
        enter_namespaces(&arguments)
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn enter_namespaces(arguments: &Arguments) -> Result<()> {
    ensure!(
        rustix::process::geteuid().is_root(),
        "sandboxes need root; run it with sudo"
    );
    let this = std::env::current_exe().context("finding this program")?;
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount", "--"]);
    if arguments.realtime {
        let hidden = "umount /sys/fs/cgroup/cpu && exec chrt --fifo 5 \"$0\" \"$@\"";
        command.args(["sh", "-c", hidden]);
    }
    command
        .arg(this)
        .args(std::env::args_os().skip(1))
        .env(INSIDE, "1");
    bail!("running unshare: {}", command.exec())
}

/// Runs once and says how long and in which parts.
type Contender<'a> = Box<dyn FnMut() -> Result<(std::time::Duration, Parts)> + 'a>;

fn measure(arguments: &Arguments) -> Result<()> {
    let binary = match &arguments.binary {
        Some(path) => std::path::absolute(path)?,
        None => std::env::current_exe()?.with_file_name("airlock"),
    };
    let place = Place::make(&arguments.work_dir)?;
    let mut report = Report {
        load: (load(), String::new()),
        ..Report::default()
    };
    let task = match &arguments.task {
        Some(path) => std::path::absolute(path)?,
        None => in_job_program(&binary, &place)?,
    };
    let ours = std::cell::RefCell::new(Ours::start(&task, &place, 0)?);
    let ahead = std::cell::RefCell::new(Ours::start(&task, &place, 1)?);
    let (small, large) = (place.small(), place.large());
    let mut contenders: Vec<(&'static str, Contender<'_>)> = vec![
        (COLD, Box::new(|| ours.borrow_mut().cold(&small))),
        (LARGE, Box::new(|| ours.borrow_mut().cold(&large))),
        (WARM_FIRST, Box::new(|| ahead.borrow_mut().warm(&small, false))),
        (WARM, Box::new(|| ahead.borrow_mut().warm(&small, true))),
        (SWITCH, Box::new(|| ours.borrow_mut().switch(&small))),
        (AIRLOCK, whole(peers::airlock(&binary, &place))),
    ];
    // An engine at real-time priority spins for ever on a machine that it starves.
    let engine = if arguments.alone || arguments.realtime {
        None
    } else {
        Engine::start(&place)?
    };
    if !arguments.alone {
        let found = [
            (BWRAP, peers::bwrap(&place)),
            (RUNC, peers::runc(&place, !arguments.realtime)?),
            (DOCKER, engine.as_ref().map(Engine::peer)),
        ];
        for (name, peer) in found {
            match peer {
                Some(peer) => contenders.push((name, whole(peer))),
                None => report.notes.push(format!(
                    "{name} is not installed, or cannot be measured this way, and is left out"
                )),
            }
        }
    }
    report.series = contenders
        .iter()
        .map(|(name, _)| (*name, Series::default()))
        .collect();
    for round in 0..limits::WARM_UP + arguments.n {
        for ((name, contender), (_, series)) in contenders.iter_mut().zip(&mut report.series) {
            let (took, parts) = contender().with_context(|| format!("measuring {name}"))?;
            if round >= limits::WARM_UP {
                series.add(milliseconds(took), &parts);
            }
        }
    }
    drop(contenders);
    let mut memory = Series::default();
    for _ in 0..limits::MEMORY_ROUNDS {
        memory.add(ours.borrow_mut().idle_memory(&small)? / 1e6, &[]);
    }
    report.series.push((IDLE, memory));
    report.load.1 = load();
    if arguments.realtime {
        let note = "at real-time priority, without limits on processor time";
        report.notes.push(note.to_owned());
    }
    if arguments.json {
        println!("{}", report.json());
    } else {
        print!("{}", report.text());
    }
    Ok(())
}

fn whole<'a>(mut peer: Peer) -> Contender<'a> {
    Box::new(move || Ok((peer.run()?, Vec::new())))
}

/// The program travels inside the binary and is unpacked by its first run.
fn in_job_program(binary: &Path, place: &Place) -> Result<PathBuf> {
    peers::airlock(binary, place).run()?;
    let folder = place.join("data/bin");
    let entry = std::fs::read_dir(&folder)
        .with_context(|| format!("listing {}", folder.display()))?
        .next()
        .with_context(|| format!("{} is empty", folder.display()))??;
    Ok(entry.path())
}

/// The load of the last one, five and fifteen minutes.
fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
