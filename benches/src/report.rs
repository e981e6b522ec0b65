//! Everything that was measured, as a table for people or as one JSON object. Measures nothing.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figure::{Figure, Unit};
use crate::machine::Machine;
use crate::program::Program;
use crate::stats::Summary;

/// The whole result.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) program: Program,
    pub(crate) load_before: String,
    pub(crate) load_after: String,
    pub(crate) figures: Vec<Figure>,
}

impl Report {
    pub(crate) fn json(&self) -> Value {
        json!({
            "machine": self.machine.json(),
            "binary": self.program.json(),
            "load_before": self.load_before,
            "load_after": self.load_after,
            "figures": self.figures.iter().map(Figure::json).collect::<Vec<_>>(),
        })
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).unwrap_or_default();
        text
    }

    fn write(&self, to: &mut String) -> std::fmt::Result {
        let (machine, program) = (&self.machine, &self.program);
        writeln!(
            to,
            "binary   {} ({} build, {})",
            program.path.display(),
            program.profile(),
            program.symbols()
        )?;
        writeln!(
            to,
            "machine  {} cores, {}, Linux {}",
            machine.cores, machine.processor, machine.kernel
        )?;
        writeln!(
            to,
            "load     {} before, {} after\n",
            self.load_before, self.load_after
        )?;
        writeln!(
            to,
            "{:<62} {:>4} {:>9} {:>9} {:>9} {:>9} {:>9}  {:>9}  met",
            "", "n", "p50", "p90", "p99", "min", "max", "target"
        )?;
        for figure in &self.figures {
            let Some(summary) = figure.summary() else {
                writeln!(to, "{:<62} not measured", figure.title)?;
                continue;
            };
            let target = figure
                .target
                .map_or_else(|| "-".to_owned(), |target| format!("{target:.0}"));
            let met = figure.met().map_or("-", |met| if met { "yes" } else { "NO" });
            let title = format!("{}, {}", figure.title, figure.unit.word());
            writeln!(to, "{}  {target:>9}  {met}", numbers(&title, &summary))?;
        }
        for figure in self.figures.iter().filter(|figure| !figure.parts.is_empty()) {
            writeln!(to, "\n{}, in {}", figure.title, figure.unit.word())?;
            for (name, samples) in &figure.parts {
                if let Some(summary) = Summary::of(samples) {
                    writeln!(to, "{}", numbers(&format!("  {name}"), &summary))?;
                }
            }
        }
        writeln!(to)?;
        for figure in &self.figures {
            for note in &figure.notes {
                writeln!(to, "{}: {note}", figure.name)?;
            }
            if figure.unit == Unit::Milliseconds {
                writeln!(
                    to,
                    "{}: load {} before, {} after",
                    figure.name, figure.load.0, figure.load.1
                )?;
            }
        }
        writeln!(to, "A target is met when the median does not exceed it.")
    }
}

fn numbers(title: &str, summary: &Summary) -> String {
    let Summary {
        n,
        p50,
        p90,
        p99,
        min,
        max,
    } = summary;
    format!("{title:<62} {n:>4} {p50:>9.1} {p90:>9.1} {p99:>9.1} {min:>9.1} {max:>9.1}")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn report() -> Report {
        let mut slow = Figure::new("slow", "a slow thing", Unit::Milliseconds, Some(5.0));
        slow.add(6.0, [("waiting".to_owned(), 5.5)]);
        slow.notes.push("a word about it".to_owned());
        Report {
            machine: Machine {
                cores: 2,
                processor: "P".to_owned(),
                kernel: "6.18".to_owned(),
            },
            program: Program {
                path: PathBuf::from("/t/release/airlock"),
                bytes: 7,
                stripped: Some(true),
            },
            load_before: "1.0 1.0 1.0".to_owned(),
            load_after: "2.0 1.0 1.0".to_owned(),
            figures: vec![slow],
        }
    }

    #[test]
    fn a_missed_target_is_seen() {
        let text = report().text();
        let line = text
            .lines()
            .find(|line| line.starts_with("a slow thing, ms"))
            .expect("its line");
        assert!(line.ends_with("NO") && line.contains("6.0"), "{line}");
        for part in [
            "release build, stripped",
            "waiting",
            "slow: a word about it",
            "2.0 1.0 1.0 after",
        ] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let json = report().json();
        assert_eq!(json["figures"][0]["met"], false);
        assert_eq!(json["figures"][0]["summary"]["p50"], 6.0);
        assert_eq!(json["binary"]["profile"], "release");
    }
}
