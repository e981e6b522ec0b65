//! Crates that are shipped in several incompatible versions.
//!
//! Every second version is compiled, linked, audited and updated a second time. Cargo unifies compatible versions by
//! itself, so two versions of one crate are always incompatible ones. Looks at what our crates link and what their
//! build scripts and macros need; test-only code does not count.

use std::collections::{BTreeMap, BTreeSet};

use super::bans::users;
use super::policy::Policy;
use crate::graph::{Follow, Graph};
use crate::metadata::Metadata;
use crate::report::Report;

/// Compares what is shipped with the accepted duplicates.
pub(crate) fn check(policy: &Policy, metadata: &Metadata, graph: &Graph<'_>) -> Report {
    let shipped = metadata
        .members()
        .filter(|package| metadata.folder(package).starts_with("crates"));
    let compiled = graph.closure(shipped.map(|package| package.id.as_str()), Follow::NormalAndBuild);
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for id in &compiled {
        if let Some(package) = graph.package(id) {
            by_name.entry(&package.name).or_default().insert(id);
        }
    }
    by_name.retain(|_, ids| ids.len() > 1);

    let mut report = Report::default();
    for (name, ids) in &by_name {
        if policy.duplicates.iter().any(|entry| entry.name == *name) {
            continue;
        }
        let versions: Vec<String> = ids
            .iter()
            .filter_map(|id| {
                let version = &graph.package(id)?.version;
                Some(format!(
                    "{version} (for {})",
                    users(graph, &compiled, id).join(", ")
                ))
            })
            .collect();
        report.problems.push(format!(
            "`{name}` is compiled in {} versions: {}; unify them, or accept it with date and reason \
             in xtask/dependencies.toml",
            versions.len(),
            versions.join(" and ")
        ));
    }
    for entry in &policy.duplicates {
        if !by_name.contains_key(entry.name.as_str()) {
            report.problems.push(format!(
                "`{}` is no longer duplicated (accepted since {}): remove its entry from xtask/dependencies.toml",
                entry.name, entry.since
            ));
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::deps::policy::Policy;
    use crate::graph::Graph;
    use crate::metadata::Metadata;

    /// `crates/app` links `old`, which links syn 2, and syn 3 directly, the latter by an arrow of this kind.
    fn problems(kind: Option<&str>, duplicates: &str) -> Vec<String> {
        let packages = [
            ("app", "airlock-app", "0.1.0", "/w/crates/app/Cargo.toml"),
            ("old", "old", "1.0.0", "/r/old/Cargo.toml"),
            ("syn2", "syn", "2.0.0", "/r/syn2/Cargo.toml"),
            ("syn3", "syn", "3.0.0", "/r/syn3/Cargo.toml"),
        ]
        .map(|(id, name, version, manifest)| {
            serde_json::json!({"id": id, "name": name, "version": version, "license": "MIT", "features": {},
                "manifest_path": manifest, "dependencies": []})
        });
        let json = serde_json::json!({
            "packages": packages, "workspace_members": ["app"], "workspace_root": "/w",
            "resolve": {"nodes": [
                {"id": "app", "features": [], "deps": [
                    {"pkg": "old", "dep_kinds": [{"kind": null}]}, {"pkg": "syn3", "dep_kinds": [{"kind": kind}]}]},
                {"id": "old", "features": [], "deps": [{"pkg": "syn2", "dep_kinds": [{"kind": null}]}]},
                {"id": "syn2", "features": [], "deps": []},
                {"id": "syn3", "features": [], "deps": []},
            ]},
        });
        let metadata =
            Metadata::parse(json.to_string().as_bytes()).expect("the made-up metadata is well formed");
        let policy =
            Policy::parse(&format!("licences = []\n{duplicates}")).expect("the policy is well formed");
        check(&policy, &metadata, &Graph::new(&metadata)).problems
    }

    const ACCEPTED: &str = "[[duplicate]]\ncrate = \"syn\"\nsince = \"2026-11-22\"\nwhy = \"old is on 2\"\n";

    #[test]
    fn two_versions_are_found_with_their_users() {
        let found = problems(None, "");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("2.0.0 (for old 1.0.0) and 3.0.0 (for airlock-app 0.1.0)"),
            "{found:?}"
        );
        assert_eq!(problems(Some("build"), "").len(), 1);
    }

    #[test]
    fn an_accepted_one_passes_until_it_is_gone() {
        assert_eq!(problems(None, ACCEPTED).len(), 0);
        let found = problems(Some("dev"), ACCEPTED);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("no longer duplicated"), "{found:?}");
    }

    #[test]
    fn what_only_tests_link_does_not_count() {
        assert_eq!(problems(Some("dev"), "").len(), 0);
    }
}
