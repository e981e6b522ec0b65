//! The traits of `driver-interfaces` on [`SqliteStore`]: each method opens one transaction and runs its concept's module
//! in it. Nothing else stands here.

use airlock_domain::explanation::Explanation;
use airlock_domain::plan::Platform;
use airlock_domain::state::{PipelineState, Workflow};
use airlock_domain::{
    AgentId, EgressPolicy, EnvName, JobId, OrbDigest, OrbName, OrbVersion, OrgName, PipelineId, ProjectId,
    ProjectSlug, Timestamp, WorkflowId,
};
use airlock_driver_interfaces::StoreError;
use airlock_driver_interfaces::orbs::{AddedOrb, FetchedOrb, NewOrb, OrbConflict, OrbRow, Orbs, PipelineOrb};
use airlock_driver_interfaces::rows::{
    AgentRow, ArtifactRow, AuditRow, Claimed, DecisionRow, EnvironmentRow, EventRow, ExpiredLease, JobRow,
    NewWorkflow, OutboxRow, PipelineError, PipelineRow, ProjectRow, RepositoryKeyRow, StepRow, TokenPurpose,
    TokenRow, WorkflowRow,
};
use airlock_driver_interfaces::ssh::{SshAccess, UserKeyRow};
use airlock_driver_interfaces::store::{Identity, Outbox, Pipelines, Projects, Queue, Records, Workflows};
use async_trait::async_trait;
use uuid::Uuid;

use crate::sqlite::SqliteStore;
use crate::{
    decisions, identity, orbs, outbox, pipelines, planning, projects, queue, records, ssh, workflows,
};

/// `write!(store, c => call)` runs the call in a writing transaction on connection `c`; what it names moves into it.
macro_rules! write {
    ($store:expr, $c:ident => $call:expr) => {
        $store.write(move |$c| Box::pin(async move { $call.await })).await
    };
}

/// The same for a reading transaction.
macro_rules! read {
    ($store:expr, $c:ident => $call:expr) => {
        $store.read(move |$c| Box::pin(async move { $call.await })).await
    };
}

#[async_trait]
impl Projects for SqliteStore {
    async fn add_project(&self, row: &ProjectRow) -> Result<ProjectRow, StoreError> {
        let row = row.clone();
        write!(self, c => projects::add(c, &row))
    }

    async fn project_by_slug(&self, slug: &ProjectSlug) -> Result<Option<ProjectRow>, StoreError> {
        let slug = slug.clone();
        read!(self, c => projects::by_slug(c, &slug))
    }

    async fn project(&self, id: ProjectId) -> Result<Option<ProjectRow>, StoreError> {
        read!(self, c => projects::by_id(c, id))
    }

    async fn projects(&self) -> Result<Vec<ProjectRow>, StoreError> {
        read!(self, c => projects::all(c))
    }

    async fn organisations(&self) -> Result<Vec<OrgName>, StoreError> {
        read!(self, c => projects::organisations(c))
    }

    async fn put_repository_key(&self, row: &RepositoryKeyRow) -> Result<(), StoreError> {
        let row = row.clone();
        write!(self, c => projects::put_key(c, &row))
    }

    async fn repository_keys(&self, fingerprint: &str) -> Result<Vec<RepositoryKeyRow>, StoreError> {
        let fingerprint = fingerprint.to_owned();
        read!(self, c => projects::keys(c, &fingerprint))
    }

    async fn put_environment(&self, row: &EnvironmentRow) -> Result<(), StoreError> {
        let row = row.clone();
        write!(self, c => projects::put_variable(c, &row))
    }

    async fn remove_environment(&self, project: ProjectId, name: &EnvName) -> Result<bool, StoreError> {
        let name = name.clone();
        write!(self, c => projects::remove_variable(c, project, &name))
    }

    async fn put_egress(
        &self,
        project: ProjectId,
        policy: &EgressPolicy,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let policy = policy.clone();
        write!(self, c => projects::put_egress(c, project, &policy, at))
    }

    async fn egress(&self, project: ProjectId) -> Result<EgressPolicy, StoreError> {
        read!(self, c => projects::egress(c, project))
    }

    async fn environment(&self, project: ProjectId) -> Result<Vec<EnvironmentRow>, StoreError> {
        read!(self, c => projects::variables(c, project))
    }
}

#[async_trait]
impl Pipelines for SqliteStore {
    async fn add_pipeline(&self, row: &PipelineRow) -> Result<(PipelineRow, bool), StoreError> {
        let row = row.clone();
        write!(self, c => pipelines::add(c, &row))
    }

    async fn pipeline(&self, id: PipelineId) -> Result<Option<PipelineRow>, StoreError> {
        read!(self, c => pipelines::by_id(c, id))
    }

    async fn pipelines(
        &self,
        project: Option<ProjectId>,
        before: Option<PipelineId>,
        limit: u32,
    ) -> Result<Vec<PipelineRow>, StoreError> {
        read!(self, c => pipelines::list(c, project, before, limit))
    }

    async fn pending_pipelines(&self) -> Result<Vec<PipelineRow>, StoreError> {
        read!(self, c => pipelines::pending(c))
    }

    async fn keep_explanation(&self, id: PipelineId, explanation: &Explanation) -> Result<(), StoreError> {
        let explanation = explanation.clone();
        write!(self, c => planning::keep_explanation(c, id, &explanation))
    }

    async fn explanation(&self, id: PipelineId) -> Result<Option<Explanation>, StoreError> {
        read!(self, c => planning::explanation(c, id))
    }

    async fn finish_planning(
        &self,
        id: PipelineId,
        state: PipelineState,
        errors: &[PipelineError],
        workflows: &[NewWorkflow],
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let (errors, workflows) = (errors.to_vec(), workflows.to_vec());
        write!(self, c => planning::finish(c, id, state, &errors, &workflows, at))
    }
}

#[async_trait]
impl Workflows for SqliteStore {
    async fn load_workflow(&self, id: WorkflowId) -> Result<Option<(Workflow, u64)>, StoreError> {
        read!(self, c => workflows::load(c, id))
    }

    async fn commit(&self, decision: &DecisionRow) -> Result<(), StoreError> {
        let decision = decision.clone();
        write!(self, c => decisions::commit(c, &decision))
    }

    async fn workflow(&self, id: WorkflowId) -> Result<Option<WorkflowRow>, StoreError> {
        read!(self, c => workflows::by_id(c, id))
    }

    async fn workflows(&self, pipeline: PipelineId) -> Result<Vec<WorkflowRow>, StoreError> {
        read!(self, c => workflows::of_pipeline(c, pipeline))
    }

    async fn jobs(&self, workflow: WorkflowId) -> Result<Vec<JobRow>, StoreError> {
        read!(self, c => workflows::jobs(c, workflow))
    }

    async fn job(&self, id: JobId) -> Result<Option<JobRow>, StoreError> {
        read!(self, c => workflows::job_by_id(c, id))
    }

    async fn job_by_number(&self, project: ProjectId, number: u64) -> Result<Option<JobRow>, StoreError> {
        read!(self, c => workflows::job_by_number(c, project, number))
    }

    async fn events(&self, workflow: WorkflowId) -> Result<Vec<EventRow>, StoreError> {
        read!(self, c => workflows::events(c, workflow))
    }
}

#[async_trait]
impl Queue for SqliteStore {
    async fn claim(
        &self,
        agent: AgentId,
        offers: &[Platform],
        lease_until: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Claimed>, StoreError> {
        let offers = offers.to_vec();
        write!(self, c => queue::claim(c, agent, &offers, lease_until, now))
    }

    async fn waiting(&self) -> Result<Vec<(Platform, Timestamp)>, StoreError> {
        read!(self, c => queue::waiting(c))
    }

    async fn renew(
        &self,
        job: JobId,
        slice: u32,
        fence: u64,
        until: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        write!(self, c => queue::renew(c, job, slice, fence, until))
    }

    async fn lease(&self, job: JobId, slice: u32, fence: u64) -> Result<Option<bool>, StoreError> {
        read!(self, c => queue::lease(c, job, slice, fence))
    }

    async fn expired_leases(&self, now: Timestamp) -> Result<Vec<ExpiredLease>, StoreError> {
        read!(self, c => queue::expired(c, now))
    }

    async fn queue_length(&self) -> Result<u64, StoreError> {
        read!(self, c => queue::length(c))
    }
}

#[async_trait]
impl Outbox for SqliteStore {
    async fn take_outbox(&self, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        read!(self, c => outbox::take(c, limit))
    }

    async fn acknowledge_outbox(&self, id: u64) -> Result<(), StoreError> {
        write!(self, c => outbox::acknowledge(c, id))
    }
}

#[async_trait]
impl Records for SqliteStore {
    async fn put_step(&self, row: &StepRow) -> Result<(), StoreError> {
        let row = row.clone();
        write!(self, c => records::put_step(c, &row))
    }

    async fn steps(&self, job: JobId, slice: u32) -> Result<Vec<StepRow>, StoreError> {
        read!(self, c => records::steps(c, job, slice))
    }

    async fn put_artifact(&self, row: &ArtifactRow) -> Result<Option<ArtifactRow>, StoreError> {
        let row = row.clone();
        write!(self, c => records::put_artifact(c, &row))
    }

    async fn artifacts(&self, job: JobId) -> Result<Vec<ArtifactRow>, StoreError> {
        read!(self, c => records::artifacts(c, job))
    }

    async fn audit(&self, row: &AuditRow) -> Result<(), StoreError> {
        let row = row.clone();
        write!(self, c => records::add_audit(c, &row))
    }

    async fn audit_rows(&self, after: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        read!(self, c => records::audit(c, after, limit))
    }

    async fn agent_seen(&self, row: &AgentRow) -> Result<(), StoreError> {
        let row = row.clone();
        write!(self, c => records::agent_seen(c, &row))
    }

    async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        read!(self, c => records::agents(c))
    }
}

#[async_trait]
impl Identity for SqliteStore {
    async fn add_token(&self, row: &TokenRow) -> Result<(), StoreError> {
        let row = row.clone();
        write!(self, c => identity::add_token(c, &row))
    }

    async fn token(
        &self,
        hash: &str,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<TokenRow>, StoreError> {
        let hash = hash.to_owned();
        read!(self, c => identity::token(c, &hash, purpose, now))
    }

    async fn take_token(
        &self,
        hash: &str,
        purpose: TokenPurpose,
        now: Timestamp,
    ) -> Result<Option<TokenRow>, StoreError> {
        let hash = hash.to_owned();
        write!(self, c => identity::take_token(c, &hash, purpose, now))
    }

    async fn remove_token(&self, hash: &str) -> Result<bool, StoreError> {
        let hash = hash.to_owned();
        write!(self, c => identity::remove_token(c, &hash))
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        read!(self, c => identity::setting(c, &name))
    }

    async fn setting_or_insert(&self, name: &str, value: &str) -> Result<String, StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        write!(self, c => identity::setting_or_insert(c, &name, &value))
    }
}

#[async_trait]
impl SshAccess for SqliteStore {
    async fn add_user_key(&self, row: &UserKeyRow) -> Result<(), StoreError> {
        let row = row.clone();
        write!(self, c => ssh::add_key(c, &row))
    }

    async fn user_key(&self, fingerprint: &str) -> Result<Option<UserKeyRow>, StoreError> {
        let fingerprint = fingerprint.to_owned();
        read!(self, c => ssh::key(c, &fingerprint))
    }

    async fn user_keys(&self, user: &str) -> Result<Vec<UserKeyRow>, StoreError> {
        let user = user.to_owned();
        read!(self, c => ssh::keys_of(c, &user))
    }

    async fn remove_user_key(&self, user: &str, fingerprint: &str) -> Result<bool, StoreError> {
        let (user, fingerprint) = (user.to_owned(), fingerprint.to_owned());
        write!(self, c => ssh::remove_key(c, &user, &fingerprint))
    }

    async fn grant_ssh(&self, subject: Uuid, user: &str, at: Timestamp) -> Result<(), StoreError> {
        let user = user.to_owned();
        write!(self, c => ssh::grant(c, subject, &user, at))
    }

    async fn ssh_grants(&self, subject: Uuid) -> Result<Vec<String>, StoreError> {
        read!(self, c => ssh::grants(c, subject))
    }
}

#[async_trait]
impl Orbs for SqliteStore {
    async fn add_orbs(&self, orbs: &[NewOrb], now: Timestamp) -> Result<Vec<AddedOrb>, StoreError> {
        let orbs = orbs.to_vec();
        write!(self, c => orbs::add(c, &orbs, now))
    }

    async fn orbs(&self, now: Timestamp) -> Result<Vec<OrbRow>, StoreError> {
        read!(self, c => orbs::all(c, now))
    }

    async fn orb_versions(&self, name: &OrbName, now: Timestamp) -> Result<Vec<OrbRow>, StoreError> {
        let name = name.clone();
        read!(self, c => orbs::versions(c, &name, now))
    }

    async fn orb_source(
        &self,
        name: &OrbName,
        version: &OrbVersion,
        now: Timestamp,
    ) -> Result<Option<(OrbRow, String)>, StoreError> {
        let (name, version) = (name.clone(), version.clone());
        read!(self, c => orbs::source(c, &name, &version, now))
    }

    async fn lock_orbs(
        &self,
        pipeline: PipelineId,
        orbs: &[PipelineOrb],
        at: Timestamp,
    ) -> Result<Vec<OrbConflict>, StoreError> {
        let orbs = orbs.to_vec();
        write!(self, c => orbs::lock(c, pipeline, &orbs, at))
    }

    async fn pipeline_orbs(&self, pipeline: PipelineId) -> Result<Vec<PipelineOrb>, StoreError> {
        read!(self, c => orbs::of_pipeline(c, pipeline))
    }

    async fn lock_fetched_orbs(
        &self,
        pipeline: PipelineId,
        orbs: &[FetchedOrb],
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let orbs = orbs.to_vec();
        write!(self, c => orbs::lock_fetched(c, pipeline, &orbs, at))
    }

    async fn fetched_orbs(&self, pipeline: PipelineId) -> Result<Vec<FetchedOrb>, StoreError> {
        read!(self, c => orbs::fetched(c, pipeline))
    }

    async fn fetched_digests(&self, pipeline: PipelineId) -> Result<Vec<(String, OrbDigest)>, StoreError> {
        read!(self, c => orbs::fetched_digests(c, pipeline))
    }
}
