//! What every sandbox of a launcher needs from it until it is gone, and the questions to the zygote.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use super::process::{self, NoAnswer, Process};
use crate::cgroup::Backend;
use crate::disk::{self, Disk, Pool};
use crate::errors::StartError;
use crate::failure::Failure;
use crate::limits::MAX_CONTROL_MESSAGE;
use crate::net::JobNetwork;
use crate::overlay::Assembly;
use crate::reap;
use crate::record::Stage;
use crate::slots::Slots;
use crate::spec::{Layer, SandboxSpec};
use crate::wire::{Reply, Request, StartRequest};

/// What sandboxes need from their launcher until they are gone.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state_dir: PathBuf,
    pub(crate) cgroups: Box<dyn Backend>,
    /// Images for disks of sandboxes, or why there are none.
    pub(super) disks: Result<Pool, String>,
    pub(crate) network: Option<JobNetwork>,
    /// First ids of free ranges.
    pub(crate) ranges: Slots,
    pub(super) id_ranges: u32,
    pub(crate) observer: Option<fn(Stage)>,
    pub(super) assembly: Assembly,
    /// `None` only while it is being given up.
    pub(super) zygote: Option<Process>,
    /// Given up last: after it, another agent may sweep the directory.
    pub(super) _lock: OwnedFd,
}

impl Shared {
    /// Starts a sandbox or, with the descriptor of its process 1, a service beside it; the disk comes last.
    pub(crate) fn start(
        &self,
        id: &str,
        request: StartRequest,
        given: &[BorrowedFd<'_>],
    ) -> Result<(i32, [OwnedFd; 3]), StartError> {
        let (pid, fds) = match self.ask(id, &Request::Start(Box::new(request)), given)? {
            (Reply::Started { pid }, fds) => (pid, fds),
            (other, _) => return Err(launcher_gone(id, process::unexpected(&other))),
        };
        match <[OwnedFd; 3]>::try_from(fds) {
            Ok(fds) => Ok((pid, fds)),
            Err(fds) => Err(launcher_gone(
                id,
                format!("{} descriptors came instead of 3", fds.len()),
            )),
        }
    }

    pub(crate) fn observe(&self, stage: Stage) {
        if let Some(observer) = self.observer {
            observer(stage);
        }
    }

    /// The sandbox's own disk, if it is to have one and this host can.
    pub(super) fn disk(&self, spec: &SandboxSpec, files: &Path) -> Result<Option<Disk>, Failure> {
        let (Some(size), Ok(pool)) = (spec.limits.disk, &self.disks) else {
            return Ok(None);
        };
        let image = files.join(disk::IMAGE);
        pool.take(size, &image)?;
        Disk::open(&image).map(Some)
    }

    /// A detached root for a running sandbox.
    pub(crate) fn assemble(
        &self,
        id: &str,
        layers: &[Layer],
        writable: &Path,
        userns: BorrowedFd<'_>,
        disk: Option<BorrowedFd<'_>>,
    ) -> Result<OwnedFd, StartError> {
        let request = Request::Assemble {
            layers: layers.to_owned(),
            writable: writable.to_owned(),
        };
        let given: Vec<BorrowedFd<'_>> = [userns].into_iter().chain(disk).collect();
        match self.ask(id, &request, &given)? {
            (Reply::Assembled, fds) => match <[OwnedFd; 1]>::try_from(fds) {
                Ok([root]) => Ok(root),
                Err(fds) => Err(launcher_gone(
                    id,
                    format!("{} descriptors came instead of 1", fds.len()),
                )),
            },
            (other, _) => Err(launcher_gone(id, process::unexpected(&other))),
        }
    }

    fn ask(
        &self,
        id: &str,
        request: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(Reply, Vec<OwnedFd>), StartError> {
        let Some(zygote) = &self.zygote else {
            return Err(launcher_gone(id, "it has been ended".into()));
        };
        zygote.ask(request, fds).map_err(|why| match why {
            NoAnswer::Failed(failure) => failure.of(id),
            NoAnswer::TooLong(bytes) => StartError::Spec {
                id: id.to_owned(),
                reason: format!(
                    "{bytes} bytes describe it, and {MAX_CONTROL_MESSAGE} are possible; use fewer layers or shorter paths"
                ),
            },
            NoAnswer::Gone(reason) => launcher_gone(id, reason),
        })
    }
}

fn launcher_gone(id: &str, reason: String) -> StartError {
    StartError::LauncherGone {
        id: id.to_owned(),
        reason,
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // It takes every sandbox that nobody destroyed along, and only then is there nothing left to use what is swept.
        self.zygote = None;
        // What this leaves is found by the next launcher on the directory.
        let _ = reap::sweep(&self.state_dir);
    }
}

impl Failure {
    pub(crate) fn of(self, id: &str) -> StartError {
        StartError::Step {
            id: id.to_owned(),
            doing: self.doing,
            source: self.source,
        }
    }
}
