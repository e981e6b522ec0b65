//! A viewer on the live channel, as a page is one: signed in, over a WebSocket, with the Pusher protocol. It listens to
//! all pipelines, joins the channel of a job as soon as it hears of it, and reads what was written before it joined.

use std::collections::HashSet;
use std::time::Instant;

use anyhow::Context as _;
use futures_util::{SinkExt as _, StreamExt as _};
use http::{Method, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::api::Api;

/// Sixteen bytes as the handshake wants them. They only tell a WebSocket server from others, so they need not differ.
const KEY: &str = "YWlybG9jay1iZW5jaGVzIQ==";
const PIPELINES: &str = "private-pipelines";

/// One connection.
pub(crate) struct Live {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    id: String,
    cookie: String,
    /// Jobs of earlier runs, which may still be heard of.
    known: HashSet<String>,
}

/// The first output that a viewer could see.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) pipeline: String,
    pub(crate) at: Instant,
}

impl Live {
    /// Connects and listens to all pipelines; `None` when this `airlock` has no live channel.
    pub(crate) async fn open(api: &Api) -> anyhow::Result<Option<Self>> {
        let cookie = api.session().await?;
        let url = format!("{}/app/airlock?protocol=7&client=airlock-benches", api.url());
        let answer = api
            .http1()
            .request(Method::GET, &url)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", KEY)
            .header("origin", api.url())
            .header("cookie", &cookie)
            .send()
            .await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let answer = answer.checked().await?;
        anyhow::ensure!(
            answer.status() == StatusCode::SWITCHING_PROTOCOLS,
            "the live channel answered {}",
            answer.status()
        );
        let upgraded = hyper::upgrade::on(answer.into_inner())
            .await
            .context("changing to a WebSocket")?;
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
        let mut live = Self {
            socket,
            id: String::new(),
            cookie,
            known: HashSet::new(),
        };
        let greeting = live.frame_of("pusher:connection_established").await?;
        let id = data(&greeting);
        id["socket_id"]
            .as_str()
            .context("the socket has no id")?
            .clone_into(&mut live.id);
        live.join(api, PIPELINES).await?;
        Ok(Some(live))
    }

    /// Waits for a job that was not heard of before, and for the first output of one of its steps.
    pub(crate) async fn first_output(&mut self, api: &Api, step: u32) -> anyhow::Result<Seen> {
        let (job, pipeline) = loop {
            let changed = data(&self.frame_of("changed").await?);
            if let (Some(job), Some(pipeline)) = (changed["job"].as_str(), changed["pipeline"].as_str())
                && self.known.insert(job.to_owned())
            {
                break (job.to_owned(), pipeline.to_owned());
            }
        };
        let channel = format!("private-job-{job}");
        self.join(api, &channel).await?;
        // Written before the channel was joined: a page reads it the same way.
        let mut written = !api.log(&job, step).await?.is_empty();
        while !written {
            let frame = self.frame().await?;
            written = frame["channel"] == channel.as_str()
                && match frame["event"].as_str() {
                    Some("output") => data(&frame)["step"] == step,
                    Some("missed") => !api.log(&job, step).await?.is_empty(),
                    Some(_) | None => false,
                };
        }
        let at = Instant::now();
        self.say(&json!({ "event": "pusher:unsubscribe", "data": { "channel": channel } }))
            .await?;
        Ok(Seen { pipeline, at })
    }

    async fn join(&mut self, api: &Api, channel: &str) -> anyhow::Result<()> {
        let auth = api.right(&self.cookie, &self.id, channel).await?;
        let data = json!({ "channel": channel, "auth": auth });
        self.say(&json!({ "event": "pusher:subscribe", "data": data }))
            .await?;
        loop {
            let frame = self.frame().await?;
            match frame["event"].as_str() {
                Some("pusher_internal:subscription_succeeded") if frame["channel"] == channel => {
                    return Ok(());
                }
                Some("pusher:subscription_error") => anyhow::bail!("joining {channel}: {frame}"),
                Some(_) | None => {}
            }
        }
    }

    async fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        let message = Message::Text(message.to_string().into());
        self.socket
            .send(message)
            .await
            .context("writing to the live channel")
    }

    async fn frame_of(&mut self, event: &str) -> anyhow::Result<Value> {
        loop {
            let frame = self.frame().await?;
            if frame["event"] == event {
                return Ok(frame);
            }
        }
    }

    async fn frame(&mut self) -> anyhow::Result<Value> {
        loop {
            let message = self.socket.next().await.context("the live channel was closed")?;
            let Message::Text(text) = message.context("reading the live channel")? else {
                continue;
            };
            let frame: Value = serde_json::from_str(&text).context("reading a live message")?;
            match frame["event"].as_str() {
                Some("pusher:ping") => self.say(&json!({ "event": "pusher:pong", "data": {} })).await?,
                Some("pusher:error") => anyhow::bail!("the live channel said {frame}"),
                Some(_) | None => return Ok(frame),
            }
        }
    }
}

/// The data of a message, which travels as JSON in a string.
fn data(frame: &Value) -> Value {
    frame["data"]
        .as_str()
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_json_in_a_string() {
        let frame = json!({ "event": "output", "data": "{\"step\":2}" });
        assert_eq!(data(&frame)["step"], 2u32);
        assert_eq!(data(&json!({ "data": { "step": 2 } })), Value::Null);
        assert_eq!(data(&json!({})), Value::Null);
    }
}
