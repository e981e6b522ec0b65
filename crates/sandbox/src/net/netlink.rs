//! Network devices, addresses and routes by rtnetlink: a handful of requests, each one packet and its
//! acknowledgement. It decides nothing; `net` and `zygote` say what to make.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Index of the loopback device in every network namespace.
pub(crate) const LOOPBACK: u32 = 1;

const HEADER: usize = 16;
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
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;

/// A socket to the kernel, bound to the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// One request under construction.
pub(crate) struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// A request that the kernel acknowledges.
    pub(crate) fn new(kind: u16, flags: i32, body: &[u8]) -> Self {
        Self::flagged(kind, libc::NLM_F_ACK | flags, body)
    }

    /// One that it says nothing to unless something is wrong.
    pub(crate) fn unanswered(kind: u16, body: &[u8]) -> Self {
        Self::flagged(kind, 0, body)
    }

    /// One that it answers with many messages.
    pub(crate) fn dump(kind: u16, body: &[u8]) -> Self {
        Self::flagged(kind, libc::NLM_F_DUMP, body)
    }

    fn flagged(kind: u16, flags: i32, body: &[u8]) -> Self {
        let flags = u16::try_from(libc::NLM_F_REQUEST | flags).expect("netlink flags are 16 bits");
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]); // length, written last
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]); // sequence, written last, and port 0: the kernel fills it in
        bytes.extend_from_slice(body);
        Self { bytes }
    }

    pub(crate) fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.push(kind, value);
        self
    }

    pub(crate) fn nested(mut self, kind: u16, prefix: &[u8], build: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.push(kind, prefix);
        let mut request = build(self);
        let length = u16::try_from(request.bytes.len() - start).expect("requests are small");
        request.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        request
    }

    fn push(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(4 + value.len()).expect("attributes are small");
        self.bytes.extend_from_slice(&length.to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The bytes as they are sent.
    pub(crate) fn finish(mut self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).expect("requests are small");
        self.bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        self.bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        self.bytes
    }

    fn is_answered(&self) -> bool {
        let flags = u16::from_ne_bytes([self.bytes[6], self.bytes[7]]);
        i32::from(flags) & libc::NLM_F_ACK != 0
    }
}

/// `struct ifinfomsg`
fn link_message(index: u32, flags: i32) -> [u8; 16] {
    let mut message = [0; 16];
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message[8..12].copy_from_slice(&flags.to_ne_bytes());
    message[12..16].copy_from_slice(&flags.to_ne_bytes());
    message
}

pub(crate) fn text(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
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

const REPLACE: i32 = libc::NLM_F_CREATE | libc::NLM_F_REPLACE;

const CREATE: i32 = libc::NLM_F_CREATE | libc::NLM_F_EXCL;

impl Netlink {
    pub(crate) fn open() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok(Self { socket, sequence: 0 })
    }

    /// A line to the packet filter instead.
    pub(crate) fn open_netfilter() -> io::Result<Self> {
        let socket = socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            Some(rustix::net::netlink::NETFILTER),
        )?;
        let limit = std::time::Duration::from_secs(crate::limits::FILTER_SECONDS);
        rustix::net::sockopt::set_socket_timeout(&socket, rustix::net::sockopt::Timeout::Recv, Some(limit))?;
        Ok(Self { socket, sequence: 0 })
    }

    /// The same, and the kernel tells of what happens in these groups, given as bits.
    pub(crate) fn open_netfilter_groups(groups: u32) -> io::Result<Self> {
        let this = Self::open_netfilter()?;
        rustix::net::bind(
            &this.socket,
            &rustix::net::netlink::SocketAddrNetlink::new(0, groups),
        )?;
        Ok(this)
    }

    /// For reading alone.
    pub(crate) fn into_socket(self) -> OwnedFd {
        self.socket
    }

    /// One request to the packet filter's neighbours, which know no transactions.
    pub(crate) fn batchless(&mut self, request: Request) -> io::Result<()> {
        self.execute(request).map(drop)
    }

    /// Asks for a list and hands each entry to `each`.
    pub(crate) fn dump(&mut self, request: Request, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        self.sequence += 1;
        let bytes = request.finish(self.sequence);
        send(&self.socket, &bytes, SendFlags::empty())?;
        let mut buffer = vec![0_u8; 64 * 1024];
        loop {
            let (got, _) =
                rustix::io::retry_on_intr(|| recv(&self.socket, &mut buffer[..], RecvFlags::empty()))?;
            for message in messages(&buffer[..got]) {
                let message = message?;
                match message.kind {
                    _ if message.sequence != self.sequence => {}
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => {
                        let code = number(message.body, 0)?.cast_signed();
                        return Err(io::Error::from_raw_os_error(-code));
                    }
                    _ => each(message.body),
                }
            }
        }
    }

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

    /// Sends a request; returns the answer that came before the acknowledgement, if any.
    fn execute(&mut self, request: Request) -> io::Result<Vec<u8>> {
        self.sequence += 1;
        let bytes = request.finish(self.sequence);
        send(&self.socket, &bytes, SendFlags::empty())?;
        let mut answer = Vec::new();
        loop {
            let mut buffer = [0_u8; 16 * 1024];
            let (got, _) = rustix::io::retry_on_intr(|| recv(&self.socket, &mut buffer, RecvFlags::empty()))?;
            match parse(&buffer[..got], self.sequence)? {
                Parsed::Acknowledged => return Ok(answer),
                Parsed::Answer(bytes) => answer = bytes,
                Parsed::AnswerAndAcknowledged(bytes) => return Ok(bytes),
                Parsed::Foreign => {}
            }
        }
    }
}

impl Netlink {
    /// Sends several requests as one transaction and waits until each is acknowledged; the first refusal counts.
    pub(crate) fn batch(&mut self, requests: Vec<Request>) -> io::Result<()> {
        let (mut bytes, mut waiting) = (Vec::new(), Vec::new());
        let frame = self.sequence + 1;
        for request in requests {
            self.sequence += 1;
            if request.is_answered() {
                waiting.push(self.sequence);
            }
            bytes.extend(request.finish(self.sequence));
        }
        send(&self.socket, &bytes, SendFlags::empty())?;
        let mut refusal = None;
        while !waiting.is_empty() {
            let mut buffer = [0_u8; 16 * 1024];
            let (got, _) = rustix::io::retry_on_intr(|| recv(&self.socket, &mut buffer, RecvFlags::empty()))?;
            for message in messages(&buffer[..got]) {
                let message = message?;
                if message.kind != NLMSG_ERROR
                    || (message.sequence != frame && !waiting.contains(&message.sequence))
                {
                    continue;
                }
                let code = number(message.body, 0)?.cast_signed();
                if code != 0 && refusal.is_none() {
                    refusal = Some(io::Error::from_raw_os_error(-code));
                }
                if message.sequence == frame {
                    // The transaction as a whole was refused; nothing else is answered.
                    waiting.clear();
                } else {
                    waiting.retain(|each| *each != message.sequence);
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }
}

/// One message of a datagram.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) kind: u16,
    pub(crate) sequence: u32,
    pub(crate) body: &'a [u8],
}

pub(crate) fn number(bytes: &[u8], at: usize) -> io::Result<u32> {
    let four = bytes.get(at..at + 4).ok_or_else(malformed)?;
    Ok(u32::from_ne_bytes(four.try_into().map_err(|_| malformed())?))
}

/// The messages of one datagram; the first that is cut off is an error and the last.
pub(crate) fn messages(mut datagram: &[u8]) -> impl Iterator<Item = io::Result<Message<'_>>> {
    std::iter::from_fn(move || {
        if datagram.is_empty() {
            return None;
        }
        let read = || -> io::Result<(Message<'_>, usize)> {
            let length = number(datagram, 0)? as usize;
            let message = datagram
                .get(..length)
                .filter(|_| length >= HEADER)
                .ok_or_else(malformed)?;
            let kind = u16::from_ne_bytes([message[4], message[5]]);
            let sequence = number(message, 8)?;
            let body = &message[HEADER..];
            Ok((Message { kind, sequence, body }, length.next_multiple_of(4)))
        };
        let read = read();
        datagram = match &read {
            Ok((_, length)) => datagram.get(*length..).unwrap_or_default(),
            Err(_) => &[],
        };
        Some(read.map(|(message, _)| message))
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    Acknowledged,
    Answer(Vec<u8>),
    AnswerAndAcknowledged(Vec<u8>),
    Foreign,
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the kernel's netlink answer is cut off",
    )
}

/// Reads the messages of one datagram; an error message with a code becomes an error.
fn parse(datagram: &[u8], sequence: u32) -> io::Result<Parsed> {
    let mut answer = None;
    for message in messages(datagram) {
        let message = message?;
        if message.sequence != sequence {
            continue;
        }
        if message.kind == NLMSG_ERROR {
            let code = number(message.body, 0)?.cast_signed();
            if code != 0 {
                return Err(io::Error::from_raw_os_error(-code));
            }
            return Ok(answer.map_or(Parsed::Acknowledged, Parsed::AnswerAndAcknowledged));
        }
        answer = Some(message.body.to_vec());
    }
    Ok(answer.map_or(Parsed::Foreign, Parsed::Answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(HEADER + body.len())
            .expect("small")
            .to_ne_bytes()
            .to_vec();
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&sequence.to_ne_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(body);
        bytes
    }

    #[test]
    fn nested_attributes_count_their_content_and_are_aligned() {
        let request = Request::new(16, 0, &[]).nested(18, &[], |info| info.attribute(1, b"bridge"));
        let attributes = &request.bytes[HEADER..];
        assert_eq!(
            attributes,
            [
                16, 0, 18, 0, 10, 0, 1, 0, b'b', b'r', b'i', b'd', b'g', b'e', 0, 0
            ]
        );
    }

    #[test]
    fn an_error_code_becomes_the_system_error() {
        let refused = message(NLMSG_ERROR, 7, &(-libc::EEXIST).to_ne_bytes());
        let error = parse(&refused, 7).expect_err("a refusal");
        assert_eq!(error.raw_os_error(), Some(libc::EEXIST));
        assert_eq!(parse(&refused, 8).expect("another's"), Parsed::Foreign);
    }

    #[test]
    fn an_answer_and_its_acknowledgement_may_share_a_datagram() {
        let answer = message(16, 7, &[1, 2, 3, 4]);
        let mut both = answer.clone();
        both.extend(message(NLMSG_ERROR, 7, &0_i32.to_ne_bytes()));
        let body = vec![1, 2, 3, 4];
        assert_eq!(parse(&answer, 7).expect("whole"), Parsed::Answer(body.clone()));
        assert_eq!(
            parse(&both, 7).expect("whole"),
            Parsed::AnswerAndAcknowledged(body)
        );
    }

    #[test]
    fn a_cut_off_answer_is_an_error() {
        assert!(parse(&message(NLMSG_ERROR, 7, &[])[..12], 7).is_err());
        assert!(parse(&message(NLMSG_ERROR, 7, &[]), 7).is_err());
        assert!(parse(&[255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 7).is_err());
    }
}
