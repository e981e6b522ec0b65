//! The Pusher protocol of one connection, without sockets and without a clock: what comes in goes in, what must be done
//! comes out. Decides who may listen to a channel by its signature alone; whether a signature is given was decided
//! before. [`super::socket`] drives it.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::APP_KEY;
use super::channel::Channel;
use super::limits::{MESSAGES, PONG_MS, SILENCE_MS, SUBSCRIPTIONS, WINDOW_MS};
use super::message::{self, Said};
use super::signature::Signer;

/// The versions of the protocol that are spoken. They differ in nothing that is used here.
const PROTOCOLS: std::ops::RangeInclusive<u32> = 5..=7;

/// The name of a connection: two numbers, as every implementation writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SocketId(u32, u32);

impl SocketId {
    /// From eight bytes of chance.
    pub(crate) fn new(random: [u8; 8]) -> Self {
        let whole = u64::from_be_bytes(random);
        let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Self(half(whole >> 32), half(whole))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (one, two) = text.split_once('.')?;
        let id = Self(one.parse().ok()?, two.parse().ok()?);
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Do {
    /// Send this text.
    Send(String),
    /// Deliver what happens on this channel from now on.
    Join(Channel),
    /// No longer.
    Leave(Channel),
    /// End the connection with this code.
    Close(u16, &'static str),
}

/// Why a connection ends, in the protocol's codes: up to 4099 a client stays away, up to 4199 it comes back later, from
/// 4200 on at once.
pub(crate) mod code {
    pub(crate) const NO_SUCH_APP: u16 = 4001;
    pub(crate) const WRONG_VERSION: u16 = 4006;
    pub(crate) const OTHER_PROTOCOL: u16 = 4007;
    pub(crate) const NO_PROTOCOL: u16 = 4008;
    pub(crate) const UNAUTHORIZED: u16 = 4009;
    pub(crate) const OVER_CAPACITY: u16 = 4100;
    pub(crate) const RECONNECT: u16 = 4200;
    pub(crate) const NO_PONG: u16 = 4201;
}

/// One connection.
pub(crate) struct Machine {
    socket: SocketId,
    signer: Arc<Signer>,
    channels: BTreeSet<Channel>,
    /// When the client was last heard.
    heard: u64,
    /// When it was asked whether it is there.
    asked: Option<u64>,
    /// Beginning of the window in which messages are counted, and their count.
    window: (u64, u32),
}

impl Machine {
    /// A connection that was just accepted.
    pub(crate) fn new(socket: SocketId, signer: Arc<Signer>, now: u64) -> Self {
        Self {
            socket,
            signer,
            channels: BTreeSet::new(),
            heard: now,
            asked: None,
            window: (now, 0),
        }
    }

    /// The greeting, or why there is none. `protocol` is the word in the address.
    pub(crate) fn open(&self, app: &str, protocol: Option<&str>) -> Vec<Do> {
        if app != APP_KEY {
            return refuse(code::NO_SUCH_APP, "there is no such application");
        }
        match protocol.map(str::parse) {
            None => refuse(code::NO_PROTOCOL, "the address names no protocol version"),
            Some(Err(_)) => refuse(code::WRONG_VERSION, "the protocol version is no number"),
            Some(Ok(version)) if !PROTOCOLS.contains(&version) => {
                refuse(code::OTHER_PROTOCOL, "this server speaks protocol version 7")
            }
            Some(Ok(_)) => vec![Do::Send(message::established(self.socket))],
        }
    }

    /// A message of the client.
    pub(crate) fn text(&mut self, text: &str, now: u64) -> Vec<Do> {
        self.alive(now);
        if now.saturating_sub(self.window.0) >= WINDOW_MS {
            self.window = (now, 0);
        }
        self.window.1 += 1;
        if self.window.1 > MESSAGES {
            return refuse(code::OVER_CAPACITY, "too many messages");
        }
        match Said::parse(text) {
            Some(Said::Ping) => vec![Do::Send(message::pong())],
            Some(Said::Pong | Said::Other) => Vec::new(),
            Some(Said::Subscribe { channel, auth }) => self.subscribe(&channel, &auth),
            Some(Said::Unsubscribe { channel }) => match Channel::parse(&channel) {
                Some(channel) if self.channels.remove(&channel) => vec![Do::Leave(channel)],
                Some(_) | None => Vec::new(),
            },
            Some(Said::Client) => say("client events are not taken here"),
            None => say("this message is not of the protocol"),
        }
    }

    /// A message that is no text.
    pub(crate) fn binary(&mut self, now: u64) -> Vec<Do> {
        self.alive(now);
        say("messages are text")
    }

    /// The client was heard below the protocol, such as with a ping of the WebSocket.
    pub(crate) fn alive(&mut self, now: u64) {
        self.heard = now;
        self.asked = None;
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: u64) -> Vec<Do> {
        match self.asked {
            Some(asked) if now.saturating_sub(asked) >= PONG_MS => {
                vec![Do::Close(code::NO_PONG, "no answer to a ping")]
            }
            None if now.saturating_sub(self.heard) >= SILENCE_MS => {
                self.asked = Some(now);
                vec![Do::Send(message::ping())]
            }
            Some(_) | None => Vec::new(),
        }
    }

    /// The session behind the connection has ended.
    pub(crate) fn signed_out() -> Vec<Do> {
        refuse(code::UNAUTHORIZED, "the session has ended")
    }

    /// The server stops; another one, or the same again, is there soon.
    pub(crate) fn stop() -> Vec<Do> {
        refuse(code::RECONNECT, "the server stops")
    }

    /// The server has as many connections as it takes.
    pub(crate) fn full() -> Vec<Do> {
        refuse(code::OVER_CAPACITY, "the server has too many viewers")
    }

    /// Messages for this viewer were dropped: it reads again what it shows.
    pub(crate) fn missed(&self) -> Vec<Do> {
        let tell = |channel: &Channel| Do::Send(message::event("missed", *channel, &serde_json::json!({})));
        self.channels.iter().map(tell).collect()
    }

    fn subscribe(&mut self, name: &str, auth: &str) -> Vec<Do> {
        let refused = |status, text| vec![Do::Send(message::subscription_refused(name, status, text))];
        let Some(channel) = Channel::parse(name) else {
            return refused(401, "there is no such channel");
        };
        let right = auth.strip_prefix(APP_KEY).and_then(|rest| rest.strip_prefix(':'));
        if !right.is_some_and(|right| self.signer.accepts(self.socket, channel, right)) {
            return refused(401, "the signature is not of this connection and this channel");
        }
        if self.channels.contains(&channel) {
            return say("this channel is subscribed already");
        }
        if self.channels.len() >= SUBSCRIPTIONS {
            return refused(403, "this connection has too many channels");
        }
        self.channels.insert(channel);
        // Joined before it is told: what happens after the answer is never missed.
        vec![Do::Join(channel), Do::Send(message::subscribed(channel))]
    }
}

fn say(text: &str) -> Vec<Do> {
    vec![Do::Send(message::error(None, text))]
}

fn refuse(code: u16, text: &'static str) -> Vec<Do> {
    vec![Do::Send(message::error(Some(code), text)), Do::Close(code, text)]
}
