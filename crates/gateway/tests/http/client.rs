//! Requests and answers of tests, short to write.

use airlock_transport::http_client::{HttpClient, RequestBody, bytes, empty};
use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use serde_json::Value;

/// A caller with headers of its own.
#[derive(Clone)]
pub(crate) struct Caller {
    http: HttpClient,
    base: String,
    headers: Vec<(String, String)>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Caller {
    pub(crate) fn new(http: HttpClient, base: &str) -> Self {
        Self {
            http,
            base: base.to_owned(),
            headers: Vec::new(),
        }
    }

    /// The same caller, sending this header too.
    pub(crate) fn with(&self, name: &str, value: &str) -> Self {
        let mut caller = self.clone();
        caller.headers.push((name.to_owned(), value.to_owned()));
        caller
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, empty()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, empty()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.with("content-type", "application/json")
            .send(Method::POST, path, bytes(body.to_string()))
            .await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, body: RequestBody) -> Answer {
        let response = self.open(method, path, body).await;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes(64 * 1024 * 1024).await.expect("the whole body");
        Answer {
            status,
            headers,
            body,
        }
    }

    /// The answer with its body unread.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        body: RequestBody,
    ) -> airlock_transport::http_client::HttpResponse {
        let mut request = self.http.request(method, &format!("{}{path}", self.base));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(body).send().await.expect("an answer")
    }
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The text of an error.
    pub(crate) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_else(|| panic!("no message: {}", self.text()))
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// The answer, which must have this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }
}
