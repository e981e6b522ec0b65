//! Loading workflows and writing decisions.

use std::sync::Arc;

use airlock_domain::WorkflowId;
use airlock_domain::state::{
    Change, Effect, Event, Job, JobStatus, Slice, SliceStatus, Workflow, WorkflowStatus,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixtures::{
    approval, at, blocked, decide, decision, planned, queued, set_job, set_slice, version,
};
use crate::rows::DecisionRow;
use crate::{Store, StoreError};

/// The engine gets its workflow back as it was decided at first.
pub async fn a_workflow_loads_as_planned(store: Arc<dyn Store>) {
    let jobs = vec![queued("zebra", 2), approval("ask"), blocked("apple", "zebra")];
    let (_, planned) = planned(&*store, jobs).await;
    let expected = Workflow {
        id: planned.id,
        name: planned.name,
        status: WorkflowStatus::Running,
        jobs: planned
            .jobs
            .into_iter()
            .map(|job| Job {
                id: job.id,
                name: job.name,
                kind: job.kind,
                requires: job.requires,
                left_out: job.left_out,
                status: job.status,
                reason: job.reason,
                slices: (0..)
                    .zip(job.slices)
                    .map(|(index, status)| Slice {
                        index,
                        status,
                        fence: 0,
                    })
                    .collect(),
            })
            .collect(),
    };
    let (state, _) = store
        .load_workflow(expected.id)
        .await
        .expect("loads")
        .expect("is there");
    assert_eq!(state, expected);
    let nobody = WorkflowId::new(Uuid::nil());
    assert!(store.load_workflow(nobody).await.expect("loads").is_none());
    assert_eq!(store.workflow(nobody).await.expect("reads"), None);
}

/// Rows and the domain agree on what every change means.
pub async fn loading_gives_what_applying_gives(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 2), blocked("b", "a"), approval("c")]).await;
    let [a, b, c] = [planned.jobs[0].id, planned.jobs[1].id, planned.jobs[2].id];
    let mut changes = Vec::new();
    for (moment, status) in (100..).zip(SliceStatus::ALL) {
        changes.push(vec![
            set_slice(a, 1, *status, 4, moment),
            set_slice(b, 0, *status, 0, moment),
        ]);
    }
    for (moment, status) in (200..).zip(JobStatus::ALL) {
        let reason = Some(format!("because {status}"));
        changes.push(vec![
            set_job(c, *status, moment),
            Change::Job {
                job: a,
                status: *status,
                reason,
                at: at(moment),
            },
        ]);
    }
    for (moment, status) in (300..).zip(WorkflowStatus::ALL) {
        changes.push(vec![Change::Workflow {
            status: *status,
            at: at(moment),
        }]);
    }
    let (mut expected, _) = store
        .load_workflow(planned.id)
        .await
        .expect("loads")
        .expect("is there");
    for changes in changes {
        for change in &changes {
            expected.apply(change);
        }
        decide(&*store, planned.id, changes.clone(), Vec::new()).await;
        let (state, _) = store
            .load_workflow(planned.id)
            .await
            .expect("loads")
            .expect("is there");
        assert_eq!(state, expected, "after {changes:?}");
    }
}

/// A job's first start stays, its end is its first end, and reasons replace each other.
pub async fn a_job_begins_and_ends_once(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let job = planned.jobs[0].id;
    let mut seen = Vec::new();
    for (status, moment) in [
        (JobStatus::Running, 20),
        (JobStatus::Queued, 30),
        (JobStatus::Running, 40),
        (JobStatus::Failed, 50),
        (JobStatus::Failed, 60),
    ] {
        let reason = Some(format!("{moment}"));
        let change = Change::Job {
            job,
            status,
            reason,
            at: at(moment),
        };
        let ended = Change::Workflow {
            status: if status == JobStatus::Failed {
                WorkflowStatus::Failed
            } else {
                WorkflowStatus::Running
            },
            at: at(moment),
        };
        decide(&*store, planned.id, vec![change, ended], Vec::new()).await;
        let row = store.job(job).await.expect("reads").expect("is there");
        let workflow = store
            .workflow(planned.id)
            .await
            .expect("reads")
            .expect("is there");
        assert_eq!(row.status, status);
        assert_eq!(row.reason, Some(format!("{moment}")));
        seen.push((row.started_at, row.stopped_at, workflow.stopped_at));
    }
    let started = Some(at(20));
    let ended = (started, Some(at(50)), Some(at(50)));
    assert_eq!(
        seen,
        [
            (started, None, None),
            (started, None, None),
            (started, None, None),
            ended,
            ended
        ]
    );
}

/// A slice that waits again is nobody's; its end stays.
pub async fn a_slice_begins_and_ends(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let job = planned.jobs[0].id;
    let mut seen = Vec::new();
    for (status, fence, moment) in [
        (SliceStatus::Running, 1, 20),
        (SliceStatus::Queued, 1, 30),
        (SliceStatus::Running, 2, 40),
        (SliceStatus::Success, 2, 50),
        (SliceStatus::Success, 2, 60),
    ] {
        decide(
            &*store,
            planned.id,
            vec![set_slice(job, 0, status, fence, moment)],
            Vec::new(),
        )
        .await;
        let row = store.job(job).await.expect("reads").expect("is there");
        let slice = &row.slices[0];
        assert_eq!((slice.status, slice.fence), (status, fence));
        seen.push((slice.started_at, slice.stopped_at));
    }
    let ended = (Some(at(40)), Some(at(50)));
    assert_eq!(
        seen,
        [
            (Some(at(20)), None),
            (None, None),
            (Some(at(40)), None),
            ended,
            ended
        ]
    );
}

/// A decision made on what was true before is refused whole.
pub async fn a_decision_on_an_old_version_changes_nothing(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let job = planned.jobs[0].id;
    let old = version(&*store, planned.id).await;
    decide(
        &*store,
        planned.id,
        vec![set_job(job, JobStatus::Running, 20)],
        Vec::new(),
    )
    .await;
    let before = (
        store.jobs(planned.id).await.expect("reads"),
        version(&*store, planned.id).await,
    );
    assert_ne!(before.1, old);
    for wrong in [old, before.1 + 1, u64::MAX] {
        let late = decision(
            planned.id,
            wrong,
            vec![set_job(job, JobStatus::Canceled, 30)],
            vec![Effect::Withdraw { job, slice: 0 }],
        );
        let refused = store.commit(&late).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
    let after = (
        store.jobs(planned.id).await.expect("reads"),
        version(&*store, planned.id).await,
    );
    assert_eq!(after, before);
    assert_eq!(store.queue_length().await.expect("reads"), 1);
    assert_eq!(store.events(planned.id).await.expect("reads").len(), 2);
}

/// Of eight decisions on the same version, one is written.
pub async fn of_two_decisions_one_conflicts(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let job = planned.jobs[0].id;
    let read = version(&*store, planned.id).await;
    let mut tasks = JoinSet::new();
    for moment in 0..8 {
        let store = Arc::clone(&store);
        let row = decision(
            planned.id,
            read,
            vec![set_job(job, JobStatus::Running, moment)],
            Vec::new(),
        );
        tasks.spawn(async move { (moment, store.commit(&row).await) });
    }
    let answers = tasks.join_all().await;
    let written: Vec<i64> = answers
        .into_iter()
        .filter_map(|(moment, answer)| match answer {
            Ok(()) => Some(moment),
            Err(StoreError::Conflict { .. }) => None,
            Err(other) => panic!("{other}"),
        })
        .collect();
    assert_eq!(written.len(), 1);
    let row = store.job(job).await.expect("reads").expect("is there");
    assert_eq!(row.started_at, Some(at(written[0])));
}

/// There is nothing to decide about a workflow that is not there.
pub async fn a_decision_for_no_workflow_is_refused(store: Arc<dyn Store>) {
    let refused = store
        .commit(&decision(
            WorkflowId::new(Uuid::now_v7()),
            1,
            Vec::new(),
            Vec::new(),
        ))
        .await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
}

/// A decision touches its own workflow only, as in the domain.
pub async fn a_change_for_a_foreign_job_does_nothing(store: Arc<dyn Store>) {
    let (_, ours) = planned(&*store, vec![queued("a", 1)]).await;
    let (_, theirs) = planned(&*store, vec![queued("a", 1)]).await;
    let foreign = theirs.jobs[0].id;
    let before = store.jobs(theirs.id).await.expect("reads");
    let changes = vec![
        set_job(foreign, JobStatus::Failed, 20),
        set_slice(foreign, 0, SliceStatus::Failed, 9, 20),
        set_slice(ours.jobs[0].id, 7, SliceStatus::Failed, 9, 20),
    ];
    let effects = vec![
        Effect::Stop {
            job: foreign,
            slice: 0,
        },
        Effect::Withdraw {
            job: foreign,
            slice: 0,
        },
    ];
    decide(&*store, ours.id, changes, effects).await;
    assert_eq!(store.jobs(theirs.id).await.expect("reads"), before);
    assert_eq!(store.queue_length().await.expect("reads"), 2);
}

/// A decision that cannot be written whole is not written at all.
pub async fn a_failed_decision_leaves_nothing(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let job = planned.jobs[0].id;
    let before = store.load_workflow(planned.id).await.expect("loads");
    let broken = decision(
        planned.id,
        version(&*store, planned.id).await,
        vec![set_job(job, JobStatus::Failed, 20)],
        vec![
            Effect::Withdraw { job, slice: 0 },
            Effect::Enqueue { job, slice: 40 },
        ],
    );
    let refused = store.commit(&broken).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
    assert_eq!(store.load_workflow(planned.id).await.expect("loads"), before);
    assert_eq!(store.queue_length().await.expect("reads"), 1);
    assert_eq!(store.events(planned.id).await.expect("reads").len(), 1);
}

/// One event for the creation and one for each decision, numbered without gaps.
pub async fn history_is_kept_in_order(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![approval("ask")]).await;
    let job = planned.jobs[0].id;
    let happened = [
        Event::Approved {
            job,
            by: "ada".to_owned(),
        },
        Event::Canceled { by: "bob".to_owned() },
    ];
    for (moment, event) in (20..).zip(&happened) {
        let row = DecisionRow {
            event: event.clone(),
            at: at(moment),
            ..decision(
                planned.id,
                version(&*store, planned.id).await,
                Vec::new(),
                Vec::new(),
            )
        };
        store.commit(&row).await.expect("it is written");
    }
    let events: Vec<_> = store
        .events(planned.id)
        .await
        .expect("reads")
        .into_iter()
        .map(|row| (row.number, row.event, row.at))
        .collect();
    let [approved, canceled] = happened;
    assert_eq!(
        events,
        [
            (1, Event::Start, at(10)),
            (2, approved, at(20)),
            (3, canceled, at(21))
        ]
    );
}

/// While decisions change two jobs together, nobody reads one of them changed and the other not.
pub async fn a_reader_sees_one_moment(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1), queued("b", 1)]).await;
    let (id, jobs) = (planned.id, [planned.jobs[0].id, planned.jobs[1].id]);
    let writer = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for round in 0..60 {
                let changes = jobs
                    .iter()
                    .map(|job| Change::Job {
                        job: *job,
                        status: JobStatus::Running,
                        reason: Some(round.to_string()),
                        at: at(20),
                    })
                    .collect();
                decide(&*store, id, changes, Vec::new()).await;
            }
        })
    };
    while !writer.is_finished() {
        let (state, _) = store.load_workflow(id).await.expect("loads").expect("is there");
        assert_eq!(state.jobs[0].reason, state.jobs[1].reason);
        let rows = store.jobs(id).await.expect("reads");
        assert_eq!(rows[0].reason, rows[1].reason);
    }
    writer.await.expect("the writer ends well");
}
