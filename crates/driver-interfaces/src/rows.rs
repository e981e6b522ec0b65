//! Rows as the store gives and takes them: plain data, one struct each.

use airlock_domain::plan::{BuildJob, Platform, Requirement};
use airlock_domain::state::{
    Change, Effect, Event, JobKind, JobStatus, PipelineState, SliceStatus, StepStatus, WorkflowStatus,
};
use airlock_domain::trust::EventTrust;
use airlock_domain::{
    AgentId, ArtifactId, BranchName, CommitSha, DeliveryId, EnvName, JobId, JobName, OrgId, PipelineId,
    ProjectId, ProjectSlug, TagName, Timestamp, WorkflowId, WorkflowName,
};
use serde::{Deserialize, Serialize};

use crate::vault::Sealed;

/// A project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectRow {
    /// Its id.
    pub id: ProjectId,
    /// Its organisation's id.
    pub org: OrgId,
    /// Its name.
    pub slug: ProjectSlug,
    /// Whether pipelines from outsiders get its secrets.
    pub pass_secrets_to_outsiders: bool,
    /// The public half of the key jobs clone with, in OpenSSH form.
    pub deploy_key_public: String,
    /// Its private half, sealed.
    pub deploy_key: Sealed,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A public key that may use a repository of the built-in remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryKeyRow {
    /// The project.
    pub project: ProjectId,
    /// `SHA256:…`.
    pub fingerprint: String,
    /// The whole key in OpenSSH form.
    pub public_key: String,
    /// Whether it may push; otherwise it may only fetch.
    pub may_push: bool,
    /// For people, such as the key's comment.
    pub label: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// A sealed environment variable of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvironmentRow {
    /// The project.
    pub project: ProjectId,
    /// Its name.
    pub name: EnvName,
    /// Its value, sealed.
    pub value: Sealed,
    /// When it was set.
    pub updated_at: Timestamp,
}

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PipelineRow {
    /// Its id.
    pub id: PipelineId,
    /// The project.
    pub project: ProjectId,
    /// Its number in the project; zero in a row to be inserted, where the store counts.
    pub number: u64,
    /// Its state.
    pub state: PipelineState,
    /// What it builds.
    pub revision: Revision,
    /// What started it.
    pub trigger: Trigger,
    /// Problems of its config as JSON diagnostics, for an errored pipeline.
    pub errors: Vec<PipelineError>,
    /// When it was accepted.
    pub created_at: Timestamp,
}

/// What a pipeline builds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// The commit.
    pub sha: CommitSha,
    /// The branch, on branch builds.
    pub branch: Option<BranchName>,
    /// The tag, on tag builds.
    pub tag: Option<TagName>,
    /// First line of the commit's message.
    pub subject: String,
    /// The commit's author.
    pub author: String,
}

/// What started a pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The delivery it came in; a second one with the same id changes nothing.
    pub delivery: DeliveryId,
    /// `push`, `api` or `local`.
    pub kind: TriggerKind,
    /// Who.
    pub actor: String,
    /// How far it is trusted.
    pub trust: EventTrust,
    /// Pipeline parameters given with it, as JSON values.
    pub parameters: Vec<(String, serde_json::Value)>,
    /// Only this part of the config, if somebody asked for a part.
    #[serde(default)]
    pub only: Selection,
    /// The pipeline that is built again by this one, with the very orbs it was built with.
    #[serde(default)]
    pub again: Option<PipelineId>,
}

/// The part of a config that somebody asked for; the default is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// Only this workflow.
    pub workflow: Option<String>,
    /// Only this job, without what it requires.
    pub job: Option<String>,
}

/// Kinds of trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A push to the built-in remote.
    Push,
    /// A call of the API or a button.
    Api,
    /// `airlock run`.
    Local,
}

/// One problem of a pipeline's config, in the API's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineError {
    /// `config`, `config-fetch`, `plan` or `other`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For people, with place and hint, plain text of several lines.
    pub message: String,
}

/// A workflow to be created with its pipeline, already decided once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkflow {
    /// Its id.
    pub id: WorkflowId,
    /// Its name.
    pub name: WorkflowName,
    /// Its status after the first decision.
    pub status: WorkflowStatus,
    /// Why it does not run, if it does not.
    pub left_out: Option<String>,
    /// Its jobs.
    pub jobs: Vec<NewJob>,
    /// What the first decision asks for.
    pub effects: Vec<Effect>,
}

/// A job to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Its name in the workflow.
    pub name: JobName,
    /// Its kind.
    pub kind: JobKind,
    /// What it waits for.
    pub requires: Vec<Requirement>,
    /// Why filters left it out, if they did.
    pub left_out: Option<String>,
    /// Its status after the first decision.
    pub status: JobStatus,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// Its body, for a build job.
    pub body: Option<BuildJob>,
    /// The status of each slice after the first decision.
    pub slices: Vec<SliceStatus>,
}

/// A workflow as pages list it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRow {
    /// Its id.
    pub id: WorkflowId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// Its name.
    pub name: WorkflowName,
    /// Its status.
    pub status: WorkflowStatus,
    /// Why it does not run, if it does not.
    pub left_out: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
}

/// A job as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRow {
    /// Its id.
    pub id: JobId,
    /// Its workflow.
    pub workflow: WorkflowId,
    /// Its pipeline.
    pub pipeline: PipelineId,
    /// Its project.
    pub project: ProjectId,
    /// Its number in the project, given when it is created; approvals have none.
    pub number: Option<u64>,
    /// Its name.
    pub name: JobName,
    /// Its kind.
    pub kind: JobKind,
    /// What it waits for.
    pub requires: Vec<Requirement>,
    /// Its status.
    pub status: JobStatus,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// Its body, for a build job.
    pub body: Option<BuildJob>,
    /// When its first slice began to run, or it went on hold.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
    /// Its slices.
    pub slices: Vec<SliceRow>,
}

/// A slice as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SliceRow {
    /// From 0.
    pub index: u32,
    /// Its status.
    pub status: SliceStatus,
    /// The number of its newest claim.
    pub fence: u64,
    /// Who has or had it.
    pub agent: Option<AgentId>,
    /// Until when the claim lives.
    pub lease_until: Option<Timestamp>,
    /// Whether it should be stopped.
    pub stop: bool,
    /// When it was claimed.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
}

/// A step as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRow {
    /// The job.
    pub job: JobId,
    /// The slice.
    pub slice: u32,
    /// Its number.
    pub step: u32,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: StepStatus,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Why, where that is not plain.
    pub reason: Option<String>,
    /// When it began; absent for a skipped step.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub stopped_at: Option<Timestamp>,
}

/// A kept file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRow {
    /// Its id.
    pub id: ArtifactId,
    /// The job.
    pub job: JobId,
    /// The slice.
    pub slice: u32,
    /// Its path.
    pub path: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was stored.
    pub created_at: Timestamp,
}

/// A slice that an agent just claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// The workflow, for the engine.
    pub workflow: WorkflowId,
    /// The job.
    pub job: JobId,
    /// The slice.
    pub slice: u32,
    /// The fencing number of this claim.
    pub fence: u64,
}

/// A claim whose lease ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpiredLease {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The job.
    pub job: JobId,
    /// The slice.
    pub slice: u32,
    /// The claim.
    pub fence: u64,
}

/// What the engine decided, to be written in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionRow {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The version that was read; another one in the store means: read and decide again.
    pub version: u64,
    /// What happened.
    pub event: Event,
    /// State changes.
    pub changes: Vec<Change>,
    /// Queue and outbox entries.
    pub effects: Vec<Effect>,
    /// When.
    pub at: Timestamp,
}

/// One event of a workflow's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its number in the workflow, from 1, without gaps: the version it made.
    pub number: u64,
    /// What happened.
    pub event: Event,
    /// When.
    pub at: Timestamp,
}

/// News for the outside, written in the transaction that made it true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// Its number, in order.
    pub id: u64,
    /// What changed.
    pub change: StatusChange,
    /// When.
    pub at: Timestamp,
}

/// A status that changed, or began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StatusChange {
    /// A pipeline's state.
    Pipeline {
        /// Which.
        pipeline: PipelineId,
        /// The new state.
        state: PipelineState,
    },
    /// A workflow's status.
    Workflow {
        /// Its pipeline.
        pipeline: PipelineId,
        /// Which.
        workflow: WorkflowId,
        /// The new status.
        status: WorkflowStatus,
    },
    /// A job's status.
    Job {
        /// Its pipeline.
        pipeline: PipelineId,
        /// Its workflow.
        workflow: WorkflowId,
        /// Which.
        job: JobId,
        /// The new status.
        status: JobStatus,
        /// Why, where that is not plain.
        reason: Option<String>,
    },
}

impl StatusChange {
    /// `pipeline`, `workflow` or `job`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pipeline { .. } => "pipeline",
            Self::Workflow { .. } => "workflow",
            Self::Job { .. } => "job",
        }
    }
}

/// An agent as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRow {
    /// Its id.
    pub id: AgentId,
    /// Its machine's name.
    pub name: String,
    /// When it was last heard.
    pub seen_at: Timestamp,
    /// The kinds of machine it has for jobs.
    pub offers: Vec<Platform>,
}

/// Something an auditor asks about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number, in order; zero in a row to be inserted.
    pub number: u64,
    /// What was done, such as `user.sign_in`, `secret.set`, `pipeline.start`.
    pub action: String,
    /// Who did it.
    pub actor: String,
    /// To what.
    pub target: String,
    /// When.
    pub at: Timestamp,
}

/// What a bearer token or a sign-in link stands for. The store keeps only the token's SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRow {
    /// Hex SHA-256 of the token.
    pub hash: String,
    /// What it is for.
    pub purpose: TokenPurpose,
    /// Who it speaks for.
    pub user: String,
    /// Until when it is valid; `None` for no end.
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenPurpose {
    /// Calls of the API.
    Api,
    /// Opens a session once, then is gone.
    SignIn,
    /// A browser's session.
    Session,
}
