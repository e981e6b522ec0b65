//! An explanation as text: one paragraph for each workflow, each rule with the line it stands in.

use std::fmt::Write as _;

use airlock_domain::plan::Place;

use crate::explain::{Decision, Explanation, SeenValue};
use crate::inputs::Source;
use crate::limits::MAX_SHOWN_COLUMNS;
use crate::path_filtering::PathFilter;

/// The explanation for people.
pub fn explanation(explanation: &Explanation, source: &Source) -> String {
    let text = String::from_utf8_lossy(&source.bytes);
    let lines: Vec<&str> = text.lines().collect();
    let file = &explanation.file;
    let mut out = String::new();
    for workflow in &explanation.workflows {
        decided(
            &mut out,
            "",
            &format!("workflow `{}`", workflow.name),
            &workflow.decision,
        );
        rule(&mut out, "  ", file, &lines, &workflow.decision);
        for job in &workflow.jobs {
            let kind = if job.approval { "approval " } else { "" };
            decided(&mut out, "  ", &format!("{kind}{}", job.name), &job.decision);
            rule(&mut out, "      ", file, &lines, &job.decision);
        }
        out.push('\n');
    }
    for filter in &explanation.path_filtering {
        path_filter(&mut out, file, filter);
    }
    out
}

fn decided(out: &mut String, indent: &str, name: &str, decision: &Decision) {
    let verb = if decision.runs { "runs" } else { "is left out" };
    let _ = writeln!(out, "{indent}{name} {verb}: {}", decision.reason);
}

fn rule(out: &mut String, indent: &str, file: &str, lines: &[&str], decision: &Decision) {
    if let Some(place) = decision.place {
        let _ = writeln!(out, "{indent}--> {file}:{}:{}", place.line, place.column);
        let _ = writeln!(out, "{indent}{} | {}", place.line, line(lines, place));
    }
    for SeenValue {
        depth, text, value, ..
    } in &decision.values
    {
        let is_itself = value == text || *value == format!("{text:?}");
        let told = if is_itself {
            String::new()
        } else {
            format!(" is {value}")
        };
        let _ = writeln!(out, "{indent}{:1$}{text}{told}", "", depth * 2 + 2);
    }
}

fn line(lines: &[&str], place: Place) -> String {
    let at = (place.line as usize).saturating_sub(1);
    let text = lines.get(at).copied().unwrap_or_default();
    text.chars().take(MAX_SHOWN_COLUMNS).collect()
}

fn path_filter(out: &mut String, file: &str, filter: &PathFilter) {
    let _ = writeln!(out, "path filtering of {} in {}", filter.job, filter.workflow);
    for line in &filter.lines {
        let told = match (&line.problem, &line.matched, &filter.sets) {
            (Some(problem), ..) => problem.clone(),
            (None, Some(matched), _) => format!("{matched} matches"),
            (None, None, Some(_)) => "no changed file matches".to_owned(),
            (None, None, None) => "give --changed-files to see whether it matches".to_owned(),
        };
        let _ = writeln!(
            out,
            "  {} -> {} {}: {told}",
            line.pattern, line.parameter, line.value
        );
        if let Some(place) = line.place {
            let _ = writeln!(out, "      --> {file}:{}:{}", place.line, place.column);
        }
    }
    if let Some(sets) = &filter.sets {
        let set: Vec<String> = sets
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let set = if set.is_empty() {
            "nothing".to_owned()
        } else {
            set.join(" ")
        };
        let _ = writeln!(out, "  sets {set}");
        let configs = if filter.configs.is_empty() {
            "nothing".to_owned()
        } else {
            filter.configs.join(", ")
        };
        let _ = writeln!(out, "  continues with {configs}");
    }
    out.push('\n');
}
