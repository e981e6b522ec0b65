//! Who a job spoke to: the connections out of each slice's sandbox, by step and place.

use airlock_agent_protocol::{EgressEntry, EgressReport};
use axum::Json;
use axum::extract::State as With;

use super::shapes::shapes;
use crate::http::answer::Problem;
use crate::http::input::PathParts;
use crate::http::state::State;

shapes! { reply:
    /// Who a job spoke to.
    Egress {
        /// Its slices that spoke to anybody.
        items: Vec<SliceEgress>,
    }

    /// Who a slice spoke to. It is known once the slice has ended.
    SliceEgress {
        /// The slice, from 0.
        slice: u32,
        /// Connections by step and place.
        connections: Vec<Connections>,
        /// Connections that are not listed, because there were too many places.
        beyond: u64,
        /// Whether some are missing that the agent could not see.
        incomplete: bool,
    }

    /// Connections to one place while one step ran.
    Connections {
        /// The step that ran in the foreground when they began.
        step: u32,
        /// The name that led there, if the job looked one up.
        name: Option<String>,
        /// Where to; of a name that was not looked up, the job's name server.
        address: String,
        /// The port there; 0 for protocols without.
        port: u32,
        /// tcp, udp, icmp, the number of another protocol, or any where an answer of the name server was refused.
        protocol: String,
        /// allowed or refused.
        verdict: String,
        /// How many; of refused ones, packets.
        count: u64,
        /// Bytes sent, headers included.
        bytes_out: u64,
        /// Bytes that came back.
        bytes_in: u64,
    }
}

/// `GET /airlock/job/{id}/egress`
pub(crate) async fn show(With(state): With<State>, path: PathParts) -> Result<Json<Egress>, Problem> {
    let job = state.plane.job(path.get("id")?).await?;
    let mut items = Vec::new();
    for slice in &job.slices {
        let report = state.plane.egress(job.id, slice.index).await?;
        if !report.is_empty() {
            items.push(shape(slice.index, report));
        }
    }
    Ok(Json(Egress { items }))
}

fn shape(slice: u32, report: EgressReport) -> SliceEgress {
    let connections = |entry: EgressEntry| Connections {
        step: entry.step,
        name: entry.name.clone(),
        address: entry.address.to_string(),
        port: entry.port.into(),
        protocol: entry.protocol_name(),
        verdict: entry.verdict.as_str().to_owned(),
        count: entry.connections,
        bytes_out: entry.bytes_out,
        bytes_in: entry.bytes_in,
    };
    SliceEgress {
        slice,
        beyond: report.beyond,
        incomplete: report.incomplete,
        connections: report.entries.into_iter().map(connections).collect(),
    }
}
