//! The guest's network: one device on a network of its own that the machine's monitor makes. The sandbox around the
//! monitor decides what can be reached.

use std::io;
use std::net::Ipv4Addr;

use crate::net::links::LOOPBACK;
use crate::net::netlink::Netlink;

/// The guest.
pub const GUEST_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
/// Length of its network's prefix.
pub const GUEST_PREFIX: u8 = 24;
/// The monitor, which passes on what the sandbox around it may reach.
pub const GUEST_GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
/// The monitor again, which asks the sandbox's name servers.
pub const GUEST_RESOLVER: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 3);

/// Brings loopback up.
pub fn loopback_up() -> io::Result<()> {
    Netlink::open()?.set_up(LOOPBACK)
}

/// Gives the device its address and the way out.
pub fn join_network(device: &str) -> io::Result<()> {
    let mut netlink = Netlink::open()?;
    let index = netlink.index_of(device)?;
    netlink.add_address(index, GUEST_ADDRESS, GUEST_PREFIX)?;
    netlink.set_up(index)?;
    netlink.add_default_route(GUEST_GATEWAY)
}
