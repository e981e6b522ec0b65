//! Whether the kernel of this host has what sandboxes need, found out once per launcher. The table of everything is in
//! the documentation of the crate; what is here is its essential part, and the choice of how roots are assembled.
//!
//! Versions are compared first, because "needs 5.19" helps more than the first of several refusals. Then a few calls
//! are tried: a new kernel may be built without something, and a container may be forbidden it.

use std::fs;
use std::io;

use rustix::mount::{FsOpenFlags, fsopen};

use crate::errors::LauncherError;
use crate::overlay::{self, Assembly};
use crate::sys;

/// Major and minor version.
type Version = (u32, u32);

/// Something without which no sandbox can be started.
struct Facility {
    /// As the documented table calls it.
    what: &'static str,
    since: Version,
    /// A system call that the kernel must know of.
    call: Option<libc::c_long>,
}

/// In the order of versions.
const ESSENTIAL: [Facility; 9] = [
    Facility {
        what: "seccomp filters by `seccomp`",
        since: (3, 17),
        call: Some(libc::SYS_seccomp),
    },
    Facility {
        what: "`fsopen`, `fsconfig`, `fsmount`, `open_tree`, `move_mount`",
        since: (5, 2),
        call: Some(libc::SYS_fsopen),
    },
    Facility {
        what: "`clone3`, pidfds that can be polled",
        since: (5, 3),
        call: Some(libc::SYS_clone3),
    },
    Facility {
        what: "`openat2`",
        since: (5, 6),
        call: Some(libc::SYS_openat2),
    },
    Facility {
        what: "`CLONE_INTO_CGROUP`",
        since: (5, 7),
        call: None,
    },
    Facility {
        what: "volatile overlays",
        since: (5, 10),
        call: None,
    },
    Facility {
        what: "`close_range` with `CLOSE_RANGE_CLOEXEC`",
        since: (5, 11),
        call: Some(libc::SYS_close_range),
    },
    Facility {
        what: "`mount_setattr` with id mapping",
        since: (5, 12),
        call: Some(libc::SYS_mount_setattr),
    },
    Facility {
        what: "overlays on id-mapped layers",
        since: (5, 19),
        call: None,
    },
];

/// What only the faster way of assembling roots needs.
const BY_DESCRIPTOR: &str = "overlay layers by descriptor, detached";
const BY_DESCRIPTOR_SINCE: Version = (6, 15);

/// Refuses a kernel that lacks something essential; returns how roots are to be assembled, `wanted` if given.
pub(crate) fn check(wanted: Option<Assembly>) -> Result<Assembly, LauncherError> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    new_enough(&release)?;
    for facility in &ESSENTIAL {
        if let Some(call) = facility.call
            && !sys::knows(call)
        {
            return Err(refuses(facility.what, &release, &unknown_call()));
        }
    }
    if let Err(error) = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC) {
        return Err(refuses("overlayfs", &release, &error.into()));
    }
    user_namespaces(&release)?;
    let descriptors = || overlay::descriptors_supported();
    match wanted {
        Some(Assembly::Paths) => Ok(Assembly::Paths),
        Some(Assembly::Descriptors) => match descriptors() {
            Ok(()) => Ok(Assembly::Descriptors),
            Err(_) if version(&release).is_some_and(|found| found < BY_DESCRIPTOR_SINCE) => {
                Err(too_old(BY_DESCRIPTOR, BY_DESCRIPTOR_SINCE, &release))
            }
            Err(error) => Err(refuses(BY_DESCRIPTOR, &release, &error)),
        },
        None => Ok(match descriptors() {
            Ok(()) => Assembly::Descriptors,
            Err(_) => Assembly::Paths,
        }),
    }
}

/// The newest of what is missing is named: anything older comes along with it.
fn new_enough(release: &str) -> Result<(), LauncherError> {
    // A release that is no version is left to the trials.
    let Some(found) = version(release) else {
        return Ok(());
    };
    match ESSENTIAL.iter().rfind(|facility| found < facility.since) {
        None => Ok(()),
        Some(missing) => Err(too_old(missing.what, missing.since, release)),
    }
}

fn user_namespaces(release: &str) -> Result<(), LauncherError> {
    let what = "user namespaces";
    if !fs::exists("/proc/self/ns/user").unwrap_or(false) {
        return Err(refuses(what, release, &unknown_call()));
    }
    let switch = "/proc/sys/user/max_user_namespaces";
    let most = fs::read_to_string(switch).unwrap_or_default();
    if most.trim() == "0" {
        return Err(LauncherError::KernelRefuses {
            what,
            found: release.to_owned(),
            why: format!("{switch} is 0; `sysctl user.max_user_namespaces=10000` switches them on"),
        });
    }
    Ok(())
}

/// The first two numbers of a release such as `6.1.0-30-amd64`.
fn version(release: &str) -> Option<Version> {
    let mut numbers = release.split(|each: char| !each.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn unknown_call() -> io::Error {
    io::Error::from_raw_os_error(libc::ENOSYS)
}

fn too_old(what: &'static str, (major, minor): Version, release: &str) -> LauncherError {
    LauncherError::KernelTooOld {
        what,
        needed: format!("{major}.{minor}"),
        found: release.to_owned(),
    }
}

fn refuses(what: &'static str, release: &str, error: &io::Error) -> LauncherError {
    let why = match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            "the agent has to run as root, and not in a container that takes rights away".to_owned()
        }
        Some(libc::ENOSYS) => "it is built without, or a container hides it".to_owned(),
        Some(libc::ENODEV) => "the module is missing; `modprobe overlay` tells more".to_owned(),
        _ => error.to_string(),
    };
    LauncherError::KernelRefuses {
        what,
        found: release.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENTED: &str = include_str!("kernel.md");

    #[test]
    fn an_old_kernel_is_told_the_version_that_has_everything() {
        for (release, what) in [
            ("5.10.0-28-amd64", "overlays on id-mapped layers"),
            (
                "5.15.167.4-microsoft-standard-WSL2",
                "overlays on id-mapped layers",
            ),
            ("4.19.0", "overlays on id-mapped layers"),
        ] {
            let error = new_enough(release).expect_err("too old").to_string();
            assert_eq!(
                error,
                format!(
                    "sandboxes need {what}, which Linux has since 5.19; this host runs Linux {release} (Debian 12, \
                     Ubuntu 24.04 and everything newer will do)"
                )
            );
        }
        for release in ["5.19", "6.1.0-30-amd64", "6.18.44-fc", "7.0-rc1", "odd"] {
            assert!(new_enough(release).is_ok(), "{release}");
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert_eq!(version("6.1.0-30-amd64"), Some((6, 1)));
        assert!(version("6.1").expect("a version") < version("6.15.2").expect("a version"));
        assert!(version("5.19.1").expect("a version") < version("6.1").expect("a version"));
        assert_eq!(version("linux"), None);
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let said = |errno| refuses("overlayfs", "6.1", &io::Error::from_raw_os_error(errno)).to_string();
        assert_eq!(
            said(libc::ENODEV),
            "sandboxes need overlayfs, which Linux 6.1 on this host refuses: the module is missing; `modprobe \
             overlay` tells more"
        );
        assert!(said(libc::EPERM).contains("run as root"));
    }

    #[test]
    fn a_call_that_no_kernel_has_is_not_known() {
        assert!(!sys::knows(1 << 20));
        assert!(ESSENTIAL.iter().filter_map(|one| one.call).all(sys::knows));
    }

    #[test]
    fn every_way_that_is_offered_is_taken() {
        assert_eq!(
            check(Some(Assembly::Paths)).expect("a kernel that will do"),
            Assembly::Paths
        );
        let best = check(None).expect("a kernel that will do");
        let forced = check(Some(Assembly::Descriptors));
        match best {
            Assembly::Descriptors => assert_eq!(forced.expect("the best way"), best),
            Assembly::Paths => assert!(forced.expect_err("no such way").to_string().contains("6.15")),
        }
    }

    #[test]
    fn the_documented_table_has_every_facility_with_its_version() {
        let essential = ESSENTIAL.iter().map(|one| (one.what, one.since));
        for (what, (major, minor)) in essential.chain([(BY_DESCRIPTOR, BY_DESCRIPTOR_SINCE)]) {
            let row = format!("| {what} | {major}.{minor} |");
            assert!(DOCUMENTED.contains(&row), "{row} is not documented");
        }
        let rows = DOCUMENTED
            .lines()
            .filter(|line| line.ends_with("does not start |"));
        assert_eq!(
            rows.count(),
            ESSENTIAL.len() + 1,
            "user namespaces and overlayfs share a row"
        );
    }
}
