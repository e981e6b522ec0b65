//! Forwarding of packets, switched on for the devices that need it and for no others: the job bridge, and the devices
//! that lead to the outside. The host-wide switch stays as it is.
//!
//! Several launchers of one host share the devices to the outside, so each holds a shared lock on a file per device;
//! the last one to go switches off what was off before. A killed launcher's lock is gone with it.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::block::Ipv4Block;
use super::subnet::destination;
use crate::failure::{Doing, Failure};

/// Where the locks are; emptied by a reboot, as the switches are.
const DIRECTORY: &str = "/run/airlock-forwarding";

/// One device that forwards for as long as this is held.
#[derive(Debug)]
pub(super) struct Forwarding {
    file: File,
    switch: PathBuf,
}

impl Forwarding {
    /// Switches it on for one device of the calling thread's network namespace.
    pub(super) fn hold(device: &str) -> Result<Self, Failure> {
        Self::hold_in(Path::new(DIRECTORY), device, switch(device))
    }

    fn hold_in(directory: &Path, device: &str, switch: PathBuf) -> Result<Self, Failure> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .doing(|| format!("making {}", directory.display()))?;
        let namespace = fs::metadata("/proc/thread-self/ns/net")
            .doing(|| "reading the network namespace")?
            .ino();
        let path = directory.join(format!("{namespace}-{device}"));
        let open = || {
            File::options()
                .create(true)
                .truncate(false)
                .read(true)
                .write(true)
                .open(&path)
        };
        let mut file = open().doing(|| format!("opening {}", path.display()))?;
        let doing = || format!("locking {}", path.display());
        let alone = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(rustix::io::Errno::WOULDBLOCK) => {
                flock(&file, FlockOperation::LockShared).doing(doing)?;
                false
            }
            Err(error) => return Err(error).doing(doing),
        };
        let before = fs::read_to_string(&switch).doing(|| format!("reading {}", switch.display()))?;
        if before.trim() == "0" {
            // Written before the switch is thrown: what a crash leaves is then known to be ours.
            write_note(&mut file).doing(|| format!("writing {}", path.display()))?;
        }
        fs::write(&switch, "1").doing(|| format!("setting {} to 1", switch.display()))?;
        if alone {
            flock(&file, FlockOperation::LockShared).doing(doing)?;
        }
        Ok(Self { file, switch })
    }

    /// Lets go; the last one puts things back. Must run in the network namespace it was taken in.
    fn let_go(&mut self) -> io::Result<()> {
        match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let mut note = String::new();
        self.file.rewind()?;
        self.file.read_to_string(&mut note)?;
        if note == OURS && self.switch.exists() {
            fs::write(&self.switch, "0")?;
        }
        self.file.set_len(0)
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        // A device that went away needs no switch; anything else leaves it on, which the next launcher puts right.
        let _ = self.let_go();
        let _ = flock(&self.file, FlockOperation::Unlock);
    }
}

/// What the file says while the switch is ours to put back.
const OURS: &str = "off before\n";

fn write_note(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(OURS.as_bytes())
}

fn switch(device: &str) -> PathBuf {
    // The tree belongs to the network namespace of the thread that opens it.
    format!("/proc/sys/net/ipv4/conf/{device}/forwarding").into()
}

/// Devices that lead to the outside, or to private networks that are open to jobs: from the text of `/proc/net/route`.
pub(super) fn ways_out(routes: &str, opened: &[Ipv4Block]) -> Vec<String> {
    let mut devices = Vec::new();
    for line in routes.lines().skip(1) {
        let Some((network, mask)) = destination(line) else {
            continue;
        };
        let prefix = u8::try_from(mask.leading_ones()).unwrap_or(32);
        let block = Ipv4Block::of(network.into(), prefix);
        let leads_out = mask == 0
            || opened.iter().any(|open| open.overlaps(block))
            || !super::block::PRIVATE
                .iter()
                .any(|private| private.overlaps(block));
        if let Some(device) = line.split_whitespace().next()
            && leads_out
            && device != "lo"
            && !devices.iter().any(|known| known == device)
        {
            devices.push(device.to_owned());
        }
    }
    devices
}

#[cfg(test)]
mod tests {
    use super::{Forwarding, ways_out};

    const ROUTES: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        tun0\t0000010A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";

    #[test]
    fn only_devices_that_lead_somewhere_open_forward() {
        assert_eq!(ways_out(ROUTES, &[]), ["eth0"]);
        let opened = ["10.1.2.0/24".parse().expect("a block")];
        assert_eq!(ways_out(ROUTES, &opened), ["eth0", "tun0"]);
    }

    #[test]
    fn the_last_one_out_switches_off_what_was_off() {
        let directory = tempfile::tempdir().expect("a directory");
        let switch = directory.path().join("switch");
        let value = || {
            std::fs::read_to_string(&switch)
                .expect("a switch")
                .trim()
                .to_owned()
        };
        let hold = || Forwarding::hold_in(directory.path(), "eth9", switch.clone()).expect("held");
        for (before, killed) in [("0", false), ("1", false), ("0", true)] {
            std::fs::write(&switch, before).expect("a switch");
            if killed {
                // What a killed launcher leaves: the switch is on, the note says why, nobody holds the lock.
                let name = std::fs::read_dir(directory.path()).expect("files").flatten();
                let note = name
                    .map(|entry| entry.path())
                    .find(|path| *path != switch)
                    .expect("a note");
                std::fs::write(note, super::OURS).expect("a note");
                std::fs::write(&switch, "1").expect("a switch");
            }
            let (one, other) = (hold(), hold());
            assert_eq!(value(), "1");
            drop(one);
            assert_eq!(value(), "1", "somebody still needs it");
            drop(other);
            assert_eq!(value(), before);
        }
    }
}
