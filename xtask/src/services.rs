//! `cargo xtask services`: the outside programs that tests talk to, and how each is started.
//!
//! Tests start these themselves and stop them again; nothing has to run before. A test that needs another one adds
//! its row here and its package to `packages`.

use anyhow::Result;

use crate::packages::find_command;

/// One outside program.
struct Service {
    name: &'static str,
    command: &'static str,
    used_for: &'static str,
    started: &'static str,
}

const SERVICES: &[Service] = &[
    Service {
        name: "git",
        command: "git",
        used_for: "pushing to and cloning from the built-in remote",
        started: "per call, by testkit::Git, with a configuration of its own",
    },
    Service {
        name: "OpenSSH client",
        command: "ssh",
        used_for: "the SSH door: git remotes and debugging",
        started: "per call, by git or testkit::Run, with a key made for the test",
    },
    Service {
        name: "QEMU",
        command: "qemu-system-x86_64",
        used_for: "jobs in virtual machines",
        started: "per job, by the agent under test; the kernel is Debian's for clouds, which \
                  testkit::add_kernel fetches with apt and unpacks without installing it",
    },
    Service {
        name: "container registry",
        command: "docker-registry",
        used_for: "pulling images, with and without signing in",
        started: "per test, by testkit::Registry, on a loopback port the kernel picks; filled with umoci and skopeo",
    },
    Service {
        name: "Chromium",
        command: "chromedriver",
        used_for: "pages, live log and terminal in a real browser",
        started: "per journey, by chromedriver on a port the kernel picks",
    },
];

/// Prints the table and whether each program is there.
#[expect(clippy::unnecessary_wraps, reason = "every command has the same shape")]
pub(crate) fn run() -> Result<()> {
    for service in SERVICES {
        let place = find_command(service.command).map_or_else(
            || "missing, see `cargo xtask test --only packages`".to_owned(),
            |path| path.display().to_string(),
        );
        println!(
            "{}\n  program:  {place}\n  used for: {}\n  started:  {}",
            service.name, service.used_for, service.started
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::SERVICES;
    use crate::packages::PACKAGES;

    #[test]
    fn every_service_has_a_package() {
        // The package of the SSH client is recognised by another of its programs.
        let by_other_name = |command: &str| if command == "ssh" { "ssh-keygen" } else { command }.to_owned();
        for service in SERVICES {
            let wanted = by_other_name(service.command);
            let found = PACKAGES.iter().any(
                |package| matches!(package.probe, crate::packages::Probe::Command(name) if name == wanted),
            );
            assert!(found, "{} has no row in packages.rs", service.name);
        }
    }
}
