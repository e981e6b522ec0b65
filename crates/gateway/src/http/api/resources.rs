//! What a slice of a job used: sums, peaks and samples over time.

use airlock_agent_protocol::resources::thinned;
use airlock_agent_protocol::{ResourceSample, limits::RESOURCE_SAMPLES};
use airlock_control_plane::records::SliceResources;
use airlock_domain::JobId;
use axum::Json;
use axum::extract::State as With;

use super::shapes::shapes;
use crate::http::answer::Problem;
use crate::http::input::{PathParts, Queries};
use crate::http::state::State;

shapes! { reply:
    /// What one slice used. It is known once the slice has ended.
    Resources {
        /// The slice, from 0.
        slice: u32,
        /// How much processor it might use, in thousandths of one.
        cpu_limit_millis: u32,
        /// How much memory it might hold, in bytes.
        memory_limit: u64,
        /// Processor time used, in milliseconds.
        cpu_ms: u64,
        /// Most memory held at once, in bytes, page cache included.
        memory_peak: u64,
        /// Processes that were killed because the memory limit was reached.
        oom_kills: u64,
        /// Most processes and threads at once; 0 where the agent's machine does not count them.
        processes_peak: u64,
        /// Most bytes on its disk at once; 0 where the disk is not bounded.
        disk_peak: u64,
        /// Most files on its disk at once; 0 where the disk is not bounded.
        files_peak: u64,
        /// Oldest first. They are a second apart; of slices that ran for many hours, and when fewer points are asked for, further
        /// apart.
        samples: Vec<Sample>,
    }

    /// What was used between the sample before and this one.
    Sample {
        /// When it was taken, in milliseconds since the environment was ready.
        at_ms: u64,
        /// Processor in use, in thousandths of one.
        cpu_millis: u64,
        /// Memory held, in bytes, page cache included.
        memory: u64,
        /// The part of it that is page cache.
        cache: u64,
        /// Bytes read from the disk.
        disk_read: u64,
        /// Bytes written to the disk.
        disk_written: u64,
        /// Bytes received over the network.
        net_in: u64,
        /// Bytes sent over the network.
        net_out: u64,
    }
}

/// `GET /airlock/job/{id}/resources`
pub(crate) async fn show(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Json<Resources>, Problem> {
    let job: JobId = state.plane.job(path.get("id")?).await?.id;
    let slice = query.get::<u32>("slice")?.unwrap_or(0);
    let points = query.get::<usize>("points")?.unwrap_or(RESOURCE_SAMPLES);
    if points == 0 {
        return Err(Problem::bad("'points' in the query is at least 1"));
    }
    let found = state.plane.resources(job, slice).await?;
    let found = found.ok_or_else(|| {
        Problem::not_found(&format!(
            "record of what slice {slice} of job {job} used: it is there once the slice has ended"
        ))
    })?;
    Ok(Json(shape(slice, &found, points)))
}

fn shape(slice: u32, found: &SliceResources, points: usize) -> Resources {
    let SliceResources { usage, report } = found;
    let sample = |sample: ResourceSample| Sample {
        at_ms: sample.at_ms,
        cpu_millis: sample.cpu_millis,
        memory: sample.memory,
        cache: sample.cache,
        disk_read: sample.disk_read,
        disk_written: sample.disk_written,
        net_in: sample.net_in,
        net_out: sample.net_out,
    };
    Resources {
        slice,
        cpu_limit_millis: report.cpu_limit_millis,
        memory_limit: report.memory_limit,
        cpu_ms: usage.cpu_ns / 1_000_000,
        memory_peak: usage.memory_peak,
        oom_kills: usage.oom_kills,
        processes_peak: usage.pids_peak,
        disk_peak: usage.disk_peak,
        files_peak: usage.inodes_peak,
        samples: thinned(&report.samples, points).into_iter().map(sample).collect(),
    }
}
