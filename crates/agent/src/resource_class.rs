//! What the names of resource classes mean on this machine: CircleCI's sizes, cut to what the machine has. Refuses names
//! it does not know rather than guess a size.

use airlock_sandbox::Limits;

use crate::limits;

const GIB: u64 = 1024 * 1024 * 1024;

/// Name, processors, memory in GiB: CircleCI's Docker classes.
const CLASSES: &[(&str, u32, u64)] = &[
    ("small", 1, 2),
    ("medium", 2, 4),
    ("medium+", 3, 6),
    ("large", 4, 8),
    ("xlarge", 8, 16),
    ("2xlarge", 16, 32),
    ("2xlarge+", 20, 40),
];

/// What this machine has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    pub(crate) cpus: u32,
    pub(crate) memory_bytes: u64,
}

impl Machine {
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
        }
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
    offered()
)]
pub(crate) struct UnknownClass {
    wanted: String,
}

fn offered() -> String {
    CLASSES
        .iter()
        .map(|(name, cpus, gib)| format!("{name} ({cpus} CPU, {gib} GiB)"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// The limits a class stands for.
pub(crate) fn size(name: &str, machine: Machine) -> Result<Size, UnknownClass> {
    // CircleCI's newer generations have the same sizes.
    let plain = name.strip_suffix(".gen2").unwrap_or(name);
    let (_, cpus, gib) = CLASSES
        .iter()
        .find(|(class, ..)| *class == plain)
        .ok_or_else(|| UnknownClass {
            wanted: name.to_owned(),
        })?;
    let wanted = (*cpus, gib * GIB);
    let given = (wanted.0.min(machine.cpus), wanted.1.min(machine.memory_bytes));
    let note = (given != wanted).then(|| {
        format!(
            "This machine is smaller than {name} ({cpus} CPU, {gib} GiB): the job gets {} CPU and {}.",
            given.0,
            gibibytes(given.1)
        )
    });
    Ok(Size {
        limits: Limits {
            cpu_millis: given.0.saturating_mul(1000),
            memory_bytes: given.1,
            pids: limits::SANDBOX_PIDS,
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
    };

    #[test]
    fn classes_have_circlecis_sizes() {
        let medium = size("medium", LARGE).expect("known");
        assert_eq!(
            (medium.limits.cpu_millis, medium.limits.memory_bytes),
            (2000, 4 * GIB)
        );
        assert_eq!(medium.note, None);
        assert_eq!(size("medium.gen2", LARGE).expect("known").limits, medium.limits);
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
        };
        let xlarge = size("xlarge", small).expect("known");
        assert_eq!(xlarge.limits.cpu_millis, 2000);
        assert_eq!(
            xlarge.note.as_deref(),
            Some("This machine is smaller than xlarge (8 CPU, 16 GiB): the job gets 2 CPU and 6.5 GiB.")
        );
    }

    #[test]
    fn an_unknown_class_lists_the_known_ones() {
        let text = size("gpu", LARGE).expect_err("unknown").to_string();
        assert!(text.starts_with(
            "resource class 'gpu' is not known to this agent; it offers small (1 CPU, 2 GiB), medium"
        ));
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(gibibytes(4 * GIB), "4 GiB");
        assert_eq!(gibibytes(4 * GIB - 1), "3.9 GiB");
        assert_eq!(gibibytes(256 << 20), "256 MiB");
        assert_eq!(gibibytes(0), "0 MiB");
    }
}
