//! The plain-HTTP listener: answers every request with 308 to the HTTPS address and does nothing else. It reads no
//! body, sets no cookie, serves no page. Called by the server at start.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::limits;
use crate::listener::{BindError, after_failed_accept, bind_tcp};

/// A bound redirect listener.
#[derive(Debug)]
pub struct Redirect {
    tcp: TcpListener,
    local: SocketAddr,
    https_port: u16,
}

impl Redirect {
    /// Opens the listener; `https_port` is where it sends everybody.
    pub async fn bind(address: SocketAddr, option: &'static str, https_port: u16) -> Result<Self, BindError> {
        let tcp = bind_tcp(address, option).await?;
        let local = tcp.local_addr().map_err(|source| BindError::Other {
            address,
            option,
            source,
        })?;
        Ok(Self {
            tcp,
            local,
            https_port,
        })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Answers until `shutdown` completes.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let places = Arc::new(Semaphore::new(limits::CONNECTIONS));
        let mut connections = JoinSet::new();
        tokio::pin!(shutdown);
        loop {
            let arrival = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (self.tcp.accept().await, place)
            };
            tokio::select! {
                () = &mut shutdown => break,
                (accepted, place) = arrival => match accepted {
                    Ok((stream, _)) => {
                        let port = self.https_port;
                        let service = service_fn(move |request| async move { Ok::<_, Infallible>(answer(&request, port)) });
                        let connection = http1::Builder::new()
                            .timer(TokioTimer::new())
                            .header_read_timeout(limits::HTTP_HEADER_READ)
                            .keep_alive(false)
                            .serve_connection(TokioIo::new(stream), service);
                        connections.spawn(async move {
                            // A client that hangs up early is of no interest to anybody.
                            let _ended = connection.await;
                            drop(place);
                        });
                    }
                    Err(error) => after_failed_accept(self.local, &error).await,
                },
                Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    }
}

fn answer<B>(request: &Request<B>, port: u16) -> Response<Full<Bytes>> {
    let location = target(request, port).and_then(|target| HeaderValue::try_from(target).ok());
    let mut response = Response::new(Full::default());
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    if let Some(location) = location {
        *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
        response.headers_mut().insert(LOCATION, location);
    } else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        *response.body_mut() = Full::from("The request names no host. Use https:// in the address.\n");
    }
    response
}

fn target<B>(request: &Request<B>, port: u16) -> Option<String> {
    let host: Authority = request.headers().get(HOST)?.to_str().ok()?.parse().ok()?;
    if host.as_str().contains('@') || host.host().is_empty() {
        return None;
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let path = if path.starts_with('/') { path } else { "/" };
    let port = if port == 443 {
        String::new()
    } else {
        format!(":{port}")
    };
    Some(format!("https://{}{port}{path}", host.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(host: Option<&str>, path: &str, port: u16) -> Option<String> {
        let mut request = Request::get(path);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let response = answer(&request.body(()).expect("request"), port);
        let location = response.headers().get(LOCATION)?;
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        Some(location.to_str().expect("text").to_owned())
    }

    #[test]
    fn host_and_path_stay_and_the_port_changes() {
        for (host, path, port, expected) in [
            (
                "ci.example:8080",
                "/a/b?c=d",
                8443,
                "https://ci.example:8443/a/b?c=d",
            ),
            ("ci.example", "/", 443, "https://ci.example/"),
            ("[::1]:8080", "/x", 8443, "https://[::1]:8443/x"),
        ] {
            assert_eq!(location(Some(host), path, port).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_request_without_a_usable_host_is_no_redirect() {
        for host in [None, Some("user@evil.example"), Some("a b"), Some("")] {
            assert_eq!(location(host, "/", 8443), None, "{host:?}");
        }
    }
}
