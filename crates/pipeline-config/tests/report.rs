//! A plan as text, one line for each thing a reader would look for; whatever is as by default is left out.

use std::fmt::Write as _;

use airlock_domain::EnvName;
use airlock_domain::limits::NO_OUTPUT_TIMEOUT_MS;
use airlock_domain::plan::{
    AutoRerun, BuildJob, Container, ContainerSettings, Executor, JobBody, LeftOut, Outcome, Place, Plan,
    PlannedJob, PlannedWorkflow, Step, StepBody, StepWhen,
};

/// The whole plan.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    if let Some(place) = &plan.setup {
        let _ = writeln!(out, "setup {}", at(place));
    }
    for workflow in &plan.workflows {
        self::workflow(&mut out, workflow);
        for each in &workflow.jobs {
            job(&mut out, each);
        }
    }
    out
}

fn workflow(out: &mut String, workflow: &PlannedWorkflow) {
    let _ = writeln!(
        out,
        "workflow {}{}",
        workflow.name,
        left_out(workflow.left_out.as_ref())
    );
    for schedule in &workflow.schedules {
        let _ = writeln!(
            out,
            "  at {:?} for {:?} {}",
            schedule.cron,
            schedule.branches,
            at(&schedule.place)
        );
    }
    if let Some(reruns) = &workflow.auto_reruns {
        let _ = writeln!(out, "  again up to {} times {}", reruns.max, at(&reruns.place));
    }
}

fn job(out: &mut String, job: &PlannedJob) {
    let _ = write!(out, "  job {:?} {}", job.name.as_str(), at(&job.place));
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
    if let Some(group) = &job.serial_group {
        let _ = write!(out, " one at a time by {:?} {}", group.key, at(&group.place));
    }
    let _ = writeln!(out, "{}", left_out(job.left_out.as_ref()));
    match &job.body {
        JobBody::Approval => out.push_str("    approval\n"),
        JobBody::Build(build) => self::build(out, build),
        JobBody::NoOp => out.push_str("    nothing\n"),
        JobBody::Release(release) => {
            let _ = writeln!(
                out,
                "    release {:?} {:?}",
                release.plan_name, release.validation
            );
        }
        JobBody::Lock { key } => {
            let _ = writeln!(out, "    lock {key:?}");
        }
        JobBody::Unlock { key } => {
            let _ = writeln!(out, "    unlock {key:?}");
        }
    }
}

fn build(out: &mut String, build: &BuildJob) {
    match &build.executor {
        Executor::Docker {
            image,
            place,
            primary,
            services,
        } => {
            let _ = write!(out, "    on {image} {}{}", at(place), settings(primary));
            for Container {
                image,
                place,
                settings: more,
            } in services
            {
                let _ = write!(out, " beside {image} {}{}", at(place), settings(more));
            }
        }
        Executor::Machine(machine) => {
            let image = machine.image.as_ref().map_or("default", |image| image.as_str());
            let _ = write!(out, "    on machine {image} {}", at(&machine.place));
            if machine.docker_layer_caching {
                out.push_str(" with layer caching");
            }
        }
        Executor::MacOs(mac) => {
            let _ = write!(out, "    on macos with xcode {:?} {}", mac.xcode, at(&mac.place));
            if !mac.code_signing.is_empty() {
                let _ = write!(out, " signing {:?}", mac.code_signing);
            }
        }
    }
    let _ = write!(out, ", {}", build.resource_class);
    if build.circleci_ip_ranges {
        out.push_str(", from fixed addresses");
    }
    if let Some(days) = build.cache_retention_days {
        let _ = write!(out, ", caches for {days} days");
    }
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
    let _ = write!(out, "    {} {:?}", at(&step.place), step.name);
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
            auto_rerun,
            deploy,
        } => {
            let _ = write!(out, ": {} {command:?}", if *deploy { "deploy" } else { "run" });
            if let Some(AutoRerun { max, delay_ms }) = auto_rerun {
                let _ = write!(out, ", again up to {max} times after {delay_ms} ms");
            }
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
        StepBody::Checkout { path, method } => {
            let _ = write!(out, ": checkout {}", path.as_deref().unwrap_or(""));
            if let Some(method) = method {
                let _ = write!(out, " {method:?}");
            }
        }
        StepBody::StoreArtifacts { path, destination } => {
            let _ = write!(
                out,
                ": store {path} as {}",
                destination.as_deref().unwrap_or("it is")
            );
        }
        StepBody::SaveCache { key, paths } => {
            let _ = write!(out, ": save {paths:?} as {key:?}");
        }
        StepBody::RestoreCache { keys } => {
            let _ = write!(out, ": restore {keys:?}");
        }
        StepBody::StoreTestResults { path } => {
            let _ = write!(out, ": test results {path}");
        }
        StepBody::PersistToWorkspace { root, paths } => {
            let _ = write!(out, ": persist {paths:?} of {root}");
        }
        StepBody::AttachWorkspace { at } => {
            let _ = write!(out, ": attach at {at}");
        }
        StepBody::AddSshKeys { fingerprints } => {
            let _ = write!(out, ": keys {fingerprints:?}");
        }
        StepBody::SetupRemoteDocker {
            version,
            docker_layer_caching,
        } => {
            let _ = write!(out, ": docker {}", version.as_deref().unwrap_or("default"));
            if *docker_layer_caching {
                out.push_str(" with layer caching");
            }
        }
        StepBody::InstallSigningBundle => out.push_str(": signing bundle"),
    }
    out.push('\n');
}

fn settings(settings: &ContainerSettings) -> String {
    let mut out = String::new();
    if let Some(name) = &settings.name {
        let _ = write!(out, " called {name}");
    }
    if let Some(words) = &settings.entrypoint {
        let _ = write!(out, " entrypoint {words:?}");
    }
    if let Some(words) = &settings.command {
        let _ = write!(out, " command {words:?}");
    }
    if let Some(user) = &settings.user {
        let _ = write!(out, " as {user}");
    }
    if let Some(auth) = &settings.auth {
        let _ = write!(out, " {auth:?}");
    }
    if !settings.environment.is_empty() {
        out.push_str(" with");
        for (name, value) in &settings.environment {
            let _ = write!(out, " {name}={value:?}");
        }
    }
    out
}

fn environment(variables: &[(EnvName, String)]) -> String {
    variables.iter().fold(String::new(), |mut out, (name, value)| {
        let _ = write!(out, " {name}={value:?}");
        out
    })
}

fn left_out(reason: Option<&LeftOut>) -> String {
    reason.map_or(String::new(), |left_out| {
        format!(" LEFT OUT: {} {}", left_out.reason, at(&left_out.place))
    })
}

fn at(place: &Place) -> String {
    format!("@{}:{}", place.line, place.column)
}
