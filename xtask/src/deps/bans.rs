//! Crates that must not be used, and where they came in.

use std::collections::BTreeSet;

use super::policy::{Policy, Scope};
use crate::graph::{Follow, Graph};
use crate::metadata::Metadata;
use crate::report::Report;

/// Looks for every banned crate in its scope.
pub(crate) fn check(
    policy: &Policy,
    metadata: &Metadata,
    graph: &Graph<'_>,
    compiled: &BTreeSet<&str>,
) -> Report {
    let mut report = Report::default();
    for ban in &policy.bans {
        match ban.scope {
            Scope::Direct => {
                let named = |package: &&crate::metadata::Package| {
                    package
                        .dependencies
                        .iter()
                        .any(|declared| declared.name == ban.name)
                };
                for package in metadata.members().filter(named) {
                    report
                        .problems
                        .push(format!("`{}` names `{}`: {}", package.name, ban.name, ban.why));
                }
            }
            Scope::Anywhere => {
                let of_that_name =
                    |id: &&&str| graph.package(id).is_some_and(|package| package.name == ban.name);
                for id in compiled.iter().filter(of_that_name) {
                    let users = users(graph, compiled, id);
                    report.problems.push(format!(
                        "`{}` is compiled, for {}: {}",
                        ban.name,
                        users.join(", "),
                        ban.why
                    ));
                }
            }
        }
    }
    report
}

/// Who depends directly on a package.
pub(crate) fn users(graph: &Graph<'_>, compiled: &BTreeSet<&str>, id: &str) -> Vec<String> {
    compiled
        .iter()
        .filter(|user| {
            graph
                .direct(user, Follow::Everything)
                .iter()
                .any(|package| package.id == id)
        })
        .filter_map(|user| graph.package(user))
        .map(|package| format!("{} {}", package.name, package.version))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::deps::policy::Policy;
    use crate::graph::{Follow, Graph};
    use crate::metadata::Metadata;

    /// `airlock-app` links `tls`, which links `ring`.
    fn problems(policy: &str) -> Vec<String> {
        let package = |name: &str, uses: &[&str]| {
            let declared: Vec<serde_json::Value> = uses
                .iter()
                .map(
                    |name| serde_json::json!({"name": name, "rename": null, "kind": null, "optional": false}),
                )
                .collect();
            serde_json::json!({"id": name, "name": name, "version": "1.0.0", "license": "MIT", "features": {},
                "manifest_path": format!("/w/{name}/Cargo.toml"), "dependencies": declared})
        };
        let node = |name: &str, uses: &[&str]| {
            let deps: Vec<serde_json::Value> = uses
                .iter()
                .map(|name| serde_json::json!({"pkg": name, "dep_kinds": [{"kind": null}]}))
                .collect();
            serde_json::json!({"id": name, "features": [], "deps": deps})
        };
        let graph: [(&str, &[&str]); 3] = [("airlock-app", &["tls"]), ("tls", &["ring"]), ("ring", &[])];
        let json = serde_json::json!({
            "packages": graph.map(|(name, uses)| package(name, uses)), "workspace_members": ["airlock-app"],
            "workspace_root": "/w", "resolve": {"nodes": graph.map(|(name, uses)| node(name, uses))},
        });
        let metadata =
            Metadata::parse(json.to_string().as_bytes()).expect("the made-up metadata is well formed");
        let graph = Graph::new(&metadata);
        let compiled = graph.closure(["airlock-app"], Follow::Everything);
        let policy = Policy::parse(&format!("licences = []\n{policy}")).expect("the policy is well formed");
        check(&policy, &metadata, &graph, &compiled).problems
    }

    #[test]
    fn a_banned_crate_is_found_with_its_user() {
        let found =
            problems("[[ban]]\ncrate = \"ring\"\nscope = \"anywhere\"\nwhy = \"one crypto library\"\n");
        assert_eq!(found, ["`ring` is compiled, for tls 1.0.0: one crypto library"]);
    }

    #[test]
    fn a_ban_on_naming_does_not_reach_further() {
        assert_eq!(
            problems("[[ban]]\ncrate = \"ring\"\nscope = \"direct\"\nwhy = \"x\"\n").len(),
            0
        );
        assert_eq!(
            problems("[[ban]]\ncrate = \"tls\"\nscope = \"direct\"\nwhy = \"x\"\n").len(),
            1
        );
    }
}
