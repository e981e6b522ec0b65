//! Other tools that start an isolated process, beside ours and on the same load. They are asked for the same kinds of
//! namespaces but set up no limits, no image and no filter, so the ratio says what those cost and is no race.

use std::path::Path;
use std::time::{Duration, Instant};

use airlock_testkit::{Run, Watched};

use crate::figure::{Figure, Unit};
use crate::limits;
use crate::world::World;

/// What the isolated process says, so that its first sign of life is what is measured.
const SAID: &str = "isolated";

/// A tool and the arguments that make it start such a process.
const PEERS: &[(&str, &[&str])] = &[
    (
        "unshare",
        &[
            "--user",
            "--map-root-user",
            "--mount",
            "--pid",
            "--fork",
            "--net",
            "--ipc",
            "--uts",
            "--cgroup",
            "echo",
            SAID,
        ],
    ),
    (
        "bwrap",
        &[
            "--unshare-all",
            "--ro-bind",
            "/",
            "/",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "echo",
            SAID,
        ],
    ),
];

/// Ours first, then each tool that is installed.
pub(crate) fn measure(world: &World) -> anyhow::Result<Vec<Figure>> {
    let arguments = ["sandbox", "run", "--net", "none", "--", "echo", SAID];
    let folder = world.data.join("peers");
    let ours = || {
        let run = world.airlock().variable("AIRLOCK_DATA_DIR", &folder);
        run.args(arguments)
    };
    let mut figures = vec![series(world, "airlock", &arguments, ours)?];
    for (tool, arguments) in PEERS {
        if installed(tool) {
            figures.push(series(world, tool, arguments, || {
                Run::new(tool).args(*arguments)
            })?);
        } else {
            let mut figure = figure(tool, arguments);
            figure
                .notes
                .push(format!("{tool} is not installed, so it was not compared"));
            figures.push(figure);
        }
    }
    let medians: Vec<Option<f64>> = figures.iter().map(|figure| Some(figure.summary()?.p50)).collect();
    if let Some(Some(ours)) = medians.first() {
        for ((figure, theirs), (tool, _)) in figures.iter_mut().zip(&medians).skip(1).zip(PEERS) {
            if let Some(theirs) = theirs {
                let note = format!("ours takes {:.1} times as long as {tool}", ours / theirs);
                figure.notes.push(note);
            }
        }
    }
    Ok(figures)
}

fn figure(tool: &str, arguments: &[&str]) -> Figure {
    let title = format!("{tool}: start to first output of an isolated process");
    let mut figure = Figure::new("peers", title, Unit::Milliseconds, None);
    figure.notes.push(format!("{tool} {}", arguments.join(" ")));
    figure
}

fn series(world: &World, tool: &str, arguments: &[&str], run: impl Fn() -> Run) -> anyhow::Result<Figure> {
    let mut figure = figure(tool, arguments);
    for number in 0..limits::WARM_UP + world.runs {
        let took = time(&run())?;
        if number >= limits::WARM_UP {
            figure.add(took.as_secs_f64() * 1000.0, []);
        }
    }
    Ok(figure)
}

/// From the start of the tool to the first word of what it started.
fn time(run: &Run) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let mut running = Watched::start(run)?;
    running.wait_for_line("the isolated process", limits::RUN, |line| line.text == SAID)?;
    let took = started.elapsed();
    let status = running.wait(limits::RUN)?;
    anyhow::ensure!(
        status.success(),
        "it ended with {status}:\n{}",
        running.transcript()
    );
    Ok(took)
}

fn installed(tool: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| Path::new(&folder).join(tool).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_looked_for_where_the_shell_looks() {
        assert!(installed("sh"));
        assert!(!installed("no-such-tool-4711"));
    }
}
