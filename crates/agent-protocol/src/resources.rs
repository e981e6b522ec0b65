//! What a slice used while it ran, sample by sample. Sent once, with the slice's end.

use serde::{Deserialize, Serialize};

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceReport {
    /// How much processor it might use, in thousandths of one.
    pub cpu_limit_millis: u32,
    /// How much memory it might hold, in bytes.
    pub memory_limit: u64,
    /// Oldest first, a second apart; of a slice that ran for hours, further apart.
    pub samples: Vec<ResourceSample>,
}

/// What was used between the sample before and this one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceSample {
    /// When it was taken, in milliseconds since the sandbox was ready.
    pub at_ms: u64,
    /// Processor time per time, in thousandths of one processor.
    pub cpu_millis: u64,
    /// Memory held at its end, in bytes, page cache included.
    pub memory: u64,
    /// The part of it that is page cache.
    pub cache: u64,
    /// Bytes read from the sandbox's disk.
    pub disk_read: u64,
    /// Bytes written to the sandbox's disk.
    pub disk_written: u64,
    /// Bytes received over the network.
    pub net_in: u64,
    /// Bytes sent over the network.
    pub net_out: u64,
}

impl ResourceSample {
    /// The same as one, of this sample, which begins at `began_ms`, and the `next`: sums, the mean of the processor and the
    /// larger memory.
    #[must_use]
    pub fn and(&self, began_ms: u64, next: &Self) -> Self {
        let (own, others) = (
            self.at_ms.saturating_sub(began_ms),
            next.at_ms.saturating_sub(self.at_ms),
        );
        let used = self.cpu_millis.saturating_mul(own) + next.cpu_millis.saturating_mul(others);
        let larger = if self.memory > next.memory { self } else { next };
        Self {
            at_ms: next.at_ms,
            cpu_millis: used.checked_div(own + others).unwrap_or_default(),
            memory: larger.memory,
            cache: larger.cache,
            disk_read: self.disk_read.saturating_add(next.disk_read),
            disk_written: self.disk_written.saturating_add(next.disk_written),
            net_in: self.net_in.saturating_add(next.net_in),
            net_out: self.net_out.saturating_add(next.net_out),
        }
    }
}

/// At most `most` samples that tell the same: as many neighbours as it takes are made one, evenly.
#[must_use]
pub fn thinned(samples: &[ResourceSample], most: usize) -> Vec<ResourceSample> {
    let together = samples.len().div_ceil(most.max(1)).max(1);
    let mut began = 0;
    let mut thinned = Vec::with_capacity(samples.len().div_ceil(together));
    for group in samples.chunks(together) {
        let one = group
            .iter()
            .copied()
            .reduce(|sum, next| sum.and(began, &next))
            .unwrap_or_default();
        began = one.at_ms;
        thinned.push(one);
    }
    thinned
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: u64, cpu_millis: u64, memory: u64) -> ResourceSample {
        ResourceSample {
            at_ms: second * 1000,
            cpu_millis,
            memory,
            cache: memory / 2,
            net_in: 10,
            ..ResourceSample::default()
        }
    }

    #[test]
    fn the_wire_form_is_spelled_out() {
        let text = serde_json::to_string(&at(1, 500, 8)).expect("serialises");
        assert_eq!(
            text,
            r#"{"at_ms":1000,"cpu_millis":500,"memory":8,"cache":4,"disk_read":0,"disk_written":0,"net_in":10,"net_out":0}"#
        );
    }

    #[test]
    fn fewer_samples_tell_the_same() {
        let samples = [
            at(1, 1000, 8),
            at(2, 0, 2),
            at(3, 600, 4),
            at(6, 200, 6),
            at(7, 900, 1),
        ];
        let two = thinned(&samples, 3);
        let seen: Vec<_> = two
            .iter()
            .map(|one| (one.at_ms, one.cpu_millis, one.memory, one.cache, one.net_in))
            .collect();
        assert_eq!(
            seen,
            [
                (2000, 500, 8, 4, 20),
                (6000, 300, 6, 3, 20),
                (7000, 900, 1, 0, 10)
            ]
        );
        assert_eq!(thinned(&samples, 5), samples);
        assert_eq!(thinned(&samples, 0).len(), 1);
        assert_eq!(thinned(&[], 3), []);
    }
}
