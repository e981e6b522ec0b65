//! What the control plane asks of the outside world, as traits and plain rows: store, blobs, vault, forge, bus, clock.
//!
//! The traits belong to the side that calls. Each says who calls it, from how many tasks, and what must be idempotent;
//! each has one conformance suite in `conformance` (a feature, for dev-dependencies) that every driver runs. No driver
//! lives here.

pub mod blobs;
pub mod bus;
pub mod clock;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod forge;
pub mod orbs;
pub mod remote;
pub mod rows;
pub mod ssh;
pub mod store;
pub mod vault;

pub use blobs::{BlobError, BlobKey, Blobs};
pub use bus::{Bus, Subscription};
pub use clock::Clock;
pub use forge::{Forge, ForgeError};
pub use remote::{KeyError, NewKey, PublicKeyInfo, Remote, SshKeys};
pub use store::{Store, StoreError};
pub use vault::{Sealed, SealingContext, Vault, VaultError};
