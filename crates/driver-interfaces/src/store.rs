//! The store: rows and the transactions that keep them true. Callers are control-plane use cases, from many tasks at
//! once. Every method is one transaction. What an answer acknowledges is durable.

use airlock_domain::explanation::Explanation;
use airlock_domain::plan::Platform;
use airlock_domain::state::{PipelineState, Workflow};
use airlock_domain::{
    AgentId, EgressPolicy, EnvName, JobId, OrgName, PipelineId, ProjectId, ProjectSlug, Timestamp, WorkflowId,
};
use async_trait::async_trait;

use crate::orbs::Orbs;
use crate::rows::{
    AgentRow, ArtifactRow, AuditRow, Claimed, DecisionRow, EnvironmentRow, EventRow, ExpiredLease, JobRow,
    NewWorkflow, OutboxRow, PipelineError, PipelineRow, ProjectRow, RepositoryKeyRow, StepRow, TokenPurpose,
    TokenRow, WorkflowRow,
};
use crate::ssh::SshAccess;

/// Everything a store does.
pub trait Store:
    Projects + Pipelines + Workflows + Queue + Outbox + Records + Identity + SshAccess + Orbs
{
}
impl<T: Projects + Pipelines + Workflows + Queue + Outbox + Records + Identity + SshAccess + Orbs> Store
    for T
{
}

/// Projects, their keys and sealed variables.
#[async_trait]
pub trait Projects: Send + Sync {
    /// Adds a project; [`StoreError::Exists`] when its slug is taken. The organisation is made when it is new; the
    /// row's `org` id is used for a new organisation only, and the id in force is returned.
    async fn add_project(&self, row: &ProjectRow) -> Result<ProjectRow, StoreError>;
    /// The project with this slug.
    async fn project_by_slug(&self, slug: &ProjectSlug) -> Result<Option<ProjectRow>, StoreError>;
    /// The project with this id.
    async fn project(&self, id: ProjectId) -> Result<Option<ProjectRow>, StoreError>;
    /// All projects, by name.
    async fn projects(&self) -> Result<Vec<ProjectRow>, StoreError>;
    /// The names of all organisations.
    async fn organisations(&self) -> Result<Vec<OrgName>, StoreError>;
    /// Adds a key or replaces the one with the same fingerprint in the same project.
    async fn put_repository_key(&self, row: &RepositoryKeyRow) -> Result<(), StoreError>;
    /// Every grant of the key with this fingerprint.
    async fn repository_keys(&self, fingerprint: &str) -> Result<Vec<RepositoryKeyRow>, StoreError>;
    /// Sets a variable, replacing an older value.
    async fn put_environment(&self, row: &EnvironmentRow) -> Result<(), StoreError>;
    /// Removes a variable; whether there was one.
    async fn remove_environment(&self, project: ProjectId, name: &EnvName) -> Result<bool, StoreError>;
    /// Sets what a project's jobs may reach outside.
    async fn put_egress(
        &self,
        project: ProjectId,
        policy: &EgressPolicy,
        at: Timestamp,
    ) -> Result<(), StoreError>;
    /// What a project's jobs may reach outside; `allow` where nothing was set.
    async fn egress(&self, project: ProjectId) -> Result<EgressPolicy, StoreError>;
    /// A project's variables, by name.
    async fn environment(&self, project: ProjectId) -> Result<Vec<EnvironmentRow>, StoreError>;
}

/// Pipelines.
#[async_trait]
pub trait Pipelines: Send + Sync {
    /// Adds a pipeline in state `pending` and counts its number. A delivery that is there already returns the pipeline
    /// it made, and `false`.
    async fn add_pipeline(&self, row: &PipelineRow) -> Result<(PipelineRow, bool), StoreError>;
    /// One pipeline.
    async fn pipeline(&self, id: PipelineId) -> Result<Option<PipelineRow>, StoreError>;
    /// Newest first, of one project or of all, older than `before` where that is given.
    async fn pipelines(
        &self,
        project: Option<ProjectId>,
        before: Option<PipelineId>,
        limit: u32,
    ) -> Result<Vec<PipelineRow>, StoreError>;
    /// Pipelines still `pending`, oldest first: what a restart must take up again.
    async fn pending_pipelines(&self) -> Result<Vec<PipelineRow>, StoreError>;
    /// Keeps why each workflow and job of a pipeline runs or does not; what was kept before gives way.
    async fn keep_explanation(&self, id: PipelineId, explanation: &Explanation) -> Result<(), StoreError>;
    /// Why each workflow and job of a pipeline runs or does not, once it was planned.
    async fn explanation(&self, id: PipelineId) -> Result<Option<Explanation>, StoreError>;
    /// Writes the end of planning in one transaction: the state, its workflows, jobs, slices, queue entries and
    /// events. Does nothing and returns `false` when the pipeline is not `pending` any more.
    async fn finish_planning(
        &self,
        id: PipelineId,
        state: PipelineState,
        errors: &[PipelineError],
        workflows: &[NewWorkflow],
        at: Timestamp,
    ) -> Result<bool, StoreError>;
}

/// Workflows and jobs.
#[async_trait]
pub trait Workflows: Send + Sync {
    /// A workflow as the engine needs it, with its version: exactly what its decisions wrote. A slice's fence is the one
    /// last decided; a claim that no decision followed yet shows only in [`Workflows::job`].
    async fn load_workflow(&self, id: WorkflowId) -> Result<Option<(Workflow, u64)>, StoreError>;
    /// Writes a decision in one transaction: changes, event row, queue rows; raises the version.
    /// [`StoreError::Conflict`] when the version is not the one in the store. A change for a job or slice that is not in
    /// the workflow does nothing, as in [`Workflow::apply`].
    async fn commit(&self, decision: &DecisionRow) -> Result<(), StoreError>;
    /// One workflow.
    async fn workflow(&self, id: WorkflowId) -> Result<Option<WorkflowRow>, StoreError>;
    /// The workflows of a pipeline, in the order of the config.
    async fn workflows(&self, pipeline: PipelineId) -> Result<Vec<WorkflowRow>, StoreError>;
    /// The jobs of a workflow, in the order of the config.
    async fn jobs(&self, workflow: WorkflowId) -> Result<Vec<JobRow>, StoreError>;
    /// One job.
    async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError>;
    /// A job by its number in its project.
    async fn job_by_number(&self, project: ProjectId, number: u64) -> Result<Option<JobRow>, StoreError>;
    /// What happened to a workflow, in order: one row for its creation and one for each [`Workflows::commit`].
    async fn events(&self, workflow: WorkflowId) -> Result<Vec<EventRow>, StoreError>;
}

/// The queue and its leases.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Gives the oldest queued slice that needs one of these platforms to this agent: one update that takes the queue row, raises the slice's fencing
    /// number by one and sets its lease. The engine hears of it in a following [`Workflows::commit`].
    async fn claim(
        &self,
        agent: AgentId,
        offers: &[Platform],
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Claimed>, StoreError>;
    /// For each platform that queued slices need, since when the oldest of them waits.
    async fn waiting(&self) -> Result<Vec<(Platform, Timestamp)>, StoreError>;
    /// Makes a lease live longer. `None` when the fence is not the newest or the slice has ended; otherwise whether it
    /// should be stopped.
    async fn renew(
        &self,
        job: JobId,
        slice: u32,
        fence: u64,
        until: Timestamp,
    ) -> Result<Option<bool>, StoreError>;
    /// What [`Queue::renew`] would answer, without making the lease live longer: a read, cheap enough for every chunk of
    /// a log.
    async fn lease(&self, job: JobId, slice: u32, fence: u64) -> Result<Option<bool>, StoreError>;
    /// Claims of slices that have not ended whose lease ended before `now`, longest first. A claim counts from
    /// [`Queue::claim`] on, whether or not the engine heard of it.
    async fn expired_leases(&self, now: Timestamp) -> Result<Vec<ExpiredLease>, StoreError>;
    /// How many slices wait.
    async fn queue_length(&self) -> Result<u64, StoreError>;
}

/// News for the outside: forge statuses, webhooks, mail. One row for each pipeline, workflow and job whose status began
/// or changed, written in the transaction that changed it. One task at a time takes rows, tells the outside and then
/// acknowledges, so after a crash a row can be told twice but is never lost.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// The oldest rows that nobody acknowledged, in order. They stay until they are acknowledged.
    async fn take_outbox(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError>;
    /// Removes a row that was told; removing what is not there is no error.
    async fn acknowledge_outbox(&self, id: u64) -> Result<(), StoreError>;
}

/// Steps, artifacts, audit.
#[async_trait]
pub trait Records: Send + Sync {
    /// Adds a step or brings it up to date; a start time once set stays, and a step that ended does not run again.
    async fn put_step(&self, row: &StepRow) -> Result<(), StoreError>;
    /// The steps of a slice, by number.
    async fn steps(&self, job: JobId, slice: u32) -> Result<Vec<StepRow>, StoreError>;
    /// Adds an artifact; one with the same job, slice and path is replaced, and the replaced row returned. A repeated
    /// call with the same id replaces nothing.
    async fn put_artifact(&self, row: &ArtifactRow) -> Result<Option<ArtifactRow>, StoreError>;
    /// A job's artifacts, by slice and path.
    async fn artifacts(&self, job: JobId) -> Result<Vec<ArtifactRow>, StoreError>;
    /// Adds an audit row.
    async fn audit(&self, row: &AuditRow) -> Result<(), StoreError>;
    /// Audit rows with a number above `after`, in order.
    async fn audit_rows(&self, after: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError>;
    /// Writes that an agent was heard.
    async fn agent_seen(&self, row: &AgentRow) -> Result<(), StoreError>;
    /// All agents, by name.
    async fn agents(&self) -> Result<Vec<AgentRow>, StoreError>;
}

/// Tokens, sign-in links and sessions.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Adds a token.
    async fn add_token(&self, row: &TokenRow) -> Result<(), StoreError>;
    /// The token with this hash and purpose, if it is valid now.
    async fn token(
        &self,
        hash: &str,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<TokenRow>, StoreError>;
    /// Takes a one-time token: only one caller ever gets it.
    async fn take_token(
        &self,
        hash: &str,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<TokenRow>, StoreError>;
    /// Removes a token; whether there was one.
    async fn remove_token(&self, hash: &str) -> Result<bool, StoreError>;
    /// A small setting of the instance, such as its id.
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;
    /// Sets it if it is not set; returns the value in force.
    async fn setting_or_insert(&self, name: &str, value: &str) -> Result<String, StoreError>;
}

/// What can go wrong with the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It is there already.
    #[error("{what} exists already")]
    Exists {
        /// What.
        what: String,
    },
    /// What it belongs to is not there.
    #[error("{what} does not exist")]
    Missing {
        /// What.
        what: String,
    },
    /// Somebody else changed it since it was read.
    #[error("{what} was changed by somebody else meanwhile")]
    Conflict {
        /// What.
        what: String,
    },
    /// A row that this version cannot read.
    #[error("reading {what}: {reason}")]
    Unreadable {
        /// What.
        what: String,
        /// Why.
        reason: String,
    },
    /// The database was written by a newer Airlock.
    #[error(
        "the database {path} was written by a newer Airlock (schema {found}, this one knows {known}): install that version or restore a backup"
    )]
    Newer {
        /// Which database.
        path: String,
        /// Its schema.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The database failed.
    #[error("{doing}: {reason}")]
    Failed {
        /// What was being done.
        doing: String,
        /// What went wrong.
        reason: String,
    },
}
