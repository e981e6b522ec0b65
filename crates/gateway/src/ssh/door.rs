//! The door itself: accepts connections, sees to it that they log in and stay within limits, and closes in order.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airlock_transport::ssh::{HostKey, SshConnection, SshCut, SshListener, SshStream};
use russh::SshId;
use russh::server::{Config, Handler};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::access::GitAccess;
use super::limits;
use super::session::{DoorContext, SshSession, methods};

/// How much the door takes.
#[derive(Debug, Clone, Copy)]
pub struct DoorLimits {
    /// From connecting to the first command.
    pub login: Duration,
    /// How long nothing may move.
    pub idle: Duration,
    /// Git processes at a time.
    pub git_processes: usize,
    /// Sessions of one address that have not logged in.
    pub newcomers: usize,
}

impl Default for DoorLimits {
    fn default() -> Self {
        Self {
            login: limits::LOGIN,
            idle: limits::IDLE,
            git_processes: limits::GIT_PROCESSES,
            newcomers: limits::NEWCOMERS_PER_ADDRESS,
        }
    }
}

/// The running door. Dropping it closes it without waiting.
#[derive(Debug)]
pub struct SshDoor {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    ended: JoinHandle<()>,
}

impl SshDoor {
    /// The address it listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Takes no more connections, lets running git processes end for a while, closes what is left.
    pub async fn shutdown(self) {
        self.stop.send_replace(true);
        // Fails only if the door's task panicked, which has been told by then.
        let _ended = self.ended.await;
    }
}

/// What an SSH door is made for: its sessions, and what runs in them.
pub(crate) trait Behind: Send + Sync + 'static {
    /// One session as russh sees it.
    type Session: Handler<Error = russh::Error> + Send + 'static;

    /// A session that nobody has logged in to; `busy` is told when the login is over.
    fn session(self: &Arc<Self>, busy: watch::Sender<bool>) -> Self::Session;

    /// What runs for sessions, to be waited for when the door closes.
    fn running(&self) -> &TaskTracker;
}

impl<A: GitAccess> Behind for DoorContext<A> {
    type Session = SshSession<A>;

    fn session(self: &Arc<Self>, busy: watch::Sender<bool>) -> SshSession<A> {
        SshSession::new(Arc::clone(self), busy)
    }

    fn running(&self) -> &TaskTracker {
        &self.channels
    }
}

/// Opens the door on a bound listener.
pub fn start<A: GitAccess>(
    listener: SshListener,
    host_key: &HostKey,
    access: Arc<A>,
    limits: DoorLimits,
) -> SshDoor {
    let config = Config {
        // Reset by every byte in either direction, so a long clone is safe.
        inactivity_timeout: Some(limits.idle),
        ..config(host_key)
    };
    let door = DoorContext {
        access,
        git_places: Arc::new(Semaphore::new(limits.git_processes)),
        channels: TaskTracker::new(),
        idle: limits.idle,
    };
    open(listener, config, Arc::new(door), limits)
}

/// What all doors have in common: this instance's host key, and keys as the only way in.
pub(crate) fn config(host_key: &HostKey) -> Config {
    Config {
        server_id: SshId::Standard("SSH-2.0-Airlock".into()),
        methods: methods(),
        keys: vec![host_key.to_russh()],
        auth_rejection_time: limits::AUTH_REJECTION,
        auth_rejection_time_initial: Some(Duration::ZERO),
        max_auth_attempts: limits::AUTH_ATTEMPTS,
        inactivity_timeout: None,
        ..Config::default()
    }
}

/// Opens a door on a bound listener.
pub(crate) fn open<B: Behind>(
    listener: SshListener,
    config: Config,
    door: Arc<B>,
    limits: DoorLimits,
) -> SshDoor {
    let config = Arc::new(config);
    let (stop, stopped) = watch::channel(false);
    let local_addr = listener.local_addr();
    let ended = tokio::spawn(accept(listener, config, door, limits, stopped));
    SshDoor {
        local_addr,
        stop,
        ended,
    }
}

async fn accept<B: Behind>(
    listener: SshListener,
    config: Arc<Config>,
    door: Arc<B>,
    limits: DoorLimits,
    mut stopped: watch::Receiver<bool>,
) {
    let mut sessions = JoinSet::new();
    let newcomers = Newcomers::default();
    loop {
        tokio::select! {
            // An error means that the door was dropped.
            _stop = stopped.wait_for(|stop| *stop) => break,
            connection = listener.accept() => {
                let SshConnection { stream, address, cut } = connection;
                let Some(newcomer) = newcomers.enter(address.ip(), limits.newcomers) else {
                    debug!(%address, "too many sessions of this address have not logged in");
                    continue;
                };
                let (config, door) = (Arc::clone(&config), Arc::clone(&door));
                sessions.spawn(session(stream, address, CutOnDrop(cut), newcomer, config, door, limits.login));
            }
            Some(_ended) = sessions.join_next(), if !sessions.is_empty() => {}
        }
    }
    drop(listener);
    // Commands run to their end; sessions that only stay open are cut.
    door.running().close();
    if timeout(limits::SHUTDOWN_GRACE, door.running().wait())
        .await
        .is_err()
    {
        debug!(
            left = door.running().len(),
            "closing SSH sessions that did not end in time"
        );
    }
    // A client closes its session itself when its command has ended; it gets a moment for that.
    let closed = async { while sessions.join_next().await.is_some() {} };
    let _closed_or_cut = timeout(Duration::from_millis(500), closed).await;
    sessions.shutdown().await;
}

async fn session<B: Behind>(
    stream: SshStream,
    address: SocketAddr,
    cut: CutOnDrop,
    newcomer: Newcomer,
    config: Arc<Config>,
    door: Arc<B>,
    login: Duration,
) {
    let (busy, mut begun) = watch::channel(false);
    let deadline = tokio::time::Instant::now() + login;
    let handler = door.session(busy);
    let mut running =
        match tokio::time::timeout_at(deadline, russh::server::run_stream(config, stream, handler)).await {
            Ok(Ok(running)) => running,
            Ok(Err(error)) => return debug!(%address, %error, "SSH session"),
            Err(_elapsed) => return debug!(%address, "no SSH greeting within {login:?}"),
        };
    tokio::select! {
        result = &mut running => return ended(address, result),
        // An error means that the session is over, which the next wait tells.
        _begun = begun.wait_for(|begun| *begun) => {}
        () = tokio::time::sleep_until(deadline) => {
            cut.0.cut();
            debug!(%address, "no SSH login and command within {login:?}");
        }
    }
    drop(newcomer);
    ended(address, running.await);
}

fn ended(address: SocketAddr, result: Result<(), russh::Error>) {
    if let Err(error) = result {
        debug!(%address, %error, "SSH session");
    }
}

/// Whatever ends a session's task ends its connection.
struct CutOnDrop(SshCut);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        self.0.cut();
    }
}

/// Counts sessions that have not logged in, by address.
#[derive(Debug, Clone, Default)]
struct Newcomers(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One such session.
#[derive(Debug)]
struct Newcomer {
    all: Newcomers,
    address: IpAddr,
}

impl Newcomers {
    fn enter(&self, address: IpAddr, most: usize) -> Option<Newcomer> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Newcomer {
            all: self.clone(),
            address,
        })
    }
}

impl Drop for Newcomer {
    fn drop(&mut self) {
        let mut counts = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_are_counted_by_address_and_forgotten() {
        let all = Newcomers::default();
        let (here, there) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let first = all.enter(here, 2).expect("one");
        let _second = all.enter(here, 2).expect("two");
        assert!(all.enter(here, 2).is_none());
        assert!(all.enter(there, 2).is_some());
        drop(first);
        assert!(all.enter(here, 2).is_some());
        assert_eq!(
            all.0.lock().expect("lock").len(),
            1,
            "addresses without sessions are not kept"
        );
    }
}
