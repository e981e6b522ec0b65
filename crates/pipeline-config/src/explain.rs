//! Why each workflow and job of a config runs or does not run for one trigger: the rule that decided, where it stands,
//! and the values it saw. For `airlock config explain`, for the server, and for its pages; the words for it are the
//! domain's. Says nothing of what jobs do.

use airlock_domain::explanation::{Decision, ExplainedJob, ExplainedWorkflow, Explanation, PathFilter};
use airlock_domain::plan::{JobBody, LeftOut, Place, Plan, PlannedJob, PlannedWorkflow};

use crate::compile::{Note, Notes, compile_with_notes};
use crate::diagnostic::Diagnostic;
use crate::inputs::{Inputs, Source};
use crate::limits::MAX_SHOWN_COLUMNS;
use crate::path_filtering::path_filters;

/// Explains a config. There is an explanation when, and only when, no diagnostic is an error. `changed_files` are those
/// that a setup config with path filtering would see.
pub fn explain(
    source: &Source,
    inputs: &Inputs,
    changed_files: Option<&[String]>,
) -> (Option<Explanation>, Vec<Diagnostic>) {
    let (found, diagnostics) = compile_and_explain(source, inputs, changed_files);
    (found.map(|(_, explanation)| explanation), diagnostics)
}

/// [`compile`](crate::compile) and [`explain`] in one run.
pub fn compile_and_explain(
    source: &Source,
    inputs: &Inputs,
    changed_files: Option<&[String]>,
) -> (Option<(Plan, Explanation)>, Vec<Diagnostic>) {
    let (plan, notes, diagnostics) = compile_with_notes(source, inputs);
    let found = plan.map(|plan| {
        let text = String::from_utf8_lossy(&source.bytes);
        let explaining = Explaining {
            notes: &notes,
            lines: text.lines().collect(),
        };
        let explanation = Explanation {
            file: source.file.clone(),
            workflows: plan
                .workflows
                .iter()
                .map(|workflow| explaining.workflow(workflow))
                .collect(),
            path_filtering: filters_of(&plan, &text, changed_files),
        };
        (plan, explanation)
    });
    (found, diagnostics)
}

struct Explaining<'a> {
    notes: &'a Notes,
    /// Of the config.
    lines: Vec<&'a str>,
}

impl Explaining<'_> {
    fn workflow(&self, workflow: &PlannedWorkflow) -> ExplainedWorkflow {
        let note = self.notes.of_workflow(workflow.name.as_str());
        let runs = || Note {
            reason: "it has no `when` and no `unless`".to_owned(),
            ..Note::default()
        };
        let decision = self.decision(workflow.left_out.as_ref(), note.unwrap_or_else(runs));
        let jobs = if decision.runs {
            workflow.jobs.iter().map(|job| self.job(job)).collect()
        } else {
            Vec::new()
        };
        ExplainedWorkflow {
            name: workflow.name.as_str().to_owned(),
            decision,
            jobs,
        }
    }

    fn job(&self, job: &PlannedJob) -> ExplainedJob {
        let note = self.notes.of_job(&job.place);
        let runs = || Note {
            reason: "nothing keeps it from running".to_owned(),
            place: Some(job.place.clone()),
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
            decision: self.decision(job.left_out.as_ref(), note.unwrap_or_else(runs)),
        }
    }

    fn decision(&self, left_out: Option<&LeftOut>, note: Note) -> Decision {
        let (reason, place) = match left_out {
            None => (note.reason, note.place),
            Some(left_out) => (left_out.reason.clone(), Some(left_out.place.clone())),
        };
        Decision {
            runs: left_out.is_none(),
            reason,
            line: place.as_ref().map(|place| self.line(place)),
            place,
            values: note.values,
        }
    }

    fn line(&self, place: &Place) -> String {
        let at = (place.line as usize).saturating_sub(1);
        let text = self.lines.get(at).copied().unwrap_or_default();
        text.chars().take(MAX_SHOWN_COLUMNS).collect()
    }
}

fn filters_of(plan: &Plan, text: &str, changed_files: Option<&[String]>) -> Vec<PathFilter> {
    let workflows = plan.workflows.iter();
    let jobs = workflows.flat_map(|workflow| workflow.jobs.iter().map(move |job| (workflow, job)));
    jobs.flat_map(|(workflow, job)| path_filters(workflow, job, text, changed_files))
        .collect()
}
