//! From the call that starts a pipeline to the first byte of its first step, on both ways a client has: the event stream,
//! as the command line reads it, and the live channel, as pages do.

use std::time::Instant;

use airlock_testkit::{Git, Remote, SshKey};
use anyhow::Context as _;
use tokio::time::timeout;

use crate::figure::{Figure, Unit};
use crate::instance::Instance;
use crate::live::Live;
use crate::moments::Start;
use crate::world::World;
use crate::{limits, rows};

const PROJECT: &str = "bench/trigger";
/// One job, a warm image, no checkout, no secret.
const CONFIG: &str = "version: 2.1\njobs:\n  build:\n    docker: [{image: airlock/base}]\n    steps:\n      - run: echo first\n";
/// Step 0 spins up the environment.
const STEP: u32 = 1;

pub(crate) async fn measure(world: &World, instance: &Instance) -> anyhow::Result<Vec<Figure>> {
    prepare(world, instance).await?;
    let figure = |name, way: &str| {
        let title = format!("trigger to first byte of the first step, {way}");
        Figure::new(name, title, Unit::Milliseconds, Some(limits::TRIGGER_TARGET_MS))
    };
    let mut stream = figure("trigger-stream", "event stream");
    for run in 0..limits::WARM_UP + world.runs {
        let one = timeout(limits::RUN, over_stream(instance)).await;
        let (total, parts) = one.context("a run did not end")??;
        if run >= limits::WARM_UP {
            stream.add(total, parts);
        }
    }
    let mut live_figure = figure("trigger-live", "live channel");
    match Live::open(&instance.api).await? {
        None => live_figure
            .notes
            .push("this airlock has no live channel".to_owned()),
        Some(mut live) => {
            for run in 0..limits::WARM_UP + world.runs {
                let one = timeout(limits::RUN, over_live(instance, &mut live)).await;
                let (total, parts) = one.context("a run did not end")??;
                if run >= limits::WARM_UP {
                    live_figure.add(total, parts);
                }
            }
        }
    }
    Ok(vec![stream, live_figure])
}

/// Some runs without a clock, for who only wants work to have been done.
pub(crate) async fn work(world: &World, instance: &Instance) -> anyhow::Result<()> {
    prepare(world, instance).await?;
    for _ in 0..limits::MEMORY_RUNS {
        timeout(limits::RUN, over_stream(instance))
            .await
            .context("a run did not end")??;
    }
    Ok(())
}

async fn prepare(world: &World, instance: &Instance) -> anyhow::Result<()> {
    let key = SshKey::generate(world.data.path(), "trigger")?;
    instance.create_project(PROJECT, &key).await?;
    world
        .data
        .write("trigger-checkout/.circleci/config.yml", CONFIG)?;
    let known_hosts = world.data.join("known_hosts");
    let git = Git::init(world.data.join("trigger-checkout"))?.with_remote(&Remote {
        key: &key,
        known_hosts: &known_hosts,
    });
    // The push itself shall start nothing that runs beside the first measured pipeline.
    git.commit_all("A config [skip ci]")?;
    git.push(&instance.git_url(PROJECT), "main")?;
    Ok(())
}

type Run = (f64, Vec<(String, f64)>);

async fn over_stream(instance: &Instance) -> anyhow::Result<Run> {
    let api = &instance.api;
    let start = Start::now();
    let pipeline = api.trigger(PROJECT).await?;
    let mut events = api.events(&pipeline).await?;
    let total = loop {
        let event = events
            .next()
            .await?
            .context("the pipeline ended without output of its first step")?;
        if event["type"] == "output" && event["step_index"] == STEP {
            break start.until(Instant::now());
        }
    };
    while events.next().await?.is_some() {}
    Ok((total, rows::parts(api, &pipeline, STEP, &start, total).await?))
}

async fn over_live(instance: &Instance, live: &mut Live) -> anyhow::Result<Run> {
    let api = &instance.api;
    let start = Start::now();
    let (pipeline, seen) = tokio::join!(api.trigger(PROJECT), live.first_output(api, STEP));
    let (pipeline, seen) = (pipeline?, seen?);
    anyhow::ensure!(pipeline == seen.pipeline, "output of another pipeline was seen");
    let total = start.until(seen.at);
    Ok((total, rows::parts(api, &pipeline, STEP, &start, total).await?))
}
