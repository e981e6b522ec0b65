//! Steps, artifacts, audit, agents.

use std::sync::Arc;

use airlock_domain::plan::Platform;
use airlock_domain::state::StepStatus;
use airlock_domain::{AgentId, ArtifactId, JobId};
use uuid::Uuid;

use super::fixtures::{at, planned, queued};
use crate::rows::{AgentRow, ArtifactRow, AuditRow, StepRow};
use crate::{Store, StoreError};

fn step(job: JobId, number: u32) -> StepRow {
    StepRow {
        job,
        slice: 0,
        step: number,
        name: format!("step {number}"),
        status: StepStatus::Running,
        exit_code: None,
        reason: None,
        started_at: Some(at(20)),
        stopped_at: None,
    }
}

fn artifact(job: JobId, slice: u32, path: &str) -> ArtifactRow {
    ArtifactRow {
        id: ArtifactId::new(Uuid::now_v7()),
        job,
        slice,
        path: path.to_owned(),
        size: 1 << 40,
        created_at: at(30),
    }
}

async fn job(store: &dyn Store) -> JobId {
    let (_, planned) = planned(store, vec![queued("a", 2)]).await;
    planned.jobs[0].id
}

/// The newest word on a step counts, except on when it began.
pub async fn a_step_is_brought_up_to_date(store: Arc<dyn Store>) {
    let job = job(&*store).await;
    let other = StepRow {
        slice: 1,
        ..step(job, 1)
    };
    for row in [step(job, 1), step(job, 0), other.clone()] {
        store.put_step(&row).await.expect("it is put");
    }
    assert_eq!(
        store.steps(job, 0).await.expect("reads"),
        [step(job, 0), step(job, 1)]
    );
    let ended = StepRow {
        status: StepStatus::Failed,
        exit_code: Some(-1),
        reason: Some("exited with code -1".to_owned()),
        started_at: Some(at(99)),
        stopped_at: Some(at(40)),
        ..step(job, 1)
    };
    let skipped = StepRow {
        status: StepStatus::Skipped,
        started_at: None,
        ..step(job, 2)
    };
    for _ in 0..2 {
        store.put_step(&ended).await.expect("it is put");
        store.put_step(&skipped).await.expect("it is put");
    }
    let expected = StepRow {
        started_at: Some(at(20)),
        ..ended
    };
    assert_eq!(
        store.steps(job, 0).await.expect("reads"),
        [step(job, 0), expected, skipped]
    );
    assert_eq!(store.steps(job, 1).await.expect("reads"), [other]);
}

/// Word that a step runs may arrive after word of its end, and tells only when it began.
pub async fn a_step_that_ended_does_not_run_again(store: Arc<dyn Store>) {
    let job = job(&*store).await;
    let running = step(job, 1);
    let ended = StepRow {
        status: StepStatus::Failed,
        exit_code: Some(2),
        reason: Some("exited with code 2".to_owned()),
        started_at: None,
        stopped_at: Some(at(40)),
        ..running.clone()
    };
    store.put_step(&ended).await.expect("it is put");
    store.put_step(&running).await.expect("it is put");
    let expected = StepRow {
        started_at: running.started_at,
        ..ended
    };
    assert_eq!(store.steps(job, 0).await.expect("reads"), [expected]);
}

/// Steps and artifacts need a slice.
pub async fn what_belongs_to_no_slice_is_refused(store: Arc<dyn Store>) {
    let job = job(&*store).await;
    let nowhere = StepRow {
        slice: 2,
        ..step(job, 0)
    };
    let refused = store.put_step(&nowhere).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
    let refused = store.put_artifact(&artifact(job, 2, "a")).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
    assert_eq!(store.artifacts(job).await.expect("reads"), []);
}

/// One artifact for each slice and path; who replaces one learns which blob to remove.
pub async fn an_artifact_replaces_the_one_at_its_path(store: Arc<dyn Store>) {
    let job = job(&*store).await;
    let [one, two, three] = [
        artifact(job, 1, "a"),
        artifact(job, 0, "b"),
        artifact(job, 0, "a"),
    ];
    for row in [&one, &two, &three] {
        assert_eq!(store.put_artifact(row).await.expect("it is put"), None);
    }
    assert_eq!(
        store.artifacts(job).await.expect("reads"),
        [three.clone(), two.clone(), one.clone()]
    );
    let newer = artifact(job, 0, "a");
    assert_eq!(store.put_artifact(&newer).await.expect("it is put"), Some(three));
    assert_eq!(store.artifacts(job).await.expect("reads"), [newer, two, one]);
}

/// A repeated call must not name the artifact's own blob as replaced: the caller would remove it.
pub async fn an_artifact_put_again_replaces_nothing(store: Arc<dyn Store>) {
    let job = job(&*store).await;
    let row = artifact(job, 0, "a");
    for _ in 0..2 {
        assert_eq!(store.put_artifact(&row).await.expect("it is put"), None);
    }
    assert_eq!(store.artifacts(job).await.expect("reads"), [row]);
}

/// Numbered from one in the order of writing, read page by page.
pub async fn audit_rows_are_read_in_order(store: Arc<dyn Store>) {
    let row = |number: u64, action: &str| AuditRow {
        number,
        action: action.to_owned(),
        actor: "ada".to_owned(),
        target: "demo/hello".to_owned(),
        at: at(7),
    };
    let actions = ["user.sign_in", "secret.set", "pipeline.start"];
    for action in actions {
        store.audit(&row(0, action)).await.expect("it is added");
    }
    let all: Vec<_> = (1..)
        .zip(actions)
        .map(|(number, action)| row(number, action))
        .collect();
    assert_eq!(store.audit_rows(0, 10).await.expect("reads"), all);
    assert_eq!(store.audit_rows(1, 1).await.expect("reads"), all[1..2]);
    assert_eq!(store.audit_rows(3, 10).await.expect("reads"), []);
    assert_eq!(store.audit_rows(u64::MAX, 10).await.expect("reads"), []);
}

/// One row for each agent, with its newest sign of life.
pub async fn agents_are_listed_by_name(store: Arc<dyn Store>) {
    let row = |id: AgentId, name: &str, moment| AgentRow {
        id,
        name: name.to_owned(),
        seen_at: at(moment),
        offers: if moment > 8 {
            vec![Platform::Linux, Platform::Gpu]
        } else {
            vec![Platform::Arm]
        },
    };
    let [one, two] = [1, 2].map(|number| AgentId::new(Uuid::from_u128(number)));
    for agent in [
        row(one, "zoe", 5),
        row(two, "bob", 6),
        row(one, "amy", 9),
        row(one, "zoe", 8),
    ] {
        store.agent_seen(&agent).await.expect("it is written");
    }
    assert_eq!(
        store.agents().await.expect("reads"),
        [row(one, "amy", 9), row(two, "bob", 6)]
    );
}
