//! The agent's process on the server's own machine: takes its certificate from the instance's CA beside it, dials the
//! server over HTTPS, and renews the certificate before it ends.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use airlock_agent::{
    Agent, AgentConfig, AgentOptions, ArtifactBody, HttpsLink, LinkError, ServerLink, SshIncoming,
    SshOutgoing,
};
use airlock_agent_protocol::ssh::{SshChannelHeader, SshWait, SshWaitReply};
use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, ClaimReply, ClaimRequest, FinishRequest, Heartbeat, HeartbeatReply,
    LogAck, LogHeader, StepReport,
};
use airlock_backends::SystemClock;
use airlock_domain::AgentId;
use airlock_driver_interfaces::Clock as _;
use airlock_transport::ca::{AgentKey, InstanceCa};
use airlock_transport::tls::{ClientTls, client_config};
use anyhow::Context as _;
use async_trait::async_trait;
use bytes::Bytes;

use crate::cli::places;
use crate::{endpoint, processes, settings, task_binary};

/// A certificate lives a day; the next one is taken after this.
const RENEW_AFTER: Duration = Duration::from_hours(8);

/// Takes and runs slices until `shutdown` completes; `ready` is called when it can take the first.
pub(crate) async fn serve(
    data_dir: &Path,
    slots: Option<u32>,
    ready: impl FnOnce(),
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    let server = endpoint::read(data_dir)?.with_context(|| {
        format!(
            "no server runs from {}: start `airlock server`, or everything with `airlock up`",
            data_dir.display()
        )
    })?;
    let folder = data_dir.join("agent");
    processes::data_dir(&folder)?;
    let id = kept_id(&folder)?;
    let ca = InstanceCa::open(&data_dir.join("tls"), SystemTime::now())?;
    let link = Arc::new(Renewable(RwLock::new(HttpsLink::new(
        &server.url,
        &certified(&ca, id)?,
    ))));
    let config = AgentConfig {
        data_dir: folder,
        image_cache: places::image_cache(data_dir),
        task_exe: task_binary::unpack(data_dir)?,
        id,
        name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        slots,
    };
    let options = AgentOptions {
        servers: vec![server.url.clone(), server.ssh.clone()],
        images: settings::read(data_dir)?.images,
        ..AgentOptions::default()
    };
    let agent =
        Agent::with_options(config, options, Arc::<Renewable>::clone(&link)).context("starting the agent")?;
    ready();
    let renew = async {
        loop {
            tokio::time::sleep(RENEW_AFTER).await;
            match certified(&ca, id) {
                Ok(tls) => link.replace(HttpsLink::new(&server.url, &tls)),
                Err(error) => tracing::error!("the agent's certificate could not be renewed: {error:#}"),
            }
        }
    };
    tokio::select! {
        () = agent.run(shutdown) => {}
        () = renew => {}
    }
    Ok(())
}

fn certified(ca: &InstanceCa, id: AgentId) -> anyhow::Result<ClientTls> {
    let key = AgentKey::generate()?;
    let certificate = ca.issue_agent(id, &key.request_pem()?, SystemTime::now())?;
    Ok(client_config(
        ca.certificate_pem(),
        Some((&certificate.pem, &key)),
    )?)
}

/// An agent keeps its id, so that the server knows it again.
fn kept_id(folder: &Path) -> anyhow::Result<AgentId> {
    let file = folder.join("id");
    if let Ok(text) = std::fs::read_to_string(&file) {
        return text
            .trim()
            .parse()
            .with_context(|| format!("reading {}", file.display()));
    }
    let id = AgentId::new(SystemClock.new_id());
    processes::write_private(&file, id.to_string().as_bytes())?;
    Ok(id)
}

/// A link whose certificate can be replaced while jobs run: calls under way end on the old one.
struct Renewable(RwLock<HttpsLink>);

impl Renewable {
    fn now(&self) -> HttpsLink {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn replace(&self, link: HttpsLink) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = link;
    }
}

#[async_trait]
impl ServerLink for Renewable {
    async fn claim(&self, request: ClaimRequest) -> Result<ClaimReply, LinkError> {
        self.now().claim(request).await
    }

    async fn step(&self, report: StepReport) -> Result<(), LinkError> {
        self.now().step(report).await
    }

    async fn log(&self, header: LogHeader, bytes: Bytes) -> Result<LogAck, LinkError> {
        self.now().log(header, bytes).await
    }

    async fn artifact(
        &self,
        header: ArtifactHeader,
        body: ArtifactBody,
    ) -> Result<ArtifactStored, LinkError> {
        self.now().artifact(header, body).await
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<HeartbeatReply, LinkError> {
        self.now().heartbeat(beat).await
    }

    async fn finish(&self, request: FinishRequest) -> Result<(), LinkError> {
        self.now().finish(request).await
    }

    async fn ssh_wait(&self, wait: SshWait) -> Result<SshWaitReply, LinkError> {
        self.now().ssh_wait(wait).await
    }

    async fn ssh_channel(
        &self,
        header: SshChannelHeader,
        outgoing: SshOutgoing,
    ) -> Result<Box<dyn SshIncoming>, LinkError> {
        self.now().ssh_channel(header, outgoing).await
    }
}
