//! What a series of numbers says. Pure.

use serde_json::{Value, json};

/// A series in six numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Summary {
    pub(crate) n: usize,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// `None` for a series without numbers.
    pub(crate) fn of(samples: &[f64]) -> Option<Self> {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        Some(Self {
            n: sorted.len(),
            p50: percentile(&sorted, 50)?,
            p90: percentile(&sorted, 90)?,
            p99: percentile(&sorted, 99)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }

    pub(crate) fn json(&self) -> Value {
        json!({ "n": self.n, "p50": self.p50, "p90": self.p90, "p99": self.p99, "min": self.min, "max": self.max })
    }
}

/// The nearest rank: the smallest sample that so many per cent of all do not exceed. Always a number that was measured.
fn percentile(sorted: &[f64], per_cent: usize) -> Option<f64> {
    let rank = (sorted.len() * per_cent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        let summary = Summary::of(&hundred).expect("numbers");
        assert_eq!((summary.p50, summary.p90, summary.p99), (50.0, 90.0, 99.0));
        assert_eq!((summary.n, summary.min, summary.max), (100, 1.0, 100.0));
        let few = Summary::of(&[3.0, 1.0, 2.0]).expect("numbers");
        assert_eq!((few.p50, few.p90, few.p99), (2.0, 3.0, 3.0));
        let one = Summary::of(&[7.0]).expect("a number");
        assert_eq!((one.p50, one.p99), (7.0, 7.0));
        assert_eq!(Summary::of(&[]), None);
    }
}
