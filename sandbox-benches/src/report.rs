//! The figures beside their targets, for people or as one JSON object.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::limits;
use crate::series::Series;

/// Everything that was measured, by name, in the order it is shown in.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) series: Vec<(&'static str, Series)>,
    pub(crate) notes: Vec<String>,
    pub(crate) load: (String, String),
}

pub(crate) const COLD: &str = "our launcher, cold and complete to reaped";
pub(crate) const LARGE: &str = "the same with an image of 200 MB";
pub(crate) const WARM_FIRST: &str = "made ahead, to the first instruction";
pub(crate) const WARM: &str = "made ahead, to reaped";
pub(crate) const SWITCH: &str = "root switch";
pub(crate) const IDLE: &str = "private memory of an idle sandbox";
pub(crate) const AIRLOCK: &str = "airlock sandbox run, whole process";
pub(crate) const BWRAP: &str = "bwrap";
pub(crate) const RUNC: &str = "runc run";
pub(crate) const DOCKER: &str = "docker run";

/// One sentence of what should be, and whether it is.
struct Target {
    text: String,
    met: bool,
}

impl Report {
    fn find(&self, name: &str) -> Option<&Series> {
        self.series
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, series)| series)
    }

    fn median(&self, name: &str) -> Option<f64> {
        self.find(name)?.percentile(50)
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut below = |what: &str, found: Option<f64>, most: f64, unit: &str| {
            if let Some(found) = found {
                targets.push(Target {
                    text: format!("{what}: {found:.2} {unit}, at most {most}"),
                    met: found <= most,
                });
            }
        };
        let cold = self.median(COLD);
        below(COLD, cold, limits::COLD_MS, "ms");
        below(WARM_FIRST, self.median(WARM_FIRST), limits::WARM_FIRST_MS, "ms");
        below(WARM, self.median(WARM), limits::WARM_MS, "ms");
        below(AIRLOCK, self.median(AIRLOCK), limits::PROCESS_MS, "ms");
        below(SWITCH, self.median(SWITCH), limits::SWITCH_MS, "ms");
        below(IDLE, self.median(IDLE), limits::IDLE_MB, "MB");
        let adds = cold.zip(self.median(LARGE)).map(|(small, large)| large - small);
        below("an image of 200 MB adds", adds, limits::IMAGE_ADDS_MS, "ms");
        for (peer, least) in [
            (BWRAP, 1.0),
            (RUNC, limits::RUNC_TIMES),
            (DOCKER, limits::DOCKER_TIMES),
        ] {
            if let Some((theirs, ours)) = self.median(peer).zip(cold) {
                let times = theirs / ours;
                targets.push(Target {
                    text: format!("{peer} takes {times:.1} times as long as our launcher, at least {least}"),
                    met: times >= least,
                });
            }
        }
        targets
    }

    pub(crate) fn json(&self) -> Value {
        let series = self.series.iter().map(|(name, series)| {
            let parts: serde_json::Map<String, Value> = series
                .parts()
                .map(|(part, median)| (part.to_owned(), json!(median)))
                .collect();
            json!({
                "name": name,
                "n": series.count(),
                "p50": series.percentile(50),
                "p90": series.percentile(90),
                "p99": series.percentile(99),
                "min": series.percentile(0),
                "parts_p50": parts,
            })
        });
        let targets = self.targets();
        let targets = targets
            .iter()
            .map(|target| json!({ "target": target.text, "met": target.met }));
        json!({
            "load_before": self.load.0,
            "load_after": self.load.1,
            "series": series.collect::<Vec<_>>(),
            "targets": targets.collect::<Vec<_>>(),
            "notes": self.notes,
        })
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        writeln!(
            to,
            "load {} before, {} after; every round runs each once\n",
            self.load.0, self.load.1
        )?;
        writeln!(
            to,
            "{:<44} {:>5} {:>9} {:>9} {:>9} {:>9}",
            "ms", "n", "p50", "p90", "p99", "min"
        )?;
        for (name, series) in &self.series {
            let at = |per_cent| series.percentile(per_cent).unwrap_or_default();
            writeln!(
                to,
                "{name:<44} {:>5} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
                series.count(),
                at(50),
                at(90),
                at(99),
                at(0)
            )?;
            for (part, median) in series.parts() {
                writeln!(to, "    {part:<46} {median:>9.2}")?;
            }
        }
        writeln!(to)?;
        for Target { text, met } in self.targets() {
            writeln!(to, "{}  {text}", if met { "met   " } else { "MISSED" })?;
        }
        for note in &self.notes {
            writeln!(to, "note: {note}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_slow_is_said() {
        let mut report = Report::default();
        for (name, sample) in [(COLD, 5.0), (RUNC, 31.0), (BWRAP, 4.0)] {
            let mut series = Series::default();
            series.add(sample, &[]);
            report.series.push((name, series));
        }
        let text = report.text();
        for line in [
            "met     our launcher, cold and complete to reaped: 5.00 ms, at most 6",
            "met     runc run takes 6.2 times as long as our launcher, at least 6",
            "MISSED  bwrap takes 0.8 times as long as our launcher, at least 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(report.json()["targets"][2]["met"], true);
    }
}
