//! One running sandbox, seen from the agent: its process 1, its files and its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Signal, pidfd_send_signal};

use crate::disk::Disk;
use crate::errors::{DestroyError, StartError};
use crate::failure::{Doing, Failure};
use crate::file_lock::FileLock;
use crate::launcher::{Shared, in_request, make_writable, on_host};
use crate::limits::{DEATH_MILLIS, MAX_LAYERS};
use crate::net::{Flows, Ipv4Block, NameRule, Place};
use crate::overlay::UPPER;
use crate::record::{Record, Stage};
use crate::sample::{Gauges, Sample};
use crate::spec::{Layer, LayerIds, Usage};
use crate::wire::StartRequest;
use crate::{reap, sample};

/// One running sandbox. Dropping it without [`Sandbox::destroy`] kills and removes it, too, but reports nothing.
#[derive(Debug)]
pub struct Sandbox {
    pub(crate) lent: Lent,
    pub(crate) record: Record,
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) channel: Option<OwnedFd>,
    pub(crate) userns: OwnedFd,
    /// How it was started; its services are started by the same with other files.
    pub(crate) request: StartRequest,
    /// Process 1 of each service, to be ended with the sandbox.
    pub(crate) services: Mutex<Vec<OwnedFd>>,
    /// What it writes to, where that is bounded.
    pub(crate) disk: Option<Disk>,
    /// What lies below the current writable layer, top first.
    pub(crate) layers: Vec<Layer>,
    /// Number of the current writable layer.
    pub(crate) generation: u32,
    pub(crate) gone: bool,
}

/// What the launcher has lent. Given back by word, not by dropping: while anything of the sandbox may be left, nobody
/// else may have its ids.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) shared: Arc<Shared>,
    pub(crate) first_id: u32,
    pub(crate) _claim: FileLock,
    pub(crate) place: Option<Place>,
}

impl Lent {
    pub(crate) fn give_back(&self) {
        self.shared.ranges.give_back(self.first_id);
        if let (Some(place), Some(network)) = (&self.place, &self.shared.network) {
            network.give_back(place);
        }
    }
}

impl Sandbox {
    /// Its name on the host: the one in the specification, or that of a sandbox made ahead.
    pub fn id(&self) -> &str {
        &self.record.id
    }

    /// Process id of the sandbox's process 1 on the host.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Descriptor of process 1; readable once it has ended, and with it everything in the sandbox.
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// First id on the host of the 65,536 that this sandbox's users and groups are.
    pub fn first_id(&self) -> u32 {
        self.lent.first_id
    }

    /// The stream socket to process 1; `None` when it was taken before.
    pub fn take_channel(&mut self) -> Option<OwnedFd> {
        self.channel.take()
    }

    /// What the sandbox used so far.
    pub fn usage(&self) -> Usage {
        let disk = self.disk.as_ref().map(Disk::look).unwrap_or_default();
        Usage {
            disk_peak: disk.peak_bytes,
            inodes_peak: disk.peak_inodes,
            disk_full: disk.full,
            out_of_inodes: disk.out_of_inodes,
            ..self.lent.shared.cgroups.usage(self.id())
        }
    }

    /// Looks at what it uses right now. A full disk is noticed by looking, so this is also how [`Sandbox::usage`] comes
    /// to know of one that was full for a while.
    pub fn sample(&self) -> Sample {
        let Gauges {
            cpu_ns,
            memory_bytes,
            cache_bytes,
        } = self.lent.shared.cgroups.gauges(self.id());
        let disk = self.disk.as_ref().inspect(|disk| {
            disk.look();
        });
        let (disk_read_bytes, disk_written_bytes) = disk.map(Disk::transferred).unwrap_or_default();
        let port = self.record.port.as_deref();
        let (net_in_bytes, net_out_bytes) = port.map(sample::net).unwrap_or_default();
        Sample {
            cpu_ns,
            memory_bytes,
            cache_bytes,
            disk_read_bytes,
            disk_written_bytes,
            net_in_bytes,
            net_out_bytes,
        }
    }

    /// Opens blocks to a sandbox with [`crate::Network::Listed`]. What is closed to every sandbox stays closed.
    pub fn open_blocks(&mut self, blocks: &[Ipv4Block]) -> Result<(), StartError> {
        let Lent { shared, place, .. } = &mut self.lent;
        let (Some(place), Some(network)) = (place, &shared.network) else {
            return Ok(());
        };
        network
            .open_blocks(place, blocks)
            .map_err(|Failure { doing, source }| StartError::Step {
                id: self.record.id.clone(),
                doing,
                source,
            })
    }

    /// Lets a sandbox with [`crate::Network::Listed`] look up these names and reach the addresses they lead to, each for
    /// as long as the answer that led there is true. What is closed to every sandbox stays closed.
    pub fn open_names(&self, names: &[NameRule]) {
        if let (Some(place), Some(network)) = (&self.lent.place, &self.lent.shared.network) {
            network.open_names(place, names);
        }
    }

    /// Connections that begin from now on are counted to `mark`, a number that means something to the caller.
    pub fn mark(&self, mark: u32) {
        if let (Some(place), Some(network)) = (&self.lent.place, &self.lent.shared.network) {
            network.mark(place, mark);
        }
    }

    /// Who the sandbox spoke to, up to now.
    pub fn flows(&self) -> Flows {
        match (&self.lent.place, &self.lent.shared.network) {
            (Some(place), Some(network)) => network.flows(place),
            _ => Flows::default(),
        }
    }

    /// Where on the host the files lie that the sandbox wrote since its start or the last assembled root. Owners are
    /// in the sandbox's range, deletions are overlay whiteouts. With a disk of its own, the path is for this process only.
    pub fn upper_dir(&self) -> PathBuf {
        on_host(
            self.disk.as_ref(),
            &self.record.files,
            &self.generation.to_string(),
        )
        .join(UPPER)
    }

    /// Assembles a new root for the root switch: `extra` (top first) above what the sandbox has written so far, which is
    /// frozen by this call, above the image. The result is sent to process 1, which calls [`crate::root::switch`].
    ///
    /// The caller sees to it that nothing writes any more: a process left over on the old root would write into a
    /// layer that the new root takes for unchanging.
    pub fn assemble_root(&mut self, extra: &[Layer]) -> Result<OwnedFd, StartError> {
        let id = self.record.id.clone();
        let step = |Failure { doing, source }| StartError::Step {
            id: id.clone(),
            doing,
            source,
        };
        let frozen = Layer {
            path: in_request(
                self.disk.as_ref(),
                &self.record.files,
                &self.generation.to_string(),
            )
            .join(UPPER),
            ids: LayerIds::Own,
        };
        let layers: Vec<Layer> = extra
            .iter()
            .cloned()
            .chain([frozen])
            .chain(self.layers.iter().cloned())
            .collect();
        if layers.len() > MAX_LAYERS {
            let reason = format!(
                "{} layers below one root; the kernel takes {MAX_LAYERS}",
                layers.len()
            );
            return Err(StartError::Spec { id, reason });
        }
        let number = self.generation + 1;
        let disk = self.disk.as_ref();
        let writable = on_host(disk, &self.record.files, &number.to_string());
        let named = in_request(disk, &self.record.files, &number.to_string());
        let root = make_writable(&writable, self.lent.first_id)
            .and_then(|()| disk.map(Disk::mount_again).transpose())
            .map_err(step)
            .and_then(|disk| {
                let disk = disk.as_ref().map(AsFd::as_fd);
                let shared = &self.lent.shared;
                shared.assemble(&id, &layers, &named, self.userns.as_fd(), disk)
            });
        match root {
            Ok(root) => {
                self.layers = layers;
                self.generation = number;
                Ok(root)
            }
            Err(error) => {
                let _ = crate::tree::remove_tree(&writable);
                Err(error)
            }
        }
    }

    /// Kills everything inside, removes every trace and returns what was used.
    pub fn destroy(mut self) -> Result<Usage, DestroyError> {
        self.gone = true;
        self.take_apart()
    }

    fn take_apart(&mut self) -> Result<Usage, DestroyError> {
        let id = self.record.id.clone();
        let fail = |Failure { doing, source }| DestroyError {
            id: id.clone(),
            doing,
            source,
        };
        let Shared {
            state_dir, observer, ..
        } = &*self.lent.shared;
        let killing = |record: &mut Record| {
            record.enter(Stage::Killing, state_dir)?;
            if let Some(observer) = observer {
                observer(Stage::Killing);
            }
            Ok(())
        };
        killing(&mut self.record).map_err(fail)?;
        let usage = self.kill().map_err(fail)?;
        if let Some(disk) = self.disk.take() {
            disk.discard();
        }
        reap::take_apart(&mut self.record, state_dir, *observer).map_err(fail)?;
        self.lent.give_back();
        Ok(usage)
    }

    /// With process 1 the kernel kills everything in its pid namespace, and counts it as ended only after all of it.
    fn kill(&self) -> Result<Usage, Failure> {
        let services = self.services.lock().unwrap_or_else(PoisonError::into_inner);
        let all = || services.iter().chain([&self.pidfd]);
        for process in all() {
            match pidfd_send_signal(process, Signal::KILL) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error).doing(|| "killing process 1"),
            }
        }
        for process in all() {
            await_end(process.as_fd())?;
        }
        Ok(self.usage())
    }
}

fn await_end(process: BorrowedFd<'_>) -> Result<(), Failure> {
    let timeout = Timespec {
        tv_sec: i64::try_from(DEATH_MILLIS / 1000).expect("a small constant"),
        tv_nsec: 0,
    };
    let mut fds = [PollFd::from_borrowed_fd(process, PollFlags::IN)];
    let ended =
        rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout))).doing(|| "waiting for process 1")?;
    if ended == 0 {
        return Err(std::io::Error::from(std::io::ErrorKind::TimedOut))
            .doing(|| "waiting for process 1 to end");
    }
    Ok(())
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if !self.gone {
            // What fails here stays on record, and the next launcher removes it.
            let _ = self.take_apart();
        }
    }
}
