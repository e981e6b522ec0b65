//! The agent's side: starts the zygote, lends out ids and addresses, and asks for sandboxes. Calls block for a few
//! milliseconds and may come from any thread; the zygote serves one at a time.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use crate::cgroup::{self, Backend, Enforced};
use crate::claim;
use crate::errors::{LauncherError, StartError};
use crate::failure::{Doing, Failure};
use crate::limits::{ANSWER_SECONDS, DEFAULT_ID_BASE, IDS_PER_SANDBOX};
use crate::net::JobNetwork;
use crate::reap;
use crate::record::{self, Record};
use crate::sandbox::{Generation, Lent, Sandbox};
use crate::slots::Slots;
use crate::spec::{Layer, LayerIds, Network, SandboxSpec};
use crate::sys;
use crate::wire::{self, Link, Reply, StartRequest};

/// How a launcher is to work.
#[derive(Debug, Clone)]
pub struct LauncherOptions {
    /// Where records of what exists are kept; one launcher per directory.
    pub state_dir: PathBuf,
    /// First id of the block that sandboxes get their ranges from, a multiple of 65,536. Ranges in use by another agent
    /// of this host are passed over.
    pub id_base: u32,
    /// How many sandboxes can exist at once: each owns 65,536 ids from `id_base` upwards.
    pub id_ranges: u32,
    /// Whether sandboxes can be given egress; needs `nft` and creates one bridge.
    pub network: bool,
}

impl LauncherOptions {
    /// 64 sandboxes at once, with network.
    pub fn new(state_dir: impl Into<PathBuf>) -> Self {
        Self {
            state_dir: state_dir.into(),
            id_base: DEFAULT_ID_BASE,
            id_ranges: 64,
            network: true,
        }
    }

    fn check(&self) -> Result<(), LauncherError> {
        let end = u64::from(self.id_base) + u64::from(self.id_ranges) * u64::from(IDS_PER_SANDBOX);
        let aligned = self.id_base.is_multiple_of(IDS_PER_SANDBOX);
        if !aligned || self.id_ranges == 0 || self.id_base < IDS_PER_SANDBOX || end > u64::from(u32::MAX) {
            return Err(LauncherError::Options(format!(
                "{} ranges of {IDS_PER_SANDBOX} ids from {} do not fit; choose a multiple of {IDS_PER_SANDBOX} and an \
                 end below 2^32",
                self.id_ranges, self.id_base
            )));
        }
        Ok(())
    }
}

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
    pub(crate) network: Option<JobNetwork>,
    /// First ids of free ranges.
    pub(crate) ranges: Slots,
    id_ranges: u32,
    zygote: Mutex<Zygote>,
    /// Given up last: after it, another agent may sweep the directory.
    _lock: OwnedFd,
}

#[derive(Debug)]
struct Zygote {
    control: Option<OwnedFd>,
    process: Child,
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
        } = options;
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
        let cgroups = cgroup::probe(&format!("airlock-{tag}")).map_err(step)?;
        record::write_bases(&state_dir, &cgroups.bases()).map_err(step)?;
        let network = if network {
            Some(JobNetwork::create(&tag)?)
        } else {
            None
        };
        let zygote = spawn_zygote(task_exe, &lock).map_err(step)?;
        let ranges = Slots::new((0..id_ranges).map(|slot| id_base + slot * IDS_PER_SANDBOX));
        let zygote = Mutex::new(zygote);
        let shared = Shared {
            state_dir,
            cgroups,
            network,
            ranges,
            id_ranges,
            zygote,
            _lock: lock,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// Which limits this host can enforce.
    pub fn enforced(&self) -> Enforced {
        self.shared.cgroups.enforced()
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
            (Network::Egress, Some(network)) => {
                let Some((slot, link)) = network.lend() else {
                    lent.give_back();
                    return Err(StartError::NoAddress { id: id.clone() });
                };
                lent.slot = Some(slot);
                Some(link)
            }
            (Network::Egress, None) => {
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
        let record = Record {
            id: id.clone(),
            cgroups: shared.cgroups.directories(id),
            files,
        };
        if let Err(failure) = record.write(&shared.state_dir) {
            lent.give_back();
            return Err(failure.of(id));
        }
        let started = self.build(spec, &record, first_id, link);
        match started {
            Ok((pid, [pidfd, channel, userns], layers)) => {
                let channel = Some(channel);
                Ok(Sandbox {
                    lent,
                    record,
                    pid,
                    pidfd,
                    channel,
                    userns,
                    layers,
                    generation: 0,
                    gone: false,
                })
            }
            Err(error) => {
                // What cannot be removed stays on record for the next sweep; the start's own error is the one to tell.
                if reap::take_apart(&record).is_ok() && record.remove(&shared.state_dir).is_ok() {
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
            match claim::claim(Path::new(claim::DIRECTORY), first_id) {
                Ok(Some(claim)) => {
                    return Ok(Lent {
                        shared: Arc::clone(shared),
                        first_id,
                        _claim: claim,
                        slot: None,
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
    ) -> Result<(i32, [OwnedFd; 3], Vec<Layer>), StartError> {
        let id = &spec.id;
        let step = |failure: Failure| failure.of(id);
        private_directory(&record.files).map_err(step)?;
        let Generation { upper, work } = Generation::make(&record.files, 0, first_id).map_err(step)?;
        self.shared.cgroups.create(id, &spec.limits).map_err(step)?;
        let layers: Vec<Layer> = spec
            .layers
            .iter()
            .map(|path| Layer {
                path: path.clone(),
                ids: LayerIds::Image,
            })
            .collect();
        let resolv_conf = match (&link, &self.shared.network) {
            (Some(_), Some(network)) => network.resolv_conf().to_owned(),
            _ => "# this job has no network\n".to_owned(),
        };
        let request = StartRequest {
            hostname: spec.hostname.clone(),
            layers,
            upper,
            work,
            helper: spec.helper.clone(),
            first_id,
            placement: self.shared.cgroups.placement(id),
            // tmpfs pages count as the sandbox's memory; half of it leaves room for whoever fills it.
            shm_bytes: spec.limits.memory_bytes / 2,
            profile: spec.profile,
            link,
            resolv_conf,
        };
        let (pid, fds) = self.ask(id, &request)?;
        Ok((pid, fds, request.layers))
    }

    fn ask(&self, id: &str, request: &StartRequest) -> Result<(i32, [OwnedFd; 3]), StartError> {
        let gone = |reason: String| StartError::LauncherGone {
            id: id.to_owned(),
            reason,
        };
        let bytes = serde_json::to_vec(request).map_err(|error| gone(error.to_string()))?;
        let mut zygote = self.shared.zygote.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(control) = &zygote.control else {
            return Err(gone("it failed earlier".into()));
        };
        let answer = wire::send(control, &bytes, &[]).and_then(|()| wire::receive(control));
        let reply = answer.and_then(|answer| match answer {
            Some((bytes, fds)) => Ok((serde_json::from_slice(&bytes)?, fds)),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        });
        match reply {
            Ok((Reply::Started { pid }, fds)) => match <[OwnedFd; 3]>::try_from(fds) {
                Ok(fds) => Ok((pid, fds)),
                Err(fds) => Err(gone(format!("{} descriptors came instead of 3", fds.len()))),
            },
            Ok((Reply::Failed { doing, errno }, _)) => Err(StartError::Step {
                id: id.to_owned(),
                doing,
                source: io::Error::from_raw_os_error(errno),
            }),
            Err(error) => {
                // An answer that comes too late would be taken for the next one's.
                zygote.control = None;
                Err(gone(error.to_string()))
            }
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let zygote = self.zygote.get_mut().unwrap_or_else(PoisonError::into_inner);
        // End of file ends it, and every sandbox that nobody destroyed with it.
        zygote.control = None;
        let _ = zygote.process.wait();
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

impl Generation {
    /// Makes the directories of a writable layer that belongs to the range beginning at `first_id`.
    pub(crate) fn make(files: &Path, number: u32, first_id: u32) -> Result<Self, Failure> {
        let base = files.join(number.to_string());
        private_directory(&base)?;
        let this = Self {
            upper: base.join("upper"),
            work: base.join("work"),
        };
        for path in [&this.upper, &this.work] {
            fs::DirBuilder::new()
                .mode(0o755)
                .create(path)
                .doing(|| format!("making {}", path.display()))?;
        }
        // Of the top directory alone; everything in it is made by the sandbox.
        chown(&this.upper, Some(first_id), Some(first_id))
            .doing(|| format!("giving {} to the sandbox", this.upper.display()))?;
        Ok(this)
    }
}

/// Descriptors the zygote finds its socket and the lock at.
const CONTROL: i32 = 3;
const LOCK: i32 = 4;

fn spawn_zygote(task_exe: &Path, lock: &OwnedFd) -> Result<Zygote, Failure> {
    let (control, theirs) = wire::packet_pair().doing(|| "making the control socket")?;
    let timeout = std::time::Duration::from_secs(ANSWER_SECONDS);
    set_socket_timeout(&control, Timeout::Recv, Some(timeout)).doing(|| "setting a time limit on answers")?;
    // Out of the way of the numbers they are copied to.
    let high = |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 64).doing(|| "duplicating a descriptor");
    let (theirs, held) = (high(&theirs)?, high(lock)?);
    let mut command = Command::new(task_exe);
    command
        .arg("launcher")
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    // Ctrl-C in the agent's terminal is for the agent, which ends its sandboxes in order.
    command.process_group(0);
    let copies = [(theirs.as_raw_fd(), CONTROL), (held.as_raw_fd(), LOCK)];
    // SAFETY: runs between fork and exec and calls dup3 only, which is async-signal-safe.
    unsafe {
        command.pre_exec(move || {
            for (from, to) in copies {
                sys::duplicate_raw(from, to)?;
            }
            Ok(())
        });
    }
    let process = command
        .spawn()
        .doing(|| format!("running {} launcher", task_exe.display()))?;
    Ok(Zygote {
        control: Some(control),
        process,
    })
}
