//! Orbs that lie beside a local run, such as in the folder of `airlock run --orb-dir`. A local run has no registry, so this
//! takes its place; a server has none of it.

use std::sync::Arc;

use airlock_pipeline_config::{OrbAdvice, OrbProblem, OrbReference, OrbSource};

use crate::{ControlPlane, UseCaseError};

/// Finds one orb. May read files: it is called where waiting is allowed.
pub type FindOrb = dyn Fn(&OrbReference) -> Result<OrbSource, OrbProblem> + Send + Sync;

/// Where a local run's orbs lie, and what is said of those that do not lie there.
pub(crate) struct LocalOrbs {
    find: Arc<FindOrb>,
    advice: OrbAdvice,
}

impl ControlPlane {
    /// Says once where orbs lie, and what helps when one does not; later calls change nothing.
    pub fn set_local_orbs(&self, find: Arc<FindOrb>, advice: OrbAdvice) {
        self.inner.local_orbs.get_or_init(|| LocalOrbs { find, advice });
    }

    /// The orb of a reference, when orbs come from a function instead of the registry.
    pub(crate) async fn local_orb(
        &self,
        reference: &OrbReference,
    ) -> Result<Option<Result<OrbSource, OrbProblem>>, UseCaseError> {
        let Some(local) = self.inner.local_orbs.get() else {
            return Ok(None);
        };
        let (find, reference) = (Arc::clone(&local.find), reference.clone());
        let found = tokio::task::spawn_blocking(move || find(&reference)).await;
        // Said of this orb: an error would have the pipeline planned again and again.
        let failed = |_| {
            Err(OrbProblem::Unavailable(
                "Airlock failed while looking for it".to_owned(),
            ))
        };
        Ok(Some(found.unwrap_or_else(failed)))
    }

    /// What is said of orbs that a config cannot have.
    pub(crate) fn orb_advice(&self) -> OrbAdvice {
        match self.inner.local_orbs.get() {
            Some(local) => local.advice.clone(),
            None => OrbAdvice {
                missing:
                    "if it is not in this instance's registry yet, bring it in with `airlock orb import FILE \
                          <namespace>/<orb>@<version>`, or a whole folder with `airlock orb import DIR`"
                        .to_owned(),
                not_allowed:
                    "the operator gives `--allow-url-orb PREFIX` to `airlock up` or `airlock server`"
                        .to_owned(),
            },
        }
    }
}
