//! One figure: its samples, its target, and a table of them all. Measures nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// A figure.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    /// The median should not exceed this.
    pub(crate) target: Option<f64>,
    pub(crate) samples: Vec<f64>,
    pub(crate) note: String,
}

impl Figure {
    pub(crate) fn new(title: impl Into<String>, unit: &'static str, target: Option<f64>) -> Self {
        Self {
            title: title.into(),
            unit,
            target,
            samples: Vec::new(),
            note: String::new(),
        }
    }

    /// The sample that half of the others do not exceed.
    pub(crate) fn median(&self) -> Option<f64> {
        self.rank(50)
    }

    /// The sample that so many percent of all do not exceed; 0 is the least, 100 the most.
    fn rank(&self, percent: usize) -> Option<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len().checked_sub(1)? * percent / 100).copied()
    }

    /// The median as a part of the target.
    fn ratio(&self) -> Option<f64> {
        Some(self.median()? / self.target?)
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "title": self.title,
            "unit": self.unit,
            "target": self.target,
            "median": self.median(),
            "least": self.rank(0),
            "p95": self.rank(95),
            "most": self.rank(100),
            "ratio": self.ratio(),
            "met": self.ratio().map(|ratio| ratio <= 1.0),
            "samples": self.samples,
            "note": self.note,
        })
    }
}

/// The table.
pub(crate) fn report(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:<72} {:>4} {:>10} {:>10} {:>10} {:>10} {:>8} {:>7}  met\n",
        "", "n", "least", "median", "p95", "most", "target", "ratio"
    );
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"));
    for figure in figures {
        let met = match figure.ratio() {
            Some(ratio) if ratio <= 1.0 => "yes",
            Some(_) => "NO",
            None => "-",
        };
        let title: String = format!("{}, {}", figure.title, figure.unit)
            .chars()
            .take(72)
            .collect();
        let _ = writeln!(
            text,
            "{title:<72} {:>4} {:>10} {:>10} {:>10} {:>10} {:>8} {:>7}  {met:<3}  {}",
            figure.samples.len(),
            number(figure.rank(0)),
            number(figure.median()),
            number(figure.rank(95)),
            number(figure.rank(100)),
            figure
                .target
                .map_or_else(|| "-".to_owned(), |target| target.to_string()),
            figure
                .ratio()
                .map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2}")),
            figure.note
        );
    }
    text.push_str("A target is met when the median does not exceed it.\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_decides() {
        let mut figure = Figure::new("a thing", "ms", Some(2.0));
        assert_eq!(figure.median(), None);
        figure.samples = vec![9.0, 1.0, 2.0];
        assert_eq!(figure.median(), Some(2.0));
        assert_eq!((figure.rank(0), figure.rank(100)), (Some(1.0), Some(9.0)));
        assert!(report(&[figure]).contains("yes"));
        let mut slow = Figure::new("a slow thing", "ms", Some(2.0));
        slow.samples = vec![3.0];
        assert!(report(&[slow]).contains("NO"));
    }
}
