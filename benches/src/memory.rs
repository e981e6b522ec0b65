//! The proportional memory (PSS) of every process of an idle instance: pages that several share count once.

use std::collections::BTreeMap;

use anyhow::Context as _;

use crate::figure::{Figure, Unit};
use crate::instance::Instance;
use crate::limits;
use crate::trigger;
use crate::world::World;

/// `worked` says that jobs ran on this instance already.
pub(crate) async fn measure(world: &World, instance: &Instance, worked: bool) -> anyhow::Result<Figure> {
    let mut figure = Figure::new(
        "memory",
        "proportional memory of all processes, idle",
        Unit::Megabytes,
        Some(limits::MEMORY_TARGET_MB),
    );
    if !worked {
        trigger::work(world, instance).await?;
    }
    tokio::time::sleep(limits::QUIET).await;
    let parents = parents()?;
    let mut parts = BTreeMap::new();
    for process in family(instance.endpoint.pid, &parents) {
        let arguments = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let path = format!("/proc/{process}/smaps_rollup");
        // A process that has ended in between uses nothing.
        let Ok(rollup) = std::fs::read_to_string(&path) else {
            continue;
        };
        let bytes = proportional(&rollup).with_context(|| format!("{path} names no Pss"))?;
        *parts.entry(name(&arguments)).or_insert(0.0) += bytes / 1e6;
    }
    figure.add(parts.values().sum(), parts.clone());
    figure
        .notes
        .push(format!("{} s after the last job", limits::QUIET.as_secs()));
    Ok(figure)
}

/// The parent of every process.
fn parents() -> anyhow::Result<BTreeMap<u32, u32>> {
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").context("reading /proc")? {
        let name = entry.context("reading /proc")?.file_name();
        let Some(process) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
        if let Some(parent) = parent(&stat) {
            parents.insert(process, parent);
        }
    }
    Ok(parents)
}

/// The parent in a line of `/proc/<pid>/stat`. The name before it may hold anything, even parentheses.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// A process and everything below it.
fn family(root: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut family = vec![root];
    let mut next = 0;
    while let Some(parent) = family.get(next).copied() {
        next += 1;
        let children = parents.iter().filter(|(_, found)| **found == parent);
        family.extend(children.map(|(process, _)| *process));
        family.truncate(limits::PROCESSES);
    }
    family
}

/// The bytes in the line `Pss:    5467 kB` of `smaps_rollup`.
fn proportional(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024.0)
}

/// What a process is called here, by its arguments.
fn name(arguments: &[u8]) -> String {
    let mut arguments = arguments.split(|byte| *byte == 0);
    let program = String::from_utf8_lossy(arguments.next().unwrap_or_default());
    let command = String::from_utf8_lossy(arguments.next().unwrap_or_default());
    match command.as_ref() {
        "up" => "supervisor".to_owned(),
        "launcher" => "zygote".to_owned(),
        "vault" | "server" | "agent" => command.into_owned(),
        _ => program.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rollup_is_read() {
        let text = "5576-7ffe [rollup]\nRss:   11000 kB\nPss:    5467 kB\nPss_Dirty:   12 kB\n";
        assert_eq!(proportional(text), Some(5467.0 * 1024.0));
        assert_eq!(proportional("Rss: 1 kB\n"), None);
        let own = std::fs::read_to_string("/proc/self/smaps_rollup").expect("this kernel has it");
        assert!(proportional(&own).is_some_and(|bytes| bytes > 0.0), "{own}");
    }

    #[test]
    fn a_family_is_found_by_its_parents() {
        assert_eq!(parent("7 (a (b) c) S 3 7 7 0"), Some(3));
        assert_eq!(parent("7 (cut"), None);
        let parents = BTreeMap::from([(1, 0), (3, 1), (4, 1), (7, 3), (8, 7)]);
        assert_eq!(family(3, &parents), [3, 7, 8]);
        assert_eq!(family(4, &parents), [4]);
    }

    #[test]
    fn processes_have_the_names_of_their_commands() {
        assert_eq!(name(b"/t/airlock\0vault\0--data-dir\0/x\0"), "vault");
        assert_eq!(name(b"/t/airlock\0up\0"), "supervisor");
        assert_eq!(name(b"/x/bin/airlock-task-b88f\0launcher\0"), "zygote");
        assert_eq!(name(b"/usr/bin/git\0receive-pack\0"), "git");
    }
}
