//! Orbs under SIGKILL: three versions are imported in one call, and never fewer are found; what a pipeline took from
//! addresses is all there with its texts, or nothing of it.

use std::collections::BTreeMap;

use airlock_domain::{OrbDigest, OrbName, PipelineId};
use airlock_driver_interfaces::orbs::{AddedOrb, FetchedOrb, NewOrb, OrbRow, Orbs};
use airlock_driver_interfaces::store::Pipelines;
use airlock_store_sql::SqliteStore;
use uuid::Uuid;

use super::NOW;

/// Versions in one import.
const VERSIONS: [&str; 3] = ["1.0.0", "1.0.1", "2.0.0"];
/// More than one page of the database, so that writing one takes several steps.
const SOURCE_BYTES: usize = 9_000;

/// Brings one orb in; its name.
pub(super) async fn import(store: &SqliteStore) -> OrbName {
    let name = OrbName::new(format!("my-team/o{}", Uuid::now_v7().simple())).expect("a name");
    let orbs = VERSIONS.map(|version| NewOrb {
        row: OrbRow {
            name: name.clone(),
            version: version.parse().expect("a version"),
            digest: OrbDigest::of_sha256(&[7; 32]),
            size: SOURCE_BYTES as u64,
            description: String::new(),
            nested: Vec::new(),
            imported_at: NOW,
            imported_by: "ada".to_owned(),
            expires_at: None,
        },
        source: "x".repeat(SOURCE_BYTES),
    });
    let added = store.add_orbs(&orbs, NOW).await.expect("it is added");
    assert_eq!(added, [AddedOrb::New, AddedOrb::New, AddedOrb::New]);
    name
}

/// Whether all of an import is there.
pub(super) async fn is_there(store: &SqliteStore, name: &str) -> bool {
    let Ok(name) = OrbName::new(name) else {
        return false;
    };
    store.orb_versions(&name, NOW).await.expect("reads").len() == VERSIONS.len()
}

/// Addresses that a pipeline takes orbs from.
const ADDRESSES: [&str; 2] = ["https://a.example/one.yml", "https://a.example/two.yml"];

/// Records what stood at two addresses. The texts are the pipeline's own, so that each is written for it.
pub(super) async fn take_from_addresses(store: &SqliteStore, pipeline: PipelineId) {
    let mut hash = [0; 32];
    hash[..16].copy_from_slice(pipeline.as_uuid().as_bytes());
    let orbs = [1, 2].map(|number| {
        hash[31] = number;
        FetchedOrb {
            url: ADDRESSES[usize::from(number) - 1].to_owned(),
            digest: OrbDigest::of_sha256(&hash),
            source: "x".repeat(SOURCE_BYTES),
        }
    });
    store
        .lock_fetched_orbs(pipeline, &orbs, NOW)
        .await
        .expect("they are recorded");
}

/// Whether everything that stood at the addresses is there.
pub(super) async fn has_all_from_addresses(store: &SqliteStore, pipeline: PipelineId) -> bool {
    let orbs = store.fetched_orbs(pipeline).await.expect("reads");
    orbs.len() == ADDRESSES.len() && orbs.iter().all(|orb| orb.source.len() == SOURCE_BYTES)
}

/// No orb has fewer versions than came with it, and each has its text.
pub(super) async fn nothing_is_half_done(store: &SqliteStore) {
    let mut versions: BTreeMap<OrbName, usize> = BTreeMap::new();
    for row in store.orbs(NOW).await.expect("reads") {
        *versions.entry(row.name).or_default() += 1;
    }
    for (name, count) in versions {
        assert_eq!(count, VERSIONS.len(), "{name} is half imported");
    }
    for pipeline in store.pipelines(None, None, u32::MAX).await.expect("reads") {
        let count = store.fetched_orbs(pipeline.id).await.expect("reads").len();
        assert!(
            count == 0 || count == ADDRESSES.len(),
            "{} took half",
            pipeline.id
        );
    }
}
