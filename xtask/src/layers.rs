//! `cargo xtask check-layers`: the walls of the house, executed.
//!
//! Reads the import table of `ARCHITECTURE.md` and compares it with the manifests, the resolved graph and the
//! sources. It knows no package by name except in rules about sources (`sources`) and outside crates (`purity`).

mod code;
mod hosts;
mod imports;
mod purity;
mod sources;
mod table;

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::graph::Graph;
use crate::metadata::{self, Metadata};
use crate::report::Report;
use crate::tree;

/// Runs every check on the real checkout.
pub(crate) fn run() -> Result<()> {
    let root = metadata::root();
    let page_path = root.join("ARCHITECTURE.md");
    let page = std::fs::read_to_string(&page_path)
        .with_context(|| format!("could not read {}", page_path.display()))?;
    let table = table::parse(&page).with_context(|| format!("{}", page_path.display()))?;
    let metadata = Metadata::load()?;
    let files = tree::text_files(root)?;

    let mut report = imports::check(&table, &metadata);
    report.extend(purity::check(&table, &metadata, &Graph::new(&metadata)));
    report.extend(sources::check(&table, &files));
    report.extend(hosts::check(&files));
    report.extend(clippy_bans(root)?);
    report.conclude(
        "check-layers",
        &format!(
            "{} packages and {} files keep to the table",
            table.rows.len(),
            files.len()
        ),
    )
}

/// Clippy reads one `clippy.toml` only, the nearest: the stricter one of the pure packages must repeat the general one.
fn clippy_bans(root: &Path) -> Result<Report> {
    let general = banned_paths(&root.join("clippy.toml"))?;
    let pure = banned_paths(&root.join("clippy-pure.toml"))?;
    let problems = general
        .iter()
        .filter(|path| !pure.contains(path))
        .map(|path| {
            format!("clippy-pure.toml does not repeat the ban of `{path}` from clippy.toml: copy it over")
        })
        .collect();
    Ok(Report {
        problems,
        warnings: Vec::new(),
    })
}

fn banned_paths(file: &Path) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("could not read {}", file.display()))?;
    let value: toml::Table = text
        .parse()
        .with_context(|| format!("could not parse {}", file.display()))?;
    let lists = ["disallowed-methods", "disallowed-types", "disallowed-macros"];
    let entries = lists
        .iter()
        .filter_map(|list| value.get(*list)?.as_array())
        .flatten();
    Ok(entries
        .filter_map(|entry| Some(entry.get("path")?.as_str()?.to_owned()))
        .collect())
}
