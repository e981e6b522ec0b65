//! The door of agents: control messages as JSON, log chunks and artifacts as bytes with their header beside them. Lets
//! in who shows a certificate of this instance's CA, and lets an agent speak only for itself and for claims that are
//! its own. What the words mean is decided by `control-plane`.

mod holders;
mod ssh;
mod wire;

use std::time::Duration;

use airlock_agent_protocol::limits::{CLAIM_WAIT_MS, CONTROL_BYTES, LOG_CHUNK_BYTES};
use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, ClaimReply, ClaimRequest, FinishRequest, Heartbeat, HeartbeatReply,
    LogAck, LogHeader, StepReport,
};
use airlock_domain::AgentId;
use airlock_transport::listener::PeerInfo;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request, State as With};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{post, put};
use axum::{Extension, Json, Router};
use tokio::time::Instant;

use super::answer::Problem;
use super::input::whole_body;
use super::limits;
use super::state::State;
pub(crate) use holders::Holders;
use wire::{Message, No, Upload, header_message};

/// Beside a log chunk: a `LogHeader` as JSON.
const LOG_HEADER: &str = "airlock-log";
/// Beside an artifact: an `ArtifactHeader` as JSON.
const ARTIFACT_HEADER: &str = "airlock-artifact";

/// The agent at the other end.
#[derive(Debug, Clone, Copy)]
struct Peer(AgentId);

pub(crate) fn router(state: &State) -> Router<State> {
    Router::new()
        .route("/claim", post(claim))
        .route("/step", post(step))
        .route("/heartbeat", post(heartbeat))
        .route("/finish", post(finish))
        .layer(DefaultBodyLimit::max(CONTROL_BYTES))
        .route("/log", post(log).layer(DefaultBodyLimit::max(LOG_CHUNK_BYTES)))
        .route("/artifact", put(artifact))
        .route("/ssh/wait", post(ssh::wait))
        .route("/ssh/channel", post(ssh::channel))
        .route_layer(from_fn_with_state(state.clone(), require_certificate))
}

/// Lets agents through and nobody else. A connection may outlive the certificate it was opened with.
async fn require_certificate(
    With(state): With<State>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let shown = request
        .extensions()
        .get::<PeerInfo>()
        .and_then(|peer| peer.agent.clone());
    let refused = |text: &str| Problem::new(StatusCode::UNAUTHORIZED, text);
    let Some(identity) = shown else {
        let text = "agents show a client certificate of this instance, and none was shown: start the agent with the \
                    certificate it was given";
        return Err(refused(text));
    };
    if identity.not_after <= (state.now)() {
        return Err(refused(
            "the agent's certificate has ended: connect again with a new one",
        ));
    }
    request.extensions_mut().insert(Peer(identity.agent));
    Ok(next.run(request).await)
}

/// Waits for work in turns, so that a server that stops is not held up by agents that wait. A turn is never cut short:
/// a claim that was taken reaches its agent.
async fn claim(
    With(state): With<State>,
    Extension(Peer(agent)): Extension<Peer>,
    Message(request): Message<ClaimRequest>,
) -> Result<Json<ClaimReply>, No> {
    if request.agent != agent {
        let text = format!(
            "the certificate is agent {agent}'s, the request says it comes from {}",
            request.agent
        );
        return Err(No::invalid(text));
    }
    let deadline = Instant::now() + Duration::from_millis(request.wait_ms.min(CLAIM_WAIT_MS));
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let turn = left.min(limits::CLAIM_TURN);
        let wait_ms = u64::try_from(turn.as_millis()).unwrap_or(CLAIM_WAIT_MS);
        let reply = state
            .plane
            .agent_claim(&ClaimRequest {
                wait_ms,
                ..request.clone()
            })
            .await?;
        if let Some(assignment) = &reply.assignment {
            state.holders.remember(assignment.lease, agent);
        }
        if reply.assignment.is_some() || left <= turn || state.closing.has_begun() {
            return Ok(Json(reply));
        }
    }
}

async fn step(
    With(state): With<State>,
    Extension(Peer(agent)): Extension<Peer>,
    Message(report): Message<StepReport>,
) -> Result<Json<()>, No> {
    state.holders.check(&state.plane, report.lease, agent).await?;
    Ok(Json(state.plane.agent_step(&report).await?))
}

async fn heartbeat(
    With(state): With<State>,
    Extension(Peer(agent)): Extension<Peer>,
    Message(beat): Message<Heartbeat>,
) -> Result<Json<HeartbeatReply>, No> {
    state.holders.check(&state.plane, beat.lease, agent).await?;
    Ok(Json(state.plane.agent_heartbeat(&beat).await?))
}

async fn finish(
    With(state): With<State>,
    Extension(Peer(agent)): Extension<Peer>,
    Message(request): Message<FinishRequest>,
) -> Result<Json<()>, No> {
    state.holders.check(&state.plane, request.lease, agent).await?;
    state.lines.close(request.lease);
    Ok(Json(state.plane.agent_finish(&request).await?))
}

async fn log(
    With(state): With<State>,
    Extension(Peer(agent)): Extension<Peer>,
    request: Request,
) -> Result<Json<LogAck>, No> {
    let header: LogHeader = header_message(request.headers(), LOG_HEADER)?;
    state.holders.check(&state.plane, header.lease, agent).await?;
    let bytes = whole_body(request, &()).await?;
    Ok(Json(state.plane.agent_log(&header, bytes).await?))
}

async fn artifact(
    With(state): With<State>,
    Extension(Peer(agent)): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ArtifactStored>, No> {
    let header: ArtifactHeader = header_message(&headers, ARTIFACT_HEADER)?;
    state.holders.check(&state.plane, header.lease, agent).await?;
    Ok(Json(
        state
            .plane
            .agent_artifact(&header, &mut Upload::new(body))
            .await?,
    ))
}
