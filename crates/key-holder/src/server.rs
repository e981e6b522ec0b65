//! The vault process's door: Vault's transit API over a Unix socket that only this user's processes can open, with a
//! token on top. Owns routes, status codes and error texts; a real Vault or OpenBao can stand in its place. Refuses
//! batches, export of keys and anything that is not transit. Called by `airlock vault`.

mod routes;

use std::sync::Arc;

use airlock_transport::unix_http::serve_unix;
use airlock_transport::unix_socket::UnixDoor;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use tracing::{error, info};

use crate::engine::{Engine, EngineError};
use crate::limits::MESSAGE_BYTES;
use crate::token::VaultToken;
use crate::transit::TransitError;
use crate::wire::{self, Envelope, Errors, Health};
use routes::Route;

/// Serves until `shutdown` completes.
pub async fn serve(
    door: UnixDoor,
    engine: Arc<Engine>,
    token: VaultToken,
    shutdown: impl Future<Output = ()> + Send,
) {
    let state = Arc::new(State { engine, token });
    let handler = move |request| {
        let state = Arc::clone(&state);
        async move { answer(&state, request).await }
    };
    serve_unix(door, MESSAGE_BYTES, handler, shutdown).await;
}

struct State {
    engine: Arc<Engine>,
    token: VaultToken,
}

/// Why a request got no content.
struct Refusal {
    status: StatusCode,
    why: String,
}

impl Refusal {
    fn bad(why: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            why: why.into(),
        }
    }
}

impl From<EngineError> for Refusal {
    fn from(refused: EngineError) -> Self {
        let status = match &refused {
            EngineError::Transit(TransitError::Cipher)
            | EngineError::Keyring(_)
            | EngineError::NoRandomness => {
                error!(error = %refused, "the key holder failed");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            EngineError::Transit(_) => StatusCode::BAD_REQUEST,
        };
        Self {
            status,
            why: refused.to_string(),
        }
    }
}

async fn answer(state: &State, request: Request<Bytes>) -> Response<Bytes> {
    let path = request.uri().path();
    if path == wire::HEALTH && request.method() == Method::GET {
        return health(&state.engine);
    }
    let shown = request.headers().get(wire::TOKEN_HEADER);
    if !shown.is_some_and(|shown| state.token.is(shown.as_bytes())) {
        return refuse(&Refusal {
            status: StatusCode::FORBIDDEN,
            why: "permission denied".to_owned(),
        });
    }
    let listed = request.uri().query() == Some("list=true");
    let (route, name) = match routes::find(request.method(), path, listed) {
        Ok((route, name)) => (route, name.to_owned()),
        Err(refusal) => return refuse(&refusal),
    };
    let engine = Arc::clone(&state.engine);
    let body = request.into_body();
    // The engine may wait for the disk.
    let done = tokio::task::spawn_blocking(move || perform(&engine, route, &name, &body)).await;
    match done {
        Ok(Ok(content)) => content,
        Ok(Err(refusal)) => refuse(&refusal),
        // The panic was told already, where it happened; it is none of the client's business.
        Err(_) => refuse(&Refusal {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            why: "internal error".to_owned(),
        }),
    }
}

fn perform(engine: &Engine, route: Route, name: &str, body: &[u8]) -> Result<Response<Bytes>, Refusal> {
    match route {
        Route::Encrypt => content(engine, &routes::encrypt(engine, name, body)?),
        Route::Decrypt => {
            let opened = routes::decrypt(engine, name, body);
            info!(key = name, opened = opened.is_ok(), "a value was asked for");
            content(engine, &opened?)
        }
        Route::Rewrap => content(engine, &routes::rewrap(engine, name, body)?),
        Route::Create => content(engine, &routes::create(engine, name, body)?),
        Route::Describe => content(engine, &routes::describe(engine, name)?),
        Route::List => content(engine, &routes::list(engine)?),
        Route::Rotate => content(engine, &routes::rotate(engine, name)?),
        Route::Configure => content(engine, &routes::configure(engine, name, body)?),
        Route::Trim => content(engine, &routes::trim(engine, name, body)?),
    }
}

fn content<T: Serialize>(engine: &Engine, data: &T) -> Result<Response<Bytes>, Refusal> {
    let envelope = Envelope {
        request_id: engine.new_id().to_string(),
        lease_id: String::new(),
        renewable: false,
        lease_duration: 0,
        data,
        warnings: None,
        auth: None,
    };
    let broken = |_| Refusal {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        why: "internal error".to_owned(),
    };
    serde_json::to_vec(&envelope)
        .map(|bytes| json(StatusCode::OK, bytes))
        .map_err(broken)
}

fn refuse(refusal: &Refusal) -> Response<Bytes> {
    let errors = if refusal.why.is_empty() {
        Vec::new()
    } else {
        vec![refusal.why.clone()]
    };
    json(
        refusal.status,
        serde_json::to_vec(&Errors { errors }).unwrap_or_default(),
    )
}

fn health(engine: &Engine) -> Response<Bytes> {
    let health = Health {
        initialized: true,
        sealed: false,
        standby: false,
        server_time_utc: engine.now().as_millis().div_euclid(1000),
        version: env!("CARGO_PKG_VERSION"),
    };
    json(StatusCode::OK, serde_json::to_vec(&health).unwrap_or_default())
}

fn json(status: StatusCode, bytes: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
