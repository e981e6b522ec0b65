//! What this installation cannot run yet: the one place that decides it. The compiler takes the whole language; a plan
//! that asks for more than agents and server can do is refused here, before anything starts, with every place at once.
//! Jobs that do not run for this trigger ask for nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use airlock_domain::ImageName;
use airlock_domain::plan::{
    BuildJob, ContainerSettings, Executor, JobBody, Place, Plan, PlannedJob, PlannedWorkflow, RegistryAuth,
    Step, StepBody,
};

use crate::limits;

/// One thing a plan asks for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unsupported {
    /// Where the config asks for it.
    pub(crate) place: Place,
    /// One sentence that says what is not done.
    pub(crate) what: &'static str,
    /// The jobs that ask for it; none when a workflow or the whole config does.
    pub(crate) jobs: Vec<String>,
}

/// Everything in a plan that cannot be run, in the order of the config.
pub(crate) fn unsupported(plan: &Plan) -> Vec<Unsupported> {
    let mut found = Found::default();
    if let Some(place) = &plan.setup {
        found.add(
            place,
            "configs that another config follows (`setup: true`) are not run yet",
            None,
        );
    }
    for workflow in plan
        .workflows
        .iter()
        .filter(|workflow| workflow.left_out.is_none())
    {
        of_workflow(workflow, &mut found);
        for job in workflow.jobs.iter().filter(|job| job.left_out.is_none()) {
            of_job(job, &mut found);
        }
    }
    found.list()
}

/// The refusal as the pipeline's error: one line for each place.
pub(crate) fn refusal(missing: &[Unsupported]) -> String {
    let mut text = "The config is in order, but this version of Airlock cannot run all of it yet:".to_owned();
    for one in missing {
        let Place { line, column, orb } = &one.place;
        let _ = write!(text, "\n{}:{line}:{column}: {}", limits::CONFIG_PATH, one.what);
        let _ = match one.jobs.as_slice() {
            [] => Ok(()),
            [job] => write!(text, " (job '{job}')"),
            [job, others @ ..] => write!(text, " (job '{job}' and {} more)", others.len()),
        };
        if let Some(orb) = orb {
            let _ = write!(text, ", which {orb} asks for");
        }
    }
    text
}

#[derive(Default)]
struct Found(BTreeMap<(Place, &'static str), Vec<String>>);

impl Found {
    fn add(&mut self, place: &Place, what: &'static str, job: Option<&str>) {
        let jobs = self.0.entry((place.clone(), what)).or_default();
        jobs.extend(
            job.filter(|job| !jobs.iter().any(|known| known == job))
                .map(str::to_owned),
        );
    }

    fn list(self) -> Vec<Unsupported> {
        let entries = self.0.into_iter();
        entries
            .map(|((place, what), jobs)| Unsupported { place, what, jobs })
            .collect()
    }
}

fn of_workflow(workflow: &PlannedWorkflow, found: &mut Found) {
    if let Some(reruns) = &workflow.auto_reruns {
        found.add(
            &reruns.place,
            "failed workflows are not run again by themselves yet",
            None,
        );
    }
}

fn of_job(job: &PlannedJob, found: &mut Found) {
    let name = Some(job.name.as_str());
    if let Some(group) = &job.serial_group {
        found.add(
            &group.place,
            "jobs do not take turns with those of other pipelines yet",
            name,
        );
    }
    if !job.contexts.is_empty() {
        found.add(
            &job.place,
            "contexts are not kept yet: the job would lack their variables",
            name,
        );
    }
    match &job.body {
        JobBody::Build(build) => of_build(job, build, found),
        JobBody::Approval | JobBody::NoOp => {}
        JobBody::Release(_) => found.add(&job.place, "jobs of type `release` are not run yet", name),
        JobBody::Lock { .. } | JobBody::Unlock { .. } => {
            found.add(&job.place, "locks are not kept yet", name);
        }
    }
}

fn of_build(job: &PlannedJob, build: &BuildJob, found: &mut Found) {
    let name = Some(job.name.as_str());
    let place = build.executor.place();
    match &build.executor {
        Executor::Docker {
            image,
            primary,
            services,
            ..
        } => {
            of_container(image, primary, place, name, found);
            for service in services {
                of_container(&service.image, &service.settings, &service.place, name, found);
            }
        }
        // Whether there is a machine for it is known when it is handed out, see `unoffered`.
        Executor::Machine(_) | Executor::MacOs(_) => of_machine(build, name, found),
    }
    if build.resource_class.as_str().contains('/') {
        found.add(
            place,
            "resource classes of machines of one's own are not known yet",
            name,
        );
    }
    if build.circleci_ip_ranges {
        found.add(
            place,
            "jobs have no fixed addresses here (`circleci_ip_ranges`)",
            name,
        );
    }
    for step in &build.steps {
        of_step(step, build.parallelism, name, found);
    }
}

fn of_machine(build: &BuildJob, job: Option<&str>, found: &mut Found) {
    for step in &build.steps {
        if matches!(step.body, StepBody::StoreArtifacts { .. }) {
            found.add(
                &step.place,
                "files of virtual machines are not kept as artifacts yet",
                job,
            );
        }
    }
}

fn of_container(
    image: &ImageName,
    settings: &ContainerSettings,
    place: &Place,
    job: Option<&str>,
    found: &mut Found,
) {
    if image.as_str().contains('$') {
        found.add(place, "variables in the name of an image are not filled in", job);
    }
    match settings.auth {
        None | Some(RegistryAuth::Password { .. }) => {}
        Some(RegistryAuth::AwsKey { .. } | RegistryAuth::AwsRole { .. }) => found.add(
            place,
            "signing in with `aws_auth` is not done yet; use `auth` with the username AWS and, as password, a secret that holds \
             the output of `aws ecr get-login-password`, or let the operator name a mirror in [images.mirrors]",
            job,
        ),
        Some(RegistryAuth::Gcp { .. }) => found.add(
            place,
            "signing in with `gcp_auth` is not done yet; use `auth` with the username _json_key and, as password, a secret that \
             holds a service account's key, or let the operator name a mirror in [images.mirrors]",
            job,
        ),
    }
}

fn of_step(step: &Step, slices: u32, job: Option<&str>, found: &mut Found) {
    let what = match &step.body {
        StepBody::Run { deploy: true, .. } if slices > 1 => {
            "a `deploy` step does not wait for the job's other slices; use a `run` step in a job of its own"
        }
        StepBody::SaveCache { .. } | StepBody::RestoreCache { .. } => "caches are not kept yet",
        StepBody::StoreTestResults { .. } => "test results are not read yet",
        StepBody::PersistToWorkspace { .. } | StepBody::AttachWorkspace { .. } => {
            "workspaces are not handed on yet"
        }
        StepBody::AddSshKeys { .. } => "further SSH keys are not given to jobs yet",
        StepBody::SetupRemoteDocker { .. } => "jobs are not given a Docker engine yet",
        StepBody::InstallSigningBundle => "there are no signing bundles here",
        StepBody::Run { .. } | StepBody::Checkout { .. } | StepBody::StoreArtifacts { .. } => return,
    };
    found.add(&step.place, what, job);
}

#[cfg(test)]
mod tests {
    use airlock_pipeline_config::{Inputs, OrbSource, Source, compile, gather};

    use super::*;

    fn refused(config: &str) -> String {
        let (plan, diagnostics) = compile(&Source::new("config.yml", config), &Inputs::default());
        let plan = plan.unwrap_or_else(|| panic!("the config is in order: {diagnostics:#?}"));
        match unsupported(&plan).as_slice() {
            [] => String::new(),
            missing => refusal(missing),
        }
    }

    #[test]
    fn everything_is_said_at_once_with_its_place() {
        let config = "\
version: 2.1
setup: true
jobs:
  a: &a
    docker: [{image: x, user: me, aws_auth: {aws_access_key_id: $A, aws_secret_access_key: $B}}, {image: postgres}]
    steps:
      - restore_cache: {key: v1}
      - run: {command: make, max_auto_reruns: 2}
      - checkout
      - setup_remote_docker
  b: *a
  m: {machine: true, resource_class: me/big, steps: [run: make]}
  lock: {type: lock, key: k}
workflows:
  w:
    max_auto_reruns: 2
    jobs: [a, b, m: {serial-group: g, context: c}, lock]
";
        let text = refused(config);
        let want = "\
The config is in order, but this version of Airlock cannot run all of it yet:
.circleci/config.yml:2:1: configs that another config follows (`setup: true`) are not run yet
.circleci/config.yml:5:22: signing in with `aws_auth` is not done yet; use `auth` with the username AWS and, as \
password, a secret that holds the output of `aws ecr get-login-password`, or let the operator name a mirror in \
[images.mirrors] (job 'a' and 1 more)
.circleci/config.yml:7:9: caches are not kept yet (job 'a' and 1 more)
.circleci/config.yml:10:9: jobs are not given a Docker engine yet (job 'a' and 1 more)
.circleci/config.yml:12:7: resource classes of machines of one's own are not known yet (job 'm')
.circleci/config.yml:16:5: failed workflows are not run again by themselves yet
.circleci/config.yml:17:18: contexts are not kept yet: the job would lack their variables (job 'm')
.circleci/config.yml:17:22: jobs do not take turns with those of other pipelines yet (job 'm')
.circleci/config.yml:17:52: locks are not kept yet (job 'lock')";
        assert_eq!(text, want);
    }

    #[test]
    fn what_an_orb_asks_for_names_the_call_and_the_line_of_the_orb() {
        let config = "\
version: 2.1
orbs: {tools: acme/tools@1}
jobs:
  own: {docker: [image: x], steps: [tools/keep]}
workflows: {w: {jobs: [own, tools/keeps]}}
";
        let orb = "\
version: 2.1
commands:
  keep:
    steps:
      - restore_cache: {key: v1}
jobs:
  keeps:
    docker: [image: x]
    steps: [keep]
";
        let source = Source::new("config.yml", config);
        let mut inputs = Inputs::default();
        inputs.orbs = gather(&source, &inputs, &mut |_| {
            let name = "acme/tools@1.0.0";
            Ok(OrbSource::new(Source::new(name, orb), name))
        });
        let (plan, diagnostics) = compile(&source, &inputs);
        let plan = plan.unwrap_or_else(|| panic!("the config is in order: {diagnostics:#?}"));
        let want = "\
The config is in order, but this version of Airlock cannot run all of it yet:
.circleci/config.yml:4:37: caches are not kept yet (job 'own'), which acme/tools@1.0.0:5:9 asks for
.circleci/config.yml:5:29: caches are not kept yet (job 'tools/keeps'), which acme/tools@1.0.0:5:9 asks for";
        assert_eq!(refusal(&unsupported(&plan)), want);
    }

    #[test]
    fn what_does_not_run_asks_for_nothing() {
        let config = "\
version: 2.1
jobs:
  a: {docker: [image: x], steps: [run: make]}
  cached: {docker: [image: x], steps: [restore_cache: {key: v1}]}
  wait: {type: no-op}
workflows:
  w:
    jobs: [a, wait, cached: {filters: {branches: {only: never}}}]
  off:
    when: false
    jobs: [cached]
  nightly:
    triggers: [schedule: {cron: \"0 0 * * *\", filters: {branches: {only: main}}}]
    jobs: [cached]
";
        assert_eq!(refused(config), "");
    }
}
