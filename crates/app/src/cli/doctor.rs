//! `airlock doctor`: which limits this machine enforces, and what belongs to an agent of this installation but to no living
//! job.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use airlock_sandbox::{
    HostLimit, LeakKind, LeakReport, Place, WarmUse, find_leaks, host_limits, repair_leaks, warm_use,
};
use anyhow::Context as _;
use clap::Args;
use serde_json::json;

use super::{exit, places, require_root};
use crate::terminal;
use crate::wiring::runs;

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  airlock doctor\n  airlock doctor --leaks\n  airlock doctor --leaks --repair\n\nExit code 1 when a limit is not enforced, or when something leaked and is still there."
)]
pub(crate) struct DoctorArguments {
    /// Count processes, mounts, interfaces, cgroups, id ranges, loop devices and files that belong to no living job.
    #[arg(long)]
    leaks: bool,
    /// Remove them.
    #[arg(long, requires = "leaks")]
    repair: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The data directory of the installation.
    #[arg(long, value_name = "DIR", env = "AIRLOCK_DATA_DIR")]
    data_dir: Option<PathBuf>,
}

pub(crate) fn run(arguments: DoctorArguments) -> anyhow::Result<ExitCode> {
    require_root("airlock doctor")?;
    let DoctorArguments {
        leaks,
        repair,
        json,
        data_dir,
    } = arguments;
    let data_dir = places::data_dir(data_dir);
    let (text, well) = if leaks {
        leaked(&data_dir, repair, json)?
    } else {
        limits(&data_dir, json)
    };
    terminal::line(&text);
    Ok(if well { exit::OK } else { exit::FAILED })
}

fn limits(data_dir: &Path, as_json: bool) -> (String, bool) {
    let limits = host_limits(&data_dir.join("doctor"));
    // Empty again; one that somebody else put something in stays.
    let _ = std::fs::remove_dir(data_dir.join("doctor"));
    let well = limits.iter().all(|limit| limit.enforced.is_ok());
    if as_json {
        let rows: Vec<_> = limits
            .iter()
            .map(|HostLimit { what, enforced }| {
                let (by, why_not) = (enforced.as_ref().ok(), enforced.as_ref().err());
                json!({ "limit": what, "enforced": enforced.is_ok(), "by": by, "why_not": why_not })
            })
            .collect();
        return (json!({ "limits": rows }).to_string(), well);
    }
    let lines = limits.iter().map(|HostLimit { what, enforced }| match enforced {
        Ok(by) => format!("{what:<29} enforced      {by}"),
        Err(why) => format!("{what:<29} not enforced  {why}"),
    });
    (lines.collect::<Vec<_>>().join("\n"), well)
}

fn leaked(data_dir: &Path, repair: bool, as_json: bool) -> anyhow::Result<(String, bool)> {
    let look = if repair { repair_leaks } else { find_leaks };
    let mut found = Vec::new();
    for place in all_places(data_dir)? {
        let report = look(&place).with_context(|| format!("looking at {}", place.state_dir.display()))?;
        found.push((place, report));
    }
    let dead = runs::dead(data_dir, repair)?;
    let warm = found
        .iter()
        .filter(|(_, report)| report.living_agent)
        .filter_map(|(place, _)| warm_use(&place.state_dir))
        .reduce(together);
    let total = dead.len() + found.iter().map(|(_, report)| report.leaks.len()).sum::<usize>();
    let text = if as_json {
        let rows: Vec<_> = found
            .iter()
            .flat_map(|(_, report)| &report.leaks)
            .map(|leak| json!({ "kind": leak.kind.plural(), "name": leak.name }))
            .chain(
                dead.iter()
                    .map(|folder| json!({ "kind": "files", "name": folder })),
            )
            .collect();
        json!({ "leaks": rows, "warm": warm }).to_string()
    } else {
        as_text(&found, &dead, warm)
    };
    Ok((text, total == 0))
}

/// Of several agents.
fn together(one: WarmUse, other: WarmUse) -> WarmUse {
    WarmUse {
        hits: one.hits + other.hits,
        misses: one.misses + other.misses,
        waiting: one.waiting + other.waiting,
        discarded: one.discarded + other.discarded,
        failed: one.failed + other.failed,
    }
}

fn as_text(found: &[(Place, LeakReport)], dead: &[PathBuf], warm: Option<WarmUse>) -> String {
    let mut lines = Vec::new();
    for kind in LeakKind::ALL {
        let leaks = found.iter().flat_map(|(_, report)| &report.leaks);
        let mut names: Vec<String> = leaks
            .filter(|leak| leak.kind == kind)
            .map(ToString::to_string)
            .collect();
        if kind == LeakKind::File {
            names.extend(dead.iter().map(|folder| folder.display().to_string()));
        }
        lines.push(format!("{:<21} {}", kind.plural(), names.len()));
        lines.extend(names.iter().map(|name| format!("  {name}")));
    }
    let living = found.iter().filter(|(_, report)| report.living_agent);
    let (agents, sandboxes, waiting) = living.fold((0, 0, 0), |(agents, sandboxes, waiting), (_, report)| {
        (agents + 1, sandboxes + report.sandboxes, waiting + report.waiting)
    });
    lines.push(format!(
        "living agents: {agents}, with {sandboxes} sandboxes, {waiting} of them made ahead and without a job"
    ));
    if let Some(WarmUse {
        hits,
        misses,
        waiting: _,
        discarded,
        failed,
    }) = warm
    {
        lines.push(format!(
            "sandboxes made ahead: {hits} jobs found one, {misses} did not; {discarded} were not used, {failed} could not \
             be made"
        ));
    }
    lines.join("\n")
}

/// The agent of the installation, and those of runs without a server.
fn all_places(data_dir: &Path) -> anyhow::Result<Vec<Place>> {
    let mut folders = vec![data_dir.join("agent")];
    folders.extend(runs::agents(data_dir)?);
    let places = folders.into_iter().map(|folder| Place {
        state_dir: folder.join("launcher"),
        work_dir: folder.join("sandboxes"),
    });
    Ok(places
        .filter(|place| place.state_dir.exists() || place.work_dir.exists())
        .collect())
}
