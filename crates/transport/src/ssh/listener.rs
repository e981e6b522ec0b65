//! The TCP side of the SSH door: accepts up to a number of sessions, and can cut one from outside. The SSH protocol
//! itself is spoken by who accepts.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits;
use crate::listener::{BindError, after_failed_accept, bind_tcp};

/// A listener that yields TCP streams on which SSH is to be spoken.
#[derive(Debug)]
pub struct SshListener {
    tcp: TcpListener,
    local: SocketAddr,
    places: Arc<Semaphore>,
}

/// The bytes of a connection, before SSH is spoken on them.
pub type SshStream = TcpStream;

/// An accepted connection.
#[derive(Debug)]
pub struct SshConnection {
    /// The stream.
    pub stream: SshStream,
    /// The other end's address.
    pub address: SocketAddr,
    /// Ends the connection from outside, whatever its owner waits for.
    pub cut: SshCut,
}

/// Ends a connection from outside; holds its place among the listener's sessions until dropped.
#[derive(Debug)]
pub struct SshCut {
    socket: OwnedFd,
    _place: OwnedSemaphorePermit,
}

impl SshCut {
    /// Closes the connection in both directions. Reads and writes on the stream end at once.
    pub fn cut(&self) {
        // Fails only when the other end was quicker.
        let _closed_already = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

impl SshListener {
    /// Opens the listener for at most `sessions` at a time. Port 0 takes a free port.
    pub async fn bind(address: SocketAddr, option: &'static str, sessions: usize) -> Result<Self, BindError> {
        let tcp = bind_tcp(address, option).await?;
        let local = tcp.local_addr().map_err(|source| BindError::Other {
            address,
            option,
            source,
        })?;
        Ok(Self {
            tcp,
            local,
            places: Arc::new(Semaphore::new(sessions.min(limits::SSH_SESSIONS))),
        })
    }

    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next connection. Safe to cancel.
    pub async fn accept(&self) -> SshConnection {
        loop {
            let Ok(place) = Arc::clone(&self.places).acquire_owned().await else {
                // The semaphore is never closed while `self` lives.
                std::future::pending().await
            };
            let accepted = self.tcp.accept().await.and_then(|(stream, address)| {
                stream.set_nodelay(true)?;
                let socket = stream.as_fd().try_clone_to_owned()?;
                Ok::<_, io::Error>(SshConnection {
                    stream,
                    address,
                    cut: SshCut {
                        socket,
                        _place: place,
                    },
                })
            });
            match accepted {
                Ok(connection) => return connection,
                Err(error) => after_failed_accept(self.local, &error).await,
            }
        }
    }
}
