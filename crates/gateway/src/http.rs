//! The HTTPS door: the API of people and programs, the door of agents, and signing in, on one TLS listener. Owns who is
//! there, what form a request has and what form an answer has; what may be done and what follows are use cases of
//! `control-plane`. Called by the application, which opens the listener.
//!
//! [`router`] composes the doors. [`wrap`](answer::wrap) stands around all of them: it gives each request an id, turns
//! panics and errors into answers, and sets the security headers, so that no handler can forget them.

mod agent_door;
pub(crate) mod answer;
pub mod api;
pub(crate) mod auth;
pub(crate) mod input;
pub(crate) mod limits;
pub(crate) mod percent;
mod sign_in;
pub(crate) mod state;

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::from_fn_with_state;

use airlock_transport::http_server::serve_http;
use airlock_transport::listener::TlsListener;

use answer::Problem;
pub use auth::SESSION_COOKIE;
pub use state::{Now, Random, State};

/// Serves until `shutdown` completes. Streams and waiting agents are told at once, so that they do not hold it up.
pub async fn serve(listener: TlsListener, state: State, shutdown: impl Future<Output = ()> + Send) {
    let closing = state.closing.clone();
    let shutdown = async move {
        shutdown.await;
        closing.begin();
    };
    serve_http(listener, router(state), shutdown).await;
}

/// Every door on this listener.
pub fn router(state: State) -> Router {
    Router::new()
        .nest("/api/v2", api::router(&state))
        .nest("/agent/v1", agent_door::router(&state))
        .merge(sign_in::router())
        .merge(crate::pages::router(&state))
        .merge(crate::live::router(&state))
        .fallback(nothing_there)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(state.clone(), answer::wrap))
        .with_state(state)
}

async fn nothing_there(method: Method, uri: Uri) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        format!("there is nothing at {method} {}", uri.path()),
    )
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let text = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, text)
}
