//! The last lines: every workflow and job, how it ended and why.

/// The newest word about a workflow, or about a job of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) name: String,
    pub(crate) job: Option<String>,
    pub(crate) status: String,
    pub(crate) reason: Option<String>,
}

impl Ending {
    /// Replaces the older word about the same thing.
    pub(crate) fn put(endings: &mut Vec<Self>, ending: Self) {
        match endings
            .iter_mut()
            .find(|known| known.name == ending.name && known.job == ending.job)
        {
            Some(known) => *known = ending,
            None => endings.push(ending),
        }
    }
}

/// Shape and colour of a status.
pub(crate) fn mark(status: &str) -> (&'static str, &'static str) {
    match status {
        "success" => ("✔", "32"),
        "failed" | "timedout" | "infrastructure_fail" | "errored" => ("✘", "31"),
        "on_hold" => ("◇", "33"),
        "canceled" => ("■", "33"),
        "not_run" | "skipped" => ("○", "2"),
        _ => ("●", "34"),
    }
}

pub(crate) fn summary(endings: &[Ending], colour: bool) -> Vec<String> {
    let mut lines = Vec::new();
    for workflow in endings.iter().filter(|ending| ending.job.is_none()) {
        lines.push(String::new());
        lines.push(line(workflow, &format!("workflow {}", workflow.name), "", colour));
        let jobs = || endings.iter().filter(|ending| ending.name == workflow.name);
        let names = || jobs().filter_map(|ending| ending.job.as_deref().map(|job| (ending, job)));
        let width = names().map(|(_, name)| name.chars().count()).max().unwrap_or(0);
        for (ending, name) in names() {
            let padding = " ".repeat(width - name.chars().count());
            lines.push(line(ending, &format!("{name}{padding}"), "  ", colour));
        }
    }
    lines
}

fn line(ending: &Ending, name: &str, indent: &str, colour: bool) -> String {
    let (shape, code) = mark(&ending.status);
    let reason = ending
        .reason
        .as_deref()
        .map(|reason| format!("  {reason}"))
        .unwrap_or_default();
    let status = &ending.status;
    if colour {
        format!("{indent}\x1b[{code}m{shape}\x1b[0m {name}  \x1b[{code}m{status}\x1b[0m{reason}")
    } else {
        format!("{indent}{shape} {name}  {status}{reason}")
    }
}
