//! What the names of resource classes mean on this machine: CircleCI's sizes, cut to what the machine has. Refuses names
//! it does not know rather than guess a size.

use std::path::Path;

use airlock_domain::plan::Platform;
use airlock_sandbox::{DiskLimit, Limits};

use crate::limits;

const GIB: u64 = 1024 * 1024 * 1024;

/// Name, processors, memory in half GiB, disk in GiB.
type Class = (&'static str, u32, u64, u64);

/// CircleCI's Docker classes. It names no disk per class; ours grow with them.
const CLASSES: &[Class] = &[
    ("small", 1, 4, 25),
    ("medium", 2, 8, 50),
    ("medium+", 3, 12, 50),
    ("large", 4, 16, 100),
    ("xlarge", 8, 32, 100),
    ("2xlarge", 16, 64, 200),
    ("2xlarge+", 20, 80, 200),
];

/// CircleCI's classes of Linux machines, and a small one for hosts that emulate them.
const MACHINE_CLASSES: &[Class] = &[
    ("small", 1, 4, 25),
    ("medium", 2, 15, 100),
    ("large", 4, 30, 100),
    ("xlarge", 8, 64, 100),
    ("2xlarge", 16, 128, 200),
    ("2xlarge+", 32, 128, 200),
];

/// The kind of machine this agent has for jobs.
pub(crate) const PLATFORM: Platform = if cfg!(target_arch = "aarch64") {
    Platform::Arm
} else {
    Platform::Linux
};

/// What this machine has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) cpus: u32,
    pub(crate) memory_bytes: u64,
    /// One job's part of the disk; `None` where disks are not bounded.
    pub(crate) disk_bytes: Option<u64>,
}

impl Machine {
    /// This machine, with the free disk below `directory` parted between so many jobs at a time.
    pub(crate) fn with_disk(directory: &Path, jobs: u32) -> Self {
        let free = rustix::fs::statvfs(directory).map(|found| found.f_bavail.saturating_mul(found.f_frsize));
        let share = free.map(|free| free / 100 * limits::DISK_SHARE_PERCENT / u64::from(jobs.max(1)));
        Self {
            // Whole sizes, so that a disk made ahead for one start fits the next.
            disk_bytes: share.ok().and_then(whole),
            ..Self::here()
        }
    }

    /// This machine.
    pub(crate) fn here() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let info = rustix::system::sysinfo();
        // The types of these fields differ between architectures.
        #[expect(clippy::useless_conversion, reason = "not useless on 32-bit machines")]
        let memory_bytes = u64::from(info.totalram) * u64::from(info.mem_unit);
        Self {
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
            memory_bytes,
            disk_bytes: None,
        }
    }
}

/// A size rounded down to gibibytes, or below one to the least.
fn whole(bytes: u64) -> Option<u64> {
    match bytes / GIB {
        0 => (bytes >= limits::DISK_LEAST_BYTES).then_some(limits::DISK_LEAST_BYTES),
        gib => Some(gib * GIB),
    }
}

/// A disk of so many bytes.
pub(crate) fn disk(bytes: u64) -> DiskLimit {
    DiskLimit {
        bytes,
        inodes: bytes / limits::DISK_BYTES_PER_FILE,
    }
}

/// A class on this machine.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) limits: Limits,
    /// What was cut, for the log.
    pub(crate) note: Option<String>,
}

/// A class nobody knows.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "resource class '{wanted}' is not known to this agent; it offers {}",
    offered(.classes)
)]
pub(crate) struct UnknownClass {
    wanted: String,
    classes: &'static [Class],
}

fn offered(classes: &[Class]) -> String {
    classes
        .iter()
        .map(|(name, cpus, halves, _)| format!("{name} ({cpus} CPU, {})", gibibytes(halves * GIB / 2)))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The limits a class of containers stands for.
pub(crate) fn size(name: &str, machine: Machine) -> Result<Size, UnknownClass> {
    size_in(CLASSES, name, machine)
}

/// The limits a class of virtual machines stands for: what the guest has.
pub(crate) fn machine_size(name: &str, machine: Machine) -> Result<Size, UnknownClass> {
    let room = Machine {
        memory_bytes: machine
            .memory_bytes
            .saturating_sub(limits::MACHINE_OVERHEAD_BYTES),
        ..machine
    };
    size_in(MACHINE_CLASSES, name, room)
}

fn size_in(classes: &'static [Class], name: &str, machine: Machine) -> Result<Size, UnknownClass> {
    // CircleCI's newer generations have the same sizes, and so have those of Arm, which come to agents on Arm only.
    let plain = name.strip_suffix(".gen2").unwrap_or(name);
    let plain = plain.strip_prefix("arm.").unwrap_or(plain);
    let (_, cpus, halves, disk_gib) =
        classes
            .iter()
            .find(|(class, ..)| *class == plain)
            .ok_or_else(|| UnknownClass {
                wanted: name.to_owned(),
                classes,
            })?;
    let wanted = (*cpus, halves * GIB / 2);
    let given = (wanted.0.min(machine.cpus), wanted.1.min(machine.memory_bytes));
    let note = (given != wanted).then(|| {
        format!(
            "This machine is smaller than {name} ({cpus} CPU, {}): the job gets {} CPU and {}.",
            gibibytes(wanted.1),
            given.0,
            gibibytes(given.1)
        )
    });
    Ok(Size {
        limits: Limits {
            cpu_millis: given.0.saturating_mul(1000),
            memory_bytes: given.1,
            pids: limits::SANDBOX_PIDS,
            // Cut without a word in the note: the line on the class says what it is.
            disk: machine.disk_bytes.map(|share| disk(share.min(disk_gib * GIB))),
        },
        note,
    })
}

/// `4 GiB`, `3.9 GiB`, `512 MiB`.
pub(crate) fn gibibytes(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    if bytes.is_multiple_of(GIB) && bytes > 0 {
        return format!("{} GiB", bytes / GIB);
    }
    if bytes >= GIB {
        return format!("{}.{} GiB", bytes / GIB, bytes % GIB * 10 / GIB);
    }
    format!("{} MiB", bytes / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LARGE: Machine = Machine {
        cpus: 64,
        memory_bytes: 256 * GIB,
        disk_bytes: None,
    };

    #[test]
    fn classes_have_circlecis_sizes() {
        let medium = size("medium", LARGE).expect("known");
        assert_eq!(
            (medium.limits.cpu_millis, medium.limits.memory_bytes),
            (2000, 4 * GIB)
        );
        assert_eq!(medium.note, None);
        for same in ["medium.gen2", "arm.medium"] {
            assert_eq!(size(same, LARGE).expect("known").limits, medium.limits);
        }
        assert_eq!(
            size("2xlarge+", LARGE).expect("known").limits.memory_bytes,
            40 * GIB
        );
    }

    #[test]
    fn a_small_machine_cuts_and_says_so() {
        let small = Machine {
            cpus: 2,
            memory_bytes: 6 * GIB + GIB / 2,
            disk_bytes: Some(20 * GIB),
        };
        let xlarge = size("xlarge", small).expect("known");
        assert_eq!(xlarge.limits.cpu_millis, 2000);
        assert_eq!(xlarge.limits.disk, Some(disk(20 * GIB)));
        assert_eq!(
            xlarge.note.as_deref(),
            Some("This machine is smaller than xlarge (8 CPU, 16 GiB): the job gets 2 CPU and 6.5 GiB.")
        );
    }

    #[test]
    fn a_disk_is_a_whole_part_of_what_is_free() {
        assert_eq!(whole(30 * GIB + 5), Some(30 * GIB));
        assert_eq!(whole(GIB - 1), Some(limits::DISK_LEAST_BYTES));
        assert_eq!(whole(1 << 20), None, "too little to bound anything by");
        let roomy = Machine {
            disk_bytes: Some(1000 * GIB),
            ..LARGE
        };
        let limit = size("medium", roomy).expect("known").limits.disk;
        assert_eq!(
            limit.map(|disk| (disk.bytes, disk.inodes)),
            Some((50 * GIB, 3_276_800))
        );
        assert!(Machine::with_disk(Path::new("/"), 2).disk_bytes.is_some());
    }

    #[test]
    fn an_unknown_class_lists_the_known_ones() {
        let text = size("gpu", LARGE).expect_err("unknown").to_string();
        assert!(text.starts_with(
            "resource class 'gpu' is not known to this agent; it offers small (1 CPU, 2 GiB), medium"
        ));
    }

    #[test]
    fn machines_have_sizes_of_their_own_and_leave_room_for_their_monitor() {
        let medium = machine_size("medium", LARGE).expect("known");
        assert_eq!(
            (medium.limits.cpu_millis, medium.limits.memory_bytes),
            (2000, 15 * GIB / 2)
        );
        let tight = Machine {
            memory_bytes: 4 * GIB,
            ..LARGE
        };
        let cut = machine_size("medium", tight).expect("known").limits;
        assert_eq!(cut.memory_bytes + limits::MACHINE_OVERHEAD_BYTES, 4 * GIB);
        let text = machine_size("medium+", LARGE).expect_err("unknown").to_string();
        assert!(text.contains("medium (2 CPU, 7.5 GiB), large"), "{text}");
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(gibibytes(4 * GIB), "4 GiB");
        assert_eq!(gibibytes(4 * GIB - 1), "3.9 GiB");
        assert_eq!(gibibytes(256 << 20), "256 MiB");
        assert_eq!(gibibytes(0), "0 MiB");
    }
}
