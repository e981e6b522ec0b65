//! What a launcher can be told, and which of it cannot work. Plain data; `launcher` acts on it.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::errors::LauncherError;
use crate::limits::{DEFAULT_ID_BASE, IDS_PER_SANDBOX};
use crate::net::Outside;
use crate::overlay::Assembly;
use crate::record::Stage;

/// How a launcher is to work.
#[derive(Debug, Clone)]
pub struct LauncherOptions {
    /// Where records of what exists are kept; one launcher per directory.
    pub state_dir: PathBuf,
    /// First id of the block that sandboxes get their ranges from, a multiple of 65,536. Ranges in use by another agent
    /// of this host are passed over.
    pub id_base: u32,
    /// How many sandboxes can exist at once: each owns 65,536 ids from `id_base` upwards.
    pub id_ranges: u32,
    /// Whether sandboxes can be given egress; needs `nft` and makes one bridge.
    pub network: bool,
    /// What of the outside is closed to jobs.
    pub outside: Outside,
    /// Where names are looked up for jobs; `None` for where the host itself does.
    pub name_servers: Option<Vec<SocketAddr>>,
    /// Where disks of sandboxes are made ahead, on the same file system as the work directories; `None` for sandboxes
    /// without disks of their own.
    pub disks: Option<PathBuf>,
    /// Told of each stage a sandbox enters, once it is on record.
    pub observer: Option<fn(Stage)>,
    /// How roots are assembled; `None` for the best way this kernel has.
    pub assembly: Option<Assembly>,
    /// How many sandboxes may be made ahead of the jobs they are for, at most; zero for none.
    pub warm: u32,
}

impl LauncherOptions {
    /// 64 sandboxes at once, with network.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            id_base: DEFAULT_ID_BASE,
            id_ranges: 64,
            network: true,
            outside: Outside::default(),
            name_servers: None,
            disks: None,
            observer: None,
            assembly: None,
            warm: 0,
        }
    }

    pub(super) fn check(&self) -> Result<(), LauncherError> {
        let end = u64::from(self.id_base) + u64::from(self.id_ranges) * u64::from(IDS_PER_SANDBOX);
        let aligned = self.id_base.is_multiple_of(IDS_PER_SANDBOX);
        if !aligned || self.id_ranges == 0 || self.id_base < IDS_PER_SANDBOX || end > u64::from(u32::MAX) {
            return Err(LauncherError::Options(format!(
                "{} ranges of {IDS_PER_SANDBOX} ids from {} do not fit; choose a multiple of {IDS_PER_SANDBOX} and an \
                 end below 2^32",
                self.id_ranges, self.id_base
            )));
        }
        Ok(())
    }
}
