//! The form of every answer: a request id, errors as `{"message": …}`, panics as 500, and the security headers. Stands
//! around the whole router, so no handler can forget any of it. Decides nothing about what a request may do.

use std::panic::AssertUnwindSafe;

use airlock_control_plane::{BlobError, ForgeError, StoreError, UseCaseError};
use axum::body::Body;
use axum::extract::{Request, State as With};
use axum::http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;

use super::state::State;

/// Names a request in answers and in the log of the server.
const REQUEST_ID: HeaderName = HeaderName::from_static("airlock-request-id");

/// A page may load its own files and nothing else, and nobody may frame it.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What is no page may load nothing, should a browser take it for one.
const DATA_POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/// A request that was refused or failed, in words for the caller.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    message: String,
    /// For the log only.
    cause: Option<String>,
}

impl Problem {
    /// An answer of this status with this text.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            cause: None,
        }
    }

    /// The request breaks a rule.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("{what} was not found"))
    }

    /// Our own failure: the caller is told the request's id, the log the cause.
    pub(crate) fn internal(cause: impl Into<String>) -> Self {
        let message =
            "something went wrong inside Airlock: its log says what, under this request id".to_owned();
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message,
            cause: Some(cause.into()),
        }
    }

    /// The text for the caller.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Whether another request would have been answered well.
    pub(crate) fn is_the_callers(&self) -> bool {
        self.status.is_client_error()
    }

    /// Whether the state did not allow it.
    pub(crate) fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    fn unavailable(message: &str, cause: String) -> Self {
        Self {
            cause: Some(cause),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
        }
    }
}

impl From<UseCaseError> for Problem {
    fn from(error: UseCaseError) -> Self {
        let text = error.to_string();
        match error {
            UseCaseError::NotFound(_)
            | UseCaseError::Store(StoreError::Missing { .. })
            | UseCaseError::Blob(BlobError::Missing { .. })
            | UseCaseError::Forge(ForgeError::Missing { .. }) => Self::new(StatusCode::NOT_FOUND, text),
            UseCaseError::Invalid(_) | UseCaseError::Forge(ForgeError::TooLarge { .. }) => Self::bad(text),
            UseCaseError::Forbidden(_) => Self::new(StatusCode::FORBIDDEN, text),
            UseCaseError::Conflict(_)
            | UseCaseError::Store(StoreError::Exists { .. } | StoreError::Conflict { .. }) => {
                Self::new(StatusCode::CONFLICT, text)
            }
            UseCaseError::NotReady => Self::unavailable(&text, text.clone()),
            UseCaseError::Vault(_) => Self::unavailable("the key holder cannot do this now: try again", text),
            UseCaseError::Forge(ForgeError::Failed { .. }) => {
                Self::unavailable("the repository cannot be read now: try again", text)
            }
            UseCaseError::Store(
                StoreError::Unreadable { .. } | StoreError::Newer { .. } | StoreError::Failed { .. },
            )
            | UseCaseError::Blob(BlobError::Gap { .. } | BlobError::Io { .. }) => Self::internal(text),
        }
    }
}

/// A problem on its way to [`wrap`], which knows the request's id.
#[derive(Clone)]
struct Told {
    message: String,
    cause: Option<String>,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            let how = HeaderValue::from_static("Bearer realm=\"airlock\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, how);
        }
        response.extensions_mut().insert(Told {
            message: self.message,
            cause: self.cause,
        });
        response
    }
}

/// Stands around every handler.
pub(crate) async fn wrap(With(state): With<State>, request: Request, next: Next) -> Response {
    let id = request_id(&(state.random)());
    // Never the query: it may hold a sign-in token.
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let data = is_data(&path);
    let page = !data && wants_page(request.headers());
    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => {
            Problem::internal(format!("a handler panicked: {}", panic_text(&*panic))).into_response()
        }
    };
    if let Some(told) = response.extensions_mut().remove::<Told>() {
        if let Some(cause) = &told.cause {
            tracing::error!(request = %id, %method, path, status = %response.status(), cause, "a request failed");
        }
        tell(&mut response, &told.message, &id, data, page);
    }
    tracing::debug!(request = %id, %method, path, status = response.status().as_u16(), "answered");
    secure(response.headers_mut(), data);
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Whether a path belongs to programs rather than to people with a browser.
fn is_data(path: &str) -> bool {
    ["/api", "/agent"].iter().any(|door| {
        path.strip_prefix(door)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// Whether a browser asks, for which an error is a page.
fn wants_page(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    accepted.is_some_and(|kinds| kinds.contains("text/html"))
}

fn tell(response: &mut Response, message: &str, id: &str, data: bool, page: bool) {
    let page = if page {
        crate::pages::problem_page(response.status(), message, id)
    } else {
        None
    };
    let (kind, text) = if let Some(page) = page {
        ("text/html; charset=utf-8", page)
    } else if data {
        let body = serde_json::json!({ "message": message, "request_id": id });
        ("application/json", body.to_string())
    } else {
        (
            "text/plain; charset=utf-8",
            format!("{message}\n\nRequest {id}\n"),
        )
    };
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    *response.body_mut() = Body::from(text);
}

/// Sets what every answer carries. What a handler decided itself stays.
fn secure(headers: &mut HeaderMap, data: bool) {
    let always = [
        (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
        (REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    for (name, value) in always {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let policy = if data { DATA_POLICY } else { PAGE_POLICY };
    for (name, value) in [(CONTENT_SECURITY_POLICY, policy), (CACHE_CONTROL, "no-store")] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

fn request_id(random: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    random[..8]
        .iter()
        .fold(String::with_capacity(16), |mut text, byte| {
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_and_people_are_told_apart_by_the_path() {
        for path in ["/api", "/api/v2/me", "/agent/v1/claim", "/api/nowhere"] {
            assert!(is_data(path), "{path}");
        }
        for path in ["/", "/sign-in", "/apiary", "/agents"] {
            assert!(!is_data(path), "{path}");
        }
    }

    #[test]
    fn a_failure_of_ours_shows_its_cause_to_nobody_outside() {
        let error = StoreError::Failed {
            doing: "reading /var/lib/airlock".into(),
            reason: "disk full".into(),
        };
        let problem = Problem::from(UseCaseError::Store(error));
        assert_eq!(problem.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!problem.message.contains("disk full"));
        assert!(problem.cause.expect("for the log").contains("disk full"));
    }

    #[test]
    fn each_error_has_its_status() {
        let text = || "x".to_owned();
        for (error, status) in [
            (UseCaseError::NotFound(text()), 404),
            (UseCaseError::Invalid(text()), 400),
            (UseCaseError::Forbidden(text()), 403),
            (UseCaseError::Conflict(text()), 409),
            (UseCaseError::NotReady, 503),
            (UseCaseError::Store(StoreError::Exists { what: text() }), 409),
            (UseCaseError::Blob(BlobError::Missing { key: text() }), 404),
            (
                UseCaseError::Forge(ForgeError::Missing {
                    what: text(),
                    project: text(),
                }),
                404,
            ),
        ] {
            let said = error.to_string();
            assert_eq!(Problem::from(error).status.as_u16(), status, "{said}");
        }
    }

    #[test]
    fn a_policy_of_the_handler_stays() {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
        secure(&mut headers, false);
        assert_eq!(headers[CACHE_CONTROL], "max-age=60");
        assert!(
            headers[CONTENT_SECURITY_POLICY]
                .to_str()
                .expect("text")
                .contains("frame-ancestors 'none'")
        );
    }
}
