//! `cargo xtask check-deps`: licences, banned crates and duplicate versions.
//!
//! Judges what is compiled for the one platform we build for, not what the lock file could resolve to. What is
//! accepted stands in `xtask/dependencies.toml`; the rules are here.

mod bans;
mod duplicates;
mod licences;
mod policy;

use anyhow::Result;

use crate::graph::{Follow, Graph};
use crate::metadata::{self, Metadata};
use policy::Policy;

/// Runs every check on the real workspace.
pub(crate) fn run() -> Result<()> {
    let policy = Policy::load(&metadata::root().join("xtask/dependencies.toml"))?;
    let metadata = Metadata::load()?;
    let graph = Graph::new(&metadata);
    let members = metadata.workspace_members.iter().map(String::as_str);
    let compiled = graph.closure(members, Follow::Everything);

    let mut report = licences::check(&policy, &graph, &compiled);
    report.extend(bans::check(&policy, &metadata, &graph, &compiled));
    report.extend(duplicates::check(&policy, &metadata, &graph));
    report.conclude(
        "check-deps",
        &format!("{} packages are compiled, all accepted", compiled.len()),
    )
}
