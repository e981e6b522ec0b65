//! What the closure of a pure package may not contain.
//!
//! Purity by convention erodes; purity by dependency does not. The list names the outside crates whose presence
//! would give a pure package a runtime, a socket, a process or chance. A crate may be excused when only named
//! crates bring it in, because it then cannot be reached from our code without naming those.

use super::imports::short_name;
use super::table::Table;
use crate::graph::{Follow, Graph};
use crate::metadata::Metadata;
use crate::report::Report;

/// A crate that pure packages may not be linked with.
struct Forbidden {
    name: &'static str,
    gives: &'static str,
    /// Excused when every crate that links it is one of these.
    excused_below: &'static [&'static str],
}

const fn never(name: &'static str, gives: &'static str) -> Forbidden {
    Forbidden {
        name,
        gives,
        excused_below: &[],
    }
}

const FORBIDDEN: &[Forbidden] = &[
    never("tokio", "an async runtime"),
    never("async-std", "an async runtime"),
    never("smol", "an async runtime"),
    never("futures-executor", "an async runtime"),
    never("mio", "sockets"),
    never("socket2", "sockets"),
    never("polling", "sockets"),
    never("hyper", "HTTP"),
    never("reqwest", "HTTP"),
    never("ureq", "HTTP"),
    never("rustls", "TLS"),
    never("russh", "SSH"),
    never("sqlx-core", "a database"),
    never("rusqlite", "a database"),
    never("aws-lc-rs", "keys and randomness"),
    never("rustix", "system calls"),
    never("nix", "system calls"),
    never("tempfile", "files"),
    never("walkdir", "files"),
    never("rand", "randomness"),
    never("fastrand", "randomness"),
    // `uuid` is used for parsing. The crates that mint ids switch on its v4 and v7 features for the whole build, which
    // brings these in; calling the minting functions from a pure package is banned by clippy-pure.toml and `sources`.
    Forbidden {
        name: "getrandom",
        gives: "randomness",
        excused_below: &["uuid", "rand_core"],
    },
    Forbidden {
        name: "rand_core",
        gives: "randomness",
        excused_below: &["uuid", "getrandom"],
    },
];

/// Checks the closure of every pure package.
pub(crate) fn check(table: &Table, metadata: &Metadata, graph: &Graph<'_>) -> Report {
    let mut report = Report::default();
    for name in table.pure() {
        let Some(package) = metadata
            .members()
            .find(|package| short_name(package) == Some(name))
        else {
            continue;
        };
        let closure = graph.closure([package.id.as_str()], Follow::Normal);
        for id in &closure {
            let Some(dependency) = graph.package(id) else {
                continue;
            };
            let Some(rule) = FORBIDDEN.iter().find(|rule| rule.name == dependency.name) else {
                continue;
            };
            let parents: Vec<&str> = closure
                .iter()
                .filter(|parent| {
                    graph
                        .direct(parent, Follow::Normal)
                        .iter()
                        .any(|child| child.id == **id)
                })
                .filter_map(|parent| graph.package(parent).map(|package| package.name.as_str()))
                .collect();
            if !parents.iter().all(|parent| rule.excused_below.contains(parent)) {
                report.problems.push(format!(
                    "pure package `{name}` is linked with `{}` ({}), through {}",
                    rule.name,
                    rule.gives,
                    parents.join(", ")
                ));
            }
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::graph::Graph;
    use crate::layers::table::sample;
    use crate::metadata::Metadata;

    /// A made-up graph of (package, what it links); the first is our pure package.
    fn problems(graph: &[(&str, &[&str])]) -> Vec<String> {
        let mut packages = Vec::new();
        let mut nodes = Vec::new();
        for (name, links) in graph {
            packages.push(serde_json::json!({
                "id": name, "name": name, "version": "1.0.0", "license": "MIT", "features": {},
                "manifest_path": format!("/w/crates/{name}/Cargo.toml"), "dependencies": [],
            }));
            let deps: Vec<serde_json::Value> = links
                .iter()
                .map(|link| serde_json::json!({"pkg": link, "dep_kinds": [{"kind": null}]}))
                .collect();
            nodes.push(serde_json::json!({"id": name, "features": [], "deps": deps}));
        }
        let json = serde_json::json!({
            "packages": packages, "workspace_members": ["airlock-domain"], "workspace_root": "/w",
            "resolve": {"nodes": nodes},
        });
        let metadata =
            Metadata::parse(json.to_string().as_bytes()).expect("the made-up metadata is well formed");
        check(
            &sample("| `domain` | pure | nothing |"),
            &metadata,
            &Graph::new(&metadata),
        )
        .problems
    }

    #[test]
    fn a_runtime_deep_in_the_closure_is_found() {
        let found = problems(&[
            ("airlock-domain", &["cron"]),
            ("cron", &["tokio"]),
            ("tokio", &[]),
        ]);
        assert_eq!(
            found,
            ["pure package `domain` is linked with `tokio` (an async runtime), through cron"]
        );
    }

    #[test]
    fn randomness_is_excused_below_uuid_only() {
        let below_uuid: &[(&str, &[&str])] = &[
            ("airlock-domain", &["uuid"]),
            ("uuid", &["getrandom"]),
            ("getrandom", &[]),
        ];
        assert_eq!(problems(below_uuid), [""; 0]);
        let beside: &[(&str, &[&str])] = &[
            ("airlock-domain", &["uuid", "getrandom"]),
            ("uuid", &["getrandom"]),
            ("getrandom", &[]),
        ];
        assert_eq!(problems(beside).len(), 1);
    }
}
