//! Why a workflow and its jobs run or do not run, as a pipeline's and a workflow's page show it: the sentence, the rule's
//! place, and the rule with the values it saw.

use std::fmt::Write as _;

use airlock_domain::explanation::{Decision, ExplainedWorkflow, Explanation};

use super::words::Mark;

/// One workflow or job.
pub(crate) struct Why {
    /// What it is called; nothing for the workflow itself.
    pub(crate) job: Option<String>,
    pub(crate) mark: Mark,
    pub(crate) reason: String,
    /// `.circleci/config.yml:12:5`.
    pub(crate) place: Option<String>,
    /// The rule's line, and below it the values it saw.
    pub(crate) rule: Option<String>,
}

impl Why {
    fn new(job: Option<&str>, file: &str, decision: &Decision) -> Self {
        Self {
            job: job.map(str::to_owned),
            mark: if decision.runs { Mark::RUNS } else { Mark::NOT_RUN },
            reason: decision.reason.clone(),
            place: place(file, decision),
            rule: rule(decision),
        }
    }
}

/// Every decision of a workflow, its own first.
pub(crate) fn of_workflow(file: &str, workflow: &ExplainedWorkflow) -> Vec<Why> {
    let jobs = workflow.jobs.iter();
    std::iter::once(Why::new(None, file, &workflow.decision))
        .chain(jobs.map(|job| Why::new(Some(&job.name), file, &job.decision)))
        .collect()
}

/// Where the rule stands that leaves a workflow out, or a job of it.
pub(crate) fn left_out_at(explanation: &Explanation, workflow: &str, job: Option<&str>) -> Option<String> {
    let workflow = explanation.workflow(workflow)?;
    let decision = match job {
        Some(job) => &workflow.job(job)?.decision,
        None => &workflow.decision,
    };
    if decision.runs {
        return None;
    }
    place(&explanation.file, decision)
}

fn place(file: &str, decision: &Decision) -> Option<String> {
    let place = decision.place.as_ref()?;
    Some(format!("{file}:{}:{}", place.line, place.column))
}

/// As the command line prints it, so that both read alike.
fn rule(decision: &Decision) -> Option<String> {
    let (place, line) = (decision.place.as_ref()?, decision.line.as_ref()?);
    let mut text = format!("{} | {}", place.line, line.trim_end());
    for seen in &decision.values {
        let _ = write!(text, "\n{:1$}{2}", "", seen.depth * 2 + 2, seen.text);
        if let Some(value) = seen.told() {
            let _ = write!(text, " is {value}");
        }
    }
    Some(text)
}
