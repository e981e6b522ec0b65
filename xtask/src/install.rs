//! `cargo xtask install`: what a machine needs before `airlock up` can work.
//!
//! Installs missing packages and looks at what the sandbox needs of the kernel and of the user. It changes nothing
//! else about the machine; what it cannot mend it explains.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::packages::{self, Purpose};

/// Installs and checks; fails when jobs could not run here.
pub(crate) fn run() -> Result<()> {
    packages::install_missing(&[Purpose::Build, Purpose::Run])?;
    let checks = [root()?, user_namespaces(), overlay(), control_groups()];
    for check in &checks {
        match &check.trouble {
            None => println!("ok: {}", check.what),
            Some(trouble) => println!("MISSING: {}: {trouble}", check.what),
        }
    }
    let missing = checks.iter().filter(|check| check.trouble.is_some()).count();
    if missing > 0 {
        bail!("{missing} thing(s) that the sandbox needs are missing, listed above");
    }
    Ok(())
}

/// One thing the sandbox needs.
struct Check {
    what: &'static str,
    trouble: Option<String>,
}

fn root() -> Result<Check> {
    let trouble = (!packages::is_root()?).then(|| {
        "the agent prepares roots and networks of sandboxes: run it as root (`sudo make up`)".to_owned()
    });
    Ok(Check {
        what: "root",
        trouble,
    })
}

fn user_namespaces() -> Check {
    let path = "/proc/sys/user/max_user_namespaces";
    let trouble = match std::fs::read_to_string(path) {
        Ok(text) => namespaces_trouble(&text),
        Err(error) => Some(format!(
            "this kernel has no user namespaces (could not read {path}: {error})"
        )),
    };
    Check {
        what: "user namespaces",
        trouble,
    }
}

fn namespaces_trouble(most: &str) -> Option<String> {
    let most = most.trim();
    (most == "0").then(|| {
        "they are switched off: `sysctl -w user.max_user_namespaces=15000` switches them on".to_owned()
    })
}

fn overlay() -> Check {
    let listed = || std::fs::read_to_string("/proc/filesystems").is_ok_and(|text| lists_overlay(&text));
    if !listed() {
        // The list only has what is loaded; a failure here shows in the second look.
        let _ = Command::new("modprobe")
            .arg("overlay")
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
    let trouble =
        (!listed()).then(|| "this kernel does not offer overlayfs, not even as a module".to_owned());
    Check {
        what: "overlayfs",
        trouble,
    }
}

fn lists_overlay(filesystems: &str) -> bool {
    filesystems
        .lines()
        .any(|line| line.split_whitespace().last() == Some("overlay"))
}

fn control_groups() -> Check {
    let unified = Path::new("/sys/fs/cgroup/cgroup.controllers");
    let memory = Path::new("/sys/fs/cgroup/memory");
    let trouble = (!unified.exists() && !memory.exists()).then(|| {
        "no control groups below /sys/fs/cgroup, so limits of jobs could not be enforced".to_owned()
    });
    Check {
        what: "control groups",
        trouble,
    }
}

#[cfg(test)]
mod tests {
    use super::{lists_overlay, namespaces_trouble};

    #[test]
    fn switched_off_namespaces_are_noticed() {
        assert!(namespaces_trouble("0\n").is_some());
        assert!(namespaces_trouble("15000\n").is_none());
    }

    #[test]
    fn overlay_is_found_by_its_whole_name() {
        assert!(lists_overlay("nodev\tproc\nnodev\toverlay\n"));
        assert!(!lists_overlay("nodev\toverlay2\n\text4\n"));
    }
}
