//! A whole instance in one process for `airlock run`: the same control plane, engine, git door, agent and sandbox as a
//! server's, on rows in memory and a folder that is gone afterwards. Keys and secrets live as long as the process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use airlock_agent::{Agent, AgentConfig, AgentOptions};
use airlock_backends::{BlobKeyMaterial, FileBlobs, ProcessBus, SystemClock};
use airlock_control_plane::{Addresses, ControlPlane, Drivers};
use airlock_domain::AgentId;
use airlock_driver_interfaces::Clock as _;
use airlock_forges::PlainGit;
use airlock_gateway::ssh::{DoorLimits, SshDoor};
use airlock_key_holder::EmbeddedVault;
use airlock_store_sql::SqliteStore;
use airlock_transport::ssh::{HostKey, SshListener};
use anyhow::Context as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::access::PlaneAccess;
use super::keys::TransportKeys;
use super::link::InProcess;
use super::runs::RunFolder;
use crate::cli::places;
use crate::{settings, task_binary};

/// Git connections at a time: each slice that checks out has one.
const SSH_SESSIONS: usize = 256;

/// The running instance. [`LocalInstance::stop`] ends it in order; what a killed one leaves, the next run removes.
pub(crate) struct LocalInstance {
    pub(crate) plane: ControlPlane,
    pub(crate) git: PlainGit,
    door: SshDoor,
    stop: watch::Sender<bool>,
    loops: JoinHandle<()>,
    agent: JoinHandle<()>,
    _folder: RunFolder,
}

impl LocalInstance {
    /// Starts everything. Jobs find nothing to do until a pipeline is triggered.
    pub(crate) async fn start(data_dir: &Path) -> anyhow::Result<Self> {
        let folder = RunFolder::make(data_dir, "run-")?;
        let git = PlainGit::new(folder.path().join("repositories"));
        let blob_key = BlobKeyMaterial::generate().context("making a key for logs and artifacts")?;
        let blobs = FileBlobs::open(&folder.path().join("blobs"), blob_key, Vec::new())
            .context("opening the folder for logs and artifacts")?;
        let store = SqliteStore::in_memory()
            .await
            .context("opening a database in memory")?;
        let vault = EmbeddedVault::ephemeral(Arc::new(SystemClock));
        let plane = ControlPlane::new(Drivers {
            store: Arc::new(store),
            blobs: Arc::new(blobs),
            vault: Arc::new(vault),
            forge: Arc::new(git.clone()),
            remote: Arc::new(git.clone()),
            keys: Arc::new(TransportKeys),
            bus: Arc::new(ProcessBus::new()),
            clock: Arc::new(SystemClock),
        });

        let host_key = HostKey::open(&folder.path().join("ssh_host_key")).context("making a host key")?;
        let git_host_key = host_key.public().to_line();
        let access = Arc::new(PlaneAccess {
            plane: plane.clone(),
            git: git.clone(),
        });
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let limits = DoorLimits::default();
        let listener = SshListener::bind(address, "--ssh", SSH_SESSIONS)
            .await
            .context("opening the git door for this run")?;
        let door = airlock_gateway::ssh::start(listener, &host_key, access, limits);
        plane.set_addresses(Addresses {
            web: "airlock-run:".to_owned(),
            git_host: "127.0.0.1".to_owned(),
            git_port: door.local_addr().port(),
            git_host_key,
        });

        let (stop, stopped) = watch::channel(false);
        let loops = tokio::spawn({
            let (plane, stopped) = (plane.clone(), stopped.clone());
            async move { plane.run(told(stopped)).await }
        });
        let config = AgentConfig {
            data_dir: folder.path().join("agent"),
            image_cache: places::image_cache(data_dir),
            task_exe: task_binary::unpack(data_dir)?,
            id: AgentId::new(SystemClock.new_id()),
            name: "this machine".to_owned(),
            slots: None,
        };
        let link = Arc::new(InProcess(plane.clone()));
        let options = AgentOptions {
            images: settings::read(data_dir)?.images,
            ..AgentOptions::default()
        };
        let agent = Agent::with_options(config, options, link).context("starting the agent")?;
        let agent = tokio::spawn(async move {
            agent.run(told(stopped)).await;
        });
        Ok(Self {
            plane,
            git,
            door,
            stop,
            loops,
            agent,
            _folder: folder,
        })
    }

    /// Ends the agent with its sandboxes, then the rest.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        self.agent.await.context("the agent ended badly")?;
        self.loops
            .await
            .context("a loop of the control plane ended badly")?;
        self.door.shutdown().await;
        Ok(())
    }
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // The other end gone means the same as being told.
    let _ = stopped.wait_for(|stop| *stop).await;
}
