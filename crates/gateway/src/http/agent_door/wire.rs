//! How messages of agents look on the wire: bodies and headers in, refusals out. Every no is a `Refusal` as JSON, so
//! that an agent always knows whether to try again.

use airlock_agent_protocol::{Refusal, RefusalCode};
use airlock_control_plane::agents::ArtifactBody;
use async_trait::async_trait;
use axum::Json;
use axum::body::{Body, BodyDataStream};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::http::answer::Problem;
use crate::http::input::{parse_json, whole_body};
use crate::http::limits;

/// A refusal as an answer.
#[derive(Debug)]
pub(crate) struct No(Refusal);

impl No {
    /// The message breaks a rule.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self(Refusal {
            code: RefusalCode::Invalid,
            message: message.into(),
        })
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<Problem> for No {
    fn from(problem: Problem) -> Self {
        Self::invalid(problem.message())
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let status = match self.0.code {
            RefusalCode::Fenced | RefusalCode::Gap => StatusCode::CONFLICT,
            RefusalCode::Invalid => StatusCode::BAD_REQUEST,
            RefusalCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            RefusalCode::Protocol => StatusCode::UPGRADE_REQUIRED,
        };
        (status, Json(self.0)).into_response()
    }
}

/// A message in the body.
#[derive(Debug)]
pub(crate) struct Message<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Message<T> {
    type Rejection = No;

    async fn from_request(request: Request, state: &S) -> Result<Self, No> {
        let body = whole_body(request, state).await?;
        parse_json(&body)
            .map(Self)
            .map_err(|problem| No::invalid(format!("the message is wrong: {problem}")))
    }
}

/// A message in a header.
pub(crate) fn header_message<T: DeserializeOwned>(headers: &HeaderMap, name: &str) -> Result<T, No> {
    let value = headers
        .get(name)
        .ok_or_else(|| No::invalid(format!("the header {name} is missing")))?;
    parse_json(value.as_bytes())
        .map_err(|problem| No::invalid(format!("the header {name} is wrong: {problem}")))
}

/// The bytes of an artifact as they arrive.
pub(crate) struct Upload(BodyDataStream);

impl Upload {
    /// Reads from this body.
    pub(crate) fn new(body: Body) -> Self {
        Self(body.into_data_stream())
    }
}

#[async_trait]
impl ArtifactBody for Upload {
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        match tokio::time::timeout(limits::UPLOAD_SILENCE, self.0.next()).await {
            Ok(None) => Ok(None),
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(Some(Err(error))) => Err(format!("the upload broke off: {error}")),
            Err(_elapsed) => Err(format!("the upload was silent for {:?}", limits::UPLOAD_SILENCE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_status() {
        for (code, status) in [
            (RefusalCode::Fenced, 409),
            (RefusalCode::Gap, 409),
            (RefusalCode::Invalid, 400),
            (RefusalCode::Unavailable, 503),
            (RefusalCode::Protocol, 426),
        ] {
            let answer = No(Refusal {
                code,
                message: String::new(),
            })
            .into_response();
            assert_eq!(answer.status().as_u16(), status, "{code:?}");
        }
    }
}
