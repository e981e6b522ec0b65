//! What a slice uses, looked at once a second while its steps run. Of a slice that runs for many hours the record gets
//! coarser instead of longer. Called by `slice`.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use airlock_agent_protocol::limits::RESOURCE_SAMPLES;
use airlock_agent_protocol::{ResourceReport, ResourceSample};
use airlock_sandbox::{Limits, Sample, Sandbox};
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::task::AbortOnDropHandle;

use crate::limits::SAMPLE_EVERY;

/// The record of a slice, written by its [`Watch`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Arc<Mutex<Recording>>);

/// Looks at a sandbox until it is dropped; a last time then.
pub(crate) struct Watch {
    samples: Samples,
    sandbox: Weak<Sandbox>,
    began: Instant,
    _looking: AbortOnDropHandle<()>,
}

impl Samples {
    /// Begins to look at `sandbox`.
    pub(crate) fn watch(&self, sandbox: &Arc<Sandbox>, limits: Limits) -> Watch {
        let began = Instant::now();
        *self.lock() = Recording::new(limits, sandbox.sample());
        // Whoever destroys the sandbox waits until nobody else holds it.
        let weak = Arc::downgrade(sandbox);
        let looking = tokio::spawn(look_on(self.clone(), weak.clone(), began));
        Watch {
            samples: self.clone(),
            sandbox: weak,
            began,
            _looking: AbortOnDropHandle::new(looking),
        }
    }

    /// What was seen.
    pub(crate) fn take(&self) -> ResourceReport {
        std::mem::take(&mut self.lock().report)
    }

    fn look(&self, sandbox: &Weak<Sandbox>, began: Instant) -> bool {
        let Some(sandbox) = sandbox.upgrade() else {
            return false;
        };
        let sample = sandbox.sample();
        drop(sandbox);
        self.lock().add(began.elapsed(), sample);
        true
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.samples.look(&self.sandbox, self.began);
    }
}

async fn look_on(samples: Samples, sandbox: Weak<Sandbox>, began: Instant) {
    let mut ticks = interval_at(began + SAMPLE_EVERY, SAMPLE_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        let (samples, sandbox) = (samples.clone(), sandbox.clone());
        let looked = tokio::task::spawn_blocking(move || samples.look(&sandbox, began));
        if !looked.await.unwrap_or(false) {
            return;
        }
    }
}

#[derive(Debug, Default)]
struct Recording {
    report: ResourceReport,
    last: Sample,
    /// Looks that go into one sample.
    stride: u32,
    /// Looks that went into the newest one.
    filled: u32,
}

impl Recording {
    fn new(limits: Limits, first: Sample) -> Self {
        Self {
            report: ResourceReport {
                cpu_limit_millis: limits.cpu_millis,
                memory_limit: limits.memory_bytes,
                samples: Vec::new(),
            },
            last: first,
            stride: 1,
            filled: 0,
        }
    }

    fn add(&mut self, elapsed: Duration, now: Sample) {
        let at_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let samples = &mut self.report.samples;
        let before = samples.last().map_or(0, |last| last.at_ms);
        let next = between(before, &self.last, at_ms, &now);
        self.last = now;
        if self.filled > 0 && self.filled < self.stride {
            let began = samples.len().checked_sub(2).map_or(0, |at| samples[at].at_ms);
            if let Some(newest) = samples.last_mut() {
                *newest = newest.and(began, &next);
            }
            self.filled += 1;
            return;
        }
        if samples.len() == RESOURCE_SAMPLES {
            *samples = airlock_agent_protocol::resources::thinned(samples, RESOURCE_SAMPLES / 2);
            self.stride = self.stride.saturating_mul(2);
        }
        samples.push(next);
        self.filled = 1;
    }
}

fn between(before_ms: u64, before: &Sample, at_ms: u64, now: &Sample) -> ResourceSample {
    let micros = at_ms.saturating_sub(before_ms).max(1).saturating_mul(1000);
    ResourceSample {
        at_ms,
        cpu_millis: now.cpu_ns.saturating_sub(before.cpu_ns) / micros,
        memory: now.memory_bytes,
        cache: now.cache_bytes,
        disk_read: now.disk_read_bytes.saturating_sub(before.disk_read_bytes),
        disk_written: now.disk_written_bytes.saturating_sub(before.disk_written_bytes),
        net_in: now.net_in_bytes.saturating_sub(before.net_in_bytes),
        net_out: now.net_out_bytes.saturating_sub(before.net_out_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        cpu_millis: 2000,
        memory_bytes: 1 << 30,
        pids: 100,
        disk: None,
    };

    fn busy(seconds: u64) -> Sample {
        Sample {
            cpu_ns: seconds * 500_000_000,
            memory_bytes: seconds,
            net_out_bytes: seconds * 7,
            ..Sample::default()
        }
    }

    #[test]
    fn counters_become_rates_since_the_start_of_the_watch() {
        let mut recording = Recording::new(LIMITS, busy(100));
        recording.add(Duration::from_secs(1), busy(101));
        recording.add(Duration::from_secs(3), busy(103));
        let seen: Vec<_> = recording
            .report
            .samples
            .iter()
            .map(|sample| (sample.at_ms, sample.cpu_millis, sample.net_out))
            .collect();
        assert_eq!(seen, [(1000, 500, 7), (3000, 500, 14)]);
        assert_eq!(recording.report.cpu_limit_millis, 2000);
    }

    #[test]
    fn a_counter_that_falls_is_no_use() {
        let mut recording = Recording::new(LIMITS, busy(5));
        recording.add(Duration::from_secs(1), Sample::default());
        assert_eq!(recording.report.samples[0].cpu_millis, 0);
    }

    #[test]
    fn a_long_record_gets_coarser_and_loses_nothing() {
        let mut recording = Recording::new(LIMITS, busy(0));
        let seconds = u64::try_from(RESOURCE_SAMPLES).expect("fits") * 3 + 5;
        for second in 1..=seconds {
            recording.add(Duration::from_secs(second), busy(second));
        }
        let samples = &recording.report.samples;
        assert!(samples.len() <= RESOURCE_SAMPLES, "{}", samples.len());
        assert_eq!(
            samples.iter().map(|sample| sample.net_out).sum::<u64>(),
            seconds * 7
        );
        assert_eq!(samples.last().map(|last| last.at_ms), Some(seconds * 1000));
        assert!(samples.iter().all(|sample| sample.cpu_millis == 500));
        assert!(samples.is_sorted_by_key(|sample| sample.at_ms));
    }
}
