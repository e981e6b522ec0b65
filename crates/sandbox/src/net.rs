//! The job network: one bridge and one packet filter table per launcher, one isolated port per sandbox.
//!
//! Bridge and rules are made once, when the launcher starts. A job's start adds a port and a few elements of sets, a
//! job's end removes them; what may pass is decided by port, hardware address and address together, never by
//! anything a job can change. Devices of a sandbox die with its network namespace, in a kernel worker: deleting one
//! takes tens of milliseconds and is on nobody's path.
//!
//! Jobs have no IPv6 towards the outside: no address, no forwarding, no frame through their port.

mod block;
mod filter;
mod forwarding;
mod gate;
mod ledger;
pub(crate) mod links;
mod lookup;
pub(crate) mod netlink;
mod resolvers;
mod rules;
mod subnet;
mod tracked;

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

pub use self::block::{BlockError, Ipv4Block};
use self::filter::{Change, Element, Filter};
use self::forwarding::Forwarding;
use self::gate::Gate;
use self::ledger::Ledger;
pub use self::ledger::{Flow, Flows, Verdict};
pub use self::lookup::NameRule;
use self::lookup::{Door, Lookup};
use self::netlink::Netlink;
use self::resolvers::Resolvers;
use self::subnet::Subnet;
use crate::errors::LauncherError;
use crate::failure::{Doing, Failure};
use crate::slots::Slots;
use crate::spec::Network;
use crate::wire::Link;

/// What of the outside is closed to jobs, and what is open to them though it is private.
#[derive(Debug, Clone, Default)]
pub struct Outside {
    /// Closed to every job whatever else is said: addresses of the control plane.
    pub closed: Vec<Ipv4Block>,
    /// Private blocks (10.0.0.0/8 and the like) that jobs may reach, as far as their own policy lets them.
    pub opened: Vec<Ipv4Block>,
}

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
    hardware: Hardware,
    subnet: Subnet,
    slots: Slots,
    resolvers: Resolvers,
    gate: Arc<Gate>,
    lookup: Lookup,
    /// Whether the host's kernel has IPv6, which then has to be kept off the ports.
    ipv6: bool,
    _forwarding: Vec<Forwarding>,
}

/// A sandbox's place in the network, until it is given back.
#[derive(Debug)]
pub(crate) struct Place {
    slot: u32,
    address: Ipv4Addr,
    elements: Vec<Element>,
}

/// The number that no slot has.
const BRIDGE: u32 = 1;

/// Hardware addresses: locally administered, told apart by launcher and slot.
#[derive(Debug, Clone, Copy)]
struct Hardware {
    seed: u32,
}

impl Hardware {
    /// Number [`BRIDGE`] is the bridge.
    fn of(self, slot: u32) -> [u8; 6] {
        let [_, a, b, c] = self.seed.to_be_bytes();
        let [.., high, low] = slot.to_be_bytes();
        [0x02, a, b, c, high, low]
    }
}

impl JobNetwork {
    /// Makes bridge and rules; `tag` is a few characters that differ between state directories. Names are looked up at
    /// `servers`, or where the host itself does.
    pub(crate) fn create(
        tag: &str,
        outside: &Outside,
        servers: Option<Vec<SocketAddr>>,
    ) -> Result<Self, LauncherError> {
        let step = |Failure { doing, source }| LauncherError::Step { doing, source };
        let names = Names::new(tag);
        let resolvers = Resolvers::of_this_host();
        // The thread's own view: a process may have threads in several network namespaces.
        let routes = read("/proc/thread-self/net/route")?;
        let seed = u32::from_str_radix(tag, 16).unwrap_or_default();
        let hardware = Hardware { seed };
        let subnet = Subnet::choose(&routes, seed).ok_or(LauncherError::NoFreeNetwork)?;
        // A kernel without it runs jobs all the same; their record then says that it is not complete.
        let (ledger, log_group) = Ledger::open(subnet.gateway()).ok().unzip();
        let door = Door::bind(subnet.gateway())
            .doing(|| "opening the sockets of the jobs' name server")
            .map_err(step)?;
        let ports = door
            .ports()
            .doing(|| "reading the ports of the jobs' name server")
            .map_err(step)?;
        // The rules are there before the first packet can be.
        rules::load(&rules::text(&names, subnet, ports, outside, log_group))?;
        // The switch is there since the rules are, and counts what begins from now on.
        let _bytes_stay_zero_without = fs::write("/proc/sys/net/netfilter/nf_conntrack_acct", "1");
        let filter = Filter::open(&names.table)
            .doing(|| "opening a line to the packet filter")
            .map_err(step)?;
        let bridge = make_bridge(&names, subnet, hardware).map_err(step)?;
        let devices = forwarding::ways_out(&routes, &outside.opened);
        let forwarding = devices.iter().chain([&names.bridge]);
        let forwarding: Result<_, Failure> = forwarding.map(|device| Forwarding::hold(device)).collect();
        let gate = Arc::new(Gate::new(names.table.clone(), filter, ledger));
        let servers = servers.unwrap_or_else(|| resolvers.servers().to_owned());
        let lookup = Lookup::start(door, servers, outside.clone(), Arc::clone(&gate))
            .doing(|| "starting the jobs' name server")
            .map_err(step)?;
        Ok(Self {
            bridge,
            hardware,
            subnet,
            slots: Slots::new(Subnet::slots()),
            resolvers,
            gate,
            lookup,
            ipv6: Path::new("/proc/sys/net/ipv6").exists(),
            _forwarding: forwarding.map_err(step)?,
            names,
        })
    }

    /// Lends a sandbox its place in the network; `None` when all are taken.
    pub(crate) fn lend(&self, network: Network) -> Result<Option<(Place, Link)>, Failure> {
        let Some(slot) = self.slots.take() else {
            return Ok(None);
        };
        let address = self.subnet.host(slot);
        let hardware = self.hardware.of(slot);
        let link = Link {
            bridge: self.bridge,
            host_name: self.names.port(slot),
            hardware,
            address,
            prefix: subnet::PREFIX,
            gateway: self.subnet.gateway(),
            gateway_hardware: self.hardware.of(BRIDGE),
            ipv6: self.ipv6,
        };
        let mut elements = vec![Element::place(&link.host_name, hardware, address)];
        match network {
            Network::Egress => elements.push(Element::open(address)),
            Network::Listed | Network::None => {}
        }
        let additions: Vec<_> = elements.iter().map(|element| (Change::Add, element)).collect();
        if let Err(failure) = self.gate.change(&additions) {
            self.slots.give_back(slot);
            return Err(failure);
        }
        if let Some(ledger) = &self.gate.ledger {
            ledger.begin(address);
        }
        self.lookup.begin(address, network == Network::Egress);
        let place = Place {
            slot,
            address,
            elements,
        };
        Ok(Some((place, link)))
    }

    /// Lets a sandbox with a list reach these blocks, too.
    pub(crate) fn open_blocks(&self, place: &mut Place, blocks: &[Ipv4Block]) -> Result<(), Failure> {
        let widest = block::widest(blocks);
        let elements = widest.iter().map(|block| Element::listed(place.address, *block));
        let elements: Vec<_> = elements.collect();
        let additions: Vec<_> = elements.iter().map(|element| (Change::Add, element)).collect();
        self.gate.change(&additions)?;
        place.elements.extend(elements);
        Ok(())
    }

    /// Lets a sandbox with a list look up these names, and reach the addresses they lead to.
    pub(crate) fn open_names(&self, place: &Place, names: &[NameRule]) {
        self.lookup.allow(place.address, names);
    }

    /// Counts what begins from now on to another mark.
    pub(crate) fn mark(&self, place: &Place, mark: u32) {
        if let Some(ledger) = &self.gate.ledger {
            ledger.mark(place.address, mark);
        }
    }

    /// Who the sandbox in this place spoke to.
    pub(crate) fn flows(&self, place: &Place) -> Flows {
        self.gate.ledger.as_ref().map_or_else(
            || Flows {
                incomplete: true,
                ..Flows::default()
            },
            |ledger| ledger.flows(place.address),
        )
    }

    /// Takes a place back once its sandbox is gone. One whose openings cannot be closed, or whose
    /// connections cannot be forgotten, is not lent again.
    pub(crate) fn give_back(&self, place: &Place) {
        let deletions: Vec<_> = place
            .elements
            .iter()
            .map(|element| (Change::Delete, element))
            .collect();
        // First of all, so that no answer under way opens anything any more.
        let unnamed = self.lookup.end(place.address).is_ok();
        let closed = self.gate.change(&deletions).is_ok();
        let forgotten = self
            .gate
            .ledger
            .as_ref()
            .is_none_or(|ledger| ledger.end(place.address).is_ok());
        if unnamed && closed && forgotten {
            self.slots.give_back(place.slot);
        }
    }

    /// What `/etc/resolv.conf` says in a sandbox with network.
    pub(crate) fn resolv_conf(&self) -> String {
        self.resolvers.text(self.subnet.gateway())
    }
}

fn read(path: &str) -> Result<String, LauncherError> {
    fs::read_to_string(path).map_err(|source| LauncherError::Step {
        doing: format!("reading {path}"),
        source,
    })
}

fn make_bridge(names: &Names, subnet: Subnet, hardware: Hardware) -> Result<u32, Failure> {
    let name = &names.bridge;
    let mut netlink = Netlink::open().doing(|| "opening a netlink socket")?;
    netlink
        .add_bridge(name, hardware.of(BRIDGE))
        .doing(|| format!("making the bridge {name}"))?;
    let index = netlink
        .index_of(name)
        .doing(|| format!("finding the bridge {name}"))?;
    // The tree belongs to the network namespace of the thread that opens it. Before the bridge is up, so that it never
    // has an address in IPv6.
    let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
    match fs::write(&path, "1") {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {} // a kernel without IPv6
        other => other.doing(|| format!("setting {path} to 1"))?,
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
    let delete_tables = || Filter::open(&names.table)?.delete_tables();
    match delete_tables() {
        // A kernel without packet filters has none of ours.
        Err(error) if error.raw_os_error() == Some(libc::EPROTONOSUPPORT) => Ok(()),
        other => other.doing(|| format!("deleting the tables {}", names.table)),
    }
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

/// The bridge of the launcher with this tag.
pub(crate) fn bridge(tag: &str) -> String {
    Names::new(tag).bridge
}

/// Its packet filter table.
pub(crate) fn table(tag: &str) -> String {
    Names::new(tag).table
}

/// Devices of this network namespace that belong to it.
pub(crate) fn devices(tag: &str) -> Result<Vec<String>, Failure> {
    let devices = "/proc/thread-self/net/dev";
    let text = fs::read_to_string(devices).doing(|| format!("reading {devices}"))?;
    let names = Names::new(tag);
    Ok(ours(&text, &names).into_iter().map(str::to_owned).collect())
}

/// Whether its packet filter table is there.
pub(crate) fn has_rules(tag: &str) -> bool {
    rules::loaded(&table(tag))
}

/// Deletes one device; one that is gone is no error.
pub(crate) fn delete_device(name: &str) -> Result<(), Failure> {
    let mut netlink = Netlink::open().doing(|| "opening a netlink socket")?;
    match netlink.index_of(name).and_then(|index| netlink.delete(index)) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        other => other.doing(|| format!("deleting the network device {name}")),
    }
}

/// Deletes the packet filter tables of this name.
pub(crate) fn delete_rules(table: &str) -> Result<(), Failure> {
    let delete = || Filter::open(table)?.delete_tables();
    delete().doing(|| format!("deleting the tables {table}"))
}

#[cfg(test)]
mod tests {
    use super::{Hardware, Names, ours};

    #[test]
    fn only_devices_of_this_launcher_are_ours() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 1 2\nal00ff01: 1\nal00ff01p12: 1\nal00ff01px: 1\nal00ff02p1: 1\neth0: 3\n";
        assert_eq!(ours(text, &Names::new("00ff01")), ["al00ff01", "al00ff01p12"]);
    }

    #[test]
    fn the_longest_name_fits_a_device_name() {
        assert!(Names::new("abcdef").port(1022).len() <= 15);
    }

    #[test]
    fn hardware_addresses_differ_between_slots_and_launchers() {
        let one = Hardware { seed: 0xff01 };
        assert_eq!(one.of(1022), [2, 0, 0xff, 1, 3, 0xfe]);
        assert_ne!(one.of(2), Hardware { seed: 0xff02 }.of(2));
    }
}
