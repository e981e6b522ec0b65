//! The messages of the protocol as text: what clients send, read strictly; what we send, written in one place. Pure.

use serde::Deserialize;
use serde_json::{Value, json};

use super::channel::Channel;
use super::limits::ACTIVITY_TIMEOUT_S;
use super::machine::SocketId;

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Ping,
    Pong,
    Subscribe {
        channel: String,
        auth: String,
    },
    Unsubscribe {
        channel: String,
    },
    /// An event for other clients.
    Client,
    /// Another word of the protocol, or of one of its later versions.
    Other,
}

#[derive(Deserialize)]
struct Frame {
    event: String,
    #[serde(default)]
    data: Value,
}

impl Said {
    /// Reads a message; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let frame: Frame = serde_json::from_str(text).ok()?;
        // Some clients send the data as JSON in a string.
        let inner = frame
            .data
            .as_str()
            .map(|inner| serde_json::from_str(inner).unwrap_or(Value::Null));
        let data = inner.unwrap_or(frame.data);
        let field = |name: &str| data.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(match frame.event.as_str() {
            "pusher:ping" => Self::Ping,
            "pusher:pong" => Self::Pong,
            "pusher:subscribe" => Self::Subscribe {
                channel: field("channel")?,
                auth: field("auth").unwrap_or_default(),
            },
            "pusher:unsubscribe" => Self::Unsubscribe {
                channel: field("channel")?,
            },
            event if event.starts_with("client-") => Self::Client,
            _ => Self::Other,
        })
    }
}

/// The greeting.
pub(crate) fn established(socket: SocketId) -> String {
    let data = json!({ "socket_id": socket.to_string(), "activity_timeout": ACTIVITY_TIMEOUT_S });
    json!({ "event": "pusher:connection_established", "data": data.to_string() }).to_string()
}

pub(crate) fn ping() -> String {
    json!({ "event": "pusher:ping", "data": "{}" }).to_string()
}

pub(crate) fn pong() -> String {
    json!({ "event": "pusher:pong", "data": "{}" }).to_string()
}

pub(crate) fn subscribed(channel: Channel) -> String {
    json!({
        "event": "pusher_internal:subscription_succeeded",
        "channel": channel.to_string(),
        "data": "{}",
    })
    .to_string()
}

/// One channel was refused; the connection stays.
pub(crate) fn subscription_refused(channel: &str, status: u16, text: &str) -> String {
    let kind = if status == 401 {
        "AuthError"
    } else {
        "LimitReached"
    };
    let shown: String = channel.chars().take(200).collect();
    json!({
        "event": "pusher:subscription_error",
        "channel": shown,
        "data": { "type": kind, "error": text, "status": status },
    })
    .to_string()
}

/// Something was wrong; with a code the connection ends.
pub(crate) fn error(code: Option<u16>, text: &str) -> String {
    json!({ "event": "pusher:error", "data": { "code": code, "message": text } }).to_string()
}

/// An event on a channel. Data travels as JSON in a string.
pub(crate) fn event(name: &str, channel: Channel, data: &Value) -> String {
    json!({ "event": name, "channel": channel.to_string(), "data": data.to_string() }).to_string()
}
