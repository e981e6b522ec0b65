//! The live channel: a server of the Pusher protocol, version 7, on the same port and certificate as the pages. Owns
//! who may listen to what and how much a listener may cost; says only what changed and carries pieces of output, while
//! rows and logs stay the truth. Browsers connect with the vendored `pusher-js`.
//!
//! [`machine`] is the protocol without sockets, [`socket`] the WebSocket around it, [`hub`] hears the bus once and tells
//! every listener, and drops for those that are too slow rather than wait for them.

mod channel;
mod hub;
mod limits;
mod machine;
mod message;
mod notice;
mod signature;
mod socket;

use std::sync::Arc;

use axum::extract::FromRequest as _;
use axum::extract::{DefaultBodyLimit, Form, Request, State as With};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use crate::http::answer::Problem;
use crate::http::auth::from_own_pages;
use crate::http::limits::BODY_READ;
use crate::http::state::State;
use crate::pages::signed_in;
use channel::Channel;
use hub::Hub;
use machine::SocketId;
use signature::Signer;

/// The application's key in the address of the channel. It is no secret: it tells applications apart, of which there is
/// one.
pub(crate) const APP_KEY: &str = "airlock";

/// The WebSocket, and where a browser gets its right to listen.
pub(crate) fn router(state: &State) -> Router<State> {
    let live = Live {
        hub: Hub::new(state.plane.clone(), state.closing.clone()),
        signer: Arc::new(Signer::new((state.random)())),
    };
    Router::new()
        .route("/app/{key}", get(socket::open))
        .route("/pusher/auth", post(authorize))
        .layer(DefaultBodyLimit::max(limits::AUTH_BODY_BYTES))
        .layer(Extension(live))
}

/// What the handlers of the live channel share.
#[derive(Clone)]
struct Live {
    hub: Arc<Hub>,
    signer: Arc<Signer>,
}

/// What `pusher-js` sends.
#[derive(Deserialize)]
struct Wanted {
    socket_id: String,
    channel_name: String,
}

/// The right to listen.
#[derive(Debug, Serialize)]
struct Granted {
    auth: String,
}

/// `POST /pusher/auth`
async fn authorize(
    With(state): With<State>,
    Extension(live): Extension<Live>,
    request: Request,
) -> Result<Json<Granted>, Problem> {
    let refused = |text: &str| Problem::new(StatusCode::FORBIDDEN, text);
    if !from_own_pages(request.method(), request.uri(), request.headers()) {
        return Err(refused("the live channel is for Airlock's own pages"));
    }
    if signed_in(&state, request.headers()).await?.is_none() {
        return Err(refused("this session has ended: sign in again"));
    }
    let form = tokio::time::timeout(BODY_READ, Form::<Wanted>::from_request(request, &()));
    let Ok(Ok(Form(wanted))) = form.await else {
        return Err(Problem::bad("expected a form with socket_id and channel_name"));
    };
    // Anything else signed here could be passed off as the signature of another channel.
    let socket = SocketId::parse(&wanted.socket_id).ok_or_else(|| Problem::bad("this is no socket_id"))?;
    let channel = Channel::parse(&wanted.channel_name);
    let channel = channel.ok_or_else(|| refused("there is no such channel"))?;
    may_listen(&state, channel).await?;
    Ok(Json(Granted {
        auth: format!("{APP_KEY}:{}", live.signer.sign(socket, channel)),
    }))
}

/// Whoever is signed in may read every pipeline of the instance, so the channel must only be of something that exists.
async fn may_listen(state: &State, channel: Channel) -> Result<(), Problem> {
    let found = match channel {
        Channel::Pipelines => return Ok(()),
        Channel::Pipeline(id) => state.plane.pipeline(id).await.map(|_| ()),
        Channel::Job(id) => state.plane.job(id).await.map(|_| ()),
    };
    // The same answer for what is hidden and for what never was.
    found.map_err(|error| match Problem::from(error) {
        problem if problem.is_the_callers() => {
            Problem::new(StatusCode::FORBIDDEN, "there is no such channel")
        }
        problem => problem,
    })
}

/// The answer to a WebSocket that was refused before it began.
type Refused = Result<Response, Problem>;
