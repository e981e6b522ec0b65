//! The use cases of the server: take a trigger in, plan it, advance its workflows, hand slices to agents, take their
//! words in, answer pages.
//!
//! Everything here works on rows through the traits of `driver-interfaces`; no driver is named, no socket opened.
//! Callers are the gateway (HTTP, SSH), the in-process wiring of `airlock run`, and the loops that [`ControlPlane::run`]
//! starts. One direction: a trigger becomes rows, rows become work, words of agents become events, events become rows.

pub mod access;
mod advance;
pub mod agents;
mod dispatch;
pub mod errors;
mod follow;
mod ingest;
mod intake;
pub mod limits;
mod local_orbs;
mod notices;
pub mod orbs;
mod outbox;
mod planning;
pub mod projects;
pub mod queries;
pub mod records;
mod registry_logins;
mod selection;
mod specs;
pub mod ssh;
mod unoffered;
mod unsupported;

use std::sync::{Arc, OnceLock};

use airlock_driver_interfaces::orbs::OrbAddresses;
use airlock_driver_interfaces::{Blobs, Bus, Clock, Forge, Remote, SshKeys, Store, Vault};
use tokio::sync::Notify;

// What use cases give and say, for callers that know no driver.
pub use airlock_driver_interfaces::bus::Heard;
pub use airlock_driver_interfaces::{BlobError, ForgeError, StoreError, Subscription, VaultError, rows};

pub use access::{Actor, Session};
pub use errors::UseCaseError;
pub use follow::Follow;
pub use intake::{PushedRef, Reference, TriggerRequest};
pub use local_orbs::FindOrb;

/// The outside world, one driver each.
#[derive(Clone)]
pub struct Drivers {
    /// Rows.
    pub store: Arc<dyn Store>,
    /// Bytes.
    pub blobs: Arc<dyn Blobs>,
    /// Secrets.
    pub vault: Arc<dyn Vault>,
    /// Reads repositories.
    pub forge: Arc<dyn Forge>,
    /// Makes repositories.
    pub remote: Arc<dyn Remote>,
    /// Makes keys.
    pub keys: Arc<dyn SshKeys>,
    /// Live messages.
    pub bus: Arc<dyn Bus>,
    /// Time and ids.
    pub clock: Arc<dyn Clock>,
}

/// Where people and agents reach this instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// `https://localhost:8443`, without a slash at the end.
    pub web: String,
    /// Host of the built-in git remote.
    pub git_host: String,
    /// Its port.
    pub git_port: u16,
    /// Its public host key in OpenSSH form.
    pub git_host_key: String,
}

impl Addresses {
    /// The clone URL of a project.
    #[must_use]
    pub fn git_url(&self, project: &airlock_domain::ProjectSlug) -> String {
        format!(
            "ssh://git@{}:{}/{}.git",
            self.git_host,
            self.git_port,
            project.short()
        )
    }
}

/// The server without its sockets. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct ControlPlane {
    inner: Arc<Inner>,
}

struct Inner {
    drivers: Drivers,
    addresses: OnceLock<Addresses>,
    /// Where jobs are entered.
    ssh_address: OnceLock<ssh::SshAddress>,
    /// Where a local run's orbs lie.
    local_orbs: OnceLock<local_orbs::LocalOrbs>,
    /// How orbs are fetched from addresses.
    orb_addresses: OnceLock<Arc<dyn OrbAddresses>>,
    /// Those fetched a moment ago.
    fetched_orbs: orbs::Kept,
    /// Rung when a slice was queued.
    work: Notify,
    /// Rung when a pipeline waits to be planned.
    planning: Notify,
    /// Rung when the outbox got a row.
    news: Notify,
    /// What is remembered of running jobs.
    running: ingest::Running,
}

impl ControlPlane {
    /// Wires the use cases to the outside world.
    #[must_use]
    pub fn new(drivers: Drivers) -> Self {
        let inner = Inner {
            drivers,
            addresses: OnceLock::new(),
            ssh_address: OnceLock::new(),
            local_orbs: OnceLock::new(),
            orb_addresses: OnceLock::new(),
            fetched_orbs: orbs::Kept::default(),
            work: Notify::new(),
            planning: Notify::new(),
            news: Notify::new(),
            running: ingest::Running::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Says once where this instance is reached; later calls change nothing.
    pub fn set_addresses(&self, addresses: Addresses) {
        self.inner.addresses.get_or_init(|| addresses);
    }

    /// Where this instance is reached, once its doors are open.
    pub fn addresses(&self) -> Result<&Addresses, UseCaseError> {
        self.inner.addresses.get().ok_or(UseCaseError::NotReady)
    }

    pub(crate) fn drivers(&self) -> &Drivers {
        &self.inner.drivers
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.inner.drivers.store
    }

    pub(crate) fn now(&self) -> airlock_domain::Timestamp {
        self.inner.drivers.clock.now()
    }

    pub(crate) fn new_id(&self) -> uuid::Uuid {
        self.inner.drivers.clock.new_id()
    }

    /// Runs the loops: planning of accepted pipelines, the watch over leases, news from the outbox. Ends when `shutdown` does.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        tokio::select! {
            () = shutdown => {}
            () = self.plan_loop() => {}
            () = self.lease_loop() => {}
            () = self.outbox_loop() => {}
        }
    }
}
