//! HTTP/1.1 and HTTP/2 over a TLS listener, for any `tower` service (axum's router is one). Puts the [`PeerInfo`] of the
//! connection into each request's extensions, keeps header limits and timeouts, and stops gracefully. Upgraded
//! connections (WebSockets) belong to their handlers from then on: those end them at shutdown. Called by the gateway.

use std::convert::Infallible;
use std::error::Error as StdError;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt as _};
use tracing::debug;

use crate::limits;
use crate::listener::{PeerInfo, TlsConnection, TlsListener};

type BoxError = Box<dyn StdError + Send + Sync>;

/// Serves until `shutdown` completes, then lets requests in flight end for a while, then closes what is left.
pub async fn serve_http<S, B>(
    mut listener: TlsListener,
    service: S,
    shutdown: impl Future<Output = ()> + Send,
) where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let builder = builder();
    tokio::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            TlsConnection { stream, peer, place } = listener.accept() => {
                let service = service.clone();
                let address = peer.address;
                let service = service_fn(move |request| answer(service.clone(), peer.clone(), request));
                let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
                let connection = graceful.watch(connection);
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        debug!(%address, %error, "HTTP connection");
                    }
                    drop(place);
                });
            }
            // Without this the set would keep every ended task.
            Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    // The port is free for a successor from here on.
    drop(listener);
    if tokio::time::timeout(limits::SHUTDOWN_GRACE, graceful.shutdown())
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

async fn answer<S, B>(
    service: S,
    peer: PeerInfo,
    mut request: Request<Incoming>,
) -> Result<Response<B>, Infallible>
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
{
    request.extensions_mut().insert(peer);
    service.oneshot(request).await
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::HTTP_HEADER_READ);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(limits::HTTP_HEADER_BYTES)
        .max_concurrent_streams(limits::HTTP2_STREAMS)
        .keep_alive_interval(limits::HTTP2_PING)
        .keep_alive_timeout(limits::HTTP2_PING_ANSWER);
    builder
}
