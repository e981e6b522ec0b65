//! Whether a machine can be had for a job, and what it is made of.

use std::path::{Path, PathBuf};

use airlock_sandbox::{Limits, Network};
use aws_lc_rs::digest::{SHA256, digest};

use super::disk;
use super::kernel::Kernel;
use super::monitor::{Accelerator, Monitor, Shape};
use super::qemu::Qemu;
use crate::accounts::{Account, AccountError};
use crate::images::{BASE_IMAGE, Derived, ImageRecord, ImageStore, MACHINE_IMAGE};
use crate::limits;
use crate::resource_class::disk as disk_limit;
use crate::spin_up::SpinUpError;

/// Names that stand for the machine image that the installation has.
const DEFAULT_NAMES: &[&str] = &[
    "default",
    "docker-default",
    "ubuntu-2204:default",
    "ubuntu-2404:default",
    "ubuntu-2604:default",
];

/// The image to look for: what the config names, else Airlock's own. Where no machine can be made, a system without a
/// kernel does.
pub(crate) fn image_name(wanted: &str, images: &ImageStore) -> String {
    if !(DEFAULT_NAMES.contains(&wanted) || wanted == MACHINE_IMAGE) || images.is_named(wanted) {
        return wanted.to_owned();
    }
    match Qemu::find() {
        Ok(_) => MACHINE_IMAGE.to_owned(),
        Err(_) => BASE_IMAGE.to_owned(),
    }
}

/// A machine to be started.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) layers: [Derived; 2],
    pub(super) command: Vec<String>,
    pub(super) accelerator: Accelerator,
    pub(super) monitor: String,
    pub(super) kernel: String,
    passwd: String,
    group: String,
    /// Of the sandbox that the monitor runs in.
    around: Limits,
}

/// What a job wants of its machine.
pub(crate) struct Wanted {
    pub(crate) image: ImageRecord,
    /// The image's files.
    pub(crate) root: PathBuf,
    /// What the guest has.
    pub(crate) limits: Limits,
    pub(crate) network: Network,
    pub(crate) hostname: String,
}

/// The socket of the sandbox at which the agent is: the one whose connections a sandbox hands over anyway.
const SOCKET: &str = "/run/airlock/git.sock";

/// Whose account steps have, where the image has it: CircleCI's machines do.
const USUAL_USER: &str = "circleci";

impl Plan {
    /// Makes what the machine is made of; an inner error says why there can be none here. Blocks.
    pub(crate) fn find(
        images: &ImageStore,
        task_exe: &Path,
        wanted: &Wanted,
    ) -> Result<Result<Self, String>, SpinUpError> {
        let monitor = match Qemu::find() {
            Ok(monitor) => monitor,
            Err(why) => return Ok(Err(why)),
        };
        let Some(kernel) = Kernel::find(&wanted.root)? else {
            return Ok(Err(format!(
                "image '{}' holds no kernel (/boot/vmlinuz-* with /lib/modules/*)",
                wanted.image.name
            )));
        };
        let outer_disk = wanted.limits.disk.map(|disk| disk.bytes);
        let guest_disk = outer_disk.map_or(limits::MACHINE_DISK_BYTES, guest_disk);
        let tools = images.derived(monitor.key(), |made| {
            monitor
                .fill(made)
                .map_err(crate::images::at("copying the machine monitor to", made))
        })?;
        let program = std::fs::read(task_exe)?;
        let program = hex::encode(digest(&SHA256, &program));
        let short = |hash: &str| hash.get(..16).unwrap_or(hash).to_owned();
        let name = format!(
            "disk{}-{}-{}-{guest_disk}",
            disk::FORMAT,
            short(&wanted.image.digest),
            short(&program)
        );
        let disk = images.derived(&name, |made| {
            disk::fill(made, &wanted.root, &kernel, task_exe, guest_disk)
                .map_err(crate::images::at("making the machine's disk in", made))
        })?;
        let accelerator = Accelerator::Emulation {
            why: "the host's processor is not tried yet".into(),
        };
        let shape = Shape {
            cpus: (wanted.limits.cpu_millis / 1000).max(1),
            memory_mib: wanted.limits.memory_bytes >> 20,
            network: wanted.network != Network::None,
            hostname: wanted.hostname.clone(),
            accelerator: accelerator.clone(),
            files: format!("/{}", disk::DIRECTORY),
            socket: SOCKET.to_owned(),
        };
        Ok(Ok(Self {
            command: monitor.command(&shape),
            layers: [disk, tools],
            passwd: kernel.text("etc/passwd"),
            group: kernel.text("etc/group"),
            accelerator,
            monitor: monitor.title().to_owned(),
            kernel: kernel.version,
            around: Limits {
                memory_bytes: wanted.limits.memory_bytes + limits::MACHINE_OVERHEAD_BYTES,
                disk: outer_disk.map(disk_limit),
                ..wanted.limits
            },
        }))
    }

    /// Layers and limits of the sandbox that the monitor runs in.
    pub(crate) fn sandbox(&self) -> (Vec<PathBuf>, Limits) {
        let layers = self.layers.iter().map(|layer| layer.path.clone());
        (layers.collect(), self.around)
    }

    /// Who the steps run as.
    pub(crate) fn account(&self) -> Result<Account, AccountError> {
        Account::find(Some(USUAL_USER), &self.passwd, &self.group)
            .or_else(|_| Account::find(None, &self.passwd, &self.group))
    }

    /// What the job runs on, for its record.
    pub(crate) fn title(&self) -> String {
        format!(
            "a virtual machine by {}, {}, Linux {}",
            self.monitor, self.accelerator, self.kernel
        )
    }
}

/// The machine's disk within the disk around it: the overlay's tables need some of it, and the job must find its own disk
/// full before the overlay's file has no room.
///
/// A power of two: each size is a copy of the image of its own, and the free disk that sizes come from differs at each
/// start of the agent.
fn guest_disk(around: u64) -> u64 {
    let most = around / 8 * 7;
    most.checked_ilog2().map_or(0, |power| 1 << power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_disk_fits_into_the_one_around_it() {
        assert_eq!(guest_disk(8 << 30), 4 << 30);
        assert_eq!(guest_disk(9 << 30), guest_disk(8 << 30), "nearly as much free");
        assert_eq!(guest_disk(0), 0);
    }

    #[test]
    fn names_of_the_installations_image_are_its_own_image() {
        let directory = tempfile::tempdir().expect("a directory");
        let store = ImageStore::open(directory.path()).expect("a store");
        assert_eq!(
            image_name("ubuntu-2204:2024.11.1", &store),
            "ubuntu-2204:2024.11.1"
        );
        assert!([MACHINE_IMAGE, BASE_IMAGE].contains(&image_name("default", &store).as_str()));
    }
}
