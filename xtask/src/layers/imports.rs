//! Manifests against the import table.
//!
//! Looks at what each member's manifest declares, optional and platform-bound dependencies included, because a
//! forbidden arrow is one even while nothing compiles it.

use std::collections::BTreeSet;
use std::path::Path;

use super::table::{Kind, Row, Table};
use crate::metadata::{Metadata, Package};
use crate::report::Report;

/// Every package name of ours begins so; the folder does not.
const PREFIX: &str = "airlock-";

/// The support package that any test may use.
const TESTKIT: &str = "testkit";

/// Compares every member of the workspace with its row.
pub(crate) fn check(table: &Table, metadata: &Metadata) -> Report {
    let mut report = Report::default();
    let ours: BTreeSet<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    for package in metadata.members() {
        let Some(name) = short_name(package) else {
            report.problems.push(format!(
                "package `{}` does not begin with `{PREFIX}`",
                package.name
            ));
            continue;
        };
        let Some(row) = table.row(name) else {
            report.problems.push(format!(
                "package `{name}` has no row in the import table of ARCHITECTURE.md: decide what it may import"
            ));
            continue;
        };
        report
            .problems
            .extend(wrong_folder(metadata.folder(package), row));
        for declared in &package.dependencies {
            let dev = declared.kind.as_deref() == Some("dev");
            if ours.contains(declared.name.as_str()) {
                report.problems.extend(forbidden(table, row, &declared.name, dev));
            }
        }
    }
    let names: BTreeSet<&str> = metadata.members().filter_map(short_name).collect();
    for row in table.rows.iter().filter(|row| !names.contains(row.name.as_str())) {
        report.problems.push(format!(
            "the import table names `{}`, but no such package exists",
            row.name
        ));
    }
    report
}

/// A member's name without the product's prefix.
pub(crate) fn short_name(package: &Package) -> Option<&str> {
    package.name.strip_prefix(PREFIX)
}

fn wrong_folder(folder: &Path, row: &Row) -> Option<String> {
    let expected = match row.kind {
        Kind::Support => Path::new(&row.name).to_path_buf(),
        Kind::Pure | Kind::Contract | Kind::Rim | Kind::Driver | Kind::System | Kind::Wiring => {
            Path::new("crates").join(&row.name)
        }
    };
    (folder != expected).then(|| {
        format!(
            "package `{}` lies in {}, expected {}",
            row.name,
            folder.display(),
            expected.display()
        )
    })
}

fn forbidden(table: &Table, row: &Row, dependency: &str, dev: bool) -> Option<String> {
    let name = dependency.strip_prefix(PREFIX).unwrap_or(dependency);
    if dev && (name == TESTKIT || real_part(table, row, name)) {
        return None;
    }
    if !row.imports.allow(name) {
        let kind = if dev { "dev-depends" } else { "depends" };
        return Some(format!(
            "`{}` {kind} on `{name}`, which its row in the import table of ARCHITECTURE.md does not allow",
            row.name
        ));
    }
    let target = table.row(name)?;
    let ships = row.kind != Kind::Support;
    (ships && target.kind == Kind::Support && !dev).then(|| {
        format!(
            "`{}` ships and depends on `{name}`, which never does: make it a dev-dependency",
            row.name
        )
    })
}

/// Whether tests of a system may use this package: they run over real parts instead of imitations. Only rows above
/// count, so that there are no cycles.
fn real_part(table: &Table, row: &Row, name: &str) -> bool {
    let mut above = table.rows.iter().take_while(|other| other.name != row.name);
    row.kind == Kind::System
        && above.any(|other| {
            other.name == name
                && match other.kind {
                    Kind::Pure | Kind::Contract | Kind::Rim | Kind::Driver | Kind::System => true,
                    Kind::Support | Kind::Wiring => false,
                }
        })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::layers::table::{Table, sample};
    use crate::metadata::Metadata;

    fn table() -> Table {
        sample(
            "| `testkit` | support | nothing |\n| `domain` | pure | nothing |\n\
             | `store-sql` | driver | `domain` |\n| `control-plane` | system | `domain` |\n\
             | `app` | wiring | everything |",
        )
    }

    /// A made-up member: its name, its folder, and its dependencies with their kinds.
    type Member<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

    fn workspace(packages: &[Member<'_>]) -> Metadata {
        let mut list = Vec::new();
        for (name, folder, dependencies) in packages {
            let dependencies: Vec<serde_json::Value> = dependencies
                .iter()
                .map(|(name, kind)| {
                    let kind = (*kind != "normal").then_some(*kind);
                    serde_json::json!({"name": name, "rename": null, "kind": kind, "optional": false})
                })
                .collect();
            list.push(serde_json::json!({
                "id": name, "name": name, "version": "0.1.0", "license": "Apache-2.0", "features": {},
                "manifest_path": format!("/w/{folder}/Cargo.toml"), "dependencies": dependencies,
            }));
        }
        let members: Vec<&str> = packages.iter().map(|(name, _, _)| *name).collect();
        let json = serde_json::json!({
            "packages": list, "workspace_members": members, "workspace_root": "/w", "resolve": {"nodes": []},
        });
        Metadata::parse(json.to_string().as_bytes()).expect("the made-up metadata is well formed")
    }

    /// A workspace that keeps to the table, with one package's dependencies replaced.
    fn problems_with(changed: &str, dependencies: &[(&str, &str)]) -> Vec<String> {
        let mut members: Vec<Member<'_>> = vec![
            ("airlock-testkit", "testkit", &[]),
            ("airlock-domain", "crates/domain", &[("airlock-testkit", "dev")]),
            (
                "airlock-store-sql",
                "crates/store-sql",
                &[("airlock-domain", "normal")],
            ),
            (
                "airlock-control-plane",
                "crates/control-plane",
                &[("serde", "normal")],
            ),
            ("airlock-app", "crates/app", &[("airlock-store-sql", "normal")]),
        ];
        for member in &mut members {
            if member.0.strip_prefix("airlock-") == Some(changed) {
                member.2 = dependencies;
            }
        }
        check(&table(), &workspace(&members)).problems
    }

    #[test]
    fn a_workspace_that_keeps_to_the_table_passes() {
        assert_eq!(problems_with("nobody", &[]), [""; 0]);
    }

    #[test]
    fn a_forbidden_arrow_is_found() {
        let problems = problems_with("control-plane", &[("airlock-store-sql", "normal")]);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(
            problems[0].contains("`control-plane` depends on `store-sql`"),
            "{problems:?}"
        );
    }

    #[test]
    fn tests_do_not_excuse_a_forbidden_arrow() {
        for kind in ["dev", "build"] {
            let problems = problems_with("domain", &[("airlock-app", kind)]);
            assert_eq!(problems.len(), 1, "{kind}: {problems:?}");
        }
    }

    #[test]
    fn tests_of_a_system_may_use_what_stands_above_it() {
        assert_eq!(
            problems_with("control-plane", &[("airlock-store-sql", "dev")]),
            [""; 0]
        );
        for kind in ["normal", "build"] {
            assert_eq!(
                problems_with("control-plane", &[("airlock-store-sql", kind)]).len(),
                1,
                "{kind}"
            );
        }
        assert_eq!(problems_with("control-plane", &[("airlock-app", "dev")]).len(), 1);
        assert_eq!(
            problems_with("store-sql", &[("airlock-control-plane", "dev")]).len(),
            1
        );
    }

    #[test]
    fn testkit_never_ships() {
        assert_eq!(problems_with("app", &[("airlock-testkit", "normal")]).len(), 1);
        assert_eq!(problems_with("app", &[("airlock-testkit", "dev")]).len(), 0);
    }

    #[test]
    fn a_package_without_a_row_and_a_row_without_a_package_are_found() {
        let problems = check(&table(), &workspace(&[("airlock-lonely", "crates/lonely", &[])])).problems;
        assert!(problems[0].contains("`lonely` has no row"), "{problems:?}");
        assert!(
            problems[1].contains("names `testkit`, but no such package"),
            "{problems:?}"
        );
    }

    #[test]
    fn the_folder_must_be_the_name() {
        let table = sample("| `domain` | pure | nothing |");
        let problems = check(&table, &workspace(&[("airlock-domain", "crates/core", &[])])).problems;
        assert!(
            problems[0].contains("lies in crates/core, expected crates/domain"),
            "{problems:?}"
        );
    }
}
