//! The Debian packages that building, running and testing Airlock needs, in one place with their reasons.
//!
//! Called by `install` and by the first stage of `test_run`. It installs only what is absent, says so before it
//! does, and never removes or upgrades anything.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// What a package is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To compile.
    Build,
    /// To run jobs.
    Run,
    /// Only to test.
    Test,
}

/// One package of the distribution.
#[derive(Debug)]
pub(crate) struct AptPackage {
    pub(crate) name: &'static str,
    /// The package is there when this can be found.
    pub(crate) probe: Probe,
    pub(crate) purpose: Purpose,
    pub(crate) why: &'static str,
}

/// How to see whether a package is there, whoever installed it.
#[derive(Debug)]
pub(crate) enum Probe {
    Command(&'static str),
    /// A file that the compiler would find, by name.
    CompilerFile(&'static str),
}

const fn command(name: &'static str, probe: &'static str, purpose: Purpose, why: &'static str) -> AptPackage {
    AptPackage {
        name,
        probe: Probe::Command(probe),
        purpose,
        why,
    }
}

/// All of them.
pub(crate) const PACKAGES: &[AptPackage] = &[
    command(
        "gcc",
        "cc",
        Purpose::Build,
        "the C parts of SQLite and of the cryptography library; linking",
    ),
    AptPackage {
        name: "libc6-dev",
        probe: Probe::CompilerFile("libc.a"),
        purpose: Purpose::Build,
        why: "the in-job program is linked statically",
    },
    command(
        "git",
        "git",
        Purpose::Run,
        "the built-in git remote, and checkouts",
    ),
    command(
        "openssh-client",
        "ssh-keygen",
        Purpose::Run,
        "git over SSH, and keys for first users",
    ),
    command(
        "rsync",
        "rsync",
        Purpose::Test,
        "files into a job over SSH, by another client",
    ),
    command(
        "mmdebstrap",
        "mmdebstrap",
        Purpose::Run,
        "builds the image airlock/base without a registry",
    ),
    command(
        "e2fsprogs",
        "mkfs.ext4",
        Purpose::Run,
        "the disks of sandboxes, which bound what a job writes",
    ),
    command(
        "nftables",
        "nft",
        Purpose::Run,
        "the address policy of sandboxes with a network",
    ),
    command(
        "qemu-system-x86",
        "qemu-system-x86_64",
        Purpose::Run,
        "virtual machines for jobs that ask for a machine",
    ),
    command(
        "runc",
        "runc",
        Purpose::Test,
        "the peer that what a process sees in a sandbox is compared with",
    ),
    command(
        "iproute2",
        "ip",
        Purpose::Run,
        "the link between a sandbox and the machine",
    ),
    command(
        "g++",
        "c++",
        Purpose::Test,
        "the fuzzer that fuzz targets are linked with is written in C++",
    ),
    command(
        "procps",
        "ps",
        Purpose::Test,
        "tests look for processes that outlived their sandbox",
    ),
    command(
        "busybox-static",
        "busybox",
        Purpose::Test,
        "the smallest image root for sandbox tests",
    ),
    command(
        "docker-registry",
        "docker-registry",
        Purpose::Test,
        "a real registry that images are pulled from",
    ),
    command(
        "skopeo",
        "skopeo",
        Purpose::Test,
        "puts images into that registry, packed in every way",
    ),
    command(
        "umoci",
        "umoci",
        Purpose::Test,
        "makes images with layers and deletions as people make them",
    ),
    command(
        "apache2-utils",
        "htpasswd",
        Purpose::Test,
        "passwords of a registry that wants signing in",
    ),
    command("zstd", "zstd", Purpose::Test, "layers packed with it"),
    command(
        "chromium",
        "chromium",
        Purpose::Test,
        "pages are tested in a real browser",
    ),
    command(
        "chromium-driver",
        "chromedriver",
        Purpose::Test,
        "drives that browser",
    ),
    command(
        "neovim",
        "nvim",
        Purpose::Test,
        "a real editor talks to the language server",
    ),
];

/// Installs with apt whatever these purposes need and this machine lacks.
pub(crate) fn install_missing(purposes: &[Purpose]) -> Result<()> {
    let wanted: Vec<&AptPackage> = PACKAGES
        .iter()
        .filter(|package| purposes.contains(&package.purpose))
        .collect();
    let missing = missing(&wanted, &is_present);
    if missing.is_empty() {
        println!("nothing to install: all {} packages are there", wanted.len());
        return Ok(());
    }
    for package in &missing {
        println!("missing: {} ({})", package.name, package.why);
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let by_hand = format!("apt-get install --no-install-recommends {}", names.join(" "));
    if find_command("apt-get").is_none() {
        bail!(
            "this machine has no apt-get: install what is missing with its own package manager (Debian: {by_hand})"
        );
    }
    ensure!(
        is_root()?,
        "installing needs root: run `sudo {by_hand}`, then try again"
    );
    println!("installing: {by_hand}");
    apt_get(&["update", "-q"])?;
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(&names);
    apt_get(&arguments)
}

fn missing<'a>(wanted: &[&'a AptPackage], is_present: &dyn Fn(&Probe) -> bool) -> Vec<&'a AptPackage> {
    wanted
        .iter()
        .copied()
        .filter(|package| !is_present(&package.probe))
        .collect()
}

fn is_present(probe: &Probe) -> bool {
    match probe {
        Probe::Command(name) => find_command(name).is_some(),
        Probe::CompilerFile(name) => compiler_finds(name),
    }
}

/// Looks a program up as a shell would, plus the folders of administrators that a user's PATH often lacks.
pub(crate) fn find_command(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// Whether the C compiler knows where this file lies; it repeats the bare name when it does not.
fn compiler_finds(name: &str) -> bool {
    let output = Command::new("cc")
        .arg(format!("-print-file-name={name}"))
        .stdin(Stdio::null())
        .output();
    output.is_ok_and(|output| {
        let answer = String::from_utf8_lossy(&output.stdout);
        output.status.success() && Path::new(answer.trim()).is_absolute()
    })
}

/// Whether this process has root's powers.
pub(crate) fn is_root() -> Result<bool> {
    let status = std::fs::read_to_string("/proc/self/status").context("could not read /proc/self/status")?;
    effective_user(&status)
        .map(|user| user == 0)
        .context("/proc/self/status has no line Uid")
}

fn effective_user(status: &str) -> Option<u32> {
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .status()
        .context("could not start apt-get")?;
    ensure!(
        status.success(),
        "`apt-get {}` ended with {status}",
        arguments.join(" ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{PACKAGES, Probe, Purpose, effective_user, find_command, missing};

    #[test]
    fn only_what_is_absent_is_missing() {
        let wanted: Vec<_> = PACKAGES
            .iter()
            .filter(|package| package.purpose == Purpose::Run)
            .collect();
        let all = missing(&wanted, &|_| false);
        assert_eq!(all.len(), wanted.len());
        let but_git = |probe: &Probe| !matches!(probe, Probe::Command("git"));
        let names: Vec<&str> = missing(&wanted, &but_git)
            .iter()
            .map(|package| package.name)
            .collect();
        assert_eq!(names, ["git"]);
    }

    #[test]
    fn every_package_has_a_reason_and_stands_once() {
        for (index, package) in PACKAGES.iter().enumerate() {
            assert!(!package.why.is_empty(), "{}", package.name);
            assert!(
                PACKAGES[..index].iter().all(|above| above.name != package.name),
                "{}",
                package.name
            );
        }
    }

    #[test]
    fn programs_are_found_by_name() {
        assert!(find_command("sh").is_some());
        assert!(find_command("no-such-program-anywhere").is_none());
    }

    #[test]
    fn the_effective_user_counts() {
        assert_eq!(effective_user("Name:\tx\nUid:\t1000\t0\t1000\t1000\n"), Some(0));
        assert_eq!(effective_user("Name:\tx\n"), None);
    }
}
