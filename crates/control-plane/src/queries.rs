//! What pages, the API and the command line read, and the few things people do to running workflows.

use airlock_domain::explanation::Explanation;
use airlock_domain::state::Event;
use airlock_domain::{ArtifactId, JobId, PipelineId, ProjectSlug, WorkflowId};
use airlock_driver_interfaces::rows::{
    AgentRow, ArtifactRow, AuditRow, JobRow, PipelineRow, ProjectRow, StepRow, WorkflowRow,
};
use airlock_driver_interfaces::{BlobKey, Subscription};
use bytes::Bytes;

use crate::{Actor, ControlPlane, UseCaseError, limits};

/// A pipeline with its project and workflows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineView {
    /// The pipeline.
    pub pipeline: PipelineRow,
    /// Its project.
    pub project: ProjectRow,
    /// Its workflows, in the order of the config.
    pub workflows: Vec<WorkflowRow>,
}

impl ControlPlane {
    /// All projects.
    pub async fn projects(&self) -> Result<Vec<ProjectRow>, UseCaseError> {
        Ok(self.store().projects().await?)
    }

    /// Newest pipelines, of one project or all.
    pub async fn pipelines(
        &self,
        project: Option<&ProjectSlug>,
        before: Option<PipelineId>,
        limit: u32,
    ) -> Result<Vec<PipelineView>, UseCaseError> {
        let project = match project {
            Some(slug) => Some(self.project_named(slug).await?.id),
            None => None,
        };
        let mut views = Vec::new();
        for row in self.store().pipelines(project, before, limit).await? {
            views.push(self.view(row).await?);
        }
        Ok(views)
    }

    /// One pipeline.
    pub async fn pipeline(&self, id: PipelineId) -> Result<PipelineView, UseCaseError> {
        let row = self.store().pipeline(id).await?;
        self.view(row.ok_or_else(|| UseCaseError::NotFound(format!("pipeline {id}")))?)
            .await
    }

    /// Why each workflow and job of a pipeline runs or does not run. Nothing for one whose config could not be read, and
    /// for those of a time when it was not kept.
    pub async fn explanation(&self, id: PipelineId) -> Result<Option<Explanation>, UseCaseError> {
        Ok(self.store().explanation(id).await?)
    }

    async fn view(&self, pipeline: PipelineRow) -> Result<PipelineView, UseCaseError> {
        let project = self.store().project(pipeline.project).await?;
        let project =
            project.ok_or_else(|| UseCaseError::NotFound(format!("project {}", pipeline.project)))?;
        let workflows = self.store().workflows(pipeline.id).await?;
        Ok(PipelineView {
            pipeline,
            project,
            workflows,
        })
    }

    /// One workflow.
    pub async fn workflow(&self, id: WorkflowId) -> Result<WorkflowRow, UseCaseError> {
        let row = self.store().workflow(id).await?;
        row.ok_or_else(|| UseCaseError::NotFound(format!("workflow {id}")))
    }

    /// The jobs of a workflow.
    pub async fn jobs(&self, workflow: WorkflowId) -> Result<Vec<JobRow>, UseCaseError> {
        Ok(self.store().jobs(workflow).await?)
    }

    /// One job.
    pub async fn job(&self, id: JobId) -> Result<JobRow, UseCaseError> {
        let row = self.store().job(id).await?;
        row.ok_or_else(|| UseCaseError::NotFound(format!("job {id}")))
    }

    /// A job by its number.
    pub async fn job_by_number(&self, slug: &ProjectSlug, number: u64) -> Result<JobRow, UseCaseError> {
        let project = self.project_named(slug).await?;
        let row = self.store().job_by_number(project.id, number).await?;
        row.ok_or_else(|| UseCaseError::NotFound(format!("job {number} of {}", slug.short())))
    }

    /// The steps of a slice.
    pub async fn steps(&self, job: JobId, slice: u32) -> Result<Vec<StepRow>, UseCaseError> {
        Ok(self.store().steps(job, slice).await?)
    }

    /// Up to [`limits::LOG_READ_BYTES`] bytes of a step's log from `offset`, and the log's length.
    pub async fn log(
        &self,
        job: JobId,
        slice: u32,
        step: u32,
        offset: u64,
    ) -> Result<(Bytes, u64), UseCaseError> {
        let key = BlobKey::step_log(job, slice, step);
        let length = self.drivers().blobs.len(&key).await?;
        if offset >= length {
            return Ok((Bytes::new(), length));
        }
        Ok((
            self.drivers()
                .blobs
                .read(&key, offset, limits::LOG_READ_BYTES)
                .await?,
            length,
        ))
    }

    /// A job's artifacts.
    pub async fn artifacts(&self, job: JobId) -> Result<Vec<ArtifactRow>, UseCaseError> {
        Ok(self.store().artifacts(job).await?)
    }

    /// One artifact of a job.
    pub async fn artifact(&self, job: JobId, id: ArtifactId) -> Result<ArtifactRow, UseCaseError> {
        let found = self.artifacts(job).await?.into_iter().find(|row| row.id == id);
        found.ok_or_else(|| UseCaseError::NotFound(format!("artifact {id}")))
    }

    /// A piece of an artifact.
    pub async fn artifact_bytes(
        &self,
        row: &ArtifactRow,
        offset: u64,
        max: usize,
    ) -> Result<Bytes, UseCaseError> {
        Ok(self
            .drivers()
            .blobs
            .read(&BlobKey::artifact(row.job, row.id), offset, max)
            .await?)
    }

    /// Agents that were heard of.
    pub async fn agents(&self) -> Result<Vec<AgentRow>, UseCaseError> {
        Ok(self.store().agents().await?)
    }

    /// Audit rows after a number.
    pub async fn audit_log(&self, after: u64, limit: u32) -> Result<Vec<AuditRow>, UseCaseError> {
        Ok(self.store().audit_rows(after, limit).await?)
    }

    /// Live messages of one pipeline, or of all.
    #[must_use]
    pub fn listen(&self, pipeline: Option<PipelineId>) -> Box<dyn Subscription> {
        self.drivers().bus.subscribe(pipeline)
    }

    /// Approves an approval job.
    pub async fn approve(&self, job: JobId, actor: &Actor) -> Result<(), UseCaseError> {
        let row = self.job(job).await?;
        self.advance(
            row.workflow,
            Event::Approved {
                job,
                by: actor.name.clone(),
            },
        )
        .await?;
        self.audit("job.approve", &actor.name, &job.to_string()).await
    }

    /// Stops a workflow.
    pub async fn cancel(&self, workflow: WorkflowId, actor: &Actor) -> Result<(), UseCaseError> {
        self.advance(
            workflow,
            Event::Canceled {
                by: actor.name.clone(),
            },
        )
        .await?;
        self.audit("workflow.cancel", &actor.name, &workflow.to_string())
            .await
    }
}
