//! Imports of orbs under SIGKILL: three versions come in one call, and never fewer are found.

use std::collections::BTreeMap;

use airlock_domain::{OrbDigest, OrbName};
use airlock_driver_interfaces::orbs::{AddedOrb, NewOrb, OrbRow, Orbs};
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

/// No orb has fewer versions than came with it, and each has its text.
pub(super) async fn nothing_is_half_done(store: &SqliteStore) {
    let mut versions: BTreeMap<OrbName, usize> = BTreeMap::new();
    for row in store.orbs(NOW).await.expect("reads") {
        *versions.entry(row.name).or_default() += 1;
    }
    for (name, count) in versions {
        assert_eq!(count, VERSIONS.len(), "{name} is half imported");
    }
}
