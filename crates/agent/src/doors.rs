//! Serves the two sockets that lead out of a sandbox: the job's own git host, and the agent's key agent. Connects to the
//! host and port of the job's source and to nothing else. What goes wrong is said in the log of the step that runs.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use airlock_sandbox::channel::Door;
use airlock_transport::dial::{Dialer, HostPort};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::inside::Connection;
use crate::limits;
use crate::reporter::LogSink;
use crate::ssh_agent::KeyAgent;

/// A connection to a git host.
pub trait GitStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> GitStream for T {}

/// Reaches a job's git host.
#[async_trait]
pub trait GitDialer: Send + Sync + 'static {
    /// Connects; the error is fit for the job's log.
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn GitStream>, String>;
}

/// Over TCP, through the product's one dialer.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpGitDialer;

#[async_trait]
impl GitDialer for TcpGitDialer {
    async fn dial(&self, host: &str, port: u16) -> Result<Box<dyn GitStream>, String> {
        let place = HostPort::new(host, port).map_err(|error| error.to_string())?;
        let stream = Dialer::only(place.clone())
            .connect(&place)
            .await
            .map_err(|error| error.to_string())?;
        Ok(Box::new(stream))
    }
}

/// The log of the step that runs now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Voice(Arc<Mutex<Option<LogSink>>>);

impl Voice {
    /// From now on, what is said goes into this log.
    pub(crate) fn speak_into(&self, log: Option<LogSink>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = log;
    }

    fn say(&self, text: &str) {
        if let Some(log) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            log.line(text);
        }
    }
}

/// What is behind the doors of one sandbox.
#[derive(Clone)]
pub(crate) struct Doors {
    /// Host and port of the source; none when the job has none.
    pub(crate) git_host: Option<(String, u16)>,
    pub(crate) dialer: Arc<dyn GitDialer>,
    pub(crate) key: Option<KeyAgent>,
    pub(crate) voice: Voice,
}

impl Doors {
    /// Serves connections until the sandbox makes no more.
    pub(crate) async fn serve(self, mut connections: mpsc::Receiver<Connection>) {
        let mut served = JoinSet::new();
        loop {
            tokio::select! {
                connection = connections.recv() => {
                    let Some((door, fd)) = connection else { return };
                    if served.len() >= limits::DOOR_CONNECTIONS {
                        self.voice.say("airlock: too many connections to the git host and the key agent at once; one was closed");
                        continue;
                    }
                    let this = self.clone();
                    served.spawn(async move { this.serve_one(door, fd).await });
                }
                Some(_ended) = served.join_next() => {}
            }
        }
    }

    async fn serve_one(&self, door: Door, fd: OwnedFd) {
        let stream = StdUnixStream::from(fd);
        let stream = match stream
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(stream))
        {
            Ok(stream) => stream,
            Err(error) => return tracing::warn!(%error, "a connection from a sandbox cannot be served"),
        };
        match door {
            Door::Git => self.serve_git(stream).await,
            Door::SshAgent => {
                let Some(key) = &self.key else {
                    return self.voice.say("airlock: this job has no deploy key");
                };
                if let Err(error) = key.serve(stream).await {
                    tracing::debug!(%error, "a conversation with the key agent broke off");
                }
            }
        }
    }

    async fn serve_git(&self, mut inside: UnixStream) {
        let Some((host, port)) = &self.git_host else {
            return self
                .voice
                .say("airlock: this job has no repository, so there is no git host to connect to");
        };
        match self.dialer.dial(host, *port).await {
            Err(problem) => self
                .voice
                .say(&format!("airlock: the git host cannot be reached: {problem}")),
            Ok(mut outside) => {
                // Either end closing is how git ends; there is nothing to tell.
                if let Err(error) = copy_bidirectional(&mut inside, &mut outside).await {
                    tracing::debug!(%error, "a git connection broke off");
                }
            }
        }
    }
}
