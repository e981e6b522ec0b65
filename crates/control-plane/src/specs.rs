//! Makes the job spec an agent gets: variables by precedence, secrets the job may see and no others, steps, source.

use airlock_agent_protocol::{JobSpec, SecretValue, Source, StepSpec, StepWork};
use airlock_domain::EnvName;
use airlock_domain::environment::{BuiltIns, Value, Variable, merge};
use airlock_domain::limits::JOB_RUN_TIME_MS;
use airlock_domain::plan::{BuildJob, ContainerSettings, Executor, Step, StepBody};
use airlock_domain::trust::{SecretsDecision, SecretsQuestion, may_see_secrets};
use airlock_driver_interfaces::rows::{Claimed, JobRow, PipelineRow, ProjectRow};

use crate::projects::{deploy_key_context, environment_context};
use crate::{ControlPlane, UseCaseError, limits, registry_logins};

/// The image of `machine: true`, as agents know it.
const DEFAULT_MACHINE: &str = "default";

impl ControlPlane {
    /// The spec for a claimed slice.
    pub(crate) async fn spec(&self, claimed: &Claimed) -> Result<JobSpec, UseCaseError> {
        let missing = |what: &str| UseCaseError::NotFound(format!("{what} of job {}", claimed.job));
        let job = self
            .store()
            .job(claimed.job)
            .await?
            .ok_or_else(|| missing("the row"))?;
        let body = job.body.clone().ok_or_else(|| missing("the body"))?;
        let pipeline = self
            .store()
            .pipeline(job.pipeline)
            .await?
            .ok_or_else(|| missing("the pipeline"))?;
        let project = self
            .store()
            .project(job.project)
            .await?
            .ok_or_else(|| missing("the project"))?;

        let secrets = self.secrets(&pipeline, &project).await?;
        let mut masks: Vec<SecretValue> = secrets
            .iter()
            .filter_map(|variable| secret_of(&variable.value))
            .collect();
        let built_ins = self.built_ins(claimed, &job, &body, &pipeline, &project)?;
        let own = body
            .environment
            .iter()
            .map(|(name, value)| Variable {
                name: name.clone(),
                value: Value::Plain(value.clone()),
            })
            .collect();
        let (image, primary, services) = match &body.executor {
            Executor::Docker {
                image,
                primary,
                services,
                place: _,
            } => (image.to_string(), primary.clone(), services.clone()),
            Executor::Machine(machine) => {
                let image = machine
                    .image
                    .as_ref()
                    .map_or(DEFAULT_MACHINE, |image| image.as_str());
                (image.to_owned(), ContainerSettings::default(), Vec::new())
            }
            Executor::MacOs(mac) => {
                let image = format!("xcode:{}", mac.xcode);
                (image, ContainerSettings::default(), Vec::new())
            }
        };
        // What the container itself has is the weakest. Its names need not be ones that a shell takes.
        let (of_container, mut plain) = container_variables(&primary.environment);
        let mut sealed = Vec::new();
        let variables = merge([of_container, secrets, built_ins, own]);
        let settings = services.iter().map(|service| &service.settings);
        let logins = registry_logins::logins([&primary].into_iter().chain(settings), &variables)?;
        masks.extend(logins.iter().flatten().map(|login| login.password.clone()));
        for variable in variables {
            match variable.value {
                Value::Plain(value) => plain.push((variable.name.to_string(), value)),
                Value::Secret(secret) => sealed.push((variable.name.to_string(), SecretValue::new(secret))),
            }
        }
        let checks_out = body
            .steps
            .iter()
            .any(|step| matches!(step.body, StepBody::Checkout { .. }));
        let source = if checks_out {
            Some(self.source(&pipeline, &project).await?)
        } else {
            None
        };
        let steps = body.steps.iter().map(step_spec).collect::<Result<_, _>>()?;
        Ok(JobSpec {
            pipeline: pipeline.id,
            workflow: claimed.workflow,
            project: project.slug.to_string(),
            job_name: job.name.to_string(),
            number: job.number.unwrap_or(0),
            parallelism: body.parallelism,
            image,
            machine: matches!(body.executor, Executor::Machine(_) | Executor::MacOs(_)),
            primary,
            services,
            logins,
            resource_class: body.resource_class.to_string(),
            working_directory: body.working_directory.clone(),
            shell: body.shell.clone(),
            environment: plain,
            secrets: sealed,
            masks,
            steps,
            source,
            run_time_ms: JOB_RUN_TIME_MS,
            egress: self.store().egress(project.id).await?,
            ssh: !self.ssh_users(&job).await?.is_empty(),
        })
    }

    /// The project's variables, opened, if this pipeline's jobs may see them.
    async fn secrets(
        &self,
        pipeline: &PipelineRow,
        project: &ProjectRow,
    ) -> Result<Vec<Variable>, UseCaseError> {
        let question = SecretsQuestion {
            trust: pipeline.trigger.trust,
            pass_to_outsiders: project.pass_secrets_to_outsiders,
        };
        match may_see_secrets(question) {
            SecretsDecision::Allow => {}
            SecretsDecision::Deny(_) => return Ok(Vec::new()),
        }
        let mut variables = Vec::new();
        for row in self.store().environment(project.id).await? {
            let context = environment_context(project.id, &row.name);
            let secret = self
                .drivers()
                .vault
                .open(limits::SEAL_KEY, &context, &row.value)
                .await?;
            variables.push(Variable {
                name: row.name,
                value: Value::Secret(secret),
            });
        }
        Ok(variables)
    }

    async fn source(&self, pipeline: &PipelineRow, project: &ProjectRow) -> Result<Source, UseCaseError> {
        let addresses = self.addresses()?;
        let context = deploy_key_context(project.id);
        let deploy_key = self
            .drivers()
            .vault
            .open(limits::SEAL_KEY, &context, &project.deploy_key)
            .await?;
        let revision = &pipeline.revision;
        Ok(Source {
            host: addresses.git_host.clone(),
            port: addresses.git_port,
            url: addresses.git_url(&project.slug),
            host_key: addresses.git_host_key.clone(),
            deploy_key: SecretValue::new(deploy_key),
            sha: revision.sha.to_string(),
            branch: revision.branch.as_ref().map(ToString::to_string),
            tag: revision.tag.as_ref().map(ToString::to_string),
        })
    }

    fn built_ins(
        &self,
        claimed: &Claimed,
        job: &JobRow,
        body: &BuildJob,
        pipeline: &PipelineRow,
        project: &ProjectRow,
    ) -> Result<Vec<Variable>, UseCaseError> {
        let addresses = self.addresses()?;
        let revision = &pipeline.revision;
        let built_ins = BuiltIns {
            branch: revision.branch.as_ref().map(airlock_domain::BranchName::as_str),
            tag: revision.tag.as_ref().map(airlock_domain::TagName::as_str),
            sha: revision.sha.as_str(),
            build_num: job.number.unwrap_or(0),
            build_url: &format!("{}/jobs/{}", addresses.web, job.id),
            job: job.name.as_str(),
            node_index: claimed.slice,
            node_total: body.parallelism,
            organization_id: &project.org.to_string(),
            project_id: &project.id.to_string(),
            pipeline_id: &pipeline.id.to_string(),
            workflow_id: &claimed.workflow.to_string(),
            workflow_job_id: &job.id.to_string(),
            org: project.slug.org.as_str(),
            repo: project.slug.repo.as_str(),
            repository_url: &addresses.git_url(&project.slug),
            working_directory: &body.working_directory,
            username: Some(&pipeline.trigger.actor),
        };
        Ok(built_ins.variables())
    }
}

/// A container's own variables: those that others may cover, and those whose names nobody else can use.
fn container_variables(own: &[(String, String)]) -> (Vec<Variable>, Vec<(String, String)>) {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for (name, value) in own {
        match EnvName::new(name) {
            Ok(name) => named.push(Variable {
                name,
                value: Value::Plain(value.clone()),
            }),
            Err(_) => others.push((name.clone(), value.clone())),
        }
    }
    (named, others)
}

fn secret_of(value: &Value) -> Option<SecretValue> {
    match value {
        Value::Plain(_) => None,
        Value::Secret(secret) => Some(SecretValue::new(secret.clone())),
    }
}

/// What the agent does for a step. A plan with steps it cannot do is refused before it starts, see
/// [`crate::unsupported`]; one that comes here all the same, such as out of the database of another version, must not run
/// without them.
fn step_spec(step: &Step) -> Result<StepSpec, UseCaseError> {
    let work = match &step.body {
        StepBody::Run {
            command,
            shell,
            environment,
            working_directory,
            background,
            no_output_timeout_ms,
            auto_rerun,
            deploy: _,
        } => StepWork::Run {
            command: command.clone(),
            shell: shell.clone(),
            environment: environment
                .iter()
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect(),
            working_directory: working_directory.clone(),
            background: *background,
            no_output_timeout_ms: *no_output_timeout_ms,
            auto_rerun: *auto_rerun,
        },
        // The method only says how much of the history is fetched at once; the agent fetches what it takes.
        StepBody::Checkout { path, method: _ } => StepWork::Checkout { path: path.clone() },
        StepBody::StoreArtifacts { path, destination } => StepWork::StoreArtifacts {
            path: path.clone(),
            destination: destination.clone(),
        },
        StepBody::SaveCache { .. }
        | StepBody::RestoreCache { .. }
        | StepBody::StoreTestResults { .. }
        | StepBody::PersistToWorkspace { .. }
        | StepBody::AttachWorkspace { .. }
        | StepBody::AddSshKeys { .. }
        | StepBody::SetupRemoteDocker { .. }
        | StepBody::InstallSigningBundle => {
            return Err(UseCaseError::Invalid(format!(
                "this version of Airlock cannot do the step '{}', so the job is not run without it",
                step.name
            )));
        }
    };
    Ok(StepSpec {
        name: step.name.clone(),
        when: step.when,
        work,
    })
}

#[cfg(test)]
mod tests {
    use airlock_domain::plan::{CheckoutMethod, Place, StepWhen};

    use super::*;

    #[test]
    fn a_step_that_cannot_be_done_is_an_error_and_not_left_out() {
        let spec = |body: StepBody| {
            step_spec(&Step {
                name: "Restore".to_owned(),
                when: StepWhen::Always,
                place: Place::default(),
                body,
            })
        };
        let path = || Some("src".to_owned());
        let done = spec(StepBody::Checkout {
            path: path(),
            method: Some(CheckoutMethod::Full),
        });
        assert_eq!(
            done.map(|step| step.work).ok(),
            Some(StepWork::Checkout { path: path() })
        );
        let refused = spec(StepBody::InstallSigningBundle).expect_err("nobody does it");
        assert!(refused.to_string().contains("the step 'Restore'"), "{refused}");
    }
}
