//! Bytes of jobs: logs and artifacts. They are written by strangers' code, so every answer is a download of no
//! particular type that no browser opens.

use std::io;

use airlock_control_plane::rows::ArtifactRow;
use airlock_domain::{ArtifactId, JobId};
use axum::body::Body;
use axum::extract::State as With;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, Response};
use futures_util::stream;

use crate::http::answer::Problem;
use crate::http::input::{PathParts, Queries};
use crate::http::limits;
use crate::http::percent::encoded;
use crate::http::state::State;

/// The whole length of a log, so that a reader knows whether there is more.
const LOG_LENGTH: HeaderName = HeaderName::from_static("airlock-log-length");

const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// `GET /airlock/job/{id}/log`
pub(crate) async fn log(
    With(state): With<State>,
    path: PathParts,
    query: Queries,
) -> Result<Response<Body>, Problem> {
    let job: JobId = path.get("id")?;
    let slice = query.get::<u32>("slice")?.unwrap_or(0);
    let offset = query.get::<u64>("offset")?.unwrap_or(0);
    let step = query
        .get::<u32>("step")?
        .ok_or_else(|| Problem::bad("'step' in the query is missing"))?;
    if !state
        .plane
        .steps(state.plane.job(job).await?.id, slice)
        .await?
        .iter()
        .any(|row| row.step == step)
    {
        return Err(Problem::not_found(&format!(
            "step {step} of slice {slice} of job {job}"
        )));
    }
    let (bytes, length) = state.plane.log(job, slice, step, offset).await?;
    let mut response = Response::new(Body::from(bytes));
    response.headers_mut().insert(CONTENT_TYPE, BYTES);
    response
        .headers_mut()
        .insert(LOG_LENGTH, HeaderValue::from(length));
    Ok(response)
}

/// `GET /airlock/job/{id}/artifact/{artifact}`
pub(crate) async fn artifact(With(state): With<State>, path: PathParts) -> Result<Response<Body>, Problem> {
    let (job, id) = (path.get::<JobId>("id")?, path.get::<ArtifactId>("artifact")?);
    let row = state.plane.artifact(state.plane.job(job).await?.id, id).await?;
    let disposition = HeaderValue::try_from(attachment(&row.path))
        .map_err(|error| Problem::internal(format!("the name of artifact {id}: {error}")))?;
    let size = row.size;
    let mut response = Response::new(Body::from_stream(pieces(state, row)));
    response.headers_mut().insert(CONTENT_TYPE, BYTES);
    response
        .headers_mut()
        .insert(CONTENT_LENGTH, HeaderValue::from(size));
    response.headers_mut().insert(CONTENT_DISPOSITION, disposition);
    Ok(response)
}

fn pieces(
    state: State,
    row: ArtifactRow,
) -> impl futures_util::Stream<Item = io::Result<bytes::Bytes>> + Send {
    stream::try_unfold((state, row, 0), |(state, row, offset)| async move {
        if offset >= row.size {
            return Ok(None);
        }
        let read = state
            .plane
            .artifact_bytes(&row, offset, limits::ARTIFACT_PIECE_BYTES)
            .await;
        let piece = read.map_err(|error| {
            tracing::error!(artifact = %row.id, %error, "an artifact cannot be read");
            io::Error::other("the artifact cannot be read")
        })?;
        if piece.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the artifact ends early",
            ));
        }
        let next = offset + piece.len() as u64;
        Ok(Some((piece, (state, row, next))))
    })
}

/// The last part of a path as a file name, in plain letters for old readers and in full for others (RFC 6266).
fn attachment(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = name.chars().map(|c| if safe(c) { c } else { '_' }).collect();
    let full = encoded(name);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{full}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        assert_eq!(
            attachment("dist/hello.txt"),
            "attachment; filename=\"hello.txt\"; filename*=UTF-8''hello.txt"
        );
        let evil = attachment("a/x\"; filename=evil.html\r\nSet-Cookie: a=b");
        assert_eq!(evil.matches('"').count(), 2, "{evil}");
        assert!(!evil.contains('\r') && !evil.contains('\n') && HeaderValue::try_from(&evil).is_ok());
        let umlaut = attachment("ü.txt");
        assert_eq!(
            umlaut,
            "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt"
        );
    }
}
