//! From `git push` to the first line after the checkout, as a page shows it: a person pushes and looks.

use std::path::PathBuf;
use std::time::Instant;

use airlock_testkit::{Git, Remote, Run, SshKey, Watched};
use anyhow::Context as _;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use crate::figure::{Figure, Unit};
use crate::instance::Instance;
use crate::live::Live;
use crate::moments::Start;
use crate::world::World;
use crate::{limits, rows};

const PROJECT: &str = "bench/push";
const CONFIG: &str = "version: 2.1\njobs:\n  build:\n    docker: [{image: airlock/base}]\n    steps:\n      - checkout\n      - run: head -1 marker\n";
/// Step 0 spins up the environment, step 1 is the checkout.
const STEP: u32 = 2;

pub(crate) async fn measure(world: &World, instance: &Instance) -> anyhow::Result<Figure> {
    let repository = Repository::new(world, instance).await?;
    let mut figure = Figure::new(
        "push",
        "push to first line after the checkout",
        Unit::Milliseconds,
        Some(limits::PUSH_TARGET_MS),
    );
    let mut live = Live::open(&instance.api).await?;
    figure.notes.push(match live {
        Some(_) => "seen over the live channel".to_owned(),
        None => "seen over the event stream, because this airlock has no live channel: it can be opened only when \
                 the push has said which pipeline it started"
            .to_owned(),
    });
    for number in 0..limits::WARM_UP + world.runs {
        let push = repository.next(number)?;
        let one = async {
            match &mut live {
                Some(live) => seen_live(instance, live, push).await,
                None => seen_streamed(instance, push).await,
            }
        };
        let (start, pipeline, total) = timeout(limits::RUN, one).await.context("a run did not end")??;
        let parts = rows::parts(&instance.api, &pipeline, STEP, &start, total).await?;
        if number >= limits::WARM_UP {
            figure.add(total, parts);
        }
    }
    Ok(figure)
}

/// The repository that is pushed from.
struct Repository {
    git: Git,
    marker: PathBuf,
    url: String,
}

impl Repository {
    async fn new(world: &World, instance: &Instance) -> anyhow::Result<Self> {
        let key = SshKey::generate(world.data.path(), "push")?;
        instance.create_project(PROJECT, &key).await?;
        world.data.write("push-checkout/.circleci/config.yml", CONFIG)?;
        let known_hosts = world.data.join("known_hosts");
        let git = Git::init(world.data.join("push-checkout"))?.with_remote(&Remote {
            key: &key,
            known_hosts: &known_hosts,
        });
        Ok(Self {
            marker: git.directory().join("marker"),
            url: instance.git_url(PROJECT),
            git,
        })
    }

    /// Commits a change and gives the command that pushes it.
    fn next(&self, number: u32) -> anyhow::Result<Run> {
        std::fs::write(&self.marker, format!("change {number}\n")).context("writing a change")?;
        self.git.commit_all("A change")?;
        Ok(self.git.command(["push", &self.url, "main"]))
    }
}

type Seen = (Start, String, f64);

async fn seen_live(instance: &Instance, live: &mut Live, push: Run) -> anyhow::Result<Seen> {
    let start = Start::now();
    let pushed = spawn_blocking(move || push.finish()?.success());
    let first = live.first_output(&instance.api, STEP).await;
    pushed.await.context("waiting for git")??;
    let first = first?;
    Ok((start, first.pipeline, start.until(first.at)))
}

async fn seen_streamed(instance: &Instance, push: Run) -> anyhow::Result<Seen> {
    let start = Start::now();
    // Lives until it is dropped, and would end git with it.
    let pushing: JoinHandle<anyhow::Result<(Watched, String)>> = spawn_blocking(move || {
        let mut pushing = Watched::start(&push)?;
        let line = pushing.wait_for_line("the pipeline", limits::RUN, |line| {
            pipeline_of(&line.text).is_some()
        })?;
        let pipeline = pipeline_of(&line.text).unwrap_or_default().to_owned();
        Ok((pushing, pipeline))
    });
    let (mut pushing, pipeline) = pushing.await.context("waiting for git")??;
    let mut events = instance.api.events(&pipeline).await?;
    let total = loop {
        let event = events
            .next()
            .await?
            .context("the pipeline ended without output after its checkout")?;
        if event["type"] == "output" && event["step_index"] == STEP {
            break start.until(Instant::now());
        }
    };
    spawn_blocking(move || pushing.wait(limits::RUN))
        .await
        .context("waiting for git")??;
    Ok((start, pipeline, total))
}

/// The id in `remote: Pipeline #7 for branch main: https://localhost:8443/pipelines/<id>`.
fn pipeline_of(line: &str) -> Option<&str> {
    let id = line.split_once("/pipelines/")?.1.trim();
    line.contains("Pipeline #")
        .then_some(id)
        .filter(|id| !id.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_tells_the_pipeline() {
        let line = "remote: Pipeline #7 for branch main: https://localhost:8443/pipelines/0198c2f4-1        ";
        assert_eq!(pipeline_of(line), Some("0198c2f4-1"));
        assert_eq!(pipeline_of("remote: branch main: no pipeline"), None);
        assert_eq!(pipeline_of("To ssh://git@localhost/pipelines/x.git"), None);
    }
}
