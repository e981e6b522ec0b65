//! The job network: one bridge and one packet filter table per launcher, one isolated port per sandbox.
//!
//! Both are made once, when the launcher starts; a job's start and end only add and lose a device. What may pass is
//! decided by rules that name the bridge and the port, never by anything a job can change. Devices of a sandbox die
//! with its network namespace, in a kernel worker: deleting one takes tens of milliseconds and is on nobody's path.

pub(crate) mod netlink;
mod resolvers;
mod rules;
mod subnet;

use std::fs;
use std::io;

use self::netlink::Netlink;
use self::resolvers::Resolvers;
use self::subnet::Subnet;
use crate::errors::LauncherError;
use crate::failure::{Doing, Failure};
use crate::slots::Slots;
use crate::wire::Link;

/// Names of what a launcher makes on the host, all derived from its state directory.
#[derive(Debug, Clone)]
struct Names {
    bridge: String,
    table: String,
    /// What every port's name begins with; a slot number follows.
    ports: String,
}

impl Names {
    fn new(tag: &str) -> Self {
        Self {
            bridge: format!("al{tag}"),
            table: format!("airlock_{tag}"),
            ports: format!("al{tag}p"),
        }
    }

    fn port(&self, slot: u32) -> String {
        format!("{}{slot}", self.ports)
    }
}

/// The bridge, the rules, and who has which address.
#[derive(Debug)]
pub(crate) struct JobNetwork {
    names: Names,
    bridge: u32,
    subnet: Subnet,
    slots: Slots,
    resolvers: Resolvers,
}

impl JobNetwork {
    /// Makes bridge and rules; `tag` is a few characters that differ between state directories.
    pub(crate) fn create(tag: &str) -> Result<Self, LauncherError> {
        let names = Names::new(tag);
        let resolvers = Resolvers::of_this_host();
        // The thread's own view: a process may have threads in several network namespaces.
        let routes = read("/proc/thread-self/net/route")?;
        let seed = u32::from_str_radix(tag, 16).unwrap_or_default();
        let subnet = Subnet::choose(&routes, seed).ok_or(LauncherError::NoFreeNetwork)?;
        rules::load(&rules::text(&names, subnet, &resolvers))?;
        let bridge = make_bridge(&names, subnet)
            .map_err(|Failure { doing, source }| LauncherError::Step { doing, source })?;
        Ok(Self {
            names,
            bridge,
            subnet,
            slots: Slots::new(Subnet::slots()),
            resolvers,
        })
    }

    /// Lends a sandbox its place in the network.
    pub(crate) fn lend(&self) -> Option<(u32, Link)> {
        let slot = self.slots.take()?;
        let link = Link {
            bridge: self.bridge,
            host_name: self.names.port(slot),
            address: self.subnet.host(slot),
            prefix: subnet::PREFIX,
            gateway: self.subnet.gateway(),
        };
        Some((slot, link))
    }

    /// Takes a place back once its sandbox is gone.
    pub(crate) fn give_back(&self, slot: u32) {
        self.slots.give_back(slot);
    }

    /// What `/etc/resolv.conf` says in a sandbox with egress.
    pub(crate) fn resolv_conf(&self) -> &str {
        self.resolvers.text()
    }
}

fn read(path: &str) -> Result<String, LauncherError> {
    fs::read_to_string(path).map_err(|source| LauncherError::Step {
        doing: format!("reading {path}"),
        source,
    })
}

fn make_bridge(names: &Names, subnet: Subnet) -> Result<u32, Failure> {
    let name = &names.bridge;
    let mut netlink = Netlink::open().doing(|| "opening a netlink socket")?;
    netlink
        .add_bridge(name)
        .doing(|| format!("making the bridge {name}"))?;
    let index = netlink
        .index_of(name)
        .doing(|| format!("finding the bridge {name}"))?;
    // Both trees belong to the network namespace of the thread that opens them. IPv6 first, so that the bridge never
    // has an address in it.
    let switches = [
        (format!("net/ipv6/conf/{name}/disable_ipv6"), "1"),
        ("net/ipv4/ip_forward".to_owned(), "1"),
    ];
    for (switch, value) in switches {
        let path = format!("/proc/sys/{switch}");
        match fs::write(&path, value) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // a kernel without IPv6
            other => other.doing(|| format!("setting {path} to {value}"))?,
        }
    }
    let gateway = subnet.gateway();
    netlink
        .add_address(index, gateway, subnet::PREFIX)
        .doing(|| format!("giving {name} {gateway}"))?;
    netlink.set_up(index).doing(|| format!("bringing {name} up"))?;
    Ok(index)
}

/// Removes what a launcher with this tag made on the host, devices of its sandboxes included.
pub(crate) fn remove(tag: &str) -> Result<(), Failure> {
    let names = Names::new(tag);
    let devices = "/proc/thread-self/net/dev";
    let text = fs::read_to_string(devices).doing(|| format!("reading {devices}"))?;
    let mut netlink = Netlink::open().doing(|| "opening a netlink socket")?;
    for device in ours(&text, &names) {
        let deleted = netlink.index_of(device).and_then(|index| netlink.delete(index));
        match deleted {
            // It died with its sandbox meanwhile.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
            other => other.doing(|| format!("deleting the network device {device}"))?,
        }
    }
    rules::unload(&names)
}

/// The devices of ours in the text of `/proc/net/dev`.
fn ours<'a>(text: &'a str, names: &Names) -> Vec<&'a str> {
    let devices = text
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()));
    let is_ours = |device: &&str| {
        *device == names.bridge
            || device
                .strip_prefix(&names.ports)
                .is_some_and(|slot| slot.parse::<u32>().is_ok())
    };
    devices.filter(is_ours).collect()
}

#[cfg(test)]
mod tests {
    use super::{Names, ours};

    #[test]
    fn only_devices_of_this_launcher_are_ours() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 1 2\nal00ff01: 1\nal00ff01p12: 1\nal00ff01px: 1\nal00ff02p1: 1\neth0: 3\n";
        assert_eq!(ours(text, &Names::new("00ff01")), ["al00ff01", "al00ff01p12"]);
    }

    #[test]
    fn the_longest_name_fits_a_device_name() {
        assert!(Names::new("abcdef").port(1022).len() <= 15);
    }
}
