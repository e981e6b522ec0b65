//! What an instance wrote down about one run: read after it, so that reading costs the run nothing.

use anyhow::Context as _;
use serde_json::Value;

use crate::api::Api;
use crate::moments::{self, Start};

/// The parts of one run, up to the moment `seen` after its start, when the first output of step `step` was there. Waits
/// for the end of the pipeline.
pub(crate) async fn parts(
    api: &Api,
    pipeline: &str,
    step: u32,
    start: &Start,
    seen: f64,
) -> anyhow::Result<Vec<(String, f64)>> {
    let job = api.events(pipeline).await?.drain().await?;
    let accepted = api.get(&format!("/pipeline/{pipeline}")).await?;
    let workflows = api.get(&format!("/pipeline/{pipeline}/workflow")).await?;
    let detail = api.get(&format!("/airlock/job/{job}")).await?;
    let slice = &detail["slices"][0];
    let at = |value: &Value| -> anyhow::Result<f64> {
        let wall = value.as_str().and_then(moments::wall_ms);
        Ok(start.until_wall(wall.with_context(|| format!("{value} is no time of a row"))?))
    };
    let mut moments = vec![
        (
            "until the pipeline's row is written".to_owned(),
            at(&accepted["created_at"])?,
        ),
        ("planned".to_owned(), at(&workflows["items"][0]["created_at"])?),
        ("claimed by the agent".to_owned(), at(&slice["started_at"])?),
    ];
    for index in 0..=step {
        let found = &slice["steps"][usize::try_from(index).unwrap_or_default()];
        let name = found["name"].as_str().unwrap_or("?");
        moments.push((format!("step {index} '{name}' begins"), at(&found["started_at"])?));
        if index < step {
            moments.push((format!("step {index} '{name}' ends"), at(&found["stopped_at"])?));
        }
    }
    moments.push(("its first output is seen by the client".to_owned(), seen));
    let mut parts = moments::parts(moments);
    let ready = moments::ready_line(&api.log(&job, 0).await?);
    parts.extend(
        ready
            .into_iter()
            .map(|(name, ms)| (format!("of step 0, by its own clock: {name}"), ms)),
    );
    Ok(parts)
}
