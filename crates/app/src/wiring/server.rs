//! The server process: opens what it keeps, opens its doors, writes where it is found, serves until told to stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use airlock_backends::{BlobKeyMaterial, FileBlobs, ProcessBus, SystemClock};
use airlock_control_plane::ssh::SshAddress;
use airlock_control_plane::{Addresses, ControlPlane, Drivers};
use airlock_domain::Secret;
use airlock_driver_interfaces::rows::TokenPurpose;
use airlock_driver_interfaces::store::Identity as _;
use airlock_driver_interfaces::{Sealed, SealingContext, Vault};
use airlock_forges::PlainGit;
use airlock_gateway::http;
use airlock_gateway::ssh::DoorLimits;
use airlock_store_sql::SqliteStore;
use airlock_transport::ca::{InstanceCa, ServerIdentity};
use airlock_transport::listener::{ListenerLimits, TlsListener};
use airlock_transport::ssh::{HostKey, SshListener};
use airlock_transport::tls::{ClientCertificates, server_config};
use anyhow::Context as _;
use tokio::sync::watch;

use super::access::PlaneAccess;
use super::keys::TransportKeys;
use super::vault;
use crate::endpoint::{self, Endpoint};
use crate::orb_addresses::OrbAddressArguments;
use crate::processes::{self, Ready};

/// SSH connections at a time.
const SSH_SESSIONS: usize = 256;
/// The administrator that a new instance has.
const ADMINISTRATOR: &str = "admin";
/// The vault's key that seals the key of logs and artifacts.
const BLOB_SEAL_KEY: &str = "blobs";

/// What the server is told.
pub(crate) struct Options {
    pub(crate) data_dir: PathBuf,
    pub(crate) https: SocketAddr,
    pub(crate) ssh: SocketAddr,
    /// Where people enter jobs over SSH.
    pub(crate) job_ssh: SocketAddr,
    /// Where orbs may be fetched from.
    pub(crate) orbs: OrbAddressArguments,
    /// The process that `endpoint.json` names.
    pub(crate) pid: u32,
}

/// Serves until `shutdown` completes.
pub(crate) async fn serve(options: Options, shutdown: impl Future<Output = ()>) -> anyhow::Result<()> {
    let data_dir = &options.data_dir;
    let store = Arc::new(SqliteStore::open(&data_dir.join("airlock.db")).await?);
    let vault: Arc<dyn Vault> = Arc::new(vault::client(data_dir)?);
    let blob_key = blob_key(&store, &*vault).await?;
    let blobs = FileBlobs::open(&data_dir.join("blobs"), blob_key, Vec::new())
        .context("opening the folder for logs and artifacts")?;
    let git = PlainGit::new(data_dir.join("repositories"));
    let plane = ControlPlane::new(Drivers {
        store,
        blobs: Arc::new(blobs),
        vault,
        forge: Arc::new(git.clone()),
        remote: Arc::new(git.clone()),
        keys: Arc::new(TransportKeys),
        bus: Arc::new(ProcessBus::new()),
        clock: Arc::new(SystemClock),
    });

    if let Some(addresses) = options.orbs.open()? {
        plane.set_orb_addresses(Arc::new(addresses));
    }

    let tls_dir = data_dir.join("tls");
    let ca = InstanceCa::open(&tls_dir, SystemTime::now())?;
    let identity = ServerIdentity::open(&tls_dir, &ca, &host_names(), SystemTime::now())?;
    let tls = server_config(&identity, ca.certificate_pem(), ClientCertificates::Optional)?;
    let https = TlsListener::bind(options.https, "--https", &tls, ListenerLimits::default()).await?;
    let host_key = HostKey::open(&data_dir.join("ssh/host_key")).context("opening the SSH host key")?;
    let ssh = SshListener::bind(options.ssh, "--ssh", SSH_SESSIONS).await?;

    let job_ssh = SshListener::bind(options.job_ssh, "--job-ssh", SSH_SESSIONS).await?;

    let url = format!("https://localhost:{}", https.local_addr().port());
    let addresses = Addresses {
        web: url.clone(),
        git_host: "localhost".to_owned(),
        git_port: ssh.local_addr().port(),
        git_host_key: host_key.public().to_line(),
    };
    let ssh_url = format!("ssh://git@localhost:{}", addresses.git_port);
    plane.set_addresses(addresses);
    plane.set_ssh_address(SshAddress {
        host: "localhost".to_owned(),
        port: job_ssh.local_addr().port(),
        host_key: host_key.public().to_line(),
    });

    // Before anybody can push again: what git took in while no server was there to hear.
    plane
        .reconcile_pushes()
        .await
        .context("looking for pushes that were interrupted")?;
    let endpoint = Endpoint {
        url: url.clone(),
        ssh: ssh_url.clone(),
        job_ssh: format!("ssh://localhost:{}", job_ssh.local_addr().port()),
        ca_file: tls_dir.join("ca.crt"),
        admin_token: admin_token(&plane, data_dir).await?,
        pid: options.pid,
    };
    let access = Arc::new(PlaneAccess {
        plane: plane.clone(),
        git,
    });
    let door = airlock_gateway::ssh::start(ssh, &host_key, access, DoorLimits::default());
    let web_state = http::State::new(plane.clone(), random_source()?);
    let job_door = airlock_gateway::job_ssh::start(job_ssh, &host_key, plane.clone(), web_state.lines());
    let (stop, stopped) = watch::channel(false);
    let web = tokio::spawn(http::serve(https, web_state, told(stopped.clone())));
    let loops = tokio::spawn({
        let plane = plane.clone();
        async move { plane.run(told(stopped)).await }
    });
    endpoint::write(data_dir, &endpoint)?;
    Ready {
        url: Some(url),
        ssh: Some(ssh_url),
    }
    .say();

    shutdown.await;
    stop.send_replace(true);
    web.await.context("the web door ended badly")?;
    loops.await.context("a loop of the control plane ended badly")?;
    job_door.shutdown().await;
    door.shutdown().await;
    Ok(())
}

async fn told(mut stopped: watch::Receiver<bool>) {
    // The other end gone means the same as being told.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Names other than `localhost` that this machine is reached by.
fn host_names() -> Vec<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let usable = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
    if usable { vec![name] } else { Vec::new() }
}

/// The key that logs and artifacts are encrypted with: made once, kept sealed in the database.
async fn blob_key(store: &SqliteStore, vault: &dyn Vault) -> anyhow::Result<BlobKeyMaterial> {
    let context = SealingContext {
        table: "settings",
        row: "blob_key".to_owned(),
        column: "value",
    };
    let sealed = if let Some(sealed) = store.setting("blob_key").await? {
        sealed
    } else {
        let fresh = BlobKeyMaterial::generate().context("making a key for logs and artifacts")?;
        let sealed = vault.seal(BLOB_SEAL_KEY, &context, &fresh.to_secret()).await?;
        store.setting_or_insert("blob_key", sealed.as_str()).await?
    };
    let opened = vault
        .open(BLOB_SEAL_KEY, &context, &Sealed::parse(sealed)?)
        .await?;
    BlobKeyMaterial::from_secret(&opened).context("reading the key of logs and artifacts")
}

/// The administrator's token: the one in the endpoint file if it still works, else a fresh one.
async fn admin_token(plane: &ControlPlane, data_dir: &Path) -> anyhow::Result<String> {
    let kept = data_dir.join("run/admin_token");
    if let Ok(token) = std::fs::read_to_string(&kept)
        && plane.authenticate(TokenPurpose::Api, &token).await?.is_some()
    {
        return Ok(token);
    }
    let token: Secret = plane
        .issue_token(TokenPurpose::Api, ADMINISTRATOR, processes::random()?)
        .await?;
    let text = token.expose_text().context("a token is text")?.to_owned();
    processes::write_private(&kept, text.as_bytes())?;
    Ok(text)
}

/// Chance for tokens, refilled from the operating system at every call. Asked once here, so that a system that gives
/// none is an error at start and not in a handler.
fn random_source() -> anyhow::Result<http::Random> {
    processes::random()?;
    Ok(Arc::new(|| {
        processes::random().expect("the operating system gave random bytes at start and does not stop")
    }))
}
