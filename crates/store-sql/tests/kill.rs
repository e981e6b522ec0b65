//! What was acknowledged survives SIGKILL. A child process writes as fast as it can and prints each answer only after it
//! came; the test kills it in the middle, opens the database and looks for every row that was printed.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use airlock_domain::plan::Platform;
use airlock_domain::state::{
    Change, Effect, Event, JobKind, JobStatus, PipelineState, SliceStatus, WorkflowStatus,
};
use airlock_domain::trust::EventTrust;
use airlock_domain::{
    AgentId, CommitSha, DeliveryId, JobId, JobName, OrgId, PipelineId, ProjectId, ProjectSlug, Timestamp,
    WorkflowId, WorkflowName,
};
use airlock_driver_interfaces::Sealed;
use airlock_driver_interfaces::rows::{
    AuditRow, DecisionRow, NewJob, NewWorkflow, PipelineRow, ProjectRow, Revision, Selection, Trigger,
    TriggerKind,
};
use airlock_driver_interfaces::store::{Pipelines, Projects, Queue, Records, Workflows};
use airlock_store_sql::SqliteStore;
use uuid::Uuid;

mod orbs;

/// Where the child finds its database.
const DATABASE: &str = "AIRLOCK_TEST_DATABASE";
const ROUNDS: u64 = 8;
const WRITERS: usize = 6;
const NOW: Timestamp = Timestamp::from_millis(1_000);
const LEASE: Timestamp = Timestamp::from_millis(2_000);

#[tokio::test]
async fn what_was_acknowledged_survives_kill() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("airlock.db");
    let mut acknowledged = BTreeSet::new();
    for _ in 0..ROUNDS {
        let patience = 20 + Uuid::new_v4().as_u128() % 200;
        let before = acknowledged.len();
        acknowledged.extend(lines_until_killed(&database, patience));
        assert!(acknowledged.len() > before, "the child acknowledged nothing");
        everything_is_there(&database, &acknowledged).await;
    }
}

/// The other process. It never ends by itself, so it runs only when the test above starts it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of what_was_acknowledged_survives_kill"]
async fn child() {
    let path = PathBuf::from(std::env::var_os(DATABASE).expect("the parent names the database"));
    let store = SqliteStore::open(&path).await.expect("it opens");
    let slug = ProjectSlug::parse("demo/hello").expect("a slug");
    let project = match store.project_by_slug(&slug).await.expect("reads") {
        Some(row) => row.id,
        None => store.add_project(&project(slug)).await.expect("it is added").id,
    };
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..WRITERS {
        let store = store.clone();
        tasks.spawn(async move {
            loop {
                write_one(&store, project).await;
            }
        });
    }
    tasks.join_all().await;
}

/// Takes one pipeline the whole way, and says after each answer what was answered.
async fn write_one(store: &SqliteStore, project: ProjectId) {
    let (pipeline, _) = store.add_pipeline(&pipeline(project)).await.expect("it is added");
    say("pipeline", pipeline.id);
    orbs::take_from_addresses(store, pipeline.id).await;
    say("fetched", pipeline.id);
    let workflow = workflow();
    let (id, job) = (workflow.id, workflow.jobs[0].id);
    let planned = store
        .finish_planning(pipeline.id, PipelineState::Created, &[], &[workflow], NOW)
        .await;
    assert!(planned.expect("planning ends"));
    say("workflow", id);
    // Another task may get this one's slice, so what is claimed decides what is committed.
    let Some(claimed) = store
        .claim(AgentId::new(Uuid::now_v7()), &Platform::ALL, LEASE, NOW)
        .await
        .expect("answers")
    else {
        return;
    };
    say("claim", format_args!("{}/{}", claimed.job, claimed.fence));
    let (_, version) = store
        .load_workflow(claimed.workflow)
        .await
        .expect("loads")
        .expect("is there");
    let decision = DecisionRow {
        workflow: claimed.workflow,
        version,
        event: Event::Canceled { by: "ada".to_owned() },
        changes: vec![
            Change::Slice {
                job: claimed.job,
                slice: 0,
                status: SliceStatus::Success,
                fence: claimed.fence,
                at: NOW,
            },
            Change::Job {
                job: claimed.job,
                status: JobStatus::Success,
                reason: None,
                at: NOW,
            },
        ],
        effects: Vec::new(),
        at: NOW,
    };
    store
        .commit(&decision)
        .await
        .expect("nobody else decides on what was claimed");
    say("success", claimed.job);
    let audit = AuditRow {
        number: 0,
        action: "job.seen".to_owned(),
        actor: "ada".to_owned(),
        target: job.to_string(),
        at: NOW,
    };
    store.audit(&audit).await.expect("it is added");
    say("audit", job);
    say("orb", orbs::import(store).await);
}

/// One whole line in one write, so that a kill cannot leave half of it in the middle of others.
fn say(kind: &str, what: impl std::fmt::Display) {
    let line = format!("\nack {kind} {what}\n");
    std::io::stdout()
        .lock()
        .write_all(line.as_bytes())
        .and_then(|()| std::io::stdout().flush())
        .expect("the parent listens");
}

/// Starts a child, kills it after so many acknowledgements, and returns all it said.
fn lines_until_killed(database: &Path, patience: u128) -> Vec<String> {
    let mut child = spawn(database);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let mut said = Vec::new();
    let mut killed = false;
    // After the kill the pipe still holds what was said before.
    for line in lines.by_ref().map_while(Result::ok) {
        if let Some(acknowledged) = line.strip_prefix("ack ") {
            said.push(acknowledged.to_owned());
        }
        if !killed && said.len() as u128 >= patience {
            child.kill().expect("it is killed");
            killed = true;
        }
    }
    let status = child.wait().expect("it has ended");
    assert!(killed, "the child ended by itself: {status}");
    said
}

fn spawn(database: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "kill::child",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(DATABASE, database)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("a child starts")
}

async fn everything_is_there(database: &Path, acknowledged: &BTreeSet<String>) {
    let store = SqliteStore::open(database).await.expect("it opens again");
    let audited = audited(&store).await;
    for line in acknowledged {
        assert!(
            is_there(&store, &audited, line).await,
            "'{line}' was acknowledged and is not there"
        );
    }
    nothing_is_half_done(&store).await;
    orbs::nothing_is_half_done(&store).await;
}

async fn audited(store: &SqliteStore) -> BTreeSet<String> {
    let rows = store.audit_rows(0, u32::MAX).await.expect("reads");
    rows.into_iter().map(|row| row.target).collect()
}

/// Whether what the child said is in the rows.
async fn is_there(store: &SqliteStore, audited: &BTreeSet<String>, line: &str) -> bool {
    let (kind, what) = line.split_once(' ').expect("a kind and a thing");
    match kind {
        "pipeline" => {
            let row = store.pipeline(id(what, PipelineId::new)).await.expect("reads");
            row.is_some()
        }
        "workflow" => {
            let jobs = store.jobs(id(what, WorkflowId::new)).await.expect("reads");
            jobs.len() == 1 && jobs[0].slices.len() == 1
        }
        "claim" => {
            let (job, fence) = what.split_once('/').expect("a job and a fence");
            let row = store.job(id(job, JobId::new)).await.expect("reads");
            row.is_some_and(|row| row.slices[0].fence.to_string() == fence && row.slices[0].agent.is_some())
        }
        "success" => {
            let row = store.job(id(what, JobId::new)).await.expect("reads");
            row.is_some_and(|row| {
                row.status == JobStatus::Success && row.slices[0].status == SliceStatus::Success
            })
        }
        "audit" => audited.contains(what),
        "fetched" => orbs::has_all_from_addresses(store, id(what, PipelineId::new)).await,
        "orb" => orbs::is_there(store, what).await,
        other => panic!("the child said '{other}'"),
    }
}

/// The check itself sees what is missing: rows that were never written, and a slice that waits still.
#[tokio::test]
async fn a_lost_row_would_be_seen() {
    let store = SqliteStore::in_memory().await.expect("it opens");
    let slug = ProjectSlug::parse("demo/hello").expect("a slug");
    let project = store.add_project(&project(slug)).await.expect("it is added").id;
    let (row, _) = store.add_pipeline(&pipeline(project)).await.expect("it is added");
    let workflow = workflow();
    let (workflow, job) = {
        let named = (workflow.id, workflow.jobs[0].id);
        store
            .finish_planning(row.id, PipelineState::Created, &[], &[workflow], NOW)
            .await
            .expect("planning ends");
        named
    };
    let nobody = Uuid::nil();
    let lines = [
        (format!("pipeline {}", row.id), true),
        (format!("workflow {workflow}"), true),
        (format!("pipeline {nobody}"), false),
        (format!("workflow {nobody}"), false),
        (format!("claim {nobody}/1"), false),
        (format!("success {nobody}"), false),
        (format!("claim {job}/1"), false),
        (format!("success {job}"), false),
        (format!("audit {job}"), false),
        (format!("fetched {}", row.id), false),
        (format!("orb my-team/o{}", nobody.simple()), false),
        (format!("orb {}", orbs::import(&store).await), true),
    ];
    for (line, there) in lines {
        assert_eq!(
            is_there(&store, &audited(&store).await, &line).await,
            there,
            "{line}"
        );
    }
}

/// What was not acknowledged may be there or not, but whole.
async fn nothing_is_half_done(store: &SqliteStore) {
    let pipelines = store.pipelines(None, None, u32::MAX).await.expect("reads");
    let numbers: Vec<u64> = pipelines.iter().rev().map(|row| row.number).collect();
    assert_eq!(
        numbers,
        (1..=pipelines.len() as u64).collect::<Vec<_>>(),
        "numbers have gaps"
    );
    let (mut waiting, mut jobs) = (0, 0);
    for pipeline in &pipelines {
        let workflows = store.workflows(pipeline.id).await.expect("reads");
        assert_eq!(
            workflows.len(),
            usize::from(pipeline.state == PipelineState::Created)
        );
        for workflow in workflows {
            for job in store.jobs(workflow.id).await.expect("reads") {
                jobs += 1;
                assert_eq!(job.slices.len(), 1);
                assert_eq!(
                    job.status == JobStatus::Success,
                    job.slices[0].status == SliceStatus::Success
                );
                waiting += u64::from(job.slices[0].fence == 0);
            }
        }
    }
    // A slice waits in the queue exactly until it is claimed, and a claim without a decision expires.
    assert_eq!(store.queue_length().await.expect("reads"), waiting);
    let claimed = store
        .expired_leases(LEASE.plus_millis(1))
        .await
        .expect("reads")
        .len() as u64;
    let ended = jobs - waiting - claimed;
    let mut seen = 0;
    for number in 1..=jobs {
        let project = pipelines[0].project;
        let row = store
            .job_by_number(project, number)
            .await
            .expect("reads")
            .expect("no gap");
        seen += u64::from(row.status == JobStatus::Success);
    }
    assert_eq!(seen, ended);
}

fn id<T>(text: &str, wrap: impl FnOnce(Uuid) -> T) -> T {
    wrap(Uuid::parse_str(text).expect("an id"))
}

fn project(slug: ProjectSlug) -> ProjectRow {
    ProjectRow {
        id: ProjectId::new(Uuid::now_v7()),
        org: OrgId::new(Uuid::now_v7()),
        slug,
        pass_secrets_to_outsiders: false,
        deploy_key_public: String::new(),
        deploy_key: Sealed::parse("vault:v1:x").expect("the vault's form"),
        created_at: NOW,
    }
}

fn pipeline(project: ProjectId) -> PipelineRow {
    PipelineRow {
        id: PipelineId::new(Uuid::now_v7()),
        project,
        number: 0,
        state: PipelineState::Pending,
        revision: Revision {
            sha: CommitSha::new("a".repeat(40)).expect("a commit"),
            branch: None,
            tag: None,
            subject: String::new(),
            author: String::new(),
        },
        trigger: Trigger {
            delivery: DeliveryId::new(Uuid::now_v7()),
            kind: TriggerKind::Push,
            actor: "ada".to_owned(),
            trust: EventTrust::Member,
            parameters: Vec::new(),
            only: Selection::default(),
            again: None,
        },
        errors: Vec::new(),
        created_at: NOW,
    }
}

fn workflow() -> NewWorkflow {
    let job = JobId::new(Uuid::now_v7());
    NewWorkflow {
        id: WorkflowId::new(Uuid::now_v7()),
        name: WorkflowName::new("build").expect("a name"),
        status: WorkflowStatus::Running,
        left_out: None,
        jobs: vec![NewJob {
            id: job,
            name: JobName::new("test").expect("a name"),
            kind: JobKind::Build,
            requires: Vec::new(),
            left_out: None,
            status: JobStatus::Queued,
            reason: None,
            body: None,
            slices: vec![SliceStatus::Queued],
        }],
        effects: vec![Effect::Enqueue { job, slice: 0 }],
    }
}
