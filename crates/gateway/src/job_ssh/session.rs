//! One SSH session of a person as russh sees it: whose key it is, whether they may enter the slice that the user name
//! names, and which requests are answered how. The work of a channel is done in its own task.

use std::sync::Arc;

use airlock_control_plane::ControlPlane;
use airlock_control_plane::ssh::SshNote;
use airlock_transport::ssh::SshPublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, Disconnect};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use super::channel::{self, ChannelContext};
use super::limits;
use super::target::Target;
use super::{Closed, JobDoor};
use crate::ssh::reject;

/// One session.
pub(crate) struct JobSession {
    door: Arc<JobDoor>,
    login: Option<Login>,
    places: Arc<Semaphore>,
    busy: watch::Sender<bool>,
    over: CancellationToken,
    _over: DropGuard,
}

/// Somebody is in; the audit log hears of the end.
struct Login {
    plane: ControlPlane,
    user: String,
    target: Target,
}

impl Drop for Login {
    fn drop(&mut self) {
        let (plane, user, target) = (self.plane.clone(), std::mem::take(&mut self.user), self.target);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { note(&plane, SshNote::Logout, &user, target).await });
        }
    }
}

async fn note(plane: &ControlPlane, what: SshNote, user: &str, target: Target) {
    info!(who = user, %target, ?what, "SSH into a job");
    if let Err(error) = plane.note_ssh(what, user, target.job, target.slice).await {
        warn!(%error, who = user, %target, "a login could not be written to the audit log");
    }
}

/// Who a key belongs to, and whether they may enter.
enum Verdict {
    Unknown,
    Denied(String),
    May(String),
}

impl JobSession {
    pub(super) fn new(door: Arc<JobDoor>, busy: watch::Sender<bool>) -> Self {
        let over = CancellationToken::new();
        Self {
            door,
            login: None,
            places: Arc::new(Semaphore::new(limits::CHANNELS)),
            busy,
            _over: over.clone().drop_guard(),
            over,
        }
    }

    async fn verdict(&self, target: Target, key: &russh::keys::PublicKey) -> Verdict {
        let plane = &self.door.plane;
        let Ok(key) = SshPublicKey::from_russh(key.clone()) else {
            return Verdict::Unknown;
        };
        let looked = async {
            let Some(user) = plane.user_of_key(&key.fingerprint()).await? else {
                return Ok(Verdict::Unknown);
            };
            let may = plane.may_enter(&user, target.job, target.slice).await?;
            Ok::<_, airlock_control_plane::UseCaseError>(if may {
                Verdict::May(user)
            } else {
                Verdict::Denied(user)
            })
        };
        looked.await.unwrap_or_else(|error| {
            tracing::error!(%error, %target, "whether somebody may enter a job could not be looked up");
            Verdict::Unknown
        })
    }

    fn context(&self) -> Option<ChannelContext> {
        let login = self.login.as_ref()?;
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(ChannelContext {
            lines: Arc::clone(&self.door.lines),
            target: login.target,
            over: self.over.clone(),
            _place: place,
        })
    }
}

impl Handler for JobSession {
    type Error = russh::Error;

    /// A key that may not enter is told off before the client is asked to sign with it.
    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, russh::Error> {
        let Ok(target) = user.parse::<Target>() else {
            return Ok(reject());
        };
        Ok(match self.verdict(target, offer.public_key).await {
            Verdict::May(_) => Auth::Accept,
            // Not proved yet that the client has the key: the log would name somebody who never came.
            Verdict::Denied(_) | Verdict::Unknown => reject(),
        })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        let Ok(target) = user.parse::<Target>() else {
            return Ok(reject());
        };
        let plane = &self.door.plane;
        Ok(match self.verdict(target, key.public_key).await {
            Verdict::May(user) => {
                note(plane, SshNote::Login, &user, target).await;
                self.login = Some(Login {
                    plane: plane.clone(),
                    user,
                    target,
                });
                self.busy.send_replace(true);
                Auth::Accept
            }
            Verdict::Denied(user) => {
                note(plane, SshNote::Denied, &user, target).await;
                reject()
            }
            Verdict::Unknown => reject(),
        })
    }

    /// Looks from now on whether the job is still there: a session that only forwards would not notice.
    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), russh::Error> {
        let Some(login) = &self.login else { return Ok(()) };
        let (lines, target, over) = (Arc::clone(&self.door.lines), login.target, self.over.clone());
        let handle = session.handle();
        self.door.channels.spawn(async move {
            let gone = async {
                loop {
                    tokio::time::sleep(limits::LOOK).await;
                    if !lines.is_open(target) {
                        return;
                    }
                }
            };
            tokio::select! {
                () = over.cancelled() => {}
                () = gone => {
                    let text = Closed::NotThere.to_string();
                    // The session may end at this very moment.
                    let _gone = handle.disconnect(Disconnect::ByApplication, text, String::new()).await;
                }
            }
        });
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        // Dropping the reply refuses the channel.
        let Some(context) = self.context() else {
            return Ok(());
        };
        reply.accept().await;
        let handle = session.handle();
        self.door
            .channels
            .spawn(channel::serve_session(context, channel, handle));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        host: &str,
        port: u32,
        _from: &str,
        _from_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), russh::Error> {
        let (Some(context), Ok(port)) = (self.context(), u16::try_from(port)) else {
            return Ok(());
        };
        let host = host.to_owned();
        self.door
            .channels
            .spawn(channel::serve_connection(context, channel, reply, host, port));
        Ok(())
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(id)
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _: &[u8],
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        session.channel_success(id)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if name == channel::SFTP {
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
        session.channel_success(id)
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        if channel::takes_variable(name) {
            session.channel_success(id)
        } else {
            session.channel_failure(id)
        }
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

    /// Keys stay with the person: a job that could use them could be them.
    async fn agent_request(&mut self, id: ChannelId, session: &mut Session) -> Result<bool, russh::Error> {
        session.channel_failure(id)?;
        Ok(false)
    }
}
