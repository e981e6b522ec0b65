//! The orb registry: texts that stay, and what pipelines took of them.

use std::sync::Arc;

use airlock_domain::{OrbDigest, OrbName, OrbVersion, PipelineId, Timestamp};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::fixtures::{accepted, at, pipeline};
use crate::orbs::{AddedOrb, FetchedOrb, NestedOrb, NewOrb, OrbConflict, OrbRow, PipelineOrb};
use crate::{Store, StoreError};

fn name(text: &str) -> OrbName {
    OrbName::new(text).expect("an orb's name")
}

fn version(text: &str) -> OrbVersion {
    text.parse().expect("a version")
}

/// A digest of its own for each text; what it is made with is no matter here.
fn digest(text: &str) -> OrbDigest {
    let sum = text
        .bytes()
        .fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    OrbDigest::new(format!("sha256:{sum:064x}")).expect("a digest")
}

fn orb(orb: &str, wanted: &str, source: &str) -> NewOrb {
    NewOrb {
        row: OrbRow {
            name: name(orb),
            version: version(wanted),
            digest: digest(source),
            size: source.len() as u64,
            description: "Says hello, \"loudly\"".to_owned(),
            nested: Vec::new(),
            imported_at: at(5),
            imported_by: "ada".to_owned(),
            expires_at: None,
        },
        source: source.to_owned(),
    }
}

fn ending(orb: NewOrb, end: Timestamp) -> NewOrb {
    NewOrb {
        row: OrbRow {
            expires_at: Some(end),
            ..orb.row
        },
        ..orb
    }
}

fn taken(reference: &str, orb: &NewOrb) -> PipelineOrb {
    PipelineOrb {
        reference: reference.to_owned(),
        name: orb.row.name.clone(),
        version: orb.row.version.clone(),
        digest: orb.row.digest.clone(),
    }
}

async fn add(store: &dyn Store, orbs: &[NewOrb]) -> Vec<AddedOrb> {
    store.add_orbs(orbs, at(5)).await.expect("an answer")
}

async fn listed(store: &dyn Store, now: i64) -> Vec<String> {
    let rows = store.orbs(at(now)).await.expect("reads");
    rows.iter()
        .map(|row| format!("{}@{}", row.name, row.version))
        .collect()
}

/// Everything but the text stands in lists; the text comes on its own and byte for byte.
pub async fn a_version_reads_back_with_its_text(store: Arc<dyn Store>) {
    let mut first = orb(
        "my-team/hello",
        "1.2.3",
        "version: 2.1\n# ü 'x' \\ \t \u{1F980}\n",
    );
    first.row.nested = vec![NestedOrb {
        reference: "circleci/node@5".to_owned(),
        name: name("circleci/node"),
        version: version("5.10.0"),
        digest: digest("node"),
    }];
    assert_eq!(add(&*store, std::slice::from_ref(&first)).await, [AddedOrb::New]);
    let found = store
        .orb_source(&first.row.name, &first.row.version, at(6))
        .await
        .expect("reads");
    assert_eq!(found, Some((first.row.clone(), first.source)));
    assert_eq!(store.orbs(at(6)).await.expect("reads"), [first.row.clone()]);
    let versions = store.orb_versions(&first.row.name, at(6)).await;
    assert_eq!(versions.expect("reads"), [first.row]);
    for (orb, wanted) in [("my-team/hello", "1.2.4"), ("my-team/other", "1.2.3")] {
        let none = store.orb_source(&name(orb), &version(wanted), at(6)).await;
        assert_eq!(none.expect("reads"), None);
    }
    let none = store.orb_versions(&name("my-team/other"), at(6)).await;
    assert_eq!(none.expect("reads"), []);
}

/// As numbers, not as text; development versions last.
pub async fn versions_are_listed_newest_first(store: Arc<dyn Store>) {
    let dev = ending(orb("aa/one", "dev:first", "d"), at(100));
    let orbs = [
        orb("bb/two", "0.0.1", "x"),
        orb("aa/one", "1.9.0", "b"),
        dev,
        orb("aa/one", "1.10.0", "c"),
        orb("aa/one", "1.9.12", "a"),
    ];
    assert_eq!(add(&*store, &orbs).await, vec![AddedOrb::New; 5]);
    let wanted = [
        "aa/one@1.10.0",
        "aa/one@1.9.12",
        "aa/one@1.9.0",
        "aa/one@dev:first",
        "bb/two@0.0.1",
    ];
    assert_eq!(listed(&*store, 6).await, wanted);
    let rows = store.orb_versions(&name("aa/one"), at(6)).await.expect("reads");
    assert_eq!(rows[0].version, version("1.10.0"));
    assert_eq!(rows.len(), 4);
}

/// The same text again changes nothing, not even who brought it; another text is told, with the digest that is there.
pub async fn a_release_never_changes(store: Arc<dyn Store>) {
    let first = orb("my-team/hello", "1.0.0", "one");
    add(&*store, std::slice::from_ref(&first)).await;
    let mut again = first.clone();
    again.row.imported_by = String::from("bob");
    again.row.imported_at = at(9);
    assert_eq!(add(&*store, &[again]).await, [AddedOrb::Same]);
    let other = orb("my-team/hello", "1.0.0", "two");
    let there = first.row.digest.clone();
    assert_eq!(add(&*store, &[other]).await, [AddedOrb::Differs { there }]);
    let found = store
        .orb_source(&first.row.name, &first.row.version, at(6))
        .await
        .expect("reads");
    assert_eq!(found, Some((first.row, first.source)));
}

/// One version that cannot be taken keeps all others of the call out, before and after it.
pub async fn an_import_is_all_or_nothing(store: Arc<dyn Store>) {
    let first = orb("my-team/hello", "1.0.0", "one");
    add(&*store, std::slice::from_ref(&first)).await;
    let answers = add(
        &*store,
        &[
            orb("my-team/aa", "1.0.0", "a"),
            orb("my-team/hello", "1.0.0", "changed"),
            first.clone(),
            orb("my-team/zz", "1.0.0", "z"),
        ],
    )
    .await;
    let there = first.row.digest.clone();
    assert_eq!(
        answers,
        [
            AddedOrb::New,
            AddedOrb::Differs { there },
            AddedOrb::Same,
            AddedOrb::New
        ]
    );
    assert_eq!(listed(&*store, 6).await, ["my-team/hello@1.0.0"]);
    // Two texts for one version in one call cannot both be right.
    let answers = add(
        &*store,
        &[orb("my-team/bb", "1.0.0", "b"), orb("my-team/bb", "1.0.0", "c")],
    )
    .await;
    let there = digest("b");
    assert_eq!(answers, [AddedOrb::New, AddedOrb::Differs { there }]);
    assert_eq!(listed(&*store, 6).await, ["my-team/hello@1.0.0"]);
    let twice = vec![orb("my-team/bb", "1.0.0", "b"); 2];
    assert_eq!(add(&*store, &twice).await, [AddedOrb::New, AddedOrb::Same]);
}

/// Of eight at once with eight texts, one is taken and the others hear which.
pub async fn of_two_imports_of_one_release_one_text_stays(store: Arc<dyn Store>) {
    let mut tasks = JoinSet::new();
    for number in 0..8 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let orb = orb("my-team/hello", "1.0.0", &format!("text {number}"));
            let answers = store
                .add_orbs(std::slice::from_ref(&orb), at(5))
                .await
                .expect("an answer");
            (answers[0].clone(), orb)
        });
    }
    let answers = tasks.join_all().await;
    let taken: Vec<_> = answers
        .iter()
        .filter(|(answer, _)| *answer == AddedOrb::New)
        .collect();
    assert_eq!(taken.len(), 1);
    let there = taken[0].1.row.digest.clone();
    let told = AddedOrb::Differs { there };
    assert_eq!(answers.iter().filter(|(answer, _)| *answer == told).count(), 7);
}

/// It can be brought again with another text, which begins its time anew; at its end it is gone from every list.
pub async fn a_development_version_is_replaced_and_ends(store: Arc<dyn Store>) {
    let first = ending(orb("my-team/hello", "dev:first", "one"), at(20));
    let second = ending(orb("my-team/hello", "dev:first", "two"), at(40));
    add(&*store, &[first.clone(), orb("my-team/hello", "1.0.0", "r")]).await;
    let before = first.row.digest.clone();
    assert_eq!(
        add(&*store, std::slice::from_ref(&second)).await,
        [AddedOrb::Replaced { before }]
    );
    let later = ending(second.clone(), at(50));
    assert_eq!(add(&*store, std::slice::from_ref(&later)).await, [AddedOrb::Same]);
    let read = |now| store.orb_source(&later.row.name, &later.row.version, at(now));
    assert_eq!(
        read(49).await.expect("reads"),
        Some((later.row.clone(), later.source.clone()))
    );
    assert_eq!(read(50).await.expect("reads"), None);
    assert_eq!(listed(&*store, 50).await, ["my-team/hello@1.0.0"]);
    // What has ended is nothing to be compared with.
    let answers = store.add_orbs(&[ending(first, at(90))], at(60)).await;
    assert_eq!(answers.expect("an answer"), [AddedOrb::New]);
}

/// The first answer to a reference stays, by whichever planner it came.
pub async fn what_a_pipeline_took_is_kept(store: Arc<dyn Store>) {
    let row = accepted(&*store).await;
    let (old, new) = (orb("aa/one", "1.0.0", "o"), orb("aa/one", "1.1.0", "n"));
    let other = orb("bb/two", "dev:x", "t");
    let wanted = [taken("aa/one@1", &old), taken("bb/two@dev:x", &other)];
    let conflicts = store
        .lock_orbs(row.id, &[wanted[1].clone(), wanted[0].clone()], at(6))
        .await;
    assert_eq!(conflicts.expect("written"), []);
    let conflicts = store.lock_orbs(row.id, &[taken("aa/one@1", &new)], at(7)).await;
    assert_eq!(conflicts.expect("written"), []);
    assert_eq!(store.pipeline_orbs(row.id).await.expect("reads"), wanted);
    let (later, _) = store.add_pipeline(&pipeline(row.project)).await.expect("added");
    assert_eq!(store.pipeline_orbs(later.id).await.expect("reads"), []);
}

/// A release that was taken with one digest is not taken with another by the same project; a development version is.
pub async fn a_release_that_changed_under_a_project_is_a_conflict(store: Arc<dyn Store>) {
    let first = accepted(&*store).await;
    let (before, after) = (orb("aa/one", "1.0.0", "before"), orb("aa/one", "1.0.0", "after"));
    let (dev, newer) = (orb("aa/one", "dev:x", "before"), orb("aa/one", "dev:x", "after"));
    let orbs = [taken("aa/one@1", &before), taken("aa/one@dev:x", &dev)];
    store.lock_orbs(first.id, &orbs, at(6)).await.expect("written");
    let (second, _) = store.add_pipeline(&pipeline(first.project)).await.expect("added");
    let orbs = [taken("aa/one@1.0.0", &after), taken("aa/one@dev:x", &newer)];
    let conflict = OrbConflict {
        name: name("aa/one"),
        version: version("1.0.0"),
        before: before.row.digest.clone(),
        now: after.row.digest.clone(),
    };
    let conflicts = store.lock_orbs(second.id, &orbs, at(7)).await;
    assert_eq!(conflicts.expect("an answer"), [conflict]);
    assert_eq!(store.pipeline_orbs(second.id).await.expect("reads"), []);
    let conflicts = store.lock_orbs(second.id, &orbs[1..], at(7)).await;
    assert_eq!(conflicts.expect("written"), []);
    // Another project has not seen the first text.
    let elsewhere = accepted(&*store).await;
    let conflicts = store.lock_orbs(elsewhere.id, &orbs, at(7)).await;
    assert_eq!(conflicts.expect("written"), []);
}

/// Nothing is recorded for a pipeline that is not there.
pub async fn what_no_pipeline_took_is_refused(store: Arc<dyn Store>) {
    let nobody = PipelineId::new(Uuid::now_v7());
    let orbs = [taken("aa/one@1", &orb("aa/one", "1.0.0", "x"))];
    let refused = store.lock_orbs(nobody, &orbs, at(6)).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
}

/// The first text of an address stays, and one text serves many pipelines.
pub async fn what_a_pipeline_fetched_is_kept_with_its_text(store: Arc<dyn Store>) {
    let fetched = |url: &str, source: &str| FetchedOrb {
        url: url.to_owned(),
        digest: digest(source),
        source: source.to_owned(),
    };
    let row = accepted(&*store).await;
    let orbs = [
        fetched("https://a.example/one.yml", "one"),
        fetched("https://a.example/two.yml", "two"),
    ];
    let newest_first = [orbs[1].clone(), orbs[0].clone()];
    store
        .lock_fetched_orbs(row.id, &newest_first, at(6))
        .await
        .expect("written");
    let changed = [fetched("https://a.example/one.yml", "changed"), orbs[1].clone()];
    store
        .lock_fetched_orbs(row.id, &changed, at(7))
        .await
        .expect("written");
    assert_eq!(store.fetched_orbs(row.id).await.expect("reads"), orbs);

    let (later, _) = store.add_pipeline(&pipeline(row.project)).await.expect("added");
    assert_eq!(store.fetched_orbs(later.id).await.expect("reads"), []);
    store
        .lock_fetched_orbs(later.id, &changed, at(8))
        .await
        .expect("written");
    assert_eq!(store.fetched_orbs(later.id).await.expect("reads"), changed);

    let nobody = PipelineId::new(Uuid::now_v7());
    let refused = store.lock_fetched_orbs(nobody, &orbs, at(9)).await;
    assert!(matches!(refused, Err(StoreError::Missing { .. })), "{refused:?}");
}
