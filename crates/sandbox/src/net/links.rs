//! Network devices, addresses and routes by rtnetlink. It decides nothing; `net` and `zygote` say what to make.

use std::io;
use std::net::Ipv4Addr;

use super::netlink::{Netlink, Request, malformed, text};
use super::tracked::attribute;
use crate::limits::LINK_LOOKS;

/// Index of the loopback device in every network namespace.
pub(crate) const LOOPBACK: u32 = 1;

const IFLA_OPERSTATE: u16 = 16;
const IF_OPER_UP: u8 = 6;
/// `struct ifinfomsg` stands before the attributes.
const IFINFO: usize = 16;
const IFLA_BRPORT_LEARNING: u16 = 8;
const IFLA_BRPORT_UNICAST_FLOOD: u16 = 9;
const IFLA_BRPORT_MCAST_FLOOD: u16 = 27;
const IFLA_BRPORT_BCAST_FLOOD: u16 = 30;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const IFLA_AF_SPEC: u16 = 26;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
const NDA_DST: u16 = 1;
const NDA_LLADDR: u16 = 2;
const NUD_NOARP: u16 = 0x40;
const NUD_PERMANENT: u16 = 0x80;
/// The entry is the bridge's, not the port's own.
const NTF_MASTER: u8 = 4;
const VETH_INFO_PEER: u16 = 1;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;

const REPLACE: i32 = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;

const CREATE: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

/// `struct ifinfomsg`
fn link_message(index: u32, flags: i32) -> [u8; 16] {
    let mut message = [0; 16];
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message[8..12].copy_from_slice(&flags.to_ne_bytes());
    message[12..16].copy_from_slice(&flags.to_ne_bytes());
    message
}

/// `struct ndmsg`
fn neighbour_message(family: u8, index: u32, state: u16, flags: u8) -> [u8; 12] {
    let mut message = [0; 12];
    message[0] = family;
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message[8..10].copy_from_slice(&state.to_ne_bytes());
    message[10] = flags;
    message
}

impl Netlink {
    /// Makes a bridge without ports. It has a hardware address of its own, which does not change with its ports.
    pub(crate) fn add_bridge(&mut self, name: &str, hardware: [u8; 6]) -> io::Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_message(0, 0))
            .attribute(libc::IFLA_IFNAME, &text(name))
            .attribute(libc::IFLA_ADDRESS, &hardware)
            .nested(libc::IFLA_LINKINFO, &[], |info| {
                info.attribute(IFLA_INFO_KIND, b"bridge")
            });
        self.execute(request).map(drop)
    }

    /// Makes a device pair: `name` as a port of `bridge`, still down, and `peer` with its hardware address in the
    /// namespace of process `pid`.
    pub(crate) fn add_veth(
        &mut self,
        name: &str,
        peer: (&str, [u8; 6]),
        pid: u32,
        bridge: u32,
    ) -> io::Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_message(0, 0))
            .attribute(libc::IFLA_IFNAME, &text(name))
            .attribute(libc::IFLA_MASTER, &bridge.to_ne_bytes())
            .nested(libc::IFLA_LINKINFO, &[], |info| {
                info.attribute(IFLA_INFO_KIND, b"veth")
                    .nested(IFLA_INFO_DATA, &[], |data| {
                        data.nested(VETH_INFO_PEER, &link_message(0, 0), |other| {
                            other
                                .attribute(libc::IFLA_IFNAME, &text(peer.0))
                                .attribute(libc::IFLA_ADDRESS, &peer.1)
                                .attribute(libc::IFLA_NET_NS_PID, &pid.to_ne_bytes())
                        })
                    })
            });
        self.execute(request).map(drop)
    }

    /// Makes a bridge port one that exchanges frames with the bridge alone: nothing is learnt from what comes in by it,
    /// nothing is sent out by it that is not addressed to it, and with `ipv6` the host has no address on it.
    pub(crate) fn isolate_port(&mut self, index: u32, ipv6: bool) -> io::Result<()> {
        let mut request = Request::new(libc::RTM_NEWLINK, 0, &link_message(index, 0)).nested(
            libc::IFLA_LINKINFO,
            &[],
            |info| {
                info.attribute(IFLA_INFO_SLAVE_KIND, b"bridge")
                    .nested(IFLA_INFO_SLAVE_DATA, &[], |data| {
                        data.attribute(IFLA_BRPORT_ISOLATED, &[1])
                            .attribute(IFLA_BRPORT_LEARNING, &[0])
                            .attribute(IFLA_BRPORT_UNICAST_FLOOD, &[0])
                            .attribute(IFLA_BRPORT_MCAST_FLOOD, &[0])
                            .attribute(IFLA_BRPORT_BCAST_FLOOD, &[0])
                    })
            },
        );
        if ipv6 {
            let family = u16::try_from(libc::AF_INET6).expect("AF_INET6 is small");
            request = request.nested(IFLA_AF_SPEC, &[], |families| {
                families.nested(family, &[], |inet6| {
                    inet6.attribute(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE])
                })
            });
        }
        self.execute(request).map(drop)
    }

    /// Says by which port of its bridge a hardware address is reached.
    pub(crate) fn add_port_address(&mut self, port: u32, hardware: [u8; 6]) -> io::Result<()> {
        let family = u8::try_from(libc::AF_BRIDGE).expect("AF_BRIDGE is small");
        let request = Request::new(
            libc::RTM_NEWNEIGH,
            REPLACE,
            &neighbour_message(family, port, NUD_NOARP, NTF_MASTER),
        )
        .attribute(NDA_LLADDR, &hardware);
        self.execute(request).map(drop)
    }

    /// Says which hardware address has an address, so that nobody is asked.
    pub(crate) fn add_neighbour(
        &mut self,
        device: u32,
        address: Ipv4Addr,
        hardware: [u8; 6],
    ) -> io::Result<()> {
        let family = u8::try_from(libc::AF_INET).expect("AF_INET is small");
        let request = Request::new(
            libc::RTM_NEWNEIGH,
            REPLACE,
            &neighbour_message(family, device, NUD_PERMANENT, 0),
        )
        .attribute(NDA_DST, &address.octets())
        .attribute(NDA_LLADDR, &hardware);
        self.execute(request).map(drop)
    }

    pub(crate) fn set_up(&mut self, index: u32) -> io::Result<()> {
        self.execute(Request::new(
            libc::RTM_NEWLINK,
            0,
            &link_message(index, libc::IFF_UP),
        ))
        .map(drop)
    }

    /// Waits until a device that was brought up passes packets. Until then the kernel drops what is sent, and whoever sent
    /// it tries again a second later. A device that is not ready in time is left to become so.
    pub(crate) fn await_ready(&mut self, index: u32) -> io::Result<()> {
        for look in 0..LINK_LOOKS {
            if look > 0 {
                crate::sys::pause();
            }
            // Newer kernels bring the device's state up to date for this question.
            let answer = self.execute(Request::new(libc::RTM_GETLINK, 0, &link_message(index, 0)))?;
            let attributes = answer.get(IFINFO..).unwrap_or_default();
            if attribute(attributes, IFLA_OPERSTATE) == Some(&[IF_OPER_UP]) {
                break;
            }
        }
        Ok(())
    }

    pub(crate) fn add_address(&mut self, index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
        let family = u8::try_from(libc::AF_INET).expect("AF_INET is small");
        let mut body = [family, prefix, 0, 0, 0, 0, 0, 0];
        body[4..].copy_from_slice(&index.to_ne_bytes());
        let request = Request::new(libc::RTM_NEWADDR, CREATE, &body)
            .attribute(libc::IFA_LOCAL, &address.octets())
            .attribute(libc::IFA_ADDRESS, &address.octets());
        self.execute(request).map(drop)
    }

    pub(crate) fn add_default_route(&mut self, gateway: Ipv4Addr) -> io::Result<()> {
        let family = u8::try_from(libc::AF_INET).expect("AF_INET is small");
        // struct rtmsg: family, two prefix lengths, service, table, protocol, scope, type, flags
        let body = [
            family,
            0,
            0,
            0,
            libc::RT_TABLE_MAIN,
            libc::RTPROT_STATIC,
            0,
            libc::RTN_UNICAST,
            0,
            0,
            0,
            0,
        ];
        let request =
            Request::new(libc::RTM_NEWROUTE, CREATE, &body).attribute(libc::RTA_GATEWAY, &gateway.octets());
        self.execute(request).map(drop)
    }

    /// The index of a device, by name.
    pub(crate) fn index_of(&mut self, name: &str) -> io::Result<u32> {
        let request =
            Request::new(libc::RTM_GETLINK, 0, &link_message(0, 0)).attribute(libc::IFLA_IFNAME, &text(name));
        let reply = self.execute(request)?;
        let index = reply.get(4..8).ok_or_else(malformed)?;
        Ok(u32::from_ne_bytes(index.try_into().map_err(|_| malformed())?))
    }

    /// Deletes a device; its pair and, for a bridge, the membership of its ports go with it.
    pub(crate) fn delete(&mut self, index: u32) -> io::Result<()> {
        self.execute(Request::new(libc::RTM_DELLINK, 0, &link_message(index, 0)))
            .map(drop)
    }
}
