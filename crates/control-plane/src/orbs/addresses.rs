//! Orbs at addresses: what stands there is fetched through the driver, kept for a few minutes so that a row of pushes asks
//! once, and recorded with the pipeline, which from then on sees that text and no other.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use airlock_domain::Timestamp;
use airlock_driver_interfaces::orbs::{FetchedOrb, OrbAddresses, OrbFetchError};
use airlock_pipeline_config::{OrbProblem, OrbSource, Source};
use tokio::time::{Instant, timeout_at};

use super::import::digest_of;
use crate::{ControlPlane, limits};

/// Texts that were fetched a moment ago, by address.
#[derive(Default)]
pub(crate) struct Kept(Mutex<BTreeMap<String, (Timestamp, FetchedOrb)>>);

impl Kept {
    fn get(&self, url: &str, now: Timestamp) -> Option<FetchedOrb> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (until, _)| now < *until);
        kept.get(url).map(|(_, orb)| orb.clone())
    }

    fn put(&self, orb: &FetchedOrb, now: Timestamp) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The one that ends first gives way.
        if kept.len() >= limits::KEPT_FETCHED_ORBS
            && let Some(first) = kept.iter().min_by_key(|(_, (until, _))| *until)
        {
            let first = first.0.clone();
            kept.remove(&first);
        }
        let until = now.plus_millis(limits::FETCHED_ORB_MS);
        kept.insert(orb.url.clone(), (until, orb.clone()));
    }
}

/// When a pipeline's time for fetching is over.
pub(super) struct Patience(Instant);

impl Patience {
    pub(super) fn begin() -> Self {
        Self(Instant::now() + Duration::from_millis(limits::FETCHING_ORBS_MS))
    }
}

impl ControlPlane {
    /// Says once how orbs are fetched from addresses, and which; later calls change nothing. Without it no address is
    /// allowed.
    pub fn set_orb_addresses(&self, addresses: Arc<dyn OrbAddresses>) {
        self.inner.orb_addresses.get_or_init(|| addresses);
    }

    /// The beginnings of addresses that orbs may come from.
    pub(crate) fn orb_url_prefixes(&self) -> Vec<String> {
        let addresses = self.inner.orb_addresses.get();
        addresses.map_or_else(Vec::new, |addresses| addresses.prefixes())
    }

    /// The orb at an address, as `recorded` has it, else as it was a moment ago, else as it is now.
    pub(super) async fn orb_at(
        &self,
        url: &str,
        recorded: &[FetchedOrb],
        patience: &Patience,
    ) -> Result<FetchedOrb, OrbProblem> {
        if let Some(orb) = recorded.iter().find(|orb| orb.url == url) {
            return Ok(orb.clone());
        }
        if let Some(orb) = self.inner.fetched_orbs.get(url, self.now()) {
            return Ok(orb);
        }
        let Some(addresses) = self.inner.orb_addresses.get() else {
            let text = "nothing is fetched from addresses here";
            return Err(OrbProblem::Refused(text.to_owned()));
        };
        let fetched = timeout_at(patience.0, addresses.fetch(url)).await;
        let source = fetched
            .unwrap_or_else(|_| {
                let seconds = limits::FETCHING_ORBS_MS / 1000;
                let text =
                    format!("the addresses of this config's orbs took more than {seconds} s to answer");
                Err(OrbFetchError::Unavailable(text))
            })
            .map_err(|error| match error {
                OrbFetchError::Refused(text) => OrbProblem::Refused(text),
                OrbFetchError::Unavailable(text) => OrbProblem::Unavailable(text),
                OrbFetchError::TooLarge(text) => OrbProblem::Limit(text),
            })?;
        let orb = FetchedOrb {
            url: url.to_owned(),
            digest: digest_of(&source),
            source,
        };
        self.inner.fetched_orbs.put(&orb, self.now());
        Ok(orb)
    }
}

/// A fetched orb as the compiler takes it.
pub(super) fn as_source(orb: &FetchedOrb) -> OrbSource {
    OrbSource::new(
        Source::new(orb.url.clone(), orb.source.as_bytes()),
        orb.url.clone(),
    )
}
