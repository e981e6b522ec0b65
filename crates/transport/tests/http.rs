//! HTTP over TLS, both ends ours, and the redirect.

use std::convert::Infallible;
use std::time::Duration;

use airlock_transport::dial::{Dialer, HostPort};
use airlock_transport::http_client::{HttpClient, HttpError, bytes, stream};
use airlock_transport::http_server::serve_http;
use airlock_transport::listener::{ListenerLimits, PeerInfo};
use airlock_transport::redirect::Redirect;
use airlock_transport::tls::ClientCertificates;
use bytes::Bytes;
use futures_util::StreamExt as _;
use http::header::{CONNECTION, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::instance::{Instance, any_port};

struct Served {
    base: String,
    stop: Option<oneshot::Sender<()>>,
    ended: JoinHandle<()>,
    entered: mpsc::UnboundedReceiver<oneshot::Sender<()>>,
}

async fn serve(instance: &Instance) -> Served {
    let listener = instance
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await;
    let base = format!("https://localhost:{}", listener.local_addr().port());
    let (stop, stopped) = oneshot::channel::<()>();
    let (enter, entered) = mpsc::unbounded_channel();
    let service = tower::service_fn(move |request| answer(request, enter.clone()));
    let ended = tokio::spawn(serve_http(listener, service, async {
        let _stop_or_dropped = stopped.await;
    }));
    Served {
        base,
        stop: Some(stop),
        ended,
        entered,
    }
}

type Waiters = mpsc::UnboundedSender<oneshot::Sender<()>>;

async fn answer(
    mut request: Request<Incoming>,
    waiters: Waiters,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (mut status, path) = (StatusCode::OK, request.uri().path().to_owned());
    let text = match path.as_str() {
        "/version" => format!("\"{:?}\"", request.version()),
        "/peer" => {
            let peer = request
                .extensions()
                .get::<PeerInfo>()
                .expect("put there by serve_http");
            format!("\"{}\"", peer.address.ip())
        }
        "/length" => {
            let mut length = 0;
            while let Some(frame) = request.body_mut().frame().await {
                length += frame.expect("body").data_ref().map_or(0, Bytes::len);
            }
            length.to_string()
        }
        "/wait" => {
            let (go, gone) = oneshot::channel();
            waiters.send(go).expect("the test listens");
            gone.await.expect("the test lets go");
            "\"done\"".into()
        }
        "/upgrade" => {
            let upgrade = hyper::upgrade::on(&mut request);
            tokio::spawn(async move {
                let mut stream = TokioIo::new(upgrade.await.expect("upgraded"));
                let mut word = [0; 5];
                stream.read_exact(&mut word).await.expect("read");
                stream.write_all(&word).await.expect("written");
            });
            let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
            let response = response.header(CONNECTION, "upgrade").header(UPGRADE, "echo");
            return Ok(response.body(Full::default()).expect("response"));
        }
        _ => {
            status = StatusCode::NOT_FOUND;
            "no such page\n".into()
        }
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

#[tokio::test]
async fn both_http_versions_and_the_peer_are_there() {
    let instance = Instance::new();
    let served = serve(&instance).await;
    let h2: String = instance
        .client()
        .get_json(&format!("{}/version", served.base))
        .await
        .expect("answer");
    assert_eq!(h2, "HTTP/2.0");
    let client = HttpClient::new(&instance.anonymous().http1_only());
    let h1: String = client
        .get_json(&format!("{}/version", served.base))
        .await
        .expect("answer");
    assert_eq!(h1, "HTTP/1.1");
    let peer: String = client
        .get_json(&format!("{}/peer", served.base))
        .await
        .expect("answer");
    assert_eq!(peer, "127.0.0.1");
}

#[tokio::test]
async fn a_large_body_streams_through() {
    let instance = Instance::new();
    let served = serve(&instance).await;
    let pieces = futures_util::stream::iter(0..320).map(|_| Ok(Bytes::from(vec![7; 64 * 1024])));
    let url = format!("{}/length", served.base);
    let answer = instance
        .client()
        .request(Method::PUT, &url)
        .body(stream(pieces))
        .send()
        .await
        .expect("answer");
    assert_eq!(answer.json::<usize>().await.expect("number"), 20 * 1024 * 1024);
    let length: usize = instance.client().post_json(&url, &[1, 2]).await.expect("answer");
    assert_eq!(length, "[1,2]".len());
}

#[tokio::test]
async fn errors_say_what_was_asked_where_and_hide_the_query() {
    let instance = Instance::new();
    let served = serve(&instance).await;
    let client = instance.client();
    let url = format!("{}/nowhere?signature=canary", served.base);
    let error = client.get_json::<()>(&url).await.expect_err("404").to_string();
    assert_eq!(
        error,
        format!(
            "GET {}/nowhere: the server answered 404 Not Found: no such page",
            served.base
        )
    );
    let error = client
        .get_json::<u8>(&format!("{}/version", served.base))
        .await
        .expect_err("no number");
    assert!(
        matches!(error, HttpError::Decode { .. }) && error.to_string().contains("same version"),
        "{error}"
    );
    let error = client
        .get_json::<u8>("http://localhost:1/x?signature=canary")
        .await
        .expect_err("no TLS")
        .to_string();
    assert!(
        error.contains("beginning with https://") && !error.contains("canary"),
        "{error}"
    );
    let request = client
        .request(Method::GET, &url)
        .header("authorization", "Bearer canary\n");
    let error = request.send().await.expect_err("no header").to_string();
    assert!(
        error.contains("authorization") && !error.contains("canary"),
        "{error}"
    );
    let answer = client.request(Method::GET, &url).send().await.expect("answer");
    assert!(matches!(
        answer.bytes(3).await,
        Err(HttpError::TooLarge { limit: 3, .. })
    ));
}

#[tokio::test]
async fn nobody_there_and_no_answer_in_time_are_told() {
    let instance = Instance::new();
    let gone = instance
        .listen(ClientCertificates::Optional, ListenerLimits::default())
        .await
        .local_addr();
    let url = format!("https://127.0.0.1:{}/x", gone.port());
    let error = instance
        .client()
        .get_json::<()>(&url)
        .await
        .expect_err("refused")
        .to_string();
    assert!(
        error.starts_with(&format!("reaching {url}: connecting to {gone}: ")),
        "{error}"
    );
    let mut served = serve(&instance).await;
    let (url, client) = (format!("{}/wait", served.base), instance.client());
    let request = client
        .request(Method::GET, &url)
        .time_limit(Duration::from_millis(300));
    let error = request.send().await.expect_err("too late").to_string();
    assert_eq!(error, format!("GET {url}: no answer within 300ms"));
    drop(served.entered.recv().await);
}

#[tokio::test]
async fn a_request_in_flight_ends_well_while_the_server_stops() {
    let instance = Instance::new();
    let mut served = serve(&instance).await;
    let (url, client) = (format!("{}/wait", served.base), instance.client());
    let request = tokio::spawn(async move { client.get_json::<String>(&url).await });
    let go = served.entered.recv().await.expect("the request is in");
    served.stop.take().expect("once").send(()).expect("serving");
    // New connections are refused as soon as the listener is gone.
    let place: HostPort = served.base.trim_start_matches("https://").parse().expect("place");
    while Dialer::only(place.clone()).connect(&place).await.is_ok() {
        tokio::task::yield_now().await;
    }
    assert!(!served.ended.is_finished());
    go.send(()).expect("still waiting");
    assert_eq!(request.await.expect("joined").expect("answered"), "done");
    served.ended.await.expect("ended");
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let instance = Instance::new();
    let served = serve(&instance).await;
    let client = HttpClient::new(&instance.anonymous().http1_only());
    let url = format!("{}/upgrade", served.base);
    let request = client
        .request(Method::GET, &url)
        .header("connection", "upgrade")
        .header("upgrade", "echo");
    let answer = request.body(bytes("")).send().await.expect("answer").into_inner();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    let mut stream = TokioIo::new(hyper::upgrade::on(answer).await.expect("upgraded"));
    stream.write_all(b"hello").await.expect("written");
    let mut word = [0; 5];
    stream.read_exact(&mut word).await.expect("read");
    assert_eq!(&word, b"hello");
}

#[tokio::test]
async fn the_plain_port_redirects_and_nothing_else() {
    let redirect = Redirect::bind(any_port(), "--http-listen", 8443)
        .await
        .expect("bound");
    let place = HostPort::new("127.0.0.1", redirect.local_addr().port()).expect("place");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(redirect.serve(async {
        let _stop_or_dropped = stopped.await;
    }));
    let mut connection = Dialer::only(place.clone())
        .connect(&place)
        .await
        .expect("connected");
    let request = "POST /login?x=1 HTTP/1.1\r\nHost: ci.example:8080\r\nContent-Length: 0\r\n\r\n";
    connection.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("read");
    assert!(
        answer.starts_with("HTTP/1.1 308 Permanent Redirect\r\n"),
        "{answer}"
    );
    assert!(
        answer.contains("location: https://ci.example:8443/login?x=1\r\n"),
        "{answer}"
    );
    assert!(
        answer.ends_with("\r\n\r\n") && !answer.to_lowercase().contains("cookie"),
        "{answer}"
    );
    stop.send(()).expect("serving");
    serving.await.expect("ended");
}
