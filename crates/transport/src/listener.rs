//! The TLS listener: accepts, shakes hands under a time limit, and yields streams with the peer's address and agent
//! identity. It knows no HTTP, except that whoever speaks plain HTTP to it is told so in plain HTTP. Called by
//! `http_server` and by the key holder's remote door.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use crate::limits;
use crate::tls::{AgentIdentity, ServerTls, agent_of};

/// A listener that could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error("{address} is in use by another process: stop that one, or choose another address with {option}")]
    InUse {
        /// The address asked for.
        address: SocketAddr,
        /// The option that changes it.
        option: &'static str,
    },
    /// Ports below 1024 need a right.
    #[error(
        "{address} may not be opened by this user (ports below 1024 are root's): choose a higher port with {option}"
    )]
    Forbidden {
        /// The address asked for.
        address: SocketAddr,
        /// The option that changes it.
        option: &'static str,
    },
    /// Anything else.
    #[error("listening on {address} ({option}): {source}")]
    Other {
        /// The address asked for.
        address: SocketAddr,
        /// The option that changes it.
        option: &'static str,
        /// Why not.
        source: io::Error,
    },
}

/// Opens a TCP listener; `option` is what the operator changes to choose another address.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the product opens a TCP listener"
)]
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "an open list of the standard library's; the rest is told as it is"
)]
pub(crate) async fn bind_tcp(address: SocketAddr, option: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => BindError::InUse { address, option },
            io::ErrorKind::PermissionDenied => BindError::Forbidden { address, option },
            _ => BindError::Other {
                address,
                option,
                source,
            },
        })
}

/// The other end of an accepted connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Its address.
    pub address: SocketAddr,
    /// The agent, when it showed a certificate of the instance's CA that names one.
    pub agent: Option<AgentIdentity>,
}

/// An accepted TLS connection. Its place among the listener's connections is free again when it is dropped.
#[derive(Debug)]
pub struct TlsConnection {
    /// The encrypted stream.
    pub stream: TlsStream<TcpStream>,
    /// Who is at the other end.
    pub peer: PeerInfo,
    /// Dropped last.
    pub place: ConnectionPlace,
}

/// One of the listener's places for a connection; keep it as long as the connection lives.
#[derive(Debug)]
pub struct ConnectionPlace(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

/// How much a listener takes.
#[derive(Debug, Clone, Copy)]
pub struct ListenerLimits {
    /// Time for one handshake.
    pub handshake: Duration,
    /// Connections at a time.
    pub connections: usize,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self {
            handshake: limits::TLS_HANDSHAKE,
            connections: limits::CONNECTIONS,
        }
    }
}

/// A listener that yields TLS connections.
#[derive(Debug)]
pub struct TlsListener {
    tcp: TcpListener,
    local: SocketAddr,
    acceptor: Acceptor,
    places: Arc<Semaphore>,
    handshakes: JoinSet<Option<TlsConnection>>,
    limits: ListenerLimits,
}

#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsAcceptor")
    }
}

impl TlsListener {
    /// Opens the listener. Port 0 takes a free port.
    pub async fn bind(
        address: SocketAddr,
        option: &'static str,
        tls: &ServerTls,
        limits: ListenerLimits,
    ) -> Result<Self, BindError> {
        let tcp = bind_tcp(address, option).await?;
        let local = tcp.local_addr().map_err(|source| BindError::Other {
            address,
            option,
            source,
        })?;
        Ok(Self {
            tcp,
            local,
            acceptor: Acceptor(TlsAcceptor::from(Arc::clone(&tls.0))),
            places: Arc::new(Semaphore::new(limits.connections)),
            handshakes: JoinSet::new(),
            limits,
        })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Replaces the certificate for connections accepted from now on.
    pub fn set_tls(&mut self, tls: &ServerTls) {
        self.acceptor = Acceptor(TlsAcceptor::from(Arc::clone(&tls.0)));
    }

    /// The next connection whose handshake succeeded. Handshakes run side by side, so a slow client delays nobody.
    /// Safe to cancel.
    pub async fn accept(&mut self) -> TlsConnection {
        loop {
            let Self {
                tcp,
                places,
                handshakes,
                ..
            } = self;
            let arrival = async {
                let place = Arc::clone(places).acquire_owned().await;
                (tcp.accept().await, place)
            };
            tokio::select! {
                (accepted, place) = arrival => match (accepted, place) {
                    (Ok((stream, address)), Ok(place)) => self.begin(stream, address, ConnectionPlace(place)),
                    (Err(error), _) => after_failed_accept(self.local, &error).await,
                    (Ok(_), Err(_closed)) => debug!("the listener's places are closed"),
                },
                Some(done) = handshakes.join_next(), if !handshakes.is_empty() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, address: SocketAddr, place: ConnectionPlace) {
        let acceptor = self.acceptor.0.clone();
        let (limit, port) = (self.limits.handshake, self.local.port());
        self.handshakes.spawn(async move {
            match timeout(limit, handshake(acceptor, stream, address, port, place)).await {
                Ok(connection) => connection,
                Err(_elapsed) => {
                    debug!(%address, "no TLS handshake within {limit:?}");
                    None
                }
            }
        });
    }
}

/// Out of file descriptors, mostly: going on at once would spin.
pub(crate) async fn after_failed_accept(local: SocketAddr, error: &io::Error) {
    warn!(%local, %error, "accepting a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
    port: u16,
    place: ConnectionPlace,
) -> Option<TlsConnection> {
    let mut first = [0_u8; 1];
    if stream.peek(&mut first).await.ok()? == 0 {
        return None;
    }
    // A TLS record begins with 0x16; an HTTP request with the letter of its method.
    if first[0].is_ascii_uppercase() {
        answer_plain_http(stream, port).await;
        return None;
    }
    // Interactive traffic (log tails, terminals) must not wait for full packets.
    let _kept_if_refused = stream.set_nodelay(true);
    match acceptor.accept(stream).await {
        Ok(stream) => {
            let agent = stream
                .get_ref()
                .1
                .peer_certificates()
                .and_then(|chain| agent_of(chain.first()?));
            Some(TlsConnection {
                stream,
                peer: PeerInfo { address, agent },
                place,
            })
        }
        Err(error) => {
            debug!(%address, %error, "TLS handshake");
            None
        }
    }
}

async fn answer_plain_http(mut stream: TcpStream, port: u16) {
    let text = format!("This port speaks HTTPS only. Use https:// in the address, with port {port}.\n");
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    );
    if stream.write_all(answer.as_bytes()).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    // Closing with unread bytes would reset the connection and take the answer with it. The handshake's time limit
    // bounds this, the count what a chatty client can make us read.
    let mut rest = [0_u8; 4096];
    for _ in 0..64 {
        match stream.read(&mut rest).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}
