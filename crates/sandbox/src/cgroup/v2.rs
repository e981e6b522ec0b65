//! The unified hierarchy: one group per sandbox with every controller in it.

use std::path::{Path, PathBuf};

use super::{Backend, CPU_PERIOD_MICROS, Enforced, cpu_quota, keyed, make, number, set};
use crate::failure::Failure;
use crate::sample::Gauges;
use crate::spec::{Limits, Usage};
use crate::wire::Placement;

/// The launcher's directory and the controllers it may hand on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct V2 {
    pub(super) base: PathBuf,
    pub(super) cpu: bool,
    pub(super) memory: bool,
    pub(super) pids: bool,
}

impl V2 {
    /// What `controllers` (the text of `cgroup.controllers`) allows in `base`.
    pub(super) fn over(base: &Path, controllers: &str) -> Self {
        let has = |name: &str| {
            controllers
                .split_whitespace()
                .any(|controller| controller == name)
        };
        Self {
            base: base.to_owned(),
            cpu: has("cpu"),
            memory: has("memory"),
            pids: has("pids"),
        }
    }

    /// Prepares `base`, whose parent hands on `controllers` (the text of `cgroup.controllers`).
    pub(super) fn prepare(base: &Path, controllers: &str) -> Result<Self, Failure> {
        let this = Self::over(base, controllers);
        make(base)?;
        for (wanted, name) in [(this.cpu, "+cpu"), (this.memory, "+memory"), (this.pids, "+pids")] {
            if wanted {
                set(base, "cgroup.subtree_control", &name)?;
            }
        }
        Ok(this)
    }
}

impl Backend for V2 {
    fn directories(&self, id: &str) -> Vec<PathBuf> {
        vec![self.base.join(id)]
    }

    fn placement(&self, id: &str) -> Placement {
        Placement {
            clone_into: Some(self.base.join(id)),
            tasks: Vec::new(),
        }
    }

    fn create(&self, id: &str, limits: &Limits) -> Result<(), Failure> {
        let group = self.base.join(id);
        make(&group)?;
        if self.memory {
            set(&group, "memory.max", &limits.memory_bytes)?;
            // Absent without swap accounting; then there is no swap to bound.
            let _ = set(&group, "memory.swap.max", &0);
        }
        if self.cpu {
            set(
                &group,
                "cpu.max",
                &format!("{} {CPU_PERIOD_MICROS}", cpu_quota(limits)),
            )?;
        }
        if self.pids {
            set(&group, "pids.max", &limits.pids)?;
        }
        Ok(())
    }

    fn usage(&self, id: &str) -> Usage {
        let group = self.base.join(id);
        Usage {
            memory_peak: number(&group, "memory.peak"),
            cpu_ns: keyed(&group, "cpu.stat", "usage_usec") * 1000,
            oom_kills: keyed(&group, "memory.events", "oom_kill"),
            pids_refused: keyed(&group, "pids.events", "max"),
            pids_peak: number(&group, "pids.peak"),
            ..Usage::default()
        }
    }

    fn gauges(&self, id: &str) -> Gauges {
        let group = self.base.join(id);
        Gauges {
            cpu_ns: keyed(&group, "cpu.stat", "usage_usec") * 1000,
            memory_bytes: number(&group, "memory.current"),
            cache_bytes: keyed(&group, "memory.stat", "file"),
        }
    }

    fn enforced(&self) -> Enforced {
        Enforced {
            cpu: self.cpu,
            memory: self.memory,
            pids: self.pids,
            disk: false,
            kill: true,
        }
    }
}
