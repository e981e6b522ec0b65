//! The network of one browser: a namespace of its own with nothing in it but doors to addresses that the test names. So
//! a page that asks somebody else gets nothing, and the devices that come and go with other tests' sandboxes stay out
//! of sight: Chromium drops every connection when it sees one ("network changed").

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Makes a namespace in which browsers believe to be online (a device that is up says so), and runs the rest in it.
/// That device is without IPv6, whose addresses come late and would be a change again.
const SCRIPT: &str = "
set -e
six=/proc/sys/net/ipv6/conf/default/disable_ipv6
test ! -e $six || echo 1 > $six
ip link set lo up
ip link add out0 type veth peer name out1
ip address add 192.0.2.1/24 dev out0
ip link set out0 up
ip link set out1 up
exec \"$@\"";

/// What runs the following arguments as a command in a new namespace.
pub(super) const COMMAND: [&str; 6] = ["unshare", "--net", "sh", "-c", SCRIPT, "sh"];

/// A network namespace.
#[derive(Clone, Debug)]
pub(super) struct Network(Arc<OwnedFd>);

impl Network {
    /// The one that a process is in.
    pub(super) fn of(process: u32) -> Result<Self> {
        let path = format!("/proc/{process}/ns/net");
        let file = std::fs::File::open(&path).with_context(|| format!("could not open {path}"))?;
        Ok(Self(Arc::new(file.into())))
    }

    /// Moves this thread there, for good.
    pub(super) fn enter(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(
            self.0.as_fd(),
            Some(LinkNameSpaceType::Network),
        )?)
    }

    /// Lets its programs reach an address of this machine, under the same port of their own loopback.
    pub(super) fn open_door(&self, to: SocketAddr) -> Result<Door> {
        let network = self.clone();
        let bound = thread::spawn(move || {
            network.enter()?;
            listen(to.port())
        });
        let listener = bound
            .join()
            .map_err(|_panic| anyhow!("the thread that opens a door panicked"))?
            .with_context(|| format!("could not open a door to {to} for the browser"))?;
        let door = Door(listener.try_clone().context("could not hold on to a door")?);
        thread::spawn(move || {
            while let Ok((inside, _)) = listener.accept() {
                // Nobody listens there (any more): the browser sees its connection end.
                if let Ok(outside) = connect(to) {
                    carry(inside, outside);
                }
            }
        });
        Ok(door)
    }
}

/// An open door; shut when dropped.
#[derive(Debug)]
pub(super) struct Door(TcpListener);

impl Drop for Door {
    fn drop(&mut self) {
        // Wakes the thread that accepts.
        let _gone = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

/// Carries bytes both ways until both ends are done.
fn carry(inside: TcpStream, outside: TcpStream) {
    let (Ok(inside_too), Ok(outside_too)) = (inside.try_clone(), outside.try_clone()) else {
        return;
    };
    for (mut from, mut to) in [(inside, outside), (outside_too, inside_too)] {
        thread::spawn(move || {
            let _bytes = io::copy(&mut from, &mut to);
            let _gone = to.shutdown(Shutdown::Write);
        });
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a door between two networks is made of sockets"
)]
fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a door between two networks is made of sockets"
)]
fn connect(to: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(to)
}
