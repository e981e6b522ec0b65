//! News for the outside.

use std::sync::Arc;

use airlock_domain::state::{Change, JobStatus, PipelineState, SliceStatus, WorkflowStatus};

use super::fixtures::{at, decision, planned, queued, set_slice, version};
use crate::rows::StatusChange;
use crate::{Store, StoreError};

/// Every status that began or changed is told once, in the order it happened; slices are not told.
pub async fn status_changes_are_told_in_order(store: Arc<dyn Store>) {
    let (pipeline, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let (workflow, job) = (planned.id, planned.jobs[0].id);
    let changes = vec![
        set_slice(job, 0, SliceStatus::Failed, 1, 20),
        Change::Job {
            job,
            status: JobStatus::Failed,
            reason: Some("step 'test' failed".to_owned()),
            at: at(20),
        },
        Change::Workflow {
            status: WorkflowStatus::Failed,
            at: at(21),
        },
    ];
    let row = decision(workflow, version(&*store, workflow).await, changes, Vec::new());
    store.commit(&row).await.expect("it is written");

    let told: Vec<_> = store
        .take_outbox(100)
        .await
        .expect("reads")
        .into_iter()
        .map(|row| (row.change, row.at))
        .collect();
    let pipeline = pipeline.id;
    let pipeline_is = |state| StatusChange::Pipeline { pipeline, state };
    let workflow_is = |status| StatusChange::Workflow {
        pipeline,
        workflow,
        status,
    };
    let job_is = |status, reason| StatusChange::Job {
        pipeline,
        workflow,
        job,
        status,
        reason,
    };
    let failed = Some("step 'test' failed".to_owned());
    assert_eq!(
        told,
        [
            (pipeline_is(PipelineState::Pending), at(2)),
            (pipeline_is(PipelineState::Created), at(10)),
            (workflow_is(WorkflowStatus::Running), at(10)),
            (job_is(JobStatus::Queued, None), at(10)),
            (job_is(JobStatus::Failed, failed), at(20)),
            (workflow_is(WorkflowStatus::Failed), at(21)),
        ]
    );
}

/// Rows come again until they are acknowledged; numbers are never used twice.
pub async fn a_row_stays_until_it_is_acknowledged(store: Arc<dyn Store>) {
    planned(&*store, vec![queued("a", 1)]).await;
    let all = store.take_outbox(100).await.expect("reads");
    assert_eq!(all.len(), 4);
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert_eq!(store.take_outbox(2).await.expect("reads"), all[..2]);

    store.acknowledge_outbox(all[1].id).await.expect("acknowledges");
    store
        .acknowledge_outbox(all[1].id)
        .await
        .expect("again is no error");
    store
        .acknowledge_outbox(u64::MAX)
        .await
        .expect("nor is what never was");
    let rest = [all[0].clone(), all[2].clone(), all[3].clone()];
    assert_eq!(store.take_outbox(100).await.expect("reads"), rest);

    for row in &rest {
        store.acknowledge_outbox(row.id).await.expect("acknowledges");
    }
    assert_eq!(store.take_outbox(100).await.expect("reads"), Vec::new());
    planned(&*store, vec![queued("a", 1)]).await;
    assert!(store.take_outbox(1).await.expect("reads")[0].id > all[3].id);
}

/// What was not written is not told.
pub async fn a_refused_decision_tells_nothing(store: Arc<dyn Store>) {
    let (_, planned) = planned(&*store, vec![queued("a", 1)]).await;
    let before = store.take_outbox(100).await.expect("reads");
    let change = Change::Workflow {
        status: WorkflowStatus::Failed,
        at: at(20),
    };
    let refused = store
        .commit(&decision(planned.id, 99, vec![change], Vec::new()))
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    let again = store
        .finish_planning(
            planned_pipeline(&*store, &planned.id).await,
            PipelineState::Errored,
            &[],
            &[],
            at(30),
        )
        .await;
    assert!(!again.expect("answers"));
    assert_eq!(store.take_outbox(100).await.expect("reads"), before);
}

async fn planned_pipeline(
    store: &dyn Store,
    workflow: &airlock_domain::WorkflowId,
) -> airlock_domain::PipelineId {
    store
        .workflow(*workflow)
        .await
        .expect("reads")
        .expect("is there")
        .pipeline
}
