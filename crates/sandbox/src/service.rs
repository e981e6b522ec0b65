//! A service beside a sandbox: a root and processes of its own, in the network of the sandbox, as its users, within its
//! limits. It shares a fate, too: it ends with the sandbox, and what it wrote lies among the sandbox's files and goes
//! with them, so that nothing has to be written down about it.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::PoisonError;

use crate::disk::Disk;
use crate::errors::{InRootError, StartError};
use crate::failure::Failure;
use crate::in_root::Resident;
use crate::launcher::{image_layers, in_request, make_writable, on_host};
use crate::limits::{MAX_HOSTNAME, MAX_LAYERS};
use crate::sandbox::Sandbox;
use crate::wire::StartRequest;

/// One service to start.
#[derive(Debug, Clone)]
pub struct ServiceSpec {
    /// Its number, unique in its sandbox.
    pub number: u32,
    /// Host name inside.
    pub hostname: String,
    /// Image directories, top first.
    pub layers: Vec<PathBuf>,
}

/// A running service. Dropping it leaves it running; it ends with its sandbox.
#[derive(Debug)]
pub struct Service {
    id: String,
    pid: i32,
    pidfd: OwnedFd,
    channel: Option<OwnedFd>,
}

impl Service {
    /// Descriptor of its process 1; readable once it has ended, and with it everything of the service.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// The stream socket to its process 1; `None` when it was taken before.
    pub fn take_channel(&mut self) -> Option<OwnedFd> {
        self.channel.take()
    }

    /// Opens a regular file or directory of its root, as [`Sandbox::open_in_root`] does.
    pub fn open_in_root(&self, path: &str) -> Result<File, InRootError> {
        let resident = Resident {
            id: &self.id,
            pid: self.pid,
            pidfd: self.pidfd(),
        };
        resident.open(path)
    }
}

impl Sandbox {
    /// Starts a service; its process 1 runs the `init` function when this returns.
    pub fn start_service(&self, spec: &ServiceSpec) -> Result<Service, StartError> {
        let id = format!("{}/service-{}", self.id(), spec.number);
        if let Some(reason) = problem(spec) {
            return Err(StartError::Spec { id, reason });
        }
        let step = |Failure { doing, source }| StartError::Step {
            id: id.clone(),
            doing,
            source,
        };
        let (disk, files) = (self.disk.as_ref(), &self.record.files);
        let name = format!("service-{}", spec.number);
        let on_host = on_host(disk, files, &name);
        make_writable(&on_host, self.lent.first_id).map_err(step)?;
        let mount = disk.map(Disk::mount_again).transpose().map_err(step)?;
        let request = StartRequest {
            hostname: spec.hostname.clone(),
            beside: true,
            layers: image_layers(&spec.layers),
            writable: in_request(disk, files, &name),
            ..self.request.clone()
        };
        // Held over the start, so that a sandbox being destroyed at this moment ends this one, too.
        let mut services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let given: Vec<BorrowedFd<'_>> = [self.pidfd.as_fd()]
            .into_iter()
            .chain(mount.as_ref().map(AsFd::as_fd))
            .collect();
        let started = self.lent.shared.start(&id, request, &given);
        let (pid, [pidfd, channel, _users]) = started.inspect_err(|_| {
            // What stays goes with the sandbox's other files.
            let _stays = crate::tree::remove_tree(&on_host);
        })?;
        let kept = pidfd.try_clone().map_err(|source| StartError::Step {
            id: id.clone(),
            doing: "keeping hold of the service".into(),
            source,
        })?;
        services.push(kept);
        drop(services);
        Ok(Service {
            id,
            pid,
            pidfd,
            channel: Some(channel),
        })
    }
}

fn problem(spec: &ServiceSpec) -> Option<String> {
    let name = &spec.hostname;
    let plain = |each: char| each.is_ascii_alphanumeric() || "._-".contains(each);
    if name.is_empty() || name.len() > MAX_HOSTNAME || !name.chars().all(plain) {
        return Some(format!(
            "the host name {name:?} is not one; use letters, digits, `.` and `-`"
        ));
    }
    if spec.layers.is_empty() || spec.layers.len() > MAX_LAYERS {
        return Some(format!(
            "{} image layers; between 1 and {MAX_LAYERS} are possible",
            spec.layers.len()
        ));
    }
    spec.layers
        .iter()
        .find(|path| !path.is_absolute() || path.to_str().is_none())
        .map(|path| format!("{} must be an absolute path in UTF-8", path.display()))
}
