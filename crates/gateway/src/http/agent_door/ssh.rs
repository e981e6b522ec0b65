//! The agents' part of entering jobs: the question whether somebody is at a slice's door, and the call whose body and
//! answer are the two directions of one channel. Both are a line's; who may come through it is the SSH door's to say.

use std::time::Duration;

use airlock_agent_protocol::limits::SSH_WAIT_MS;
use airlock_agent_protocol::ssh::{SshChannelHeader, SshWait, SshWaitReply};
use axum::body::Body;
use axum::extract::State as With;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::Peer;
use super::wire::{Message, No, header_message};
use crate::http::state::State;
use crate::job_ssh::{AgentSide, limits};

/// Beside a channel: an `SshChannelHeader` as JSON.
const SSH_HEADER: &str = "airlock-ssh";

/// `POST /agent/v1/ssh/wait`
pub(super) async fn wait(
    With(state): With<State>,
    Extension(Peer(agent)): Extension<Peer>,
    Message(wait): Message<SshWait>,
) -> Result<Json<SshWaitReply>, No> {
    state.holders.check(&state.plane, wait.lease, agent).await?;
    state.plane.agent_ssh(wait.lease).await?;
    let open = tokio::select! {
        open = state.lines.wait(wait.lease, Duration::from_millis(SSH_WAIT_MS)) => open,
        () = state.closing.begun() => None,
    };
    Ok(Json(SshWaitReply { open }))
}

/// `POST /agent/v1/ssh/channel`
pub(super) async fn channel(
    With(state): With<State>,
    Extension(Peer(agent)): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, No> {
    let header: SshChannelHeader = header_message(&headers, SSH_HEADER)?;
    state.holders.check(&state.plane, header.lease, agent).await?;
    let (to_agent, mut pieces) = mpsc::channel::<Bytes>(limits::QUEUE);
    let side = AgentSide {
        to_agent,
        from_agent: body.into_data_stream(),
    };
    if !state.lines.connect(header.lease, header.channel, side) {
        return Err(No::invalid("nobody waits for this channel any more"));
    }
    // Ends with the server, so that nobody who only looks at a terminal holds its stop up.
    let closing = state.closing.clone();
    let pieces = futures_util::stream::poll_fn(move |context| pieces.poll_recv(context));
    let pieces = pieces
        .take_until(async move { closing.begun().await })
        .map(Ok::<_, std::convert::Infallible>);
    Ok(Body::from_stream(pieces).into_response())
}
