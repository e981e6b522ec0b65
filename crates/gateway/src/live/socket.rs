//! The WebSocket of one viewer: carries bytes between the browser, the protocol's machine and the hub. Lets in browsers
//! that show our own pages and have a session, and looks again and again whether they still have it.

use std::sync::Arc;

use airlock_control_plane::rows::TokenPurpose;
use airlock_domain::Secret;
use axum::Extension;
use axum::extract::State as With;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::header::ORIGIN;
use axum::http::{HeaderMap, StatusCode, Uri};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::hub::Listener;
use super::limits::{MESSAGE_BYTES, SEND, SESSION_CHECK_MS, TICK};
use super::machine::{Do, Machine, SocketId};
use super::{Live, Refused};
use crate::http::answer::Problem;
use crate::http::auth::session_cookie;
use crate::http::input::{PathParts, Queries};
use crate::http::state::State;
use crate::pages::own_host;

/// `GET /app/{key}?protocol=7`
pub(crate) async fn open(
    With(state): With<State>,
    Extension(live): Extension<Live>,
    path: PathParts,
    query: Queries,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Refused {
    // A browser sends the cookie of this host along whichever page opens the WebSocket, and asks nobody.
    if !is_own_origin(&state, &uri, &headers) {
        let text = "the live channel is for Airlock's own pages";
        return Err(Problem::new(StatusCode::FORBIDDEN, text));
    }
    let session = session_cookie(&headers).map(|session| Secret::new(session.to_owned()));
    let refused = || Problem::new(StatusCode::FORBIDDEN, "the live channel is for signed-in people");
    let session = session.ok_or_else(refused)?;
    if !stands(&state, &session).await? {
        return Err(refused());
    }
    let upgrade =
        upgrade.map_err(|rejection| Problem::new(rejection_status(&rejection), rejection.body_text()))?;
    let mut id = [0; 8];
    id.copy_from_slice(&(state.random)()[..8]);
    let started = Instant::now();
    let machine = Machine::new(SocketId::new(id), Arc::clone(&live.signer), 0);
    let greeting = machine.open(path.text("key"), query.text("protocol"));
    let connection = Connection {
        state,
        session,
        machine,
        started,
        checked: 0,
    };
    Ok(upgrade
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
        .on_upgrade(move |socket| async move {
            let listener = live.hub.listener();
            connection.run(socket, listener, greeting).await;
        }))
}

fn rejection_status(rejection: &axum::extract::ws::rejection::WebSocketUpgradeRejection) -> StatusCode {
    rejection.status()
}

/// Whether the page that opened the WebSocket is ours. Programs say nothing and have no business here.
fn is_own_origin(state: &State, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let here = own_host(uri, headers).is_some_and(|host| origin.strip_prefix("https://") == Some(host));
    here || state
        .plane
        .addresses()
        .is_ok_and(|addresses| addresses.web == origin)
}

async fn stands(state: &State, session: &Secret) -> Result<bool, Problem> {
    let Some(session) = session.expose_text() else {
        return Ok(false);
    };
    let actor = state.plane.authenticate(TokenPurpose::Session, session).await?;
    Ok(actor.is_some())
}

struct Connection {
    state: State,
    session: Secret,
    machine: Machine,
    started: Instant,
    checked: u64,
}

/// The connection is over.
struct Over;

impl Connection {
    async fn run(mut self, mut socket: WebSocket, listener: Option<Listener>, greeting: Vec<Do>) {
        // An error only says that it is over, which it is then.
        let _over = match listener {
            Some(listener) => self.talk(&mut socket, listener, greeting).await,
            None => act(&mut socket, None, Machine::full()).await,
        };
    }

    async fn talk(
        &mut self,
        socket: &mut WebSocket,
        mut listener: Listener,
        greeting: Vec<Do>,
    ) -> Result<(), Over> {
        let closing = self.state.closing.clone();
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        act(socket, Some(&mut listener), greeting).await?;
        loop {
            let todo = tokio::select! {
                () = closing.begun() => Machine::stop(),
                _tick = ticks.tick() => self.tick().await,
                message = socket.recv() => match message {
                    Some(Ok(message)) => self.take(&message),
                    Some(Err(_)) | None => return Err(Over),
                },
                Some(message) = listener.next() => {
                    let mut todo = Vec::new();
                    if !message.is_empty() {
                        todo.push(Do::Send(message.to_string()));
                    }
                    if listener.take_missed() {
                        todo.extend(self.machine.missed());
                    }
                    todo
                }
            };
            act(socket, Some(&mut listener), todo).await?;
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn take(&mut self, message: &Message) -> Vec<Do> {
        let now = self.now();
        match message {
            Message::Text(text) => self.machine.text(text, now),
            Message::Binary(_) => self.machine.binary(now),
            Message::Ping(_) | Message::Pong(_) => {
                self.machine.alive(now);
                Vec::new()
            }
            Message::Close(_) => Vec::new(),
        }
    }

    async fn tick(&mut self) -> Vec<Do> {
        let now = self.now();
        if now.saturating_sub(self.checked) >= SESSION_CHECK_MS {
            self.checked = now;
            // When it cannot be known now, the next look decides.
            if let Ok(false) = stands(&self.state, &self.session).await {
                return Machine::signed_out();
            }
        }
        self.machine.tick(now)
    }
}

async fn act(socket: &mut WebSocket, mut listener: Option<&mut Listener>, todo: Vec<Do>) -> Result<(), Over> {
    for one in todo {
        match one {
            Do::Send(text) => send(socket, Message::Text(text.into())).await?,
            Do::Join(channel) => {
                if let Some(listener) = &mut listener {
                    listener.join(channel);
                }
            }
            Do::Leave(channel) => {
                if let Some(listener) = &mut listener {
                    listener.leave(channel);
                }
            }
            Do::Close(code, reason) => {
                let reason = Utf8Bytes::from_static(reason);
                send(socket, Message::Close(Some(CloseFrame { code, reason }))).await?;
                return Err(Over);
            }
        }
    }
    Ok(())
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Over> {
    match timeout(SEND, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Over),
    }
}
