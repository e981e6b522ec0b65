//! Orbs that lie beside a local run, such as in the folder of `airlock run --orb-dir`. They are looked for before
//! anything else is asked; a server has none.

use std::sync::Arc;

use airlock_pipeline_config::{Inputs, OrbProblem, OrbReference, OrbSource, Source, gather};

use crate::ControlPlane;

/// Finds one orb. May read files: it is called where waiting is allowed.
pub type FindOrb = dyn Fn(&OrbReference) -> Result<OrbSource, OrbProblem> + Send + Sync;

impl ControlPlane {
    /// Says once where orbs lie; later calls change nothing.
    pub fn set_local_orbs(&self, find: Arc<FindOrb>) {
        self.inner.local_orbs.get_or_init(|| find);
    }

    /// Whether orbs come from a function instead of the registry.
    pub(crate) fn has_local_orbs(&self) -> bool {
        self.inner.local_orbs.get().is_some()
    }

    /// Puts the orbs that lie beside the run into the inputs; without a place for them nothing is changed.
    pub(crate) fn add_local_orbs(&self, source: &Source, inputs: &mut Inputs) {
        if let Some(find) = self.inner.local_orbs.get() {
            inputs.orbs = gather(source, inputs, &mut |reference| find(reference));
        }
    }
}
