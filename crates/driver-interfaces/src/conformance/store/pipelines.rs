//! Taking pipelines in, numbering and listing them.

use std::collections::BTreeSet;
use std::sync::Arc;

use airlock_domain::state::PipelineState;
use airlock_domain::{PipelineId, ProjectId};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixtures::{at, pipeline, project};
use crate::rows::PipelineRow;
use crate::{Store, StoreError};

async fn new_project(store: &dyn Store, slug: &str) -> ProjectId {
    store.add_project(&project(slug)).await.expect("it is added").id
}

async fn add(store: &dyn Store, project: ProjectId) -> PipelineRow {
    store
        .add_pipeline(&pipeline(project))
        .await
        .expect("it is added")
        .0
}

/// Every project counts from one; state and number of the given row do not matter.
pub async fn a_pipeline_is_pending_and_numbered_in_its_project(store: Arc<dyn Store>) {
    let one = new_project(&*store, "demo/one").await;
    let two = new_project(&*store, "demo/two").await;
    let given = PipelineRow {
        number: 77,
        state: PipelineState::Created,
        ..pipeline(one)
    };
    let (row, new) = store.add_pipeline(&given).await.expect("it is added");
    let expected = PipelineRow {
        number: 1,
        state: PipelineState::Pending,
        ..given
    };
    assert!(new);
    assert_eq!(row, expected);
    assert_eq!(store.pipeline(row.id).await.expect("reads"), Some(expected));
    assert_eq!(add(&*store, one).await.number, 2);
    assert_eq!(add(&*store, two).await.number, 1);
    assert_eq!(
        store.pipeline(PipelineId::new(Uuid::nil())).await.expect("reads"),
        None
    );
}

/// The second row of a delivery is answered with the first.
pub async fn a_delivery_makes_one_pipeline(store: Arc<dyn Store>) {
    let project = new_project(&*store, "demo/one").await;
    let first = pipeline(project);
    let (row, _) = store.add_pipeline(&first).await.expect("it is added");
    let again = PipelineRow {
        id: PipelineId::new(Uuid::now_v7()),
        created_at: at(99),
        ..first
    };
    assert_eq!(
        store.add_pipeline(&again).await.expect("known"),
        (row.clone(), false)
    );
    assert_eq!(store.pipelines(None, None, 10).await.expect("reads"), vec![row]);
}

/// Of twenty at once with one delivery, one makes the pipeline and all get it.
pub async fn parallel_deliveries_make_one_pipeline(store: Arc<dyn Store>) {
    let project = new_project(&*store, "demo/one").await;
    let first = pipeline(project);
    let mut tasks = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        let row = PipelineRow {
            id: PipelineId::new(Uuid::now_v7()),
            ..first.clone()
        };
        tasks.spawn(async move { store.add_pipeline(&row).await.expect("it is added or known") });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|(_, new)| *new).count(), 1);
    let ids: BTreeSet<_> = answers.iter().map(|(row, _)| row.id).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(
        store
            .pipelines(Some(project), None, 10)
            .await
            .expect("reads")
            .len(),
        1
    );
}

/// Deliveries that come twice and rows that are refused use up no number.
pub async fn pipeline_numbers_have_no_gaps(store: Arc<dyn Store>) {
    let projects = [
        new_project(&*store, "demo/one").await,
        new_project(&*store, "demo/two").await,
    ];
    let taken = add(&*store, projects[0]).await.id;
    let mut tasks = JoinSet::new();
    for project in projects {
        for _ in 0..15 {
            let store = Arc::clone(&store);
            let row = pipeline(project);
            let clash = PipelineRow {
                id: taken,
                ..pipeline(project)
            };
            tasks.spawn(async move {
                store.add_pipeline(&row).await.expect("it is added");
                store.add_pipeline(&row).await.expect("it is known");
                let refused = store.add_pipeline(&clash).await;
                assert!(matches!(refused, Err(StoreError::Exists { .. })), "{refused:?}");
            });
        }
    }
    tasks.join_all().await;
    for (project, count) in projects.into_iter().zip([16, 15]) {
        let numbers: Vec<u64> = store
            .pipelines(Some(project), None, 100)
            .await
            .expect("reads")
            .iter()
            .map(|row| row.number)
            .collect();
        assert_eq!(numbers, (1..=count).rev().collect::<Vec<_>>());
    }
}

/// A pipeline needs a project.
pub async fn a_pipeline_of_no_project_is_refused(store: Arc<dyn Store>) {
    let refused = store
        .add_pipeline(&pipeline(ProjectId::new(Uuid::now_v7())))
        .await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
    assert_eq!(store.pending_pipelines().await.expect("reads"), Vec::new());
}

/// By their coming, of one project or of all, page by page.
pub async fn pipelines_are_listed_newest_first(store: Arc<dyn Store>) {
    let one = new_project(&*store, "demo/one").await;
    let two = new_project(&*store, "demo/two").await;
    let mut rows = Vec::new();
    for project in [one, two, one, one, two] {
        rows.push(add(&*store, project).await);
    }
    rows.reverse();
    let of_one: Vec<_> = rows.iter().filter(|row| row.project == one).cloned().collect();

    assert_eq!(store.pipelines(None, None, 100).await.expect("reads"), rows);
    assert_eq!(store.pipelines(None, None, 2).await.expect("reads"), rows[..2]);
    assert_eq!(
        store.pipelines(None, Some(rows[1].id), 2).await.expect("reads"),
        rows[2..4]
    );
    assert_eq!(
        store.pipelines(Some(one), None, 100).await.expect("reads"),
        of_one
    );
    let older = store.pipelines(Some(one), Some(of_one[0].id), 1).await;
    assert_eq!(older.expect("reads"), of_one[1..2]);
    let none = store.pipelines(None, Some(rows[4].id), 10).await;
    assert_eq!(none.expect("reads"), Vec::new());
}

/// What a restart takes up again: pending only, in the order of their coming.
pub async fn pending_pipelines_are_listed_oldest_first(store: Arc<dyn Store>) {
    let project = new_project(&*store, "demo/one").await;
    let rows = [
        add(&*store, project).await,
        add(&*store, project).await,
        add(&*store, project).await,
    ];
    let ended = store
        .finish_planning(rows[1].id, PipelineState::Errored, &[], &[], at(9))
        .await;
    assert!(ended.expect("planning ends"));
    let pending = store.pending_pipelines().await.expect("reads");
    assert_eq!(pending, vec![rows[0].clone(), rows[2].clone()]);
}
