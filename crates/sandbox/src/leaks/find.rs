//! One look at everything an agent can leave on a host, and at what its records say.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::holders::{self, Holders};
use super::{Leak, LeakKind, LeakReport, Place};
use crate::failure::{Doing, Failure};
use crate::record::{self, Record, Stage};
use crate::{cgroup, disk, net, reap};

/// Looks once. Things are read before records: whatever comes to be in between has a record by then.
pub(super) fn look(place: &Place) -> Result<LeakReport, Failure> {
    let tag = reap::tag(&place.state_dir);
    let holders = Holders::of(&place.state_dir)?;
    let living = holders.agent.is_some();
    let bases = cgroup::named(&reap::group_name(&tag)).doing(|| "looking for cgroups")?;
    let groups: Vec<PathBuf> = bases.iter().flat_map(|base| cgroup::subgroups(base)).collect();
    let mounts = mounts(place)?;
    let devices = net::devices(&tag)?;
    let rules = !living && net::has_rules(&tag);
    let loops = disk::in_use().doing(|| "listing loop devices")?;
    let files = entries(&place.work_dir)?;
    let records = record::read(&place.state_dir)?;

    let mut leaks = Leaks::default();
    let owned = Owned::by(records.whole.iter().filter(|_| living));
    for base in bases.iter().filter(|_| !living) {
        leaks.add_all(LeakKind::Process, cgroup::own_processes(base));
        leaks.add(LeakKind::Cgroup, &base.display());
    }
    for group in groups
        .iter()
        .filter(|group| !owned.groups.contains(&identity(group)))
    {
        leaks.add_all(LeakKind::Process, cgroup::processes(group));
        leaks.add(LeakKind::Cgroup, &group.display());
    }
    if !living {
        leaks.add_all(LeakKind::Process, &holders.launchers);
        let ranges: BTreeSet<u32> = records.whole.iter().map(|record| record.first_id).collect();
        leaks.add_all(LeakKind::Process, holders::of_ranges(&ranges));
        for record in &records.whole {
            leaks.add(LeakKind::File, &record.path(&place.state_dir).display());
        }
        for torn in &records.torn {
            leaks.add(LeakKind::File, &torn.display());
        }
        if rules {
            leaks.add(LeakKind::Rules, &net::table(&tag));
        }
    }
    leaks.add_all(LeakKind::Mount, mounts);
    for device in devices {
        let bridge = device == net::bridge(&tag);
        if !(living && bridge || owned.ports.contains(device.as_str())) {
            leaks.add(LeakKind::Interface, &device);
        }
    }
    let lent: BTreeSet<u32> = records.whole.iter().map(|record| record.first_id).collect();
    if living {
        leaks.add_all(LeakKind::IdRange, holders.claims.difference(&lent));
    }
    for (device, file) in loops {
        let ours = file.starts_with(&place.work_dir) || file.starts_with(&place.state_dir);
        if ours && !owned.homes.iter().any(|home| file.starts_with(home)) {
            leaks.add(LeakKind::LoopDevice, &device.display());
        }
    }
    for file in files.iter().filter(|file| !owned.homes.contains(file.as_path())) {
        leaks.add(LeakKind::File, &file.display());
    }
    Ok(LeakReport {
        living_agent: living,
        sandboxes: records.whole.len(),
        waiting: records
            .whole
            .iter()
            .filter(|record| record.stage == Stage::Waiting)
            .count(),
        leaks: leaks.0.into_iter().collect(),
    })
}

#[derive(Default)]
struct Leaks(BTreeSet<Leak>);

impl Leaks {
    fn add(&mut self, kind: LeakKind, name: &impl ToString) {
        let name = name.to_string();
        self.0.insert(Leak { kind, name });
    }

    fn add_all(&mut self, kind: LeakKind, names: impl IntoIterator<Item: ToString>) {
        for name in names {
            self.add(kind, &name);
        }
    }
}

/// What records account for.
struct Owned<'a> {
    groups: BTreeSet<(u64, u64)>,
    ports: BTreeSet<&'a str>,
    homes: BTreeSet<PathBuf>,
}

impl<'a> Owned<'a> {
    fn by(records: impl Iterator<Item = &'a Record>) -> Self {
        let mut owned = Self {
            groups: BTreeSet::new(),
            ports: BTreeSet::new(),
            homes: BTreeSet::new(),
        };
        for record in records {
            owned
                .groups
                .extend(record.cgroups.iter().map(|group| identity(group)));
            owned.ports.extend(record.port.as_deref());
            owned.homes.insert(real(&record.files));
        }
        owned
    }
}

/// The same group has several names where a hierarchy is mounted twice.
fn identity(group: &Path) -> (u64, u64) {
    fs::metadata(group).map_or((0, 0), |found| (found.dev(), found.ino()))
}

/// The real path of something that may be gone, in a directory that is not.
fn real(path: &Path) -> PathBuf {
    let parts = path.parent().zip(path.file_name());
    parts
        .and_then(|(parent, name)| Some(fs::canonicalize(parent).ok()?.join(name)))
        .unwrap_or_else(|| path.to_owned())
}

/// Mount points below our directories.
fn mounts(place: &Place) -> Result<Vec<String>, Failure> {
    let table = "/proc/thread-self/mountinfo";
    let text = fs::read_to_string(table).doing(|| format!("reading {table}"))?;
    Ok(mounted_below(&text, &[&place.work_dir, &place.state_dir]))
}

/// Mount points of a mount table at or below one of the directories.
pub(super) fn mounted_below(mountinfo: &str, directories: &[&Path]) -> Vec<String> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4));
    let points = points.map(unescaped);
    points
        .filter(|point| directories.iter().any(|ours| Path::new(point).starts_with(ours)))
        .collect()
}

/// The kernel writes blanks and the like as three octal digits.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        if let Some(code) = code {
            plain.push(char::from(code));
            rest = after.get(3..).unwrap_or_default();
        } else {
            plain.push('\\');
            rest = after;
        }
    }
    plain + rest
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let listed = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()),
    };
    listed.doing(|| format!("listing {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::mounted_below;

    #[test]
    fn mounts_below_our_directories_are_found_by_their_real_names() {
        let table = "\
22 1 0:5 / /proc rw - proc proc rw
30 1 7:0 / /data/my\\040jobs/a rw - ext4 /dev/loop0 rw
31 1 7:1 / /data/my\\040jobsx rw - ext4 /dev/loop1 rw
32 1 7:2 / /data/state rw - ext4 /dev/loop2 rw
33 1 7:3 / /odd\\name rw - ext4 /dev/loop3 rw
";
        let ours = [
            Path::new("/data/my jobs"),
            Path::new("/data/state"),
            Path::new("/odd\\name"),
        ];
        assert_eq!(
            mounted_below(table, &ours),
            ["/data/my jobs/a", "/data/state", "/odd\\name"]
        );
    }
}
