//! The link over HTTPS before a real TLS server that answers from a list.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use airlock_agent::HttpsLink;
use airlock_agent::link::{LinkError, ServerLink as _};
use airlock_agent_protocol::{ArtifactHeader, Lease, LogHeader, RefusalCode};
use airlock_domain::JobId;
use airlock_transport::ca::{InstanceCa, ServerIdentity};
use airlock_transport::http_server::serve_http;
use airlock_transport::listener::{ListenerLimits, TlsListener};
use airlock_transport::tls::{ClientCertificates, client_config, server_config};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use uuid::Uuid;

#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<Call>>>);

/// Method and path, the header beside, the body.
type Call = (String, String, Vec<u8>);

async fn server(answers: Vec<(u16, &'static str)>) -> (tempfile::TempDir, HttpsLink, Seen) {
    let dir = tempfile::tempdir().expect("a directory");
    let now = SystemTime::now();
    let ca = InstanceCa::open(dir.path(), now).expect("a CA");
    let identity = ServerIdentity::open(dir.path(), &ca, &["localhost".into()], now).expect("an identity");
    let tls = server_config(&identity, ca.certificate_pem(), ClientCertificates::Optional).expect("settings");
    let listener = TlsListener::bind(([127, 0, 0, 1], 0).into(), "--x", &tls, ListenerLimits::default())
        .await
        .expect("bound");
    let port = listener.local_addr().port();
    let (seen, answers) = (Seen::default(), Arc::new(Mutex::new(answers.into_iter())));
    let kept = seen.clone();
    let service = tower::service_fn(move |request: Request<Incoming>| {
        let (seen, answers) = (kept.clone(), Arc::clone(&answers));
        async move {
            let place = format!("{} {}", request.method(), request.uri().path());
            let beside = ["airlock-log", "airlock-artifact"]
                .iter()
                .find_map(|name| request.headers().get(*name))
                .map_or_else(String::new, |value| value.to_str().expect("ASCII").to_owned());
            let body = request.into_body().collect().await.expect("read").to_bytes();
            seen.0.lock().expect("fine").push((place, beside, body.to_vec()));
            let (status, text) = answers.lock().expect("fine").next().expect("an answer");
            let response = Response::builder()
                .status(status)
                .body(Full::new(Bytes::from_static(text.as_bytes())));
            Ok::<_, Infallible>(response.expect("a response"))
        }
    });
    tokio::spawn(serve_http(listener, service, std::future::pending()));
    let client = client_config(ca.certificate_pem(), None).expect("settings");
    (
        dir,
        HttpsLink::new(&format!("https://localhost:{port}"), &client),
        seen,
    )
}

fn lease() -> Lease {
    Lease {
        job: JobId::new(Uuid::from_u128(1)),
        slice: 0,
        fence: 3,
    }
}

#[tokio::test]
async fn bytes_travel_beside_their_header() {
    let id = Uuid::from_u128(9);
    let stored: &'static str = Box::leak(format!("{{\"id\":\"{id}\"}}").into_boxed_str());
    let (_dir, link, seen) = server(vec![(200, r#"{"next":5}"#), (200, stored)]).await;
    let header = LogHeader {
        lease: lease(),
        step: 2,
        offset: 0,
    };
    let ack = link
        .log(header, Bytes::from_static(b"h\0llo"))
        .await
        .expect("taken");
    assert_eq!(ack.next, 5);
    let artifact = ArtifactHeader {
        lease: lease(),
        path: "größe.txt".into(),
        size: 4,
    };
    let kept = link
        .artifact(artifact.clone(), Box::new(&b"four"[..]))
        .await
        .expect("taken");
    assert_eq!(kept.id.as_uuid(), id);
    let seen = seen.0.lock().expect("fine");
    assert_eq!(seen[0].0, "POST /agent/v1/log");
    assert_eq!(
        serde_json::from_str::<LogHeader>(&seen[0].1).expect("a header"),
        header
    );
    assert_eq!(seen[0].2, b"h\0llo");
    assert_eq!(seen[1].0, "PUT /agent/v1/artifact");
    assert_eq!(
        serde_json::from_str::<ArtifactHeader>(&seen[1].1).expect("a header"),
        artifact
    );
    assert_eq!(seen[1].2, b"four");
}

#[tokio::test]
async fn refusals_are_told_apart_from_a_server_that_is_away() {
    let beat = airlock_agent_protocol::Heartbeat { lease: lease() };
    let (_dir, link, _) = server(vec![
        (409, r#"{"code":"fenced","message":"a newer claim exists"}"#),
        (502, "<html>bad gateway</html>"),
        (200, "no JSON"),
        (200, r#"{"stop":true}"#),
    ])
    .await;
    match link.heartbeat(beat).await {
        Err(LinkError::Refused(refusal)) => assert_eq!(refusal.code, RefusalCode::Fenced),
        other => panic!("{other:?}"),
    }
    for _ in 0..2 {
        assert!(matches!(
            link.heartbeat(beat).await,
            Err(LinkError::Unreachable { .. })
        ));
    }
    assert!(link.heartbeat(beat).await.expect("taken").stop);
}
