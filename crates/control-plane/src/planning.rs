//! Turns accepted pipelines into workflows: fetch the config at the exact commit, compile it, decide the start of each
//! workflow, write all of it in one transaction. A restart takes pending pipelines up again.

use std::time::Duration;

use airlock_domain::explanation::Explanation;
use airlock_domain::plan::{JobBody, LeftOut, Plan, PlannedJob, PlannedWorkflow};
use airlock_domain::state::{
    Event, Job, JobKind, JobStatus, PipelineState, Slice, SliceStatus, Workflow, WorkflowStatus,
};
use airlock_domain::{JobId, WorkflowId};
use airlock_driver_interfaces::rows::{
    NewJob, NewWorkflow, PipelineError, PipelineRow, ProjectRow, TriggerKind,
};
use airlock_pipeline_config::{
    Diagnostic, Gathering, Inputs, ParameterValue, PipelineValues, Source, compile_and_explain, render,
};
use airlock_workflow_engine::decide;

use crate::selection::select;
use crate::unsupported::{refusal, unsupported};
use crate::{ControlPlane, UseCaseError, limits};

/// What is said when the compiler itself broke.
pub(crate) const COMPILER_FAILED: &str = "Airlock failed while compiling this config. That is a mistake in Airlock, not in the \
                               config; the server's log says where.";

/// What planning leads to.
struct Planned {
    state: PipelineState,
    errors: Vec<PipelineError>,
    workflows: Vec<NewWorkflow>,
    /// Why each part of the config runs or does not, where that is known.
    explanation: Option<Explanation>,
}

impl Planned {
    fn errored(kind: &str, message: String) -> Self {
        let errors = vec![PipelineError {
            kind: kind.to_owned(),
            message,
        }];
        Self {
            state: PipelineState::Errored,
            errors,
            workflows: Vec::new(),
            explanation: None,
        }
    }
}

impl ControlPlane {
    /// Plans pending pipelines, for ever.
    pub(crate) async fn plan_loop(&self) {
        loop {
            match self.plan_pending().await {
                Ok(()) => {}
                Err(error) => tracing::warn!(%error, "pending pipelines could not be planned; trying again"),
            }
            let nap = tokio::time::sleep(Duration::from_millis(limits::PLAN_POLL_MS));
            tokio::select! { () = self.inner.planning.notified() => {}, () = nap => {} }
        }
    }

    /// Plans every pipeline that is pending now. One that cannot be planned yet does not hold up the others.
    pub async fn plan_pending(&self) -> Result<(), UseCaseError> {
        let mut first = Ok(());
        for pipeline in self.store().pending_pipelines().await? {
            if let Err(error) = self.plan(&pipeline).await {
                tracing::warn!(pipeline = %pipeline.id, %error, "a pipeline could not be planned");
                first = first.and(Err(error));
            }
        }
        first
    }

    async fn plan(&self, pipeline: &PipelineRow) -> Result<(), UseCaseError> {
        let project = self.store().project(pipeline.project).await?;
        let project =
            project.ok_or_else(|| UseCaseError::NotFound(format!("project {}", pipeline.project)))?;
        let planned = self.planned(pipeline, &project).await?;
        if let Some(explanation) = &planned.explanation {
            self.store().keep_explanation(pipeline.id, explanation).await?;
        }
        let at = self.now();
        let written = self
            .store()
            .finish_planning(
                pipeline.id,
                planned.state,
                &planned.errors,
                &planned.workflows,
                at,
            )
            .await?;
        if written {
            self.inner.news.notify_one();
            planned
                .workflows
                .iter()
                .for_each(|workflow| self.wake_for(&workflow.effects));
        }
        Ok(())
    }

    async fn planned(&self, pipeline: &PipelineRow, project: &ProjectRow) -> Result<Planned, UseCaseError> {
        let sha = &pipeline.revision.sha;
        let bytes = match self
            .drivers()
            .forge
            .file_at(&project.slug, sha, limits::CONFIG_PATH)
            .await
        {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                let message = format!(
                    "There is no {} at commit {sha}.\nAdd one and push again; `airlock config validate` checks it \
                     before you do.",
                    limits::CONFIG_PATH
                );
                return Ok(Planned::errored("config-fetch", message));
            }
            Err(error) => return Ok(Planned::errored("config-fetch", error.to_string())),
        };
        let source = Source::new(limits::CONFIG_PATH, bytes);
        let inputs = self.inputs(pipeline, project)?;
        let begun = tokio::task::spawn_blocking(move || {
            let gathering = Gathering::begin(&source, &inputs);
            (source, inputs, gathering)
        });
        let Ok((source, mut inputs, gathering)) = begun.await else {
            return Ok(Planned::errored("other", COMPILER_FAILED.to_owned()));
        };
        let answered = self.answer_orbs(pipeline, gathering).await?;
        if let Some(changed) = answered.changed {
            return Ok(Planned::errored("config", changed));
        }
        inputs.orbs = answered.orbs;
        let advice = self.orb_advice();
        // Compiling is pure work of the processor; a panic in it must cost this pipeline only.
        let compiled = tokio::task::spawn_blocking(move || {
            let (found, mut diagnostics) = compile_and_explain(&source, &inputs, None);
            advice.add_to(&mut diagnostics);
            let sources = std::iter::once(&source).chain(inputs.orbs.sources());
            let text = render::text(&diagnostics, sources, render::Color::Never);
            (found, diagnostics, text)
        });
        Ok(match compiled.await {
            Ok((Some((plan, explanation)), _, _)) => match select(plan, &pipeline.trigger.only) {
                Ok(plan) => self.decided(&plan, explanation),
                Err(problem) => Planned::errored("plan", problem),
            },
            Ok((None, diagnostics, text)) => Planned::errored("config", errors_text(&diagnostics, text)),
            Err(_) => Planned::errored("other", COMPILER_FAILED.to_owned()),
        })
    }

    /// What of a plan is begun.
    fn decided(&self, plan: &Plan, mut explanation: Explanation) -> Planned {
        explanation.follow(plan);
        let planned = match unsupported(plan).as_slice() {
            [] => Planned {
                state: PipelineState::Created,
                errors: Vec::new(),
                workflows: self.workflows_of(plan),
                explanation: None,
            },
            missing => Planned::errored("plan", refusal(missing)),
        };
        Planned {
            explanation: Some(explanation),
            ..planned
        }
    }

    fn inputs(&self, pipeline: &PipelineRow, project: &ProjectRow) -> Result<Inputs, UseCaseError> {
        let addresses = self.addresses()?;
        let revision = &pipeline.revision;
        let values = PipelineValues {
            id: pipeline.id.to_string(),
            number: pipeline.number,
            project_slug: project.slug.to_string(),
            project_git_url: addresses.git_url(&project.slug),
            branch: revision.branch.as_ref().map(ToString::to_string),
            tag: revision.tag.as_ref().map(ToString::to_string),
            revision: revision.sha.to_string(),
            trigger_source: match pipeline.trigger.kind {
                TriggerKind::Push => "webhook".to_owned(),
                TriggerKind::Api | TriggerKind::Local => "api".to_owned(),
            },
            ..PipelineValues::default()
        };
        let parameters = pipeline
            .trigger
            .parameters
            .iter()
            .filter_map(|(name, value)| parameter(value).map(|value| (name.clone(), value)))
            .collect();
        Ok(Inputs {
            pipeline: values,
            parameters,
            orb_url_prefixes: self.orb_url_prefixes(),
            ..Inputs::default()
        })
    }

    fn workflows_of(&self, plan: &Plan) -> Vec<NewWorkflow> {
        plan.workflows
            .iter()
            .map(|planned| self.workflow_of(planned))
            .collect()
    }

    fn workflow_of(&self, planned: &PlannedWorkflow) -> NewWorkflow {
        let id = WorkflowId::new(self.new_id());
        if let Some(left_out) = &planned.left_out {
            return NewWorkflow {
                id,
                name: planned.name.clone(),
                status: WorkflowStatus::NotRun,
                left_out: Some(left_out_reason(planned, left_out)),
                jobs: Vec::new(),
                effects: Vec::new(),
            };
        }
        let mut state = Workflow {
            id,
            name: planned.name.clone(),
            status: WorkflowStatus::Running,
            jobs: planned
                .jobs
                .iter()
                .map(|job| engine_job(JobId::new(self.new_id()), job))
                .collect(),
        };
        let effects = match decide(&state, &Event::Start, self.now()) {
            Ok(decision) => {
                decision.changes.iter().for_each(|change| state.apply(change));
                decision.effects
            }
            // Start has no precondition that a fresh workflow could break.
            Err(refused) => {
                tracing::error!(%refused, "a fresh workflow was refused");
                Vec::new()
            }
        };
        let bodies = planned.jobs.iter().map(|job| match &job.body {
            JobBody::Build(build) => Some((**build).clone()),
            JobBody::Approval
            | JobBody::NoOp
            | JobBody::Release(_)
            | JobBody::Lock { .. }
            | JobBody::Unlock { .. } => None,
        });
        let jobs = state.jobs.into_iter().zip(bodies).map(|(job, body)| NewJob {
            id: job.id,
            name: job.name,
            kind: job.kind,
            requires: job.requires,
            left_out: job.left_out,
            status: job.status,
            reason: job.reason,
            body,
            slices: job.slices.iter().map(|slice| slice.status).collect(),
        });
        NewWorkflow {
            id,
            name: state.name,
            status: state.status,
            left_out: None,
            jobs: jobs.collect(),
            effects,
        }
    }
}

/// A workflow that only the clock starts will not run by waiting for it.
fn left_out_reason(planned: &PlannedWorkflow, left_out: &LeftOut) -> String {
    if planned.schedules.is_empty() {
        left_out.reason.clone()
    } else {
        format!("{}, and Airlock starts nothing by the clock yet", left_out.reason)
    }
}

fn engine_job(id: JobId, planned: &PlannedJob) -> Job {
    let (kind, slices) = match &planned.body {
        JobBody::Build(build) => (JobKind::Build, build.parallelism),
        JobBody::Approval => (JobKind::Approval, 0),
        // Those that would do more come here only when they are left out.
        JobBody::NoOp | JobBody::Release(_) | JobBody::Lock { .. } | JobBody::Unlock { .. } => {
            (JobKind::NoOp, 0)
        }
    };
    Job {
        id,
        name: planned.name.clone(),
        kind,
        requires: planned.requires.clone(),
        left_out: planned.left_out.as_ref().map(|left_out| left_out.reason.clone()),
        status: JobStatus::Blocked,
        reason: None,
        slices: (0..slices)
            .map(|index| Slice {
                index,
                status: SliceStatus::Waiting,
                fence: 0,
            })
            .collect(),
    }
}

fn parameter(value: &serde_json::Value) -> Option<ParameterValue> {
    match value {
        serde_json::Value::String(text) => Some(ParameterValue::Text(text.clone())),
        serde_json::Value::Bool(flag) => Some(ParameterValue::Bool(*flag)),
        serde_json::Value::Number(number) => number.as_i64().map(ParameterValue::Int),
        serde_json::Value::Null | serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
    }
}

fn errors_text(diagnostics: &[Diagnostic], rendered: String) -> String {
    if diagnostics.is_empty() {
        "The config has no plan, and no reason was given.".to_owned()
    } else {
        rendered
    }
}
