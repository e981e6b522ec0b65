//! An explanation as text: one paragraph for each workflow, each rule with the line it stands in.

use std::fmt::Write as _;

use airlock_domain::explanation::{Decision, Explanation, PathFilter};

/// The explanation for people.
pub fn explanation(explanation: &Explanation) -> String {
    let file = &explanation.file;
    let mut out = String::new();
    for workflow in &explanation.workflows {
        decided(
            &mut out,
            "",
            &format!("workflow `{}`", workflow.name),
            &workflow.decision,
        );
        rule(&mut out, "  ", file, &workflow.decision);
        for job in &workflow.jobs {
            let kind = if job.approval { "approval " } else { "" };
            decided(&mut out, "  ", &format!("{kind}{}", job.name), &job.decision);
            rule(&mut out, "      ", file, &job.decision);
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

fn rule(out: &mut String, indent: &str, file: &str, decision: &Decision) {
    if let Some(place) = &decision.place {
        let _ = writeln!(out, "{indent}--> {file}:{}:{}", place.line, place.column);
        let line = decision.line.as_deref().unwrap_or_default();
        let _ = writeln!(out, "{indent}{} | {line}", place.line);
    }
    for seen in &decision.values {
        let told = seen.told().map_or(String::new(), |value| format!(" is {value}"));
        let _ = writeln!(
            out,
            "{indent}{:1$}{text}{told}",
            "",
            seen.depth * 2 + 2,
            text = seen.text
        );
    }
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
        if let Some(place) = &line.place {
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
