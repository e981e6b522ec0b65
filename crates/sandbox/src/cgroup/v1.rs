//! One hierarchy per controller, as hybrid and older hosts have it; an empty v2 hierarchy beside it is used to kill.

use std::path::PathBuf;

use super::{Backend, CPU_PERIOD_MICROS, Enforced, cpu_quota, keyed, make, number, set};
use crate::failure::Failure;
use crate::sample::Gauges;
use crate::spec::{Limits, Usage};
use crate::wire::Placement;

/// The directory of the launcher in each hierarchy it uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct V1 {
    pub(super) cpu: Option<PathBuf>,
    pub(super) cpuacct: Option<PathBuf>,
    pub(super) memory: Option<PathBuf>,
    pub(super) pids: Option<PathBuf>,
    /// Only to kill by when there is no `unified`.
    pub(super) freezer: Option<PathBuf>,
    /// A v2 hierarchy without controllers.
    pub(super) unified: Option<PathBuf>,
}

impl Backend for V1 {
    fn directories(&self, id: &str) -> Vec<PathBuf> {
        // The one to kill by comes first: what kills first needs to look no further.
        let all = [
            &self.unified,
            &self.freezer,
            &self.cpu,
            &self.cpuacct,
            &self.memory,
            &self.pids,
        ];
        let mut directories: Vec<PathBuf> = Vec::new();
        for directory in all.into_iter().flatten().map(|base| base.join(id)) {
            // cpu and cpuacct are one hierarchy on many hosts.
            if !directories.contains(&directory) {
                directories.push(directory);
            }
        }
        directories
    }

    fn placement(&self, id: &str) -> Placement {
        let clone_into = self.unified.as_ref().map(|base| base.join(id));
        let v1 = self
            .directories(id)
            .into_iter()
            .filter(|directory| Some(directory) != clone_into.as_ref());
        Placement {
            tasks: v1.map(|directory| directory.join("tasks")).collect(),
            clone_into,
        }
    }

    fn create(&self, id: &str, limits: &Limits) -> Result<(), Failure> {
        for directory in self.directories(id) {
            make(&directory)?;
        }
        if let Some(memory) = self.memory.as_ref().map(|base| base.join(id)) {
            set(&memory, "memory.limit_in_bytes", &limits.memory_bytes)?;
            // Memory and swap together: no swap. Without swap accounting, the next best.
            if set(&memory, "memory.memsw.limit_in_bytes", &limits.memory_bytes).is_err() {
                let _ = set(&memory, "memory.swappiness", &0);
            }
        }
        if let Some(cpu) = self.cpu.as_ref().map(|base| base.join(id)) {
            set(&cpu, "cpu.cfs_period_us", &CPU_PERIOD_MICROS)?;
            set(&cpu, "cpu.cfs_quota_us", &cpu_quota(limits))?;
        }
        if let Some(pids) = self.pids.as_ref().map(|base| base.join(id)) {
            set(&pids, "pids.max", &limits.pids)?;
        }
        Ok(())
    }

    fn usage(&self, id: &str) -> Usage {
        let mut usage = Usage::default();
        if let Some(memory) = self.memory.as_ref().map(|base| base.join(id)) {
            usage.memory_peak = number(&memory, "memory.max_usage_in_bytes");
            usage.oom_kills = keyed(&memory, "memory.oom_control", "oom_kill");
        }
        if let Some(cpuacct) = self.cpuacct.as_ref().map(|base| base.join(id)) {
            usage.cpu_ns = number(&cpuacct, "cpuacct.usage");
        }
        if let Some(pids) = self.pids.as_ref().map(|base| base.join(id)) {
            usage.pids_refused = keyed(&pids, "pids.events", "max");
            usage.pids_peak = number(&pids, "pids.peak");
        }
        usage
    }

    fn gauges(&self, id: &str) -> Gauges {
        let mut gauges = Gauges::default();
        if let Some(memory) = self.memory.as_ref().map(|base| base.join(id)) {
            gauges.memory_bytes = number(&memory, "memory.usage_in_bytes");
            gauges.cache_bytes = keyed(&memory, "memory.stat", "total_cache");
        }
        if let Some(cpuacct) = self.cpuacct.as_ref().map(|base| base.join(id)) {
            gauges.cpu_ns = number(&cpuacct, "cpuacct.usage");
        }
        gauges
    }

    fn enforced(&self) -> Enforced {
        Enforced {
            cpu: self.cpu.is_some(),
            memory: self.memory.is_some(),
            pids: self.pids.is_some(),
            disk: false,
            kill: self.unified.is_some(),
        }
    }
}
