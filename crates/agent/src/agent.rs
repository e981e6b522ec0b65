//! The agent itself: claims slices while it has room and runs each in a task of its own. Begins by removing what an
//! earlier run left; ends by stopping what still runs.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::{fs, io};

use airlock_agent_protocol::limits::CLAIM_WAIT_MS;
use airlock_agent_protocol::{ClaimReply, ClaimRequest, PROTOCOL_VERSION};
use airlock_domain::AgentId;
use airlock_sandbox::{LauncherError, LauncherOptions, Network, Outside, ReapError, reap_leftovers};
use tokio::task::JoinSet;

use crate::doors::{GitDialer, TcpGitDialer};
use crate::images::{ImageError, ImageSettings, ImageStore};
use crate::leash::{Leash, StopCause};
use crate::limits;
use crate::link::{Backoff, LinkError, ServerLink};
use crate::resource_class::{self, Machine};
use crate::server_address;
use crate::slice;
use crate::spool::SpoolDisk;
use crate::surroundings::Surroundings;

/// What an agent must be told.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    /// Where it keeps everything of its own.
    pub data_dir: PathBuf,
    /// Where images are; may be shared with other agents of the machine.
    pub image_cache: PathBuf,
    /// The static in-job program.
    pub task_exe: PathBuf,
    /// Its id.
    pub id: AgentId,
    /// The machine's name, for people.
    pub name: String,
    /// Slices at a time; `None` means one per processor.
    pub slots: Option<u32>,
}

/// What an agent may be told besides.
#[derive(Clone)]
pub struct AgentOptions {
    /// What jobs can reach.
    pub network: Network,
    /// How their git host is reached.
    pub dialer: Arc<dyn GitDialer>,
    /// The server as `https://host:port` and what else of it has an address: closed to every job.
    pub servers: Vec<String>,
    /// What the operator says of images.
    pub images: ImageSettings,
}

impl Default for AgentOptions {
    fn default() -> Self {
        Self {
            network: Network::Egress,
            dialer: Arc::new(TcpGitDialer),
            servers: Vec::new(),
            images: ImageSettings::default(),
        }
    }
}

impl std::fmt::Debug for AgentOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentOptions")
            .field("network", &self.network)
            .field("servers", &self.servers)
            .finish_non_exhaustive()
    }
}

/// Why an agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// Its directories cannot be made.
    #[error("making {}: {source}", .path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Where the server is cannot be said, so that it could not be closed to jobs.
    #[error("finding the addresses of the server {server}, which jobs must not reach: {reason}")]
    Server {
        /// As it was given.
        server: String,
        /// Why not.
        reason: String,
    },
    /// What an earlier run left cannot be removed.
    #[error(transparent)]
    Reap(#[from] ReapError),
    /// The launcher does not start.
    #[error(transparent)]
    Launcher(#[from] LauncherError),
    /// The image store cannot be opened.
    #[error(transparent)]
    Images(#[from] ImageError),
}

/// One agent.
pub struct Agent {
    here: Arc<Surroundings>,
    link: Arc<dyn ServerLink>,
    id: AgentId,
    slots: u32,
}

impl std::fmt::Debug for Agent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Agent")
            .field("id", &self.id)
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}

impl Agent {
    /// Removes what an earlier run left and prepares everything; takes no work yet.
    pub fn new(config: AgentConfig, link: Arc<dyn ServerLink>) -> Result<Self, AgentError> {
        Self::with_options(config, AgentOptions::default(), link)
    }

    /// The same with other options.
    pub fn with_options(
        config: AgentConfig,
        options: AgentOptions,
        link: Arc<dyn ServerLink>,
    ) -> Result<Self, AgentError> {
        let AgentConfig {
            data_dir,
            image_cache,
            task_exe,
            id,
            name,
            slots,
        } = config;
        let slots = slots.unwrap_or_else(|| Machine::here().cpus).max(1);
        let here = prepare(&data_dir, image_cache, task_exe, name, options, For::Jobs(slots))?;
        Ok(Self {
            here: Arc::new(here),
            link,
            id,
            slots,
        })
    }

    /// Takes and runs slices until `shutdown` is there; then stops what runs, reports it and returns.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) {
        let running = Running::default();
        let mut slices = JoinSet::new();
        let mut backoff = Backoff::default();
        // A claim once asked for is waited for, whatever else happens: work that was given to a question nobody listens
        // to any more would lie until its lease runs out.
        let mut asking = None;
        tokio::pin!(shutdown);
        loop {
            let free = self
                .slots
                .saturating_sub(u32::try_from(slices.len()).unwrap_or(u32::MAX));
            if free > 0 && asking.is_none() {
                asking = Some(Box::pin(self.ask(free)));
            }
            let answer = tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(_ended) = slices.join_next() => continue,
                answer = answer_of(&mut asking) => answer,
            };
            asking = None;
            match answer {
                Ok(ClaimReply { assignment: None }) => backoff.reset(),
                Ok(ClaimReply {
                    assignment: Some(assignment),
                }) => {
                    backoff.reset();
                    let leash = running.add();
                    slices.spawn(slice::run(
                        Arc::clone(&self.here),
                        Arc::clone(&self.link),
                        assignment,
                        leash,
                    ));
                }
                Err(error) => {
                    tracing::warn!(%error, "asking for work");
                    tokio::select! {
                        () = &mut shutdown => break,
                        () = tokio::time::sleep(backoff.next()) => {}
                    }
                }
            }
        }
        running.stop_all();
        while slices.join_next().await.is_some() {}
    }

    /// Asks for work once.
    async fn ask(&self, free: u32) -> Result<ClaimReply, LinkError> {
        let request = ClaimRequest {
            protocol: PROTOCOL_VERSION,
            agent: self.id,
            name: self.here.name.clone(),
            free,
            wait_ms: CLAIM_WAIT_MS,
            offers: vec![resource_class::PLATFORM],
        };
        self.link.claim(request).await
    }
}

/// The answer to the question under way; never, when there is none.
async fn answer_of<F>(asking: &mut Option<Pin<Box<F>>>) -> Result<ClaimReply, LinkError>
where
    F: Future<Output = Result<ClaimReply, LinkError>>,
{
    match asking {
        Some(asking) => asking.await,
        None => std::future::pending().await,
    }
}

/// What is prepared for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum For {
    /// So many jobs at a time, which part the disk between them; sandboxes are made ahead.
    Jobs(u32),
    /// A single sandbox, for which nothing that costs time is made ahead: disks only if it is to have one.
    One { disk: bool },
}

/// Directories, leftovers, launcher and images of an agent or of a single sandbox.
pub(crate) fn prepare(
    data_dir: &std::path::Path,
    image_cache: PathBuf,
    task_exe: PathBuf,
    name: String,
    options: AgentOptions,
    purpose: For,
) -> Result<Surroundings, AgentError> {
    let state_dir = data_dir.join("launcher");
    let (work_dir, spool_dir) = (data_dir.join("sandboxes"), data_dir.join("spool"));
    for path in [&state_dir, &work_dir, &spool_dir] {
        fs::create_dir_all(path).map_err(|source| AgentError::Directory {
            path: path.clone(),
            source,
        })?;
    }
    let outside = Outside {
        closed: server_address::blocks(&options.servers)?,
        ..Outside::default()
    };
    reap_leftovers(&state_dir)?;
    let (disks, warm, machine) = match purpose {
        For::Jobs(jobs) => {
            let warm = jobs.saturating_mul(limits::WARM_PER_JOB);
            let machine = Machine::with_disk(&work_dir, jobs);
            (true, warm.min(limits::WARM_SANDBOXES), machine)
        }
        For::One { disk } => (disk, 0, Machine::here()),
    };
    let launcher_options = LauncherOptions {
        id_ranges: limits::ID_RANGES,
        network: options.network != Network::None,
        outside,
        disks: disks.then(|| data_dir.join("disks")),
        warm,
        ..LauncherOptions::new(state_dir)
    };
    let images = ImageStore::open(image_cache)?.with_settings(options.images);
    images.sweep()?;
    let here = Surroundings {
        name,
        images,
        task_exe,
        machine,
        work_dir,
        spool: SpoolDisk::new(&spool_dir, limits::SPOOL_BYTES),
        network: options.network,
        dialer: options.dialer,
        launcher_options,
        launcher: Mutex::new(None),
    };
    // Started now, so that what is missing on the machine is said before work is taken.
    let _started = here.launcher()?;
    Ok(here)
}

/// The leashes of what runs.
#[derive(Default)]
struct Running(Mutex<Vec<Leash>>);

impl Running {
    fn add(&self) -> Leash {
        let leash = Leash::new();
        let mut held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        held.retain(Leash::is_used);
        held.push(leash.clone());
        leash
    }

    fn stop_all(&self) {
        let held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        held.iter().for_each(|leash| leash.stop(StopCause::Shutdown));
    }
}
