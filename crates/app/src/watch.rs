//! Follows a pipeline of a running instance: reads the server's stream of happenings and shows them.

use std::time::Duration;

use airlock_domain::events::{Happening, HappeningKind};
use anyhow::Context as _;
use http::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::client::Client;
use crate::show::Show;

/// How long to wait for a project's first pipeline.
const FIRST_PIPELINE: Duration = Duration::from_mins(1);
/// Between two looks for it.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Shows a pipeline to its end: the one with this id, or the newest of the project. Whether it ended green.
pub(crate) async fn watch(
    client: &Client,
    project: &str,
    id: Option<String>,
    json: bool,
) -> anyhow::Result<bool> {
    let id = match id {
        Some(id) => id,
        None => newest(client, project).await?,
    };
    let mut show = Show::new(json);
    let mut answer = client
        .send(Method::GET, &format!("/airlock/pipeline/{id}/events"), None)
        .await?;
    let (mut buffer, mut green, mut ended) = (Vec::new(), true, false);
    while let Some(piece) = answer.chunk().await? {
        buffer.extend_from_slice(&piece);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            if line.trim_ascii().is_empty() {
                continue;
            }
            let happening: Happening =
                serde_json::from_slice(&line).context("reading the server's events")?;
            show.happening(&happening);
            let status = happening.status.as_deref().unwrap_or("");
            match happening.kind {
                HappeningKind::Pipeline if status == "errored" => {
                    green = false;
                    ended = true;
                }
                HappeningKind::Workflow => {
                    ended |= ["success", "failed", "canceled", "not_run"].contains(&status);
                    green &= !["failed", "canceled"].contains(&status);
                }
                HappeningKind::Pipeline
                | HappeningKind::Job
                | HappeningKind::Slice
                | HappeningKind::StepStart
                | HappeningKind::StepEnd
                | HappeningKind::Output => {}
            }
        }
    }
    show.finish();
    anyhow::ensure!(
        ended,
        "the server's events broke off before the pipeline ended: watch it again"
    );
    Ok(green)
}

async fn newest(client: &Client, project: &str) -> anyhow::Result<String> {
    let deadline = Instant::now() + FIRST_PIPELINE;
    let slug = project.strip_prefix("git/").unwrap_or(project);
    loop {
        let answer: Value = client.get(&format!("/project/git/{slug}/pipeline")).await?;
        let id = answer.pointer("/items/0/id").and_then(Value::as_str);
        if let Some(id) = id {
            return Ok(id.to_owned());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "{project} has no pipeline yet: push to it, or start one with `airlock pipeline trigger {project}`"
        );
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}
