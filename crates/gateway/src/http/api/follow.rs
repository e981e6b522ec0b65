//! The happenings of a pipeline as lines of JSON, from its beginning to its end. The answer ends cleanly only when the
//! pipeline has ended; when the server stops or fails in between it breaks off, so that no reader takes one for the
//! other.

use std::io;

use airlock_control_plane::Follow;
use airlock_domain::PipelineId;
use airlock_domain::events::Happening;
use axum::body::Body;
use axum::extract::State as With;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::http::answer::Problem;
use crate::http::input::PathParts;
use crate::http::state::{Closing, State};

/// `GET /airlock/pipeline/{id}/events`
pub(crate) async fn events(With(state): With<State>, path: PathParts) -> Result<Response<Body>, Problem> {
    let id: PipelineId = path.get("id")?;
    let view = state.plane.pipeline(id).await?;
    let follow = state.plane.follow(view.pipeline.id);
    let mut response = Response::new(Body::from_stream(lines(follow, state.closing)));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// Each line is an item of its own, so each is sent at once.
fn lines(follow: Follow, closing: Closing) -> impl Stream<Item = io::Result<Bytes>> + Send {
    stream::try_unfold((follow, closing), |(mut follow, closing)| async move {
        let next = tokio::select! {
            biased;
            () = closing.begun() => return Err(io::Error::other("the server stops")),
            next = follow.next() => next,
        };
        match next {
            Ok(Some(happening)) => Ok(Some((line(&happening)?, (follow, closing)))),
            Ok(None) => Ok(None),
            Err(error) => {
                tracing::error!(%error, "a pipeline cannot be followed");
                Err(io::Error::other("the pipeline cannot be followed"))
            }
        }
    })
}

fn line(happening: &Happening) -> io::Result<Bytes> {
    let mut text = serde_json::to_vec(happening)?;
    text.push(b'\n');
    Ok(text.into())
}
