//! HTTP over TLS for agents and the command line: HTTP/2 where the server offers it, one trusted CA, time limits, and
//! errors that name the address without its query (signed storage addresses carry their right in it). Refuses
//! `http://`. Knows nothing of the messages inside; retrying is the caller's decision.

mod connector;
mod error;

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, TryStreamExt as _};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::limits;
use crate::tls::ClientTls;
use connector::TlsConnector;
use error::causes;
pub use error::{HttpError, ShownUrl};

/// A request body: nothing, bytes, or a stream.
pub type RequestBody = BoxBody<Bytes, io::Error>;

/// A body without content.
pub fn empty() -> RequestBody {
    bytes(Bytes::new())
}

/// A body held in memory.
pub fn bytes(content: impl Into<Bytes>) -> RequestBody {
    Full::new(content.into()).map_err(|never| match never {}).boxed()
}

/// A body read piece by piece, so that files need no memory.
pub fn stream<S>(pieces: S) -> RequestBody
where
    S: Stream<Item = io::Result<Bytes>> + Send + Sync + 'static,
{
    StreamBody::new(pieces.map_ok(Frame::data)).boxed()
}

/// A client with a pool of connections; clones share it.
#[derive(Clone)]
pub struct HttpClient {
    inner: Client<TlsConnector, RequestBody>,
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpClient")
    }
}

impl HttpClient {
    /// A client with these TLS settings.
    pub fn new(tls: &ClientTls) -> Self {
        let inner = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits::HTTP_POOL_IDLE)
            .http2_keep_alive_interval(limits::HTTP2_PING)
            .http2_keep_alive_timeout(limits::HTTP2_PING_ANSWER)
            .build(TlsConnector::new(tls));
        Self { inner }
    }

    /// Begins a request.
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder<'_> {
        RequestBuilder {
            client: self,
            method,
            url: url.to_owned(),
            headers: Ok(HeaderMap::new()),
            body: empty(),
            time: limits::HTTP_REQUEST,
        }
    }

    /// `GET` with a JSON answer.
    pub async fn get_json<R: DeserializeOwned>(&self, url: &str) -> Result<R, HttpError> {
        self.request(Method::GET, url)
            .send()
            .await?
            .checked()
            .await?
            .json()
            .await
    }

    /// `POST` of JSON with a JSON answer.
    pub async fn post_json<T: Serialize + Sync, R: DeserializeOwned>(
        &self,
        url: &str,
        body: &T,
    ) -> Result<R, HttpError> {
        self.request(Method::POST, url)
            .json(body)?
            .send()
            .await?
            .checked()
            .await?
            .json()
            .await
    }
}

/// A request being put together.
pub struct RequestBuilder<'a> {
    client: &'a HttpClient,
    method: Method,
    url: String,
    headers: Result<HeaderMap, HttpError>,
    body: RequestBody,
    time: Duration,
}

impl fmt::Debug for RequestBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither headers (tokens) nor the address (signatures).
        f.debug_struct("RequestBuilder")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

impl RequestBuilder<'_> {
    /// Adds a header. Its value is never shown: headers carry tokens.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Ok(headers) = &mut self.headers {
            match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                (Ok(name), Ok(mut value)) => {
                    value.set_sensitive(true);
                    headers.append(name, value);
                }
                (name, _) => {
                    let problem = if name.is_err() {
                        "its name is no header name"
                    } else {
                        "its value holds a control character"
                    };
                    self.headers = Err(HttpError::Request {
                        what: format!(
                            "the header '{}'",
                            name.map_or_else(|_| "?".to_owned(), |n| n.to_string())
                        ),
                        problem: problem.into(),
                    });
                }
            }
        }
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: RequestBody) -> Self {
        self.body = body;
        self
    }

    /// Sets a JSON body.
    pub fn json<T: Serialize>(mut self, value: &T) -> Result<Self, HttpError> {
        let text = serde_json::to_vec(value).map_err(|error| HttpError::Request {
            what: "the body".into(),
            problem: error.to_string(),
        })?;
        self.body = bytes(text);
        Ok(self.header(CONTENT_TYPE.as_str(), "application/json"))
    }

    /// The time until the answer's headers are there, sending the body included. A long poll asks for more than the
    /// usual minute.
    #[must_use]
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.time = time;
        self
    }

    /// Sends it. Answers of every status are `Ok` here; [`HttpResponse::checked`] makes errors of errors.
    pub async fn send(self) -> Result<HttpResponse, HttpError> {
        let Self {
            client,
            method,
            url,
            headers,
            body,
            time,
        } = self;
        let uri: Uri = url
            .parse()
            .map_err(|error: http::uri::InvalidUri| HttpError::Request {
                what: format!("'{}'", url.split('?').next().unwrap_or_default()),
                problem: error.to_string(),
            })?;
        if uri.scheme_str() != Some("https") || uri.host().is_none() {
            return Err(HttpError::Request {
                what: format!("'{}'", url.split('?').next().unwrap_or_default()),
                problem: "expected an address beginning with https://".into(),
            });
        }
        let shown = ShownUrl::of(&uri);
        let mut request = Request::new(body);
        *request.method_mut() = method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers?;
        if !request.headers().contains_key(ACCEPT) {
            request
                .headers_mut()
                .insert(ACCEPT, HeaderValue::from_static("*/*"));
        }
        match timeout(time, client.inner.request(request)).await {
            Ok(Ok(response)) => Ok(HttpResponse {
                response,
                method,
                url: shown,
            }),
            Ok(Err(error)) if error.is_connect() => Err(HttpError::Connect {
                url: shown,
                problem: connector::explain(&error),
            }),
            Ok(Err(error)) => Err(HttpError::Broken {
                method,
                url: shown,
                problem: causes(&error),
            }),
            Err(_elapsed) => Err(HttpError::TimedOut {
                method,
                url: shown,
                after: time,
            }),
        }
    }
}

/// An answer whose body has not been read yet.
#[derive(Debug)]
pub struct HttpResponse {
    response: Response<Incoming>,
    method: Method,
    url: ShownUrl,
}

impl HttpResponse {
    /// The status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// Turns a 4xx or 5xx into an error that says what the server said.
    pub async fn checked(self) -> Result<Self, HttpError> {
        let status = self.status();
        if !(status.is_client_error() || status.is_server_error()) {
            return Ok(self);
        }
        let Self {
            mut response,
            method,
            url,
        } = self;
        let mut start = Vec::new();
        // A body that breaks off is told as far as it came: the status is what matters.
        while let (true, Some(Ok(frame))) = (start.len() < limits::HTTP_ERROR_BYTES, response.frame().await) {
            start.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        }
        start.truncate(limits::HTTP_ERROR_BYTES);
        let body = String::from_utf8_lossy(&start).trim().to_owned();
        Err(HttpError::Status {
            method,
            url,
            status,
            body,
        })
    }

    /// The next piece of the body; `None` at its end.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            match self.response.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    return Err(HttpError::Broken {
                        method: self.method.clone(),
                        url: self.url.clone(),
                        problem: causes(&error),
                    });
                }
            }
        }
    }

    /// The whole body, if it is not larger than `limit`.
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, HttpError> {
        let mut all = BytesMut::new();
        while let Some(piece) = self.chunk().await? {
            if all.len() + piece.len() > limit {
                return Err(HttpError::TooLarge {
                    method: self.method,
                    url: self.url,
                    limit,
                });
            }
            all.extend_from_slice(&piece);
        }
        Ok(all.freeze())
    }

    /// The body as JSON.
    pub async fn json<R: DeserializeOwned>(self) -> Result<R, HttpError> {
        let (method, url) = (self.method.clone(), self.url.clone());
        let body = self.bytes(limits::HTTP_JSON_BYTES).await?;
        serde_json::from_slice(&body).map_err(|error| HttpError::Decode {
            method,
            url,
            problem: error.to_string(),
        })
    }

    /// The answer as hyper has it: for upgrades (WebSockets) and for passing a body on.
    pub fn into_inner(self) -> Response<Incoming> {
        self.response
    }
}
