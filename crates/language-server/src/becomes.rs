//! What an entry of a workflow becomes once everything is filled in: where it runs and which steps it has. Reads the
//! compiler's plan, which is there only while the config has no errors.

use std::fmt::Write as _;

use airlock_domain::plan::{BuildJob, JobBody, Plan, PlannedJob};
use serde_json::Value;

use crate::limits::MAX_SUMMARY_STEPS;

/// The plan of a document.
#[derive(Clone, Debug, Default)]
pub(crate) struct Becomes {
    pub(crate) plan: Option<Plan>,
}

impl Becomes {
    /// The names of the jobs that the entry at a line and column of a workflow stands for.
    pub(crate) fn names(&self, workflow: &str, line: u32, column: u32) -> Vec<&str> {
        let workflows = self.plan.iter().flat_map(|plan| &plan.workflows);
        let jobs = workflows
            .filter(|planned| planned.name.as_str() == workflow)
            .flat_map(|planned| &planned.jobs);
        let here = jobs.filter(|job| (job.place.line, job.place.column) == (line, column));
        here.map(|job| job.name.as_str()).collect()
    }

    /// The job, or the jobs of a matrix, that an entry stands for.
    pub(crate) fn entry(&self, workflow: &str, name: &str) -> Option<String> {
        let plan = self.plan.as_ref()?;
        let workflow = plan
            .workflows
            .iter()
            .find(|planned| planned.name.as_str() == workflow)?;
        let named = workflow.jobs.iter().filter(|job| job.name.as_str() == name);
        let mut jobs: Vec<&PlannedJob> = named.collect();
        if jobs.is_empty() {
            jobs = workflow
                .jobs
                .iter()
                .filter(|job| job.definition == name)
                .collect();
        }
        let first = jobs.first()?;
        let mut text = String::from("**becomes**");
        if jobs.len() > 1 {
            let names: Vec<String> = jobs
                .iter()
                .map(|job| format!("`{}`", job.name.as_str()))
                .collect();
            let _ = write!(
                text,
                " {} jobs: {}. The first of them",
                jobs.len(),
                names.join(", ")
            );
        }
        if let Some(left_out) = first.left_out.as_ref().or(workflow.left_out.as_ref()) {
            let _ = write!(text, "\n\nDoes not run: {}", left_out.reason);
        }
        if let JobBody::Build(build) = &first.body {
            built(&mut text, build);
        } else {
            text.push_str("\n\nA job without steps");
        }
        Some(text)
    }
}

fn built(text: &mut String, build: &BuildJob) {
    let _ = write!(
        text,
        "\n\nRuns on {}, class `{}`",
        executor(build),
        build.resource_class.as_str()
    );
    if build.parallelism > 1 {
        let _ = write!(text, ", {} times", build.parallelism);
    }
    text.push_str("\n\nSteps:\n");
    for (at, step) in build.steps.iter().take(MAX_SUMMARY_STEPS).enumerate() {
        let first = step.name.lines().next().unwrap_or_default();
        let _ = write!(text, "\n{}. {first}", at + 1);
    }
    if build.steps.len() > MAX_SUMMARY_STEPS {
        let _ = write!(text, "\n\nand {} more", build.steps.len() - MAX_SUMMARY_STEPS);
    }
}

/// The kind of executor and its image. Read from the plan's JSON, whose shape only grows.
fn executor(build: &BuildJob) -> String {
    let value = serde_json::to_value(&build.executor).unwrap_or_default();
    let Some((kind, body)) = value.as_object().and_then(|map| map.iter().next()) else {
        return "an executor".to_owned();
    };
    let kind = kind.to_lowercase();
    let image = ["image", "xcode"]
        .iter()
        .find_map(|key| body.get(key).and_then(Value::as_str));
    image.map_or_else(|| kind.clone(), |image| format!("{kind} `{image}`"))
}
