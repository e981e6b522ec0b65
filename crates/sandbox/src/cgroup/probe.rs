//! Which hierarchies this host has and where in them the agent is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::v1::V1;
use super::v2::V2;
use super::{Backend, Enforced, set};
use crate::failure::{Doing, Failure};
use crate::reap;

/// Name of the group the agent moves to where a group with processes cannot hand controllers on.
const LEAF: &str = "agent";

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Controllers of a v1 hierarchy; none for v2.
    controllers: Option<Vec<String>>,
    /// Where it is mounted, with the agent's own group appended.
    own: PathBuf,
}

/// Finds the best backend; groups of this launcher are made in directories called `name`.
pub(crate) fn probe(name: &str) -> Result<Box<dyn Backend>, Failure> {
    let read = |path: &str| fs::read_to_string(path).doing(|| format!("reading {path}"));
    let hierarchies = hierarchies(
        &read("/proc/self/mountinfo")?,
        &read("/proc/self/cgroup")?,
        &|path| path.is_dir(),
    );
    let v1 = v1(&hierarchies, name);
    if v1.memory.is_some() || v1.pids.is_some() || v1.cpu.is_some() {
        return Ok(Box::new(v1));
    }
    let unified = hierarchies
        .iter()
        .find(|hierarchy| hierarchy.controllers.is_none());
    let Some(Hierarchy { own, .. }) = unified else {
        return Err(io::Error::from(io::ErrorKind::NotFound))
            .doing(|| "finding control groups (no cgroup file system is mounted; sandboxes need limits)");
    };
    let group = delegated(own)?;
    let file = group.join("cgroup.controllers");
    let controllers = fs::read_to_string(&file).doing(|| format!("reading {}", file.display()))?;
    Ok(Box::new(V2::prepare(&group.join(name), &controllers)?))
}

/// Which limits the host's control groups can enforce for a launcher in this process's own group, and by which kind of
/// hierarchy. Changes nothing.
pub(crate) fn survey() -> Result<(&'static str, Enforced), Failure> {
    let read = |path: &str| fs::read_to_string(path).doing(|| format!("reading {path}"));
    let hierarchies = hierarchies(
        &read("/proc/self/mountinfo")?,
        &read("/proc/self/cgroup")?,
        &|path| path.is_dir(),
    );
    let v1 = v1(&hierarchies, "any");
    if v1.memory.is_some() || v1.pids.is_some() || v1.cpu.is_some() {
        let kind = if v1.unified.is_some() {
            "hybrid cgroups (limits by v1, killing by v2)"
        } else {
            "cgroups v1"
        };
        return Ok((kind, v1.enforced()));
    }
    let unified = hierarchies
        .iter()
        .find(|hierarchy| hierarchy.controllers.is_none());
    let Some(Hierarchy { own, .. }) = unified else {
        return Ok(("no cgroups", Enforced::default()));
    };
    let file = own.join("cgroup.controllers");
    let controllers = fs::read_to_string(&file).doing(|| format!("reading {}", file.display()))?;
    Ok(("cgroups v2", V2::over(own, &controllers).enforced()))
}

/// Every group of this name that a launcher may have made: in the agent's own group, which may be another one after each
/// of its starts, and so anywhere in any hierarchy. A group is there once per mount of its hierarchy.
pub(crate) fn named(name: &str) -> io::Result<Vec<PathBuf>> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo")?;
    let points = mountinfo.lines().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let is_group = matches!(after.split(' ').next()?, "cgroup" | "cgroup2");
        is_group.then(|| before.split(' ').nth(4)).flatten()
    });
    let mut found = Vec::new();
    let mut to_do: Vec<PathBuf> = points.map(PathBuf::from).collect();
    while let Some(group) = to_do.pop() {
        for below in super::subgroups(&group) {
            // What is in one of ours was made by a job.
            if below.file_name().is_some_and(|its| its == name) {
                found.push(below);
            } else if !below.file_name().is_some_and(is_ours) {
                to_do.push(below);
            }
        }
    }
    Ok(found)
}

/// Whether some launcher made a group of this name.
fn is_ours(name: &std::ffi::OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(reap::GROUPS))
}

/// Makes a v2 group hand its controllers on, which it only may while no process is in it directly.
fn delegated(own: &Path) -> Result<PathBuf, Failure> {
    // After a restart within the same unit the agent may find itself in the leaf already.
    let group = if own.ends_with(LEAF) {
        own.parent().unwrap_or(own)
    } else {
        own
    };
    let processes = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let is_root = !group.join("cgroup.type").exists();
    if !is_root && !processes.trim().is_empty() {
        let leaf = group.join(LEAF);
        super::make(&leaf)?;
        for process in processes.lines() {
            // One that ended meanwhile is no obstacle.
            let _ = set(&leaf, "cgroup.procs", &process);
        }
    }
    for controller in ["+cpu", "+memory", "+pids"] {
        // A controller that is not ours to hand on shows as not enforced.
        let _ = set(group, "cgroup.subtree_control", &controller);
    }
    Ok(group.to_owned())
}

/// The directories of a launcher called `name` in v1 hierarchies.
fn v1(hierarchies: &[Hierarchy], name: &str) -> V1 {
    let with = |controller: &str| {
        let has = |hierarchy: &&Hierarchy| {
            hierarchy
                .controllers
                .as_ref()
                .is_some_and(|all| all.iter().any(|one| one == controller))
        };
        hierarchies
            .iter()
            .find(has)
            .map(|hierarchy| hierarchy.own.join(name))
    };
    let unified = hierarchies
        .iter()
        .find(|hierarchy| hierarchy.controllers.is_none());
    V1 {
        cpu: with("cpu"),
        cpuacct: with("cpuacct"),
        memory: with("memory"),
        pids: with("pids"),
        freezer: if unified.is_some() { None } else { with("freezer") },
        unified: unified.map(|hierarchy| hierarchy.own.join(name)),
    }
}

/// Joins `/proc/self/mountinfo` and `/proc/self/cgroup`.
pub(super) fn hierarchies(
    mountinfo: &str,
    cgroup: &str,
    is_directory: &dyn Fn(&Path) -> bool,
) -> Vec<Hierarchy> {
    let mut found = Vec::new();
    for line in mountinfo.lines() {
        let Some((before, after)) = line.split_once(" - ") else {
            continue;
        };
        let before: Vec<&str> = before.split(' ').collect();
        let after: Vec<&str> = after.split(' ').collect();
        let (Some(root), Some(at), Some(kind), Some(options)) =
            (before.get(3), before.get(4), after.first(), after.get(2))
        else {
            continue;
        };
        let controllers = match *kind {
            "cgroup2" => None,
            "cgroup" => Some(options.split(',').map(str::to_owned).collect::<Vec<_>>()),
            _ => continue,
        };
        let own = own_group(cgroup, controllers.as_deref()).unwrap_or("/");
        // In a container the mount may show only part of the hierarchy.
        let own = own
            .strip_prefix(root.trim_end_matches('/'))
            .unwrap_or(own)
            .trim_start_matches('/');
        let at = Path::new(at);
        let own = Some(at.join(own))
            .filter(|path| is_directory(path))
            .unwrap_or_else(|| at.to_owned());
        found.push(Hierarchy { controllers, own });
    }
    found
}

/// The path in `/proc/self/cgroup` for a hierarchy.
fn own_group<'a>(cgroup: &'a str, controllers: Option<&[String]>) -> Option<&'a str> {
    cgroup.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':');
        let (_, names, path) = (fields.next()?, fields.next()?, fields.next()?);
        let matches = match controllers {
            None => names.is_empty(),
            Some(controllers) => names
                .split(',')
                .any(|name| controllers.iter().any(|one| one == name)),
        };
        matches.then_some(path)
    })
}
