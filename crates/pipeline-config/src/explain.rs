//! Why each workflow and job of a config runs or does not run for one trigger: the rule that decided, where it stands,
//! and the values it saw. For `airlock config explain` and for pages. Says nothing of what jobs do.

use airlock_domain::plan::{JobBody, LeftOut, Place, Plan, PlannedJob, PlannedWorkflow};
use serde::Serialize;

use crate::compile::{Note, Notes, compile_with_notes};
use crate::diagnostic::Diagnostic;
use crate::inputs::{Inputs, Source};
use crate::path_filtering::{PathFilter, path_filters};

/// What one trigger starts of a config, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The config's name, for places.
    pub file: String,
    /// Its workflows in the order of the config.
    pub workflows: Vec<ExplainedWorkflow>,
    /// What `circleci/path-filtering` would set in a setup config.
    pub path_filtering: Vec<PathFilter>,
}

/// One workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedWorkflow {
    /// Its name.
    pub name: String,
    /// Whether it runs, and why.
    #[serde(flatten)]
    pub decision: Decision,
    /// Its jobs; those of a workflow that is left out are not looked at.
    pub jobs: Vec<ExplainedJob>,
}

/// One job of a workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExplainedJob {
    /// Its name in the workflow.
    pub name: String,
    /// The key under `jobs:`.
    pub definition: String,
    /// Whether a person must approve it.
    pub approval: bool,
    /// The jobs it waits for.
    pub requires: Vec<String>,
    /// Whether it runs, and why.
    #[serde(flatten)]
    pub decision: Decision,
}

/// Whether something runs, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it runs.
    pub runs: bool,
    /// One sentence.
    pub reason: String,
    /// The rule that decided.
    pub place: Option<Place>,
    /// What the rule saw, outermost first.
    pub values: Vec<SeenValue>,
}

/// A part of a condition with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SeenValue {
    /// How deep it stands in the condition.
    pub depth: usize,
    /// As it is written.
    pub text: String,
    /// What it is for this trigger; text in quotes.
    pub value: String,
    /// Where it stands.
    pub place: Place,
}

/// Explains a config. There is an explanation when, and only when, no diagnostic is an error. `changed_files` are those
/// that a setup config with path filtering would see.
pub fn explain(
    source: &Source,
    inputs: &Inputs,
    changed_files: Option<&[String]>,
) -> (Option<Explanation>, Vec<Diagnostic>) {
    let (plan, notes, diagnostics) = compile_with_notes(source, inputs);
    let explanation = plan.map(|plan| Explanation {
        file: source.file.clone(),
        workflows: plan
            .workflows
            .iter()
            .map(|workflow| explained(workflow, &notes))
            .collect(),
        path_filtering: filters_of(&plan, source, changed_files),
    });
    (explanation, diagnostics)
}

fn explained(workflow: &PlannedWorkflow, notes: &Notes) -> ExplainedWorkflow {
    let note = notes.of_workflow(workflow.name.as_str());
    let runs = || Note {
        reason: "it has no `when` and no `unless`".to_owned(),
        ..Note::default()
    };
    let decision = decision(workflow.left_out.as_ref(), note.unwrap_or_else(runs));
    let jobs = if decision.runs {
        workflow.jobs.iter().map(|each| job(each, notes)).collect()
    } else {
        Vec::new()
    };
    ExplainedWorkflow {
        name: workflow.name.as_str().to_owned(),
        decision,
        jobs,
    }
}

fn job(job: &PlannedJob, notes: &Notes) -> ExplainedJob {
    let note = notes.of_job(job.place);
    let runs = || Note {
        reason: "nothing keeps it from running".to_owned(),
        place: Some(job.place),
        values: Vec::new(),
    };
    ExplainedJob {
        name: job.name.as_str().to_owned(),
        definition: job.definition.clone(),
        approval: matches!(job.body, JobBody::Approval),
        requires: job
            .requires
            .iter()
            .map(|required| required.job.as_str().to_owned())
            .collect(),
        decision: decision(job.left_out.as_ref(), note.unwrap_or_else(runs)),
    }
}

fn decision(left_out: Option<&LeftOut>, note: Note) -> Decision {
    match left_out {
        None => Decision {
            runs: true,
            reason: note.reason,
            place: note.place,
            values: note.values,
        },
        Some(left_out) => Decision {
            runs: false,
            reason: left_out.reason.clone(),
            place: Some(left_out.place),
            values: note.values,
        },
    }
}

fn filters_of(plan: &Plan, source: &Source, changed_files: Option<&[String]>) -> Vec<PathFilter> {
    let text = String::from_utf8_lossy(&source.bytes);
    let workflows = plan.workflows.iter();
    let jobs = workflows.flat_map(|workflow| workflow.jobs.iter().map(move |job| (workflow, job)));
    jobs.flat_map(|(workflow, job)| path_filters(workflow, job, &text, changed_files))
        .collect()
}
