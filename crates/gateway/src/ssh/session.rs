//! One SSH session as russh sees it: which keys are taken, which requests are answered how. The work of a channel is
//! done in its own task.

use std::sync::Arc;
use std::time::Duration;

use airlock_transport::ssh::SshPublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, MethodKind, MethodSet};
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;
use tracing::{debug, info};

use super::access::{GitAccess, PrincipalName as _};
use super::channel::{self, ChannelContext};
use super::limits;

/// The user name of every git remote.
const USER: &str = "git";

/// The methods offered: keys only.
pub(super) fn methods() -> MethodSet {
    MethodSet::from(&[MethodKind::PublicKey][..])
}

/// What all sessions share.
pub(super) struct DoorContext<A> {
    pub(super) access: Arc<A>,
    pub(super) git_places: Arc<Semaphore>,
    pub(super) channels: TaskTracker,
    pub(super) idle: Duration,
}

/// One session.
pub(super) struct SshSession<A: GitAccess> {
    door: Arc<DoorContext<A>>,
    principal: Option<A::Principal>,
    places: Arc<Semaphore>,
    busy: watch::Sender<bool>,
}

impl<A: GitAccess> SshSession<A> {
    pub(super) fn new(door: Arc<DoorContext<A>>, busy: watch::Sender<bool>) -> Self {
        Self {
            door,
            principal: None,
            places: Arc::new(Semaphore::new(limits::CHANNELS)),
            busy,
        }
    }

    async fn principal_of(&self, user: &str, key: &russh::keys::PublicKey) -> Option<A::Principal> {
        if user != USER {
            return None;
        }
        self.door
            .access
            .authenticate(&SshPublicKey::from_russh(key.clone()).ok()?)
            .await
    }
}

/// No, and keys are what is taken.
pub(crate) fn reject() -> Auth {
    Auth::Reject {
        proceed_with_methods: Some(methods()),
        partial_success: false,
    }
}

impl<A: GitAccess> Handler for SshSession<A> {
    type Error = russh::Error;

    /// An unknown key is told off before the client is asked to sign with it.
    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        Ok(if self.principal_of(user, offer.public_key).await.is_some() {
            Auth::Accept
        } else {
            reject()
        })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        self.principal = self.principal_of(user, key.public_key).await;
        Ok(if let Some(principal) = &self.principal {
            debug!(who = principal.name(), "SSH login");
            Auth::Accept
        } else {
            info!("SSH login with an unknown key");
            reject()
        })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        // Dropping the reply refuses the channel.
        let Some(principal) = self.principal.clone() else {
            return Ok(());
        };
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return Ok(());
        };
        let context = ChannelContext {
            access: Arc::clone(&self.door.access),
            principal,
            git_places: Arc::clone(&self.door.git_places),
            idle: self.door.idle,
            busy: self.busy.clone(),
            _place: place,
        };
        reply.accept().await;
        self.door.channels.spawn(channel::serve(context, channel));
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(id)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if name == "GIT_PROTOCOL" {
            session.channel_success(id)
        } else {
            session.channel_failure(id)
        }
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(russh::Pty, u32)],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_failure(id)
    }
}
