//! Process 1 of a virtual machine, called `init` by the kernel: brings the machine up as far as a job needs it, then
//! stands between the machine's serial port and a step runner, which is [`crate::pid1`] as in a sandbox.
//!
//! The initial file system holds this program as `/init` and the drivers the kernel lacks in `/modules`; the job's image
//! is the first disk. What the agent wants beyond that stands on the kernel's command line (`airlock.hostname=`,
//! `airlock.network=user`). The machine is the job's: its steps have all rights in it, and what keeps them from the host
//! is the machine's edge. Whatever goes wrong, the machine is switched off, which the agent notices.

mod bring_up;
mod modules;
mod root;

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use airlock_sandbox::channel;
use airlock_sandbox::machine::{PORT, relay_in_guest};

use crate::pid1::{self, Isolation, Settings};

/// A device appears within this time once its driver is loaded.
const DEVICE: Duration = Duration::from_secs(30);

/// Between two looks for a device.
const LOOK: Duration = Duration::from_millis(5);

/// Runs the machine; returns only when it cannot even be switched off.
pub(crate) fn run() -> u8 {
    if let Err(error) = live() {
        // The console, which the agent shows when a machine does not come up.
        let _unheard = writeln!(io::stderr(), "airlock: {error}");
    }
    rustix::fs::sync();
    match rustix::system::reboot(rustix::system::RebootCommand::PowerOff) {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

fn live() -> io::Result<()> {
    let wishes = root::enter()?;
    bring_up::bring_up(&wishes)?;
    let port = open_port()?;
    let (ours, theirs) = channel::pair()?;
    // SAFETY: this process has one thread, so its child may do anything.
    match unsafe { libc::fork() } {
        -1 => return Err(io::Error::last_os_error()),
        0 => {
            drop((ours, port));
            let code = pid1::run(theirs, &Settings::inside(), &Machine);
            // SAFETY: ends the child without running what belongs to its parent.
            unsafe { libc::_exit(code) }
        }
        _ => drop(theirs),
    }
    relay_in_guest(port, ours).map_err(io::Error::other)
}

/// The serial port with the agent at its other end.
fn open_port() -> io::Result<OwnedFd> {
    wait_for("the serial port to the agent", || {
        for entry in fs::read_dir("/sys/class/virtio-ports").ok()?.flatten() {
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            if name.trim_end() == PORT {
                let device = std::path::Path::new("/dev").join(entry.file_name());
                let open = fs::File::options().read(true).write(true).open(device);
                return open.ok().map(OwnedFd::from);
            }
        }
        None
    })
}

/// Looks until it is there.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> io::Result<T> {
    let until = Instant::now() + DEVICE;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() > until {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("{what} did not appear within {} s", DEVICE.as_secs()),
            ));
        }
        let pause = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(LOOK.subsec_nanos()),
        };
        // Interrupted or not: the next look decides.
        let _interrupted = rustix::event::poll(&mut [], Some(&pause));
    }
}

/// A machine of the job's own: its steps keep all rights.
struct Machine;

impl Isolation for Machine {
    fn confine(&self) -> io::Result<()> {
        bring_up::mortal()
    }

    fn switch_root(&self, _new_root: OwnedFd) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "the root of a virtual machine is its disk and is not replaced",
        ))
    }
}
