//! The agent's side: starts the zygote, lends out ids and addresses, and asks for sandboxes. Calls block for a few
//! milliseconds and may come from any thread; the zygote serves one at a time.

mod options;
mod process;

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub use self::options::LauncherOptions;
use self::process::{NoAnswer, Process};
use crate::cgroup::{self, Backend, Enforced};
use crate::claim;
use crate::disk::{self, Disk, Pool};
use crate::errors::{LauncherError, StartError};
use crate::failure::{Doing, Failure};
use crate::kernel;
use crate::limits::{IDS_PER_SANDBOX, MAX_CONTROL_MESSAGE};
use crate::net::JobNetwork;
use crate::overlay::{Assembly, UPPER, WORK};
use crate::reap;
use crate::record::{self, Record, Stage};
use crate::sandbox::{Lent, Sandbox};
use crate::slots::Slots;
use crate::spec::{Layer, LayerIds, Network, SandboxSpec};
use crate::wire::{Link, Reply, Request, StartRequest};

/// One running zygote and everything that is shared between its sandboxes.
#[derive(Debug)]
pub struct Launcher {
    shared: Arc<Shared>,
}

/// What sandboxes need from their launcher until they are gone.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) state_dir: PathBuf,
    pub(crate) cgroups: Box<dyn Backend>,
    /// Images for disks of sandboxes, or why there are none.
    disks: Result<Pool, String>,
    pub(crate) network: Option<JobNetwork>,
    /// First ids of free ranges.
    pub(crate) ranges: Slots,
    id_ranges: u32,
    pub(crate) observer: Option<fn(Stage)>,
    assembly: Assembly,
    /// `None` only while it is being given up.
    zygote: Option<Process>,
    /// Given up last: after it, another agent may sweep the directory.
    _lock: OwnedFd,
}

impl Launcher {
    /// Starts `task_exe launcher` and prepares what sandboxes share; leftovers of an earlier run are removed first.
    pub fn spawn(task_exe: &Path, options: LauncherOptions) -> Result<Self, LauncherError> {
        options.check()?;
        let step = |Failure { doing, source }| LauncherError::Step { doing, source };
        let LauncherOptions {
            state_dir,
            id_base,
            id_ranges,
            network,
            outside,
            disks,
            observer,
            assembly,
        } = options;
        let assembly = kernel::check(assembly)?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&state_dir)
            .doing(|| format!("making {}", state_dir.display()))
            .map_err(step)?;
        let Some(lock) = reap::lock(&state_dir).map_err(step)? else {
            return Err(LauncherError::InUse(state_dir));
        };
        reap::sweep(&state_dir).map_err(step)?;
        record::prepare(&state_dir).map_err(step)?;
        let tag = reap::tag(&state_dir);
        let cgroups = cgroup::probe(&reap::group_name(&tag)).map_err(step)?;
        record::write_bases(&state_dir, &cgroups.bases()).map_err(step)?;
        let disks = open_disks(disks.as_deref());
        let network = if network {
            record::write_network(&state_dir).map_err(step)?;
            Some(JobNetwork::create(&tag, &outside)?)
        } else {
            None
        };
        let stage = match assembly {
            Assembly::Descriptors => None,
            Assembly::Paths => Some(make_stage(&state_dir).map_err(step)?),
        };
        let zygote = Some(Process::spawn(task_exe, &lock, stage).map_err(step)?);
        let ranges = Slots::new((0..id_ranges).map(|slot| id_base + slot * IDS_PER_SANDBOX));
        let shared = Shared {
            state_dir,
            cgroups,
            disks,
            network,
            ranges,
            id_ranges,
            observer,
            assembly,
            zygote,
            _lock: lock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Which limits this host can enforce.
    pub fn enforced(&self) -> Enforced {
        Enforced {
            disk: self.shared.disks.is_ok(),
            ..self.shared.cgroups.enforced()
        }
    }

    /// Why limits on disk are not enforced; `None` when they are.
    pub fn no_disks(&self) -> Option<&str> {
        self.shared.disks.as_ref().err().map(String::as_str)
    }

    /// How roots are assembled on this host.
    pub fn assembly(&self) -> Assembly {
        self.shared.assembly
    }

    /// Starts one sandbox; process 1 runs the `init` function when this returns.
    pub fn start(&self, spec: &SandboxSpec) -> Result<Sandbox, StartError> {
        spec.check()?;
        let id = &spec.id;
        let shared = &self.shared;
        let mut lent = self.lend(id)?;
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
                let reason =
                    "it asks for network, and the agent was started without network for jobs".to_owned();
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
        let started = self.build(spec, &record, first_id, link).and_then(|built| {
            let entered = record.enter(Stage::Running, &shared.state_dir);
            entered.map(|()| built).map_err(|failure| failure.of(id))
        });
        if started.is_ok() {
            shared.observe(Stage::Running);
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
    fn lend(&self, id: &str) -> Result<Lent, StartError> {
        let shared = &self.shared;
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
        &self,
        spec: &SandboxSpec,
        record: &Record,
        first_id: u32,
        link: Option<Link>,
    ) -> Result<Built, StartError> {
        let id = &spec.id;
        let step = |failure: Failure| failure.of(id);
        private_directory(&record.files).map_err(step)?;
        let disk = self.shared.disk(spec, &record.files).map_err(step)?;
        make_writable(&on_host(disk.as_ref(), &record.files, "0"), first_id).map_err(step)?;
        let writable = in_request(disk.as_ref(), &record.files, "0");
        self.shared.cgroups.create(id, &spec.limits).map_err(step)?;
        let layers = image_layers(&spec.layers);
        let resolv_conf = match (&link, &self.shared.network) {
            (Some(_), Some(network)) => network.resolv_conf().to_owned(),
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
            placement: self.shared.cgroups.placement(id),
            // tmpfs pages count as the sandbox's memory; half of it leaves room for whoever fills it.
            shm_bytes: spec.limits.memory_bytes / 2,
            profile: spec.profile,
            link,
            resolv_conf,
        };
        let mount = disk.as_ref().map(Disk::mount_again).transpose().map_err(step)?;
        let given: Vec<BorrowedFd<'_>> = mount.iter().map(AsFd::as_fd).collect();
        let (pid, fds) = self.shared.start(id, request.clone(), &given)?;
        Ok(Built {
            pid,
            fds,
            request,
            disk,
        })
    }
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

/// The pool of disks; a host that cannot make any is told about, and is no reason not to run.
fn open_disks(directory: Option<&Path>) -> Result<Pool, String> {
    let directory = directory.ok_or("the agent was started without them")?;
    let told = |failure: Failure| failure.to_string();
    let pool = Pool::open(directory).map_err(told)?;
    disk::probe(directory).map_err(told)?;
    Ok(pool)
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

    fn observe(&self, stage: Stage) {
        if let Some(observer) = self.observer {
            observer(stage);
        }
    }

    /// The sandbox's own disk, if it is to have one and this host can.
    fn disk(&self, spec: &SandboxSpec, files: &Path) -> Result<Option<Disk>, Failure> {
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
    fn of(self, id: &str) -> StartError {
        StartError::Step {
            id: id.to_owned(),
            doing: self.doing,
            source: self.source,
        }
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

/// The empty directory that the zygote attaches layers below.
fn make_stage(state_dir: &Path) -> Result<PathBuf, Failure> {
    // Absolute, since the zygote's working directory is another one.
    let state_dir =
        fs::canonicalize(state_dir).doing(|| format!("finding the real path of {}", state_dir.display()))?;
    let path = state_dir.join("layers");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&path)
        .doing(|| format!("making {}", path.display()))?;
    Ok(path)
}
