//! Making one sandbox: what it is lent, what is made for it on the host, and the record that says so beforehand.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::shared::Shared;
use crate::claim;
use crate::disk::Disk;
use crate::errors::StartError;
use crate::failure::{Doing, Failure};
use crate::overlay::{UPPER, WORK};
use crate::reap;
use crate::record::{Record, Stage};
use crate::sandbox::{Lent, Sandbox};
use crate::spec::{Layer, LayerIds, Network, SandboxSpec};
use crate::wire::{Link, StartRequest};

/// Makes a sandbox; process 1 runs the `init` function when this returns. `stage` is the one it then is in: running, or
/// waiting for a job.
pub(crate) fn make(shared: &Arc<Shared>, spec: &SandboxSpec, stage: Stage) -> Result<Sandbox, StartError> {
    let id = &spec.id;
    let mut lent = lend(shared, id)?;
    let first_id = lent.first_id;
    let link = match (spec.network, &shared.network) {
        (Network::None, _) => None,
        (wanted @ (Network::Egress | Network::Listed), Some(network)) => match network.lend(wanted) {
            Ok(Some((place, link))) => {
                lent.place = Some(place);
                Some(link)
            }
            Ok(None) => {
                lent.give_back();
                return Err(StartError::NoAddress { id: id.clone() });
            }
            Err(failure) => {
                lent.give_back();
                return Err(failure.of(id));
            }
        },
        (Network::Egress | Network::Listed, None) => {
            lent.give_back();
            let reason = "it asks for network, and the agent was started without network for jobs".to_owned();
            return Err(StartError::Spec {
                id: id.clone(),
                reason,
            });
        }
    };
    let files = spec.work_dir.join(id);
    let mut record = Record {
        id: id.clone(),
        stage: Stage::Making,
        cgroups: shared.cgroups.directories(id),
        files,
        first_id,
        port: link.as_ref().map(|link| link.host_name.clone()),
    };
    if let Err(failure) = record.write(&shared.state_dir) {
        lent.give_back();
        return Err(failure.of(id));
    }
    shared.observe(Stage::Making);
    let started = build(shared, spec, &record, first_id, link).and_then(|built| {
        let entered = record.enter(stage, &shared.state_dir);
        entered.map(|()| built).map_err(|failure| failure.of(id))
    });
    if started.is_ok() {
        shared.observe(stage);
    }
    match started {
        Ok(Built {
            pid,
            fds: [pidfd, channel, userns],
            request,
            disk,
        }) => Ok(Sandbox {
            lent,
            record,
            pid,
            pidfd,
            channel: Some(channel),
            userns,
            disk,
            layers: request.layers.clone(),
            request,
            services: Mutex::default(),
            generation: 0,
            gone: false,
        }),
        Err(error) => {
            // What cannot be removed stays on record for the next sweep; the start's own error is the one to tell.
            if reap::take_apart(&mut record, &shared.state_dir, shared.observer).is_ok() {
                lent.give_back();
            }
            Err(error)
        }
    }
}

/// The next range that no other agent on this host uses.
fn lend(shared: &Arc<Shared>, id: &str) -> Result<Lent, StartError> {
    for _ in 0..shared.id_ranges {
        let Some(first_id) = shared.ranges.take() else {
            break;
        };
        match claim::claim(Path::new(claim::DIRECTORY), first_id, &shared.state_dir) {
            Ok(Some(claim)) => {
                return Ok(Lent {
                    shared: Arc::clone(shared),
                    first_id,
                    _claim: claim,
                    place: None,
                });
            }
            Ok(None) => shared.ranges.give_back(first_id),
            Err(failure) => {
                shared.ranges.give_back(first_id);
                return Err(failure.of(id));
            }
        }
    }
    Err(StartError::NoIdRange {
        id: id.to_owned(),
        ranges: shared.id_ranges,
    })
}

fn build(
    shared: &Shared,
    spec: &SandboxSpec,
    record: &Record,
    first_id: u32,
    link: Option<Link>,
) -> Result<Built, StartError> {
    let id = &spec.id;
    let step = |failure: Failure| failure.of(id);
    private_directory(&record.files).map_err(step)?;
    let disk = shared.disk(spec, &record.files).map_err(step)?;
    make_writable(&on_host(disk.as_ref(), &record.files, "0"), first_id).map_err(step)?;
    let writable = in_request(disk.as_ref(), &record.files, "0");
    shared.cgroups.create(id, &spec.limits).map_err(step)?;
    let layers = image_layers(&spec.layers);
    let resolv_conf = match (&link, &shared.network) {
        (Some(_), Some(network)) => network.resolv_conf(),
        _ => "# this job has no network\n".to_owned(),
    };
    let request = StartRequest {
        hostname: spec.hostname.clone(),
        local_names: spec.local_names.clone(),
        beside: false,
        layers,
        writable,
        helper: spec.helper.clone(),
        first_id,
        placement: shared.cgroups.placement(id),
        // tmpfs pages count as the sandbox's memory; half of it leaves room for whoever fills it.
        shm_bytes: spec.limits.memory_bytes / 2,
        profile: spec.profile,
        link,
        resolv_conf,
    };
    let mount = disk.as_ref().map(Disk::mount_again).transpose().map_err(step)?;
    let given: Vec<BorrowedFd<'_>> = mount.iter().map(AsFd::as_fd).collect();
    let (pid, fds) = shared.start(id, request.clone(), &given)?;
    Ok(Built {
        pid,
        fds,
        request,
        disk,
    })
}

/// An image's directories as layers.
pub(crate) fn image_layers(paths: &[PathBuf]) -> Vec<Layer> {
    let layers = paths.iter().map(|path| Layer {
        path: path.clone(),
        ids: LayerIds::Image,
    });
    layers.collect()
}

/// A start's result, before it is a sandbox.
struct Built {
    pid: i32,
    /// Process descriptor, channel, user namespace.
    fds: [OwnedFd; 3],
    request: StartRequest,
    disk: Option<Disk>,
}

/// Where this process finds the writable layer of a name.
pub(crate) fn on_host(disk: Option<&Disk>, files: &Path, name: &str) -> PathBuf {
    disk.map_or_else(|| files.to_owned(), Disk::path).join(name)
}

/// What the zygote is told of it: a relative path is on the disk.
pub(crate) fn in_request(disk: Option<&Disk>, files: &Path, name: &str) -> PathBuf {
    match disk {
        Some(_) => name.into(),
        None => files.join(name),
    }
}

/// Only root may look into it: files in it can be setuid to ids that mean something to another sandbox.
fn private_directory(path: &Path) -> Result<(), Failure> {
    fs::DirBuilder::new()
        .mode(0o700)
        .create(path)
        .doing(|| format!("making {}", path.display()))
}

/// Makes the directory of a writable layer that belongs to the range beginning at `first_id`.
pub(crate) fn make_writable(base: &Path, first_id: u32) -> Result<(), Failure> {
    private_directory(base)?;
    let upper = base.join(UPPER);
    for path in [&upper, &base.join(WORK)] {
        fs::DirBuilder::new()
            .mode(0o755)
            .create(path)
            .doing(|| format!("making {}", path.display()))?;
    }
    // Of the top directory alone; everything in it is made by the sandbox.
    chown(&upper, Some(first_id), Some(first_id))
        .doing(|| format!("giving {} to the sandbox", upper.display()))
}
