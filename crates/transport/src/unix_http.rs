//! HTTP/1.1 over a Unix socket, for small messages between processes of one user: whole bodies in memory, both ways, up
//! to a limit the caller names. Keeps no connections; a request opens one and closes it, so that a server may restart
//! between any two. Called by the key holder and by its clients. Retrying is the caller's decision.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{debug, warn};

use crate::limits;
use crate::unix_socket::{self, UnixDoor, UnixSocketError};

/// A request over a Unix socket that got no answer.
#[derive(Debug, thiserror::Error)]
pub enum UnixHttpError {
    /// The socket could not be reached.
    #[error(transparent)]
    Socket(#[from] UnixSocketError),
    /// The connection broke.
    #[error("talking to {path}: {source}", path = path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        source: hyper::Error,
    },
    /// The answer is longer than the caller takes.
    #[error("the answer of {path} has more than {limit} bytes", path = path.display())]
    TooLong {
        /// The socket.
        path: PathBuf,
        /// What the caller takes.
        limit: usize,
    },
    /// No answer came in time.
    #[error("{path} did not answer within {seconds} s", path = path.display(), seconds = after.as_secs())]
    Silent {
        /// The socket.
        path: PathBuf,
        /// How long was waited.
        after: Duration,
    },
}

impl UnixHttpError {
    /// Whether it may be over after a while: a process that restarts looks like this.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Socket(UnixSocketError::Io { source, .. }) => {
                matches!(
                    source.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                )
            }
            Self::Socket(_) | Self::TooLong { .. } => false,
            Self::Broken { .. } | Self::Silent { .. } => true,
        }
    }
}

/// Serves until `shutdown` completes, then lets requests in flight end for a while. A body longer than `body_limit` is
/// refused before the handler hears of it.
pub async fn serve_unix<H, F>(
    door: UnixDoor,
    body_limit: usize,
    handler: H,
    shutdown: impl Future<Output = ()> + Send,
) where
    H: Fn(Request<Bytes>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<Bytes>> + Send + 'static,
{
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEADER_READ);
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = door.accept(), if connections.len() < limits::UNIX_CONNECTIONS => match accepted {
                Ok(stream) => {
                    let handler = handler.clone();
                    let service = service_fn(move |request| answer(handler.clone(), body_limit, request));
                    let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), service));
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
                            debug!(%error, "connection over a Unix socket");
                        }
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: others must end before another try makes sense.
                    warn!(%error, "accepting over a Unix socket");
                    tokio::time::sleep(limits::ACCEPT_PAUSE).await;
                }
            },
            // Without this the set would keep every ended task.
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    // The path is free for a successor from here on.
    drop(door);
    if timeout(limits::SHUTDOWN_GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        debug!(
            left = connections.len(),
            "closing connections that did not end in time"
        );
    }
    connections.shutdown().await;
}

async fn answer<H, F>(
    handler: H,
    body_limit: usize,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible>
where
    H: Fn(Request<Bytes>) -> F,
    F: Future<Output = Response<Bytes>>,
{
    let (parts, body) = request.into_parts();
    let status = match timeout(limits::HTTP_REQUEST, Limited::new(body, body_limit).collect()).await {
        Ok(Ok(body)) => {
            let response = handler(Request::from_parts(parts, body.to_bytes())).await;
            return Ok(response.map(Full::new));
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => StatusCode::PAYLOAD_TOO_LARGE,
        Ok(Err(_)) => StatusCode::BAD_REQUEST,
        Err(_) => StatusCode::REQUEST_TIMEOUT,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    Ok(response)
}

/// Sends one request to the server at `path` and reads its answer, of at most `answer_limit` bytes.
pub async fn request_unix(
    path: &Path,
    request: Request<Bytes>,
    answer_limit: usize,
    within: Duration,
) -> Result<Response<Bytes>, UnixHttpError> {
    match timeout(within, exchange(path, request, answer_limit)).await {
        Ok(answered) => answered,
        Err(_) => Err(UnixHttpError::Silent {
            path: path.to_owned(),
            after: within,
        }),
    }
}

async fn exchange(
    path: &Path,
    request: Request<Bytes>,
    limit: usize,
) -> Result<Response<Bytes>, UnixHttpError> {
    let broken = |source| UnixHttpError::Broken {
        path: path.to_owned(),
        source,
    };
    let stream = unix_socket::dial(path).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut request = request.map(Full::new);
    request
        .headers_mut()
        .entry(HOST)
        .or_insert(HeaderValue::from_static("localhost"));
    let exchange = async {
        let (parts, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        match Limited::new(body, limit).collect().await {
            Ok(body) => Ok(Response::from_parts(parts, body.to_bytes())),
            Err(error) => match error.downcast::<hyper::Error>() {
                Ok(source) => Err(broken(*source)),
                Err(_) => Err(UnixHttpError::TooLong {
                    path: path.to_owned(),
                    limit,
                }),
            },
        }
    };
    tokio::pin!(exchange);
    tokio::pin!(connection);
    let mut open = true;
    loop {
        tokio::select! {
            answered = &mut exchange => return answered,
            // What went wrong with the connection is told to the request as well.
            _ended = &mut connection, if open => open = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Notify, oneshot};

    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    fn request(body: &'static str) -> Request<Bytes> {
        let request = Request::post("/echo?a=b").header("x-token", "t");
        request
            .body(Bytes::from_static(body.as_bytes()))
            .expect("a request")
    }

    async fn echo(request: Request<Bytes>) -> Response<Bytes> {
        let text = format!("{} {} {:?}", request.method(), request.uri(), request.body());
        Response::new(Bytes::from(text))
    }

    #[tokio::test]
    async fn a_request_is_answered_and_a_long_one_is_refused() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("s.sock");
        let door = UnixDoor::bind(&path).await.expect("bound");
        let (stop, stopped) = oneshot::channel::<()>();
        let server = serve_unix(door, 10, echo, async { stopped.await.expect("told to stop") });
        let client = async {
            let answer = request_unix(&path, request("0123456789"), 100, LONG)
                .await
                .expect("answered");
            assert_eq!(answer.into_body(), "POST /echo?a=b b\"0123456789\"");
            let refused = request_unix(&path, request("0123456789x"), 100, LONG)
                .await
                .expect("answered");
            assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
            let error = request_unix(&path, request("0123456789"), 20, LONG)
                .await
                .expect_err("too long");
            assert!(
                matches!(error, UnixHttpError::TooLong { limit: 20, .. }),
                "{error:?}"
            );
            assert!(!error.may_pass());
            stop.send(()).expect("still serving");
        };
        tokio::join!(server, client);
        assert!(!path.exists());
        let error = request_unix(&path, request(""), 100, LONG)
            .await
            .expect_err("nobody there");
        assert!(error.may_pass(), "{error:?}");
    }

    #[tokio::test]
    async fn a_request_in_flight_is_answered_after_the_order_to_stop() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("s.sock");
        let door = UnixDoor::bind(&path).await.expect("bound");
        let (began, go_on, stop) = (
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
            Arc::new(Notify::new()),
        );
        let handler = {
            let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
            move |_: Request<Bytes>| {
                let (began, go_on) = (Arc::clone(&began), Arc::clone(&go_on));
                async move {
                    began.notify_one();
                    go_on.notified().await;
                    Response::new(Bytes::from_static(b"done"))
                }
            }
        };
        let server = serve_unix(door, 10, handler, stop.notified());
        let order = async {
            began.notified().await;
            stop.notify_one();
            go_on.notify_one();
        };
        let ((), answer, ()) = tokio::join!(server, request_unix(&path, request(""), 100, LONG), order);
        assert_eq!(answer.expect("answered").into_body(), "done");
    }

    #[tokio::test]
    async fn a_server_that_breaks_off_or_stays_silent_is_told() {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("s.sock");
        let door = UnixDoor::bind(&path).await.expect("bound");
        let breaks_off = async { drop(door.accept().await.expect("accepted")) };
        let ((), answer) = tokio::join!(breaks_off, request_unix(&path, request(""), 100, LONG));
        let error = answer.expect_err("broken off");
        assert!(
            matches!(error, UnixHttpError::Broken { .. }) && error.may_pass(),
            "{error:?}"
        );
        let error = request_unix(&path, request(""), 100, Duration::ZERO)
            .await
            .expect_err("no time");
        assert!(
            matches!(error, UnixHttpError::Silent { .. }) && error.may_pass(),
            "{error:?}"
        );
    }
}
