//! What the kernel says of connections, read from netlink: events and entries of connection tracking, and packets that
//! the packet filter logged. Numbers are those of <linux/netfilter/nfnetlink_conntrack.h> and nfnetlink_log.h.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use super::filter::header;
use super::netlink::{Netlink, Request};
use crate::limits::{LOG_GROUP_FIRST, LOG_GROUPS};

const CONNTRACK: u16 = 1;
const LOG: u16 = 4;
const CT_NEW: u16 = CONNTRACK * 256;
const CT_GET: u16 = CONNTRACK * 256 + 1;
const CT_DELETE: u16 = CONNTRACK * 256 + 2;
const LOG_PACKET: u16 = LOG * 256;
const LOG_CONFIG: u16 = LOG * 256 + 1;

/// Groups "new" and "destroyed", the first and the third, as bits.
const NEW_AND_DESTROYED: u32 = 0b101;

const TUPLE_ORIG: u16 = 1;
const TUPLE_IP: u16 = 1;
const TUPLE_PROTO: u16 = 2;
const IP_SOURCE: u16 = 1;
const IP_DESTINATION: u16 = 2;
const PROTO_NUMBER: u16 = 1;
const PROTO_SOURCE_PORT: u16 = 2;
const PROTO_DESTINATION_PORT: u16 = 3;
const PROTO_ICMP_ID: u16 = 4;
const COUNTERS_ORIG: u16 = 9;
const COUNTERS_REPLY: u16 = 10;
const COUNTER_BYTES: u16 = 2;
const LOG_PAYLOAD: u16 = 9;
const LOG_COMMAND: u16 = 1;
const LOG_MODE: u16 = 2;
const LOG_THRESHOLD: u16 = 5;
const BIND: u8 = 1;
const COPY_PACKET: u8 = 2;
/// Enough of a packet for the longest header and the ports after it.
const COPY_BYTES: u32 = 64;

const NESTED: u16 = 0x8000;
const KIND: u16 = 0x3fff;

/// Both ends of a connection, as the side that began it sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Connection {
    pub(super) source: Ipv4Addr,
    /// Of ICMP, the number that requests and answers share.
    pub(super) source_port: u16,
    pub(super) destination: Ipv4Addr,
    pub(super) port: u16,
    pub(super) protocol: u8,
}

/// A connection the kernel keeps track of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tracked {
    pub(super) connection: Connection,
    /// Sent and received; zero where the kernel does not count.
    pub(super) bytes: (u64, u64),
    /// How the kernel names it.
    pub(super) tuple: Vec<u8>,
}

/// What the kernel tells unasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    Begins(Tracked),
    Ends(Tracked),
    Refused(Connection),
}

/// A socket on which the kernel tells of connections that begin and end.
pub(super) fn listen_to_connections() -> io::Result<OwnedFd> {
    Ok(Netlink::open_netfilter_groups(NEW_AND_DESTROYED)?.into_socket())
}

/// A socket to which refused packets are logged, and its group: the first that nobody else listens to.
pub(super) fn listen_to_refusals() -> io::Result<(OwnedFd, u16)> {
    let mut taken = io::Error::from(io::ErrorKind::AddrInUse);
    for group in LOG_GROUP_FIRST..LOG_GROUP_FIRST + LOG_GROUPS {
        let mut netlink = Netlink::open_netfilter()?;
        let configure =
            |kind: u16, value: &[u8]| Request::new(LOG_CONFIG, 0, &header(0, group)).attribute(kind, value);
        match netlink.batchless(configure(LOG_COMMAND, &[BIND])) {
            Ok(()) => {
                let mut mode = COPY_BYTES.to_be_bytes().to_vec();
                mode.extend([COPY_PACKET, 0]);
                netlink.batchless(configure(LOG_MODE, &mode))?;
                // Each packet at once: a step that ends is not to wait for a second one.
                netlink.batchless(configure(LOG_THRESHOLD, &1_u32.to_be_bytes()))?;
                return Ok((netlink.into_socket(), group));
            }
            // The kernel calls a group that another socket has "not permitted".
            Err(error) if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EPERM)) => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// Asks for every tracked connection of IPv4.
pub(super) fn all() -> Request {
    let family = u8::try_from(libc::AF_INET).expect("AF_INET is small");
    Request::dump(CT_GET, &header(family, 0))
}

/// Asks to forget one.
pub(super) fn forget(tuple: &[u8]) -> Request {
    let family = u8::try_from(libc::AF_INET).expect("AF_INET is small");
    Request::new(CT_DELETE, 0, &header(family, 0)).attribute(TUPLE_ORIG | NESTED, tuple)
}

/// Reads one message; `None` for what is not about IPv4 or cannot be read.
pub(super) fn event(kind: u16, body: &[u8]) -> Option<Event> {
    match kind {
        CT_NEW => parse(body).map(Event::Begins),
        CT_DELETE => parse(body).map(Event::Ends),
        LOG_PACKET => packet(attribute(body.get(4..)?, LOG_PAYLOAD)?).map(Event::Refused),
        _ => None,
    }
}

/// Reads an entry of connection tracking.
pub(super) fn parse(body: &[u8]) -> Option<Tracked> {
    let body = body.get(4..)?;
    let tuple = attribute(body, TUPLE_ORIG)?;
    let (addresses, protocol) = (attribute(tuple, TUPLE_IP)?, attribute(tuple, TUPLE_PROTO)?);
    let address = |kind| {
        Some(Ipv4Addr::from(
            <[u8; 4]>::try_from(attribute(addresses, kind)?).ok()?,
        ))
    };
    let port = |kind| Some(u16::from_be_bytes(attribute(protocol, kind)?.try_into().ok()?));
    let connection = Connection {
        source: address(IP_SOURCE)?,
        source_port: port(PROTO_SOURCE_PORT)
            .or_else(|| port(PROTO_ICMP_ID))
            .unwrap_or(0),
        destination: address(IP_DESTINATION)?,
        port: port(PROTO_DESTINATION_PORT).unwrap_or(0),
        protocol: *attribute(protocol, PROTO_NUMBER)?.first()?,
    };
    let bytes = |kind| {
        let counter = attribute(attribute(body, kind)?, COUNTER_BYTES)?;
        Some(u64::from_be_bytes(counter.try_into().ok()?))
    };
    Some(Tracked {
        connection,
        bytes: (
            bytes(COUNTERS_ORIG).unwrap_or(0),
            bytes(COUNTERS_REPLY).unwrap_or(0),
        ),
        tuple: tuple.to_vec(),
    })
}

/// Reads the beginning of an IPv4 packet.
fn packet(bytes: &[u8]) -> Option<Connection> {
    let first = bytes.first()?;
    if first >> 4 != 4 {
        return None;
    }
    let protocol = *bytes.get(9)?;
    let address = |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes.get(at..at + 4)?).ok()?));
    let start = usize::from(first & 15) * 4;
    let has_ports = [libc::IPPROTO_TCP, libc::IPPROTO_UDP].contains(&i32::from(protocol));
    let port = |at: usize| {
        let two = bytes.get(start + at..start + at + 2).filter(|_| has_ports)?;
        Some(u16::from_be_bytes(two.try_into().ok()?))
    };
    Some(Connection {
        source: address(12)?,
        source_port: port(0).unwrap_or(0),
        destination: address(16)?,
        port: port(2).unwrap_or(0),
        protocol,
    })
}

/// The first attribute of a kind.
pub(super) fn attribute(mut bytes: &[u8], kind: u16) -> Option<&[u8]> {
    loop {
        let half = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let (length, found) = (usize::from(half(0)?), half(2)? & KIND);
        let value = bytes.get(4..length)?;
        if found == kind {
            return Some(value);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::netlink::messages;

    /// An entry as the kernel sends it.
    fn entry() -> Vec<u8> {
        let request = Request::new(CT_NEW, 0, &header(2, 0))
            .nested(TUPLE_ORIG | NESTED, &[], |tuple| {
                tuple
                    .nested(TUPLE_IP | NESTED, &[], |ip| {
                        ip.attribute(IP_SOURCE, &[10, 0, 0, 2])
                            .attribute(IP_DESTINATION, &[192, 0, 2, 1])
                    })
                    .nested(TUPLE_PROTO | NESTED, &[], |proto| {
                        proto
                            .attribute(PROTO_NUMBER, &[6])
                            .attribute(PROTO_SOURCE_PORT, &[0x80, 1])
                            .attribute(PROTO_DESTINATION_PORT, &[1, 187])
                    })
            })
            .nested(COUNTERS_REPLY | NESTED, &[], |counters| {
                counters.attribute(COUNTER_BYTES, &77_u64.to_be_bytes())
            });
        let bytes = request.finish(0);
        let message = messages(&bytes).next().expect("one").expect("whole");
        message.body.to_vec()
    }

    #[test]
    fn an_entry_is_read_and_can_be_named_again() {
        let one = parse(&entry()).expect("an entry");
        assert_eq!(one.connection.destination.to_string(), "192.0.2.1");
        assert_eq!((one.connection.source_port, one.connection.port), (0x8001, 443));
        assert_eq!(one.bytes, (0, 77));
        let bytes = forget(&one.tuple).finish(0);
        let message = messages(&bytes).next().expect("one").expect("whole");
        assert_eq!(parse(message.body).expect("the same").connection, one.connection);
    }

    #[test]
    fn two_listeners_have_groups_of_their_own() {
        let (_one, first) = listen_to_refusals().expect("a group");
        let (_other, second) = listen_to_refusals().expect("another group");
        assert_ne!(first, second);
    }

    #[test]
    fn a_cut_off_entry_is_none() {
        let whole = entry();
        for length in 0..whole.len() - 40 {
            assert_eq!(parse(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn packets_are_read_up_to_their_ports() {
        let mut bytes = vec![
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 192, 0, 2, 1,
        ];
        assert_eq!(
            packet(&bytes).expect("a packet").port,
            0,
            "cut off before the ports"
        );
        bytes.extend([0x80, 1, 0, 53]);
        let read = packet(&bytes).expect("a packet");
        assert_eq!((read.protocol, read.source_port, read.port), (17, 0x8001, 53));
        bytes[9] = 1;
        assert_eq!(packet(&bytes).expect("a packet").port, 0, "ICMP has none");
        assert_eq!(packet(&[0x60; 40]), None, "IPv6");
        assert_eq!(packet(&[]), None);
    }
}
