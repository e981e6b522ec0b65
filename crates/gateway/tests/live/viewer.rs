//! A program that speaks the Pusher protocol over TLS, as `pusher-js` in a browser does, and the instance it looks at.

use std::time::{Duration, SystemTime};

use airlock_gateway::http::serve;
use airlock_transport::ca::{InstanceCa, ServerIdentity};
use airlock_transport::http_client::{HttpClient, bytes, empty};
use airlock_transport::listener::{ListenerLimits, TlsListener};
use airlock_transport::tls::{ClientCertificates, client_config, server_config};
use axum::http::Method;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::pages::stage::Stage;

/// An instance behind its real door.
pub(crate) struct Instance {
    pub(crate) stage: Stage,
    pub(crate) base: String,
    ca: InstanceCa,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) served: JoinHandle<()>,
}

impl Instance {
    pub(crate) async fn new() -> Self {
        let stage = Stage::new(Duration::ZERO).await;
        let now = SystemTime::now();
        let ca = InstanceCa::open(stage.dir.path(), now).expect("CA");
        let identity = ServerIdentity::open(stage.dir.path(), &ca, &[], now).expect("certificate");
        let tls = server_config(&identity, ca.certificate_pem(), ClientCertificates::Optional).expect("TLS");
        let any_port = ([127, 0, 0, 1], 0).into();
        let limits = ListenerLimits::default();
        let listener = TlsListener::bind(any_port, "--listen", &tls, limits)
            .await
            .expect("bound");
        let base = format!("https://localhost:{}", listener.local_addr().port());
        stage.at(&base);
        let (stop, stopped) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(listener, stage.state(), async {
            let _stop_or_dropped = stopped.await;
        }));
        Self {
            stage,
            base,
            ca,
            stop: Some(stop),
            served,
        }
    }

    fn client(&self) -> HttpClient {
        let tls = client_config(self.ca.certificate_pem(), None).expect("TLS");
        HttpClient::new(&tls.http1_only())
    }

    /// Asks for a WebSocket with these headers; the status when there is none.
    pub(crate) async fn open(&self, path: &str, headers: &[(&str, &str)]) -> Result<Viewer, u16> {
        let url = format!("{}{path}", self.base);
        let client = self.client();
        let mut request = client.request(Method::GET, &url);
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request = request.header(name, value);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let answer = request
            .body(empty())
            .send()
            .await
            .expect("an answer")
            .into_inner();
        if answer.status().as_u16() != 101 {
            return Err(answer.status().as_u16());
        }
        let stream = TokioIo::new(hyper::upgrade::on(answer).await.expect("upgraded"));
        Ok(Viewer {
            socket: WebSocketStream::from_raw_socket(stream, Role::Client, None).await,
            id: String::new(),
        })
    }

    /// A viewer of a signed-in browser, greeted.
    pub(crate) async fn viewer(&self, cookie: &str) -> Viewer {
        let headers = [("cookie", cookie), ("origin", &self.base)];
        let opened = self
            .open("/app/airlock?protocol=7&client=js&version=8.6.0", &headers)
            .await;
        let mut viewer = opened.expect("a WebSocket");
        let (event, data) = viewer.next().await;
        assert_eq!(event, "pusher:connection_established");
        data["socket_id"]
            .as_str()
            .expect("an id")
            .clone_into(&mut viewer.id);
        viewer
    }

    /// Asks for the right to listen: the status and what came.
    pub(crate) async fn authorize(
        &self,
        headers: &[(&str, &str)],
        socket: &str,
        channel: &str,
    ) -> (u16, Value) {
        let url = format!("{}/pusher/auth", self.base);
        let client = self.client();
        let mut request = client.request(Method::POST, &url);
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let form = format!("socket_id={socket}&channel_name={channel}");
        let answer = request.body(bytes(form)).send().await.expect("an answer");
        let status = answer.status().as_u16();
        let body = answer.bytes(10_000).await.expect("the body");
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Subscribes as `pusher-js` does.
    pub(crate) async fn subscribe(&self, viewer: &mut Viewer, cookie: &str, channel: &str) {
        let headers = [("cookie", cookie), ("sec-fetch-site", "same-origin")];
        let (status, granted) = self.authorize(&headers, &viewer.id, channel).await;
        assert_eq!(status, 200, "{granted}");
        let data = json!({ "channel": channel, "auth": granted["auth"] });
        viewer
            .say(&json!({ "event": "pusher:subscribe", "data": data }))
            .await;
        let (event, _) = viewer.next().await;
        assert_eq!(event, "pusher_internal:subscription_succeeded");
    }
}

/// One connection.
pub(crate) struct Viewer {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    pub(crate) id: String,
}

impl Viewer {
    pub(crate) async fn say(&mut self, message: &Value) {
        self.socket
            .send(Message::Text(message.to_string().into()))
            .await
            .expect("sent");
    }

    /// The next event with its data.
    pub(crate) async fn next(&mut self) -> (String, Value) {
        loop {
            match self
                .socket
                .next()
                .await
                .expect("an open connection")
                .expect("a message")
            {
                Message::Text(text) => {
                    let frame: Value = serde_json::from_str(&text).expect("JSON");
                    let data = match frame["data"].as_str() {
                        Some(text) => serde_json::from_str(text).expect("JSON in it"),
                        None => frame["data"].clone(),
                    };
                    return (frame["event"].as_str().expect("an event").to_owned(), data);
                }
                Message::Close(close) => panic!("closed: {close:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// Reads to the end; the code of the close, or none when it broke off.
    pub(crate) async fn end(&mut self) -> Option<u16> {
        while let Some(Ok(message)) = self.socket.next().await {
            if let Message::Close(close) = message {
                return close.map(|close| close.code.into());
            }
        }
        None
    }
}
