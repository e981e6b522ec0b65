//! A plan as text, one line for each thing a reader would look for; whatever is as by default is left out.

use std::fmt::Write as _;

use airlock_domain::EnvName;
use airlock_domain::limits::NO_OUTPUT_TIMEOUT_MS;
use airlock_domain::plan::{
    BuildJob, Executor, JobBody, LeftOut, Outcome, Place, Plan, PlannedJob, Step, StepBody, StepWhen,
};

/// The whole plan.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    for workflow in &plan.workflows {
        let _ = writeln!(
            out,
            "workflow {}{}",
            workflow.name,
            left_out(workflow.left_out.as_ref())
        );
        for each in &workflow.jobs {
            job(&mut out, each);
        }
    }
    out
}

fn job(out: &mut String, job: &PlannedJob) {
    let _ = write!(out, "  job {:?} {}", job.name.as_str(), at(job.place));
    if job.definition != job.name.as_str() {
        let _ = write!(out, " of {}", job.definition);
    }
    for requirement in &job.requires {
        let _ = write!(out, " after {:?}", requirement.job.as_str());
        if requirement.outcomes.iter().ne([&Outcome::Success]) {
            let _ = write!(out, " {:?}", requirement.outcomes);
        }
    }
    for context in &job.contexts {
        let _ = write!(out, " with {context}");
    }
    let _ = writeln!(out, "{}", left_out(job.left_out.as_ref()));
    match &job.body {
        JobBody::Approval => out.push_str("    approval\n"),
        JobBody::Build(build) => self::build(out, build),
    }
}

fn build(out: &mut String, build: &BuildJob) {
    let Executor::Docker { image, place } = &build.executor;
    let _ = write!(out, "    on {image} {}, {}", at(*place), build.resource_class);
    if build.parallelism != 1 {
        let _ = write!(out, ", {} slices", build.parallelism);
    }
    if build.working_directory != "~/project" {
        let _ = write!(out, ", in {}", build.working_directory);
    }
    if !build.shell.is_empty() {
        let _ = write!(out, ", shell {:?}", build.shell);
    }
    let _ = writeln!(out, "{}", environment(&build.environment));
    for each in &build.steps {
        step(out, each);
    }
}

fn step(out: &mut String, step: &Step) {
    let _ = write!(out, "    {} {:?}", at(step.place), step.name);
    match step.when {
        StepWhen::OnSuccess => {}
        StepWhen::OnFail => out.push_str(" on failure"),
        StepWhen::Always => out.push_str(" always"),
    }
    match &step.body {
        StepBody::Run {
            command,
            shell,
            environment,
            working_directory,
            background,
            no_output_timeout_ms,
        } => {
            let _ = write!(out, ": run {command:?}");
            if !shell.is_empty() {
                let _ = write!(out, ", shell {shell:?}");
            }
            if let Some(folder) = working_directory {
                let _ = write!(out, ", in {folder}");
            }
            if *background {
                out.push_str(", in the background");
            }
            if *no_output_timeout_ms != NO_OUTPUT_TIMEOUT_MS {
                let _ = write!(out, ", silent up to {no_output_timeout_ms} ms");
            }
            out.push_str(&self::environment(environment));
        }
        StepBody::Checkout { path } => {
            let _ = write!(out, ": checkout {}", path.as_deref().unwrap_or(""));
        }
        StepBody::StoreArtifacts { path, destination } => {
            let _ = write!(
                out,
                ": store {path} as {}",
                destination.as_deref().unwrap_or("it is")
            );
        }
        #[expect(
            unreachable_patterns,
            reason = "steps that plans may gain are shown before they have a line here"
        )]
        other => {
            let _ = write!(out, ": {other:?}");
        }
    }
    out.push('\n');
}

fn environment(variables: &[(EnvName, String)]) -> String {
    variables.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = write!(out, " {name}={value:?}");
        out
    })
}

fn left_out(reason: Option<&LeftOut>) -> String {
    reason.map_or(String::new(), |left_out| {
        format!(" LEFT OUT: {} {}", left_out.reason, at(left_out.place))
    })
}

fn at(place: Place) -> String {
    format!("@{}:{}", place.line, place.column)
}
