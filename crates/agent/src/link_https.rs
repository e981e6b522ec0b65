//! The server over HTTPS: control messages as JSON, log chunks and artifacts as bytes with their header beside them. Does
//! not try again by itself; who calls knows what is worth repeating. Certificates and addresses are the caller's.

use std::fmt::Write as _;
use std::time::Duration;

use airlock_agent_protocol::limits::{CLAIM_WAIT_MS, CONTROL_BYTES, SSH_WAIT_MS};
use airlock_agent_protocol::ssh::{SshChannelHeader, SshWait, SshWaitReply};
use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, ClaimReply, ClaimRequest, FinishRequest, Heartbeat, HeartbeatReply,
    LogAck, LogHeader, Refusal, StepReport,
};
use airlock_transport::http_client::{HttpClient, HttpError, HttpResponse, bytes as body_of, stream};
use airlock_transport::tls::ClientTls;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::io::ReaderStream;

use crate::limits;
use crate::link::{ArtifactBody, LinkError, ServerLink, SshIncoming, SshOutgoing};

/// Beside a log chunk: a `LogHeader` as JSON.
const LOG_HEADER: &str = "airlock-log";
/// Beside an artifact: an `ArtifactHeader` as JSON.
const ARTIFACT_HEADER: &str = "airlock-artifact";
/// Beside an SSH channel: an `SshChannelHeader` as JSON.
const SSH_HEADER: &str = "airlock-ssh";
/// Bytes read from an artifact at once.
const PIECE: usize = 256 * 1024;

/// A server at an address.
#[derive(Debug, Clone)]
pub struct HttpsLink {
    client: HttpClient,
    base: String,
    tls: ClientTls,
}

impl HttpsLink {
    /// The server at `https://host:port`; the settings name the CA to trust and the agent's own certificate.
    #[must_use]
    pub fn new(server: &str, tls: &ClientTls) -> Self {
        Self {
            client: HttpClient::new(tls),
            base: format!("{}/agent/v1", server.trim_end_matches('/')),
            tls: tls.clone(),
        }
    }

    async fn post<T: Serialize + Sync, R: DeserializeOwned>(
        &self,
        doing: &'static str,
        path: &str,
        message: &T,
        time: Duration,
    ) -> Result<R, LinkError> {
        let sent = async {
            self.client
                .request(Method::POST, &format!("{}/{path}", self.base))
                .json(message)?
                .time_limit(time)
                .send()
                .await
        };
        answer(doing, sent.await).await
    }
}

/// The answer, the server's refusal, or that there was none of either.
async fn answer<R: DeserializeOwned>(
    doing: &'static str,
    sent: Result<HttpResponse, HttpError>,
) -> Result<R, LinkError> {
    let unreachable =
        |source: Box<dyn std::error::Error + Send + Sync>| LinkError::Unreachable { doing, source };
    let response = sent.map_err(|error| unreachable(error.into()))?;
    let status = response.status();
    let body = response
        .bytes(CONTROL_BYTES)
        .await
        .map_err(|error| unreachable(error.into()))?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|error| unreachable(error.into()));
    }
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(&body) {
        return Err(LinkError::Refused(refusal));
    }
    // A proxy's word, or a server that does not know this agent's certificate: both may change.
    Err(unreachable(said(status, &body).into()))
}

fn said(status: StatusCode, body: &[u8]) -> String {
    let start = String::from_utf8_lossy(body.get(..500).unwrap_or(body)).into_owned();
    format!("the server answered {status}: {start}")
}

/// JSON fit for a header: what is not plain ASCII is escaped.
fn header<T: Serialize>(message: &T) -> Result<String, LinkError> {
    let json = serde_json::to_string(message).map_err(|error| LinkError::Unreachable {
        doing: "writing a header",
        source: error.into(),
    })?;
    let mut ascii = String::with_capacity(json.len());
    for letter in json.chars() {
        if letter.is_ascii() {
            ascii.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _infallible = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    Ok(ascii)
}

#[async_trait]
impl ServerLink for HttpsLink {
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, LinkError> {
        let time = limits::CONTROL_TIME + Duration::from_millis(CLAIM_WAIT_MS);
        self.post("asking for work", "claim", &request, time).await
    }

    async fn step(&self, report: StepReport) -> Result<(), LinkError> {
        self.post("reporting a step", "step", &report, limits::CONTROL_TIME)
            .await
    }

    async fn log(&self, beside: LogHeader, bytes: Bytes) -> Result<LogAck, LinkError> {
        let sent = self
            .client
            .request(Method::POST, &format!("{}/log", self.base))
            .header(LOG_HEADER, &header(&beside)?)
            .body(body_of(bytes))
            .time_limit(limits::CONTROL_TIME)
            .send()
            .await;
        answer("sending a log chunk", sent).await
    }

    async fn artifact(
        &self,
        beside: ArtifactHeader,
        body: ArtifactBody,
    ) -> Result<ArtifactStored, LinkError> {
        let pieces: ReaderStream<ArtifactBody> = ReaderStream::with_capacity(body, PIECE);
        let sent = self
            .client
            .request(Method::PUT, &format!("{}/artifact", self.base))
            .header(ARTIFACT_HEADER, &header(&beside)?)
            .body(stream(pieces))
            .time_limit(limits::ARTIFACT_TIME)
            .send()
            .await;
        answer("sending an artifact", sent).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<HeartbeatReply, LinkError> {
        self.post("renewing a lease", "heartbeat", &beat, limits::CONTROL_TIME)
            .await
    }

    async fn finish(&self, request: FinishRequest) -> Result<(), LinkError> {
        self.post("finishing a slice", "finish", &request, limits::CONTROL_TIME)
            .await
    }

    async fn ssh_wait(&self, wait: SshWait) -> Result<SshWaitReply, LinkError> {
        let time = limits::CONTROL_TIME + Duration::from_millis(SSH_WAIT_MS);
        self.post("asking for visitors", "ssh/wait", &wait, time).await
    }

    async fn ssh_channel(
        &self,
        beside: SshChannelHeader,
        mut outgoing: SshOutgoing,
    ) -> Result<Box<dyn SshIncoming>, LinkError> {
        const DOING: &str = "carrying an SSH channel";
        // A connection of its own: all streams of one share a window, and a person may stop reading.
        let client = HttpClient::new(&self.tls);
        let pieces = futures_util::stream::poll_fn(move |context| {
            outgoing.poll_recv(context).map(|piece| piece.map(Ok))
        });
        let response = client
            .request(Method::POST, &format!("{}/ssh/channel", self.base))
            .header(SSH_HEADER, &header(&beside)?)
            .body(stream(pieces))
            .time_limit(limits::CONTROL_TIME)
            .send()
            .await;
        match response {
            Ok(response) if response.status().is_success() => Ok(Box::new(HttpsIncoming {
                response,
                _client: client,
            })),
            other => Err(match answer::<()>(DOING, other).await {
                Err(error) => error,
                Ok(()) => LinkError::Unreachable {
                    doing: DOING,
                    source: "the server answered nothing".into(),
                },
            }),
        }
    }
}

/// The server's side of an SSH channel.
struct HttpsIncoming {
    response: HttpResponse,
    /// Its connection goes with it.
    _client: HttpClient,
}

#[async_trait]
impl SshIncoming for HttpsIncoming {
    async fn next(&mut self) -> Result<Option<Bytes>, LinkError> {
        self.response
            .chunk()
            .await
            .map_err(|error| LinkError::Unreachable {
                doing: "carrying an SSH channel",
                source: error.into(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_ascii_and_read_back() {
        let text = header(&"reports/größe-🦀.txt").expect("a header");
        assert!(text.is_ascii(), "{text}");
        assert_eq!(
            serde_json::from_str::<String>(&text).expect("reads back"),
            "reports/größe-🦀.txt"
        );
    }
}
