//! One measured figure: its samples, what it should be, and what it is made of. Decides whether a target is met; how it
//! is shown is the report's business.

use serde_json::{Value, json};

use crate::machine;
use crate::stats::Summary;

/// What the samples count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Milliseconds,
    /// Of a million bytes.
    Megabytes,
}

impl Unit {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Megabytes => "MB",
        }
    }
}

/// A figure.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) title: String,
    pub(crate) unit: Unit,
    /// The median should not exceed this.
    pub(crate) target: Option<f64>,
    pub(crate) samples: Vec<f64>,
    /// Its parts in order, each with samples of its own.
    pub(crate) parts: Vec<(String, Vec<f64>)>,
    pub(crate) notes: Vec<String>,
    /// The machine's load when it began and when it ended.
    pub(crate) load: (String, String),
}

impl Figure {
    pub(crate) fn new(name: &'static str, title: impl Into<String>, unit: Unit, target: Option<f64>) -> Self {
        let load = machine::load();
        Self {
            name,
            title: title.into(),
            unit,
            target,
            samples: Vec::new(),
            parts: Vec::new(),
            notes: Vec::new(),
            load: (load.clone(), load),
        }
    }

    /// Adds one run and what it is made of.
    pub(crate) fn add(&mut self, sample: f64, parts: impl IntoIterator<Item = (String, f64)>) {
        self.samples.push(sample);
        for (name, value) in parts {
            match self.parts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, samples)) => samples.push(value),
                None => self.parts.push((name, vec![value])),
            }
        }
        self.load.1 = machine::load();
    }

    pub(crate) fn summary(&self) -> Option<Summary> {
        Summary::of(&self.samples)
    }

    /// Whether the median is within the target; `None` without one.
    pub(crate) fn met(&self) -> Option<bool> {
        Some(self.summary()?.p50 <= self.target?)
    }

    pub(crate) fn json(&self) -> Value {
        let part = |(name, samples): &(String, Vec<f64>)| json!({ "name": name, "summary": Summary::of(samples).map(|summary| summary.json()) });
        json!({
            "name": self.name,
            "title": self.title,
            "unit": self.unit.word(),
            "target": self.target,
            "met": self.met(),
            "summary": self.summary().map(|summary| summary.json()),
            "samples": self.samples,
            "parts": self.parts.iter().map(part).collect::<Vec<_>>(),
            "notes": self.notes,
            "load_before": self.load.0,
            "load_after": self.load.1,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_decides() {
        let mut figure = Figure::new("f", "a figure", Unit::Milliseconds, Some(10.0));
        assert_eq!(figure.met(), None, "nothing was measured");
        for sample in [9.0, 10.0, 99.0] {
            figure.add(sample, [("one".to_owned(), sample / 3.0)]);
        }
        assert_eq!(figure.met(), Some(true));
        figure.add(11.0, []);
        figure.add(12.0, []);
        assert_eq!(figure.met(), Some(false));
        assert_eq!(figure.parts.len(), 1);
        assert_eq!(figure.json()["parts"][0]["summary"]["n"], 3);
    }
}
