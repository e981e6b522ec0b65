//! Where a command without a server finds orbs: a folder, and the addresses that it was allowed to fetch from.

use std::path::{Path, PathBuf};

use airlock_driver_interfaces::orbs::{OrbAddresses as _, OrbFetchError};
use airlock_pipeline_config::{Catalogue, OrbAdvice, OrbProblem, OrbReference, OrbSource, Source};
use clap::Args;

use crate::orb_addresses::{FetchedOrbs, OrbAddressArguments};
use crate::orb_dir::OrbDir;

/// Where to look.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OrbPlaceArguments {
    /// Find orbs here, as NAMESPACE/ORB/VERSION.yml.
    #[arg(long, value_name = "DIR")]
    pub(crate) orb_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) addresses: OrbAddressArguments,
}

/// The places, ready to be asked.
#[derive(Debug)]
pub(crate) struct OrbPlaces {
    folder: Option<OrbDir>,
    addresses: Option<FetchedOrbs>,
}

impl OrbPlaceArguments {
    pub(crate) fn open(&self) -> anyhow::Result<OrbPlaces> {
        Ok(OrbPlaces {
            folder: open_folder(self.orb_dir.as_deref())?,
            addresses: self.addresses.open()?,
        })
    }
}

pub(crate) fn open_folder(folder: Option<&Path>) -> anyhow::Result<Option<OrbDir>> {
    folder.map(OrbDir::open).transpose()
}

impl OrbPlaces {
    /// The orb of a reference. Waits for the network, so it is called by threads that may wait.
    pub(crate) fn find(&self, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
        match (reference, &self.addresses) {
            (OrbReference::Registry { .. }, _) => in_folder(self.folder.as_ref(), reference),
            (OrbReference::Url(url), Some(addresses)) => fetched(addresses, url),
            (OrbReference::Url(_), None) => {
                let text = "nothing is fetched from addresses here".to_owned();
                Err(OrbProblem::Refused(text))
            }
        }
    }
}

/// An orb of the folder, if there is one.
pub(crate) fn in_folder(folder: Option<&OrbDir>, reference: &OrbReference) -> Result<OrbSource, OrbProblem> {
    match folder {
        Some(folder) => folder.find(reference),
        None => Err(OrbProblem::NotFound(Catalogue::default())),
    }
}

fn fetched(addresses: &FetchedOrbs, url: &str) -> Result<OrbSource, OrbProblem> {
    let runtime = tokio::runtime::Handle::current();
    let fetched = tokio::task::block_in_place(|| runtime.block_on(addresses.fetch(url)));
    match fetched {
        Ok(text) => Ok(OrbSource::new(Source::new(url, text), url)),
        Err(OrbFetchError::Refused(text)) => Err(OrbProblem::Refused(text)),
        Err(OrbFetchError::Unavailable(text)) => Err(OrbProblem::Unavailable(text)),
        Err(OrbFetchError::TooLarge(text)) => Err(OrbProblem::Limit(text)),
    }
}

/// What a command without a server says of orbs that it does not find.
pub(crate) fn advice() -> OrbAdvice {
    OrbAdvice {
        missing: "`--orb-dir DIR` names a folder to find it in, as DIR/<namespace>/<orb>/<version>.yml"
            .to_owned(),
        not_allowed: "here `--allow-url-orb PREFIX` allows one".to_owned(),
    }
}
