//! The end of planning.

use std::sync::Arc;

use airlock_domain::PipelineId;
use airlock_domain::explanation::{Decision, ExplainedWorkflow, Explanation};
use airlock_domain::plan::{Place, Platform};
use airlock_domain::state::{JobStatus, PipelineState, SliceStatus, WorkflowStatus};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixtures::{accepted, agent, approval, at, blocked, pipeline, planned, queued, workflow};
use crate::rows::{JobRow, NewJob, NewWorkflow, PipelineError, SliceRow, WorkflowRow};
use crate::{Store, StoreError};

/// Everything that was planned reads back, in the order of the config, through every door.
pub async fn planned_rows_read_back(store: Arc<dyn Store>) {
    let jobs = vec![queued("zebra", 2), approval("ask"), blocked("apple", "zebra")];
    let (pipeline, planned) = planned(&*store, jobs).await;

    let row = store
        .pipeline(pipeline.id)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(row.state, PipelineState::Created);
    let expected = WorkflowRow {
        id: planned.id,
        pipeline: pipeline.id,
        name: planned.name.clone(),
        status: WorkflowStatus::Running,
        left_out: None,
        created_at: at(10),
        stopped_at: None,
    };
    assert_eq!(
        store.workflow(planned.id).await.expect("reads"),
        Some(expected.clone())
    );
    assert_eq!(store.workflows(pipeline.id).await.expect("reads"), vec![expected]);

    let rows = store.jobs(planned.id).await.expect("reads");
    let slice = |index, status| SliceRow {
        index,
        status,
        fence: 0,
        agent: None,
        lease_until: None,
        stop: false,
        started_at: None,
        stopped_at: None,
    };
    let expected: Vec<JobRow> = planned
        .jobs
        .iter()
        .zip([Some(1), None, Some(2)])
        .map(|(job, number)| JobRow {
            id: job.id,
            workflow: planned.id,
            pipeline: pipeline.id,
            project: pipeline.project,
            number,
            name: job.name.clone(),
            kind: job.kind,
            requires: job.requires.clone(),
            status: job.status,
            reason: None,
            body: job.body.clone(),
            started_at: (job.status == JobStatus::OnHold).then_some(at(10)),
            stopped_at: None,
            slices: (0..)
                .zip(&job.slices)
                .map(|(index, status)| slice(index, *status))
                .collect(),
        })
        .collect();
    assert_eq!(rows, expected);
    for row in rows {
        assert_eq!(store.job(row.id).await.expect("reads"), Some(row.clone()));
        if let Some(number) = row.number {
            let found = store
                .job_by_number(pipeline.project, number)
                .await
                .expect("reads");
            assert_eq!(found, Some(row));
        }
    }
    assert_eq!(
        store.job_by_number(pipeline.project, 3).await.expect("reads"),
        None
    );
    assert_eq!(store.queue_length().await.expect("reads"), 2);
}

/// What does not run has ended when it is created, with its reasons.
pub async fn a_workflow_that_is_left_out_has_ended(store: Arc<dyn Store>) {
    let pipeline = accepted(&*store).await;
    let job = NewJob {
        status: JobStatus::NotRun,
        left_out: Some("filters say no".to_owned()),
        reason: Some("left out".to_owned()),
        slices: vec![SliceStatus::NotRun],
        ..queued("deploy", 1)
    };
    let left_out = NewWorkflow {
        status: WorkflowStatus::NotRun,
        left_out: Some("when is false".to_owned()),
        ..workflow("nightly", vec![job])
    };
    store
        .finish_planning(
            pipeline.id,
            PipelineState::Created,
            &[],
            std::slice::from_ref(&left_out),
            at(10),
        )
        .await
        .expect("planning ends");
    let row = store
        .workflow(left_out.id)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(
        (row.left_out.as_deref(), row.stopped_at),
        (Some("when is false"), Some(at(10)))
    );
    let jobs = store.jobs(left_out.id).await.expect("reads");
    assert_eq!(jobs[0].reason.as_deref(), Some("left out"));
    assert_eq!((jobs[0].started_at, jobs[0].stopped_at), (None, Some(at(10))));
    assert_eq!(
        (jobs[0].slices[0].status, jobs[0].slices[0].stopped_at),
        (SliceStatus::NotRun, Some(at(10)))
    );
    let (state, _) = store
        .load_workflow(left_out.id)
        .await
        .expect("loads")
        .expect("is there");
    assert_eq!(state.jobs[0].left_out.as_deref(), Some("filters say no"));
    assert_eq!(
        store
            .claim(agent(), &Platform::ALL, at(20), at(11))
            .await
            .expect("asks"),
        None
    );
}

/// Of eight at once, one ends planning; the others change nothing.
pub async fn planning_ends_once(store: Arc<dyn Store>) {
    let pipeline = accepted(&*store).await;
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let store = Arc::clone(&store);
        let workflow = workflow("build", vec![queued("test", 1)]);
        tasks.spawn(async move {
            let ended = store
                .finish_planning(
                    pipeline.id,
                    PipelineState::Created,
                    &[],
                    std::slice::from_ref(&workflow),
                    at(10),
                )
                .await
                .expect("planning ends or has ended");
            (ended, workflow.id)
        });
    }
    let answers = tasks.join_all().await;
    let winners: Vec<_> = answers.iter().filter(|(ended, _)| *ended).collect();
    assert_eq!(winners.len(), 1);
    let rows = store.workflows(pipeline.id).await.expect("reads");
    assert_eq!(rows.iter().map(|row| row.id).collect::<Vec<_>>(), [winners[0].1]);
    assert_eq!(store.queue_length().await.expect("reads"), 1);
}

/// An errored pipeline keeps its problems and has no workflows.
pub async fn planning_can_end_in_errors(store: Arc<dyn Store>) {
    let pipeline = accepted(&*store).await;
    let errors = [PipelineError {
        kind: "config".to_owned(),
        message: "line 3\n  'jbos' is not known".to_owned(),
    }];
    let ended = store
        .finish_planning(pipeline.id, PipelineState::Errored, &errors, &[], at(10))
        .await;
    assert!(ended.expect("planning ends"));
    let row = store
        .pipeline(pipeline.id)
        .await
        .expect("reads")
        .expect("is there");
    assert_eq!(
        (row.state, row.errors.as_slice()),
        (PipelineState::Errored, &errors[..])
    );
    assert_eq!(store.workflows(pipeline.id).await.expect("reads"), Vec::new());
}

/// A plan that cannot be written leaves the pipeline pending and uses up no job number.
pub async fn planning_writes_all_or_nothing(store: Arc<dyn Store>) {
    let pipeline = accepted(&*store).await;
    let good = workflow("build", vec![queued("test", 1)]);
    let clash = NewWorkflow {
        id: good.id,
        ..workflow("again", vec![queued("more", 1)])
    };
    let refused = store
        .finish_planning(
            pipeline.id,
            PipelineState::Created,
            &[],
            &[good.clone(), clash],
            at(10),
        )
        .await;
    assert!(matches!(refused, Err(StoreError::Exists { .. })), "{refused:?}");
    assert_eq!(
        store.pending_pipelines().await.expect("reads"),
        vec![pipeline.clone()]
    );
    assert_eq!(store.workflows(pipeline.id).await.expect("reads"), Vec::new());
    assert_eq!(store.queue_length().await.expect("reads"), 0);

    let ended = store
        .finish_planning(
            pipeline.id,
            PipelineState::Created,
            &[],
            std::slice::from_ref(&good),
            at(11),
        )
        .await;
    assert!(ended.expect("planning ends"));
    assert_eq!(store.jobs(good.id).await.expect("reads")[0].number, Some(1));
}

/// Nothing is created for a pipeline that is not there.
pub async fn an_unknown_pipeline_cannot_be_planned(store: Arc<dyn Store>) {
    let nobody = PipelineId::new(Uuid::now_v7());
    let refused = store
        .finish_planning(
            nobody,
            PipelineState::Created,
            &[],
            &[workflow("build", Vec::new())],
            at(10),
        )
        .await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
    assert_eq!(store.workflows(nobody).await.expect("reads"), Vec::new());
}

/// Numbers go on from pipeline to pipeline of a project; approvals take none.
pub async fn job_numbers_count_build_jobs_of_a_project(store: Arc<dyn Store>) {
    let (first, _) = planned(&*store, vec![queued("a", 1), approval("ask"), queued("b", 1)]).await;
    let (second, _) = store
        .add_pipeline(&pipeline(first.project))
        .await
        .expect("it is added");
    let more = workflow("build", vec![approval("ask"), queued("c", 3)]);
    store
        .finish_planning(
            second.id,
            PipelineState::Created,
            &[],
            std::slice::from_ref(&more),
            at(10),
        )
        .await
        .expect("planning ends");
    let rows = store.jobs(more.id).await.expect("reads");
    assert_eq!(
        rows.iter().map(|row| row.number).collect::<Vec<_>>(),
        [None, Some(3)]
    );
    let (_, elsewhere) = planned(&*store, vec![queued("a", 1)]).await;
    assert_eq!(store.jobs(elsewhere.id).await.expect("reads")[0].number, Some(1));
}

/// Planning that was interrupted explains anew.
pub async fn an_explanation_reads_back_and_gives_way_to_a_newer_one(store: Arc<dyn Store>) {
    let explanation = |reason: &str| Explanation {
        file: ".circleci/config.yml".to_owned(),
        workflows: vec![ExplainedWorkflow {
            name: "ci".to_owned(),
            decision: Decision {
                runs: false,
                reason: reason.to_owned(),
                place: Some(Place::new(3, 5)),
                line: Some("    when: \"never\"".to_owned()),
                values: Vec::new(),
            },
            jobs: Vec::new(),
        }],
        path_filtering: Vec::new(),
    };
    let row = accepted(&*store).await;
    assert_eq!(store.explanation(row.id).await.expect("reads"), None);
    for reason in ["its `when` is false", "another workflow was asked for"] {
        let kept = explanation(reason);
        store.keep_explanation(row.id, &kept).await.expect("written");
        assert_eq!(store.explanation(row.id).await.expect("reads"), Some(kept));
    }
    let nobody = PipelineId::new(Uuid::now_v7());
    let refused = store.keep_explanation(nobody, &explanation("x")).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
}
