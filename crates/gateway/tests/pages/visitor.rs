//! A browser without a screen: sends what browsers send, and reads what comes back.

use airlock_gateway::http::router;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use tower::ServiceExt as _;

use super::stage::Stage;

/// The host of these tests, in which nothing is dialled.
pub(crate) const HOST: &str = "ci.example:8443";

/// Somebody who looks at pages.
#[derive(Clone)]
pub(crate) struct Visitor {
    router: Router,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Visitor {
    /// Somebody without a session.
    pub(crate) fn stranger(stage: &Stage) -> Self {
        let headers = [("host", HOST), ("accept", "text/html,*/*;q=0.8")];
        Self {
            router: router(stage.state()),
            headers: headers.map(|(name, value)| (name.into(), value.into())).into(),
        }
    }

    /// Somebody who is signed in.
    pub(crate) async fn signed_in(stage: &Stage) -> Self {
        Self::stranger(stage).with("cookie", &stage.cookie().await)
    }

    /// The same, sending this header too, or instead.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.retain(|(known, _)| known != name);
        other.headers.push((name.into(), value.into()));
        other
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, String::new()).await
    }

    /// Sends a form from one of our own pages.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.with("sec-fetch-site", "same-origin")
            .post(path, fields)
            .await
    }

    /// Sends a form and says nothing about where it stood.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let pairs = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)));
        let body = pairs.collect::<Vec<_>>().join("&");
        self.with("content-type", "application/x-www-form-urlencoded")
            .send(Method::POST, path, body)
            .await
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Page {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let response = self.router.clone().oneshot(request).await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = to_bytes(response.into_body(), 64 * 1024 * 1024)
            .await
            .expect("the whole body");
        Page {
            status,
            headers,
            text: String::from_utf8_lossy(&body).into_owned(),
        }
    }
}

fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "%{byte:02X}");
        text
    })
}

impl Page {
    /// This page, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// The page, which must say this.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.text.contains(words), "no '{words}' in {}", self.text);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// Where a redirect after a form leads.
    #[track_caller]
    pub(crate) fn leads_to(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.text);
        self.header("location").to_owned()
    }
}
