//! Samples of one contender and what they say. Pure.

use std::time::Duration;

/// Samples in milliseconds (or megabytes), whole and in parts.
#[derive(Debug, Default)]
pub(crate) struct Series {
    whole: Vec<f64>,
    parts: Vec<(&'static str, Vec<f64>)>,
}

impl Series {
    /// Adds one run and what it is made of.
    pub(crate) fn add(&mut self, whole: f64, parts: &[(&'static str, Duration)]) {
        self.whole.push(whole);
        for (name, took) in parts {
            let sample = milliseconds(*took);
            match self.parts.iter_mut().find(|(known, _)| known == name) {
                Some((_, samples)) => samples.push(sample),
                None => self.parts.push((name, vec![sample])),
            }
        }
    }

    /// The nearest rank: always a number that was measured. `None` without numbers.
    pub(crate) fn percentile(&self, per_cent: usize) -> Option<f64> {
        percentile(&self.whole, per_cent)
    }

    pub(crate) fn count(&self) -> usize {
        self.whole.len()
    }

    /// Median of each part, in order.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&'static str, f64)> {
        self.parts
            .iter()
            .filter_map(|(name, samples)| Some((*name, percentile(samples, 50)?)))
    }
}

pub(crate) fn milliseconds(took: Duration) -> f64 {
    took.as_secs_f64() * 1000.0
}

fn percentile(samples: &[f64], per_cent: usize) -> Option<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * per_cent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_samples() {
        let mut series = Series::default();
        assert_eq!(series.percentile(50), None);
        for sample in (1..=100).rev() {
            series.add(f64::from(sample), &[("part", Duration::from_millis(3))]);
        }
        assert_eq!(
            (series.percentile(50), series.percentile(90)),
            (Some(50.0), Some(90.0))
        );
        assert_eq!(series.count(), 100);
        assert_eq!(series.parts().collect::<Vec<_>>(), [("part", 3.0)]);
    }
}
