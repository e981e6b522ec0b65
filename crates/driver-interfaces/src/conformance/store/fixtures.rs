//! Rows for the cases: small, valid, and different wherever a mix-up could hide.

use std::collections::BTreeSet;

use airlock_domain::plan::{BuildJob, ContainerSettings, Executor, Outcome, Place, Requirement};
use airlock_domain::state::{
    Change, Effect, Event, JobKind, JobStatus, PipelineState, SliceStatus, WorkflowStatus,
};
use airlock_domain::trust::EventTrust;
use airlock_domain::{
    AgentId, BranchName, CommitSha, DeliveryId, ImageName, JobId, JobName, OrgId, PipelineId, ProjectId,
    ProjectSlug, ResourceClass, Timestamp, WorkflowId, WorkflowName,
};
use uuid::Uuid;

use crate::rows::{
    DecisionRow, NewJob, NewWorkflow, PipelineRow, ProjectRow, Revision, Selection, Trigger, TriggerKind,
};
use crate::{Sealed, Store};

pub(super) const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(super) fn agent() -> AgentId {
    AgentId::new(Uuid::now_v7())
}

pub(super) fn sealed(text: &str) -> Sealed {
    Sealed::parse(format!("vault:v1:{text}")).expect("the vault's form")
}

pub(super) fn project(slug: &str) -> ProjectRow {
    ProjectRow {
        id: ProjectId::new(Uuid::now_v7()),
        org: OrgId::new(Uuid::now_v7()),
        slug: ProjectSlug::parse(slug).expect("a slug"),
        pass_secrets_to_outsiders: false,
        deploy_key_public: "ssh-ed25519 AAAA deploy".to_owned(),
        deploy_key: sealed("deploy"),
        created_at: at(1),
    }
}

pub(super) fn pipeline(project: ProjectId) -> PipelineRow {
    PipelineRow {
        id: PipelineId::new(Uuid::now_v7()),
        project,
        number: 0,
        state: PipelineState::Pending,
        revision: Revision {
            sha: CommitSha::new("a1".repeat(20)).expect("a commit"),
            branch: Some(BranchName::new("main").expect("a branch")),
            tag: None,
            subject: "Say hello".to_owned(),
            author: "Ada".to_owned(),
        },
        trigger: Trigger {
            delivery: DeliveryId::new(Uuid::now_v7()),
            kind: TriggerKind::Push,
            actor: "ada".to_owned(),
            trust: EventTrust::Member,
            parameters: vec![("deep".to_owned(), serde_json::json!({"a": [1, true, "ü"]}))],
            only: Selection::default(),
            again: Some(PipelineId::new(Uuid::nil())),
        },
        errors: Vec::new(),
        created_at: at(2),
    }
}

pub(super) fn body(slices: u32) -> BuildJob {
    BuildJob {
        executor: Executor::Docker {
            image: ImageName::new("airlock/base").expect("an image"),
            place: Place::new(3, 5),
            primary: ContainerSettings::default(),
            services: Vec::new(),
        },
        resource_class: ResourceClass::new("medium").expect("a class"),
        parallelism: slices,
        environment: Vec::new(),
        working_directory: "~/project".to_owned(),
        shell: Vec::new(),
        steps: Vec::new(),
        circleci_ip_ranges: false,
        cache_retention_days: None,
    }
}

/// A build job whose slices are in the queue.
pub(super) fn queued(name: &str, slices: u32) -> NewJob {
    NewJob {
        id: JobId::new(Uuid::now_v7()),
        name: JobName::new(name).expect("a job's name"),
        kind: JobKind::Build,
        requires: Vec::new(),
        left_out: None,
        status: JobStatus::Queued,
        reason: None,
        body: Some(body(slices)),
        slices: (0..slices).map(|_| SliceStatus::Queued).collect(),
    }
}

/// A build job that waits for another.
pub(super) fn blocked(name: &str, requires: &str) -> NewJob {
    NewJob {
        status: JobStatus::Blocked,
        requires: vec![Requirement {
            job: JobName::new(requires).expect("a job's name"),
            outcomes: BTreeSet::from([Outcome::Success, Outcome::Failed]),
        }],
        slices: vec![SliceStatus::Waiting],
        ..queued(name, 1)
    }
}

/// An approval job that waits for a person.
pub(super) fn approval(name: &str) -> NewJob {
    NewJob {
        kind: JobKind::Approval,
        status: JobStatus::OnHold,
        body: None,
        slices: Vec::new(),
        ..queued(name, 0)
    }
}

/// A running workflow of these jobs; slices that are queued are offered.
pub(super) fn workflow(name: &str, jobs: Vec<NewJob>) -> NewWorkflow {
    let effects = jobs
        .iter()
        .flat_map(|job| {
            (0..).zip(&job.slices).filter_map(|(slice, status)| {
                (*status == SliceStatus::Queued).then_some(Effect::Enqueue { job: job.id, slice })
            })
        })
        .collect();
    NewWorkflow {
        id: WorkflowId::new(Uuid::now_v7()),
        name: WorkflowName::new(name).expect("a workflow's name"),
        status: WorkflowStatus::Running,
        left_out: None,
        jobs,
        effects,
    }
}

/// A new project with a new pipeline, not yet planned.
pub(super) async fn accepted(store: &dyn Store) -> PipelineRow {
    let slug = format!("demo/r{}", Uuid::now_v7().simple());
    let project = store.add_project(&project(&slug)).await.expect("a project");
    let (row, new) = store
        .add_pipeline(&pipeline(project.id))
        .await
        .expect("a pipeline");
    assert!(new, "a fresh delivery was known already");
    row
}

/// A new project whose first pipeline has one workflow of these jobs, planned at 10.
pub(super) async fn planned(store: &dyn Store, jobs: Vec<NewJob>) -> (PipelineRow, NewWorkflow) {
    let pipeline = accepted(store).await;
    let workflow = workflow("build", jobs);
    let created = store
        .finish_planning(
            pipeline.id,
            PipelineState::Created,
            &[],
            std::slice::from_ref(&workflow),
            at(10),
        )
        .await
        .expect("planning ends");
    assert!(created, "planning had ended already");
    (pipeline, workflow)
}

/// The version that the next decision must name.
pub(super) async fn version(store: &dyn Store, workflow: WorkflowId) -> u64 {
    let (_, version) = store
        .load_workflow(workflow)
        .await
        .expect("it loads")
        .expect("it is there");
    version
}

/// A decision on this version, at 100.
pub(super) fn decision(
    workflow: WorkflowId,
    version: u64,
    changes: Vec<Change>,
    effects: Vec<Effect>,
) -> DecisionRow {
    DecisionRow {
        workflow,
        version,
        event: Event::Canceled { by: "ada".to_owned() },
        changes,
        effects,
        at: at(100),
    }
}

/// Commits changes and effects on the newest version.
pub(super) async fn decide(
    store: &dyn Store,
    workflow: WorkflowId,
    changes: Vec<Change>,
    effects: Vec<Effect>,
) {
    let version = version(store, workflow).await;
    store
        .commit(&decision(workflow, version, changes, effects))
        .await
        .expect("the decision is written");
}

pub(super) const fn set_job(job: JobId, status: JobStatus, millis: i64) -> Change {
    Change::Job {
        job,
        status,
        reason: None,
        at: at(millis),
    }
}

pub(super) const fn set_slice(
    job: JobId,
    slice: u32,
    status: SliceStatus,
    fence: u64,
    millis: i64,
) -> Change {
    Change::Slice {
        job,
        slice,
        status,
        fence,
        at: at(millis),
    }
}
