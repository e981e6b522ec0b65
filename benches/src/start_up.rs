//! From the start of `airlock up` on a data directory that was used before to its first answer to a client that has to
//! connect first.

use std::time::Instant;

use anyhow::Context as _;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::figure::{Figure, Unit};
use crate::instance::Instance;
use crate::limits;
use crate::moments;
use crate::world::World;

pub(crate) fn measure(world: &World, runtime: &Runtime) -> anyhow::Result<Figure> {
    let mut figure = Figure::new(
        "start-up",
        "start of a prepared data directory to its first answer",
        Unit::Milliseconds,
        Some(limits::START_TARGET_MS),
    );
    let (first, _) = once(world, runtime)?;
    figure.notes.push(format!(
        "the first start, on an empty directory, took {first:.0} ms"
    ));
    for run in 0..limits::START_WARM_UP + world.runs {
        let (total, parts) = once(world, runtime)?;
        if run >= limits::START_WARM_UP {
            figure.add(total, parts);
        }
    }
    Ok(figure)
}

fn once(world: &World, runtime: &Runtime) -> anyhow::Result<(f64, Vec<(String, f64)>)> {
    let (instance, mut took) = Instance::start(world)?;
    let answer = runtime.block_on(async { timeout(limits::RUN, instance.api.get("/me")).await });
    answer.context("a started instance did not answer")??;
    let total = took.start.until(Instant::now());
    took.moments
        .push(("a new client connects and has its answer".to_owned(), total));
    instance.stop()?;
    Ok((total, moments::parts(took.moments)))
}
