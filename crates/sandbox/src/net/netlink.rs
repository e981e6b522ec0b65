//! Network devices, addresses and routes by rtnetlink: a handful of requests, each one packet and its
//! acknowledgement. It decides nothing; `net` and `zygote` say what to make.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// Index of the loopback device in every network namespace.
pub(crate) const LOOPBACK: u32 = 1;

const HEADER: usize = 16;
const IFLA_BRPORT_ISOLATED: u16 = 33;
const VETH_INFO_PEER: u16 = 1;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const NLMSG_ERROR: u16 = 2;

/// A socket to the kernel, bound to the network namespace of the thread that opened it.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

/// One request under construction.
struct Request {
    bytes: Vec<u8>,
}

impl Request {
    fn new(kind: u16, flags: i32, body: &[u8]) -> Self {
        let flags =
            u16::try_from(libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags).expect("netlink flags are 16 bits");
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(&[0; 4]); // length, written last
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(&flags.to_ne_bytes());
        bytes.extend_from_slice(&[0; 8]); // sequence, written last, and port 0: the kernel fills it in
        bytes.extend_from_slice(body);
        Self { bytes }
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        self.push(kind, value);
        self
    }

    fn nested(mut self, kind: u16, prefix: &[u8], build: impl FnOnce(Self) -> Self) -> Self {
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
}

/// `struct ifinfomsg`
fn link_message(index: u32, flags: i32) -> [u8; 16] {
    let mut message = [0; 16];
    message[4..8].copy_from_slice(&index.to_ne_bytes());
    message[8..12].copy_from_slice(&flags.to_ne_bytes());
    message[12..16].copy_from_slice(&flags.to_ne_bytes());
    message
}

fn text(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

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

    /// Makes a bridge without ports.
    pub(crate) fn add_bridge(&mut self, name: &str) -> io::Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_message(0, 0))
            .attribute(libc::IFLA_IFNAME, &text(name))
            .nested(libc::IFLA_LINKINFO, &[], |info| {
                info.attribute(IFLA_INFO_KIND, b"bridge")
            });
        self.execute(request).map(drop)
    }

    /// Makes a device pair: `name` as a port of `bridge`, still down, and `peer` in the namespace of process `pid`.
    pub(crate) fn add_veth(&mut self, name: &str, peer: &str, pid: u32, bridge: u32) -> io::Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, CREATE, &link_message(0, 0))
            .attribute(libc::IFLA_IFNAME, &text(name))
            .attribute(libc::IFLA_MASTER, &bridge.to_ne_bytes())
            .nested(libc::IFLA_LINKINFO, &[], |info| {
                info.attribute(IFLA_INFO_KIND, b"veth")
                    .nested(IFLA_INFO_DATA, &[], |data| {
                        data.nested(VETH_INFO_PEER, &link_message(0, 0), |other| {
                            other
                                .attribute(libc::IFLA_IFNAME, &text(peer))
                                .attribute(libc::IFLA_NET_NS_PID, &pid.to_ne_bytes())
                        })
                    })
            });
        self.execute(request).map(drop)
    }

    /// Keeps a bridge port from exchanging frames with other isolated ports.
    pub(crate) fn isolate_port(&mut self, index: u32) -> io::Result<()> {
        let request = Request::new(libc::RTM_NEWLINK, 0, &link_message(index, 0)).nested(
            libc::IFLA_LINKINFO,
            &[],
            |info| {
                info.attribute(IFLA_INFO_SLAVE_KIND, b"bridge")
                    .nested(IFLA_INFO_SLAVE_DATA, &[], |data| {
                        data.attribute(IFLA_BRPORT_ISOLATED, &[1])
                    })
            },
        );
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
        let index = reply.get(HEADER + 4..HEADER + 8).ok_or_else(malformed)?;
        Ok(u32::from_ne_bytes(index.try_into().map_err(|_| malformed())?))
    }

    /// Deletes a device; its pair and, for a bridge, the membership of its ports go with it.
    pub(crate) fn delete(&mut self, index: u32) -> io::Result<()> {
        self.execute(Request::new(libc::RTM_DELLINK, 0, &link_message(index, 0)))
            .map(drop)
    }

    /// Sends a request; returns the answer that came before the acknowledgement, if any.
    fn execute(&mut self, request: Request) -> io::Result<Vec<u8>> {
        let mut bytes = request.bytes;
        self.sequence += 1;
        let length = u32::try_from(bytes.len()).expect("requests are small");
        bytes[0..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&self.sequence.to_ne_bytes());
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
fn parse(mut datagram: &[u8], sequence: u32) -> io::Result<Parsed> {
    let mut answer = None;
    let number = |bytes: &[u8], at: usize| -> io::Result<u32> {
        let four = bytes.get(at..at + 4).ok_or_else(malformed)?;
        Ok(u32::from_ne_bytes(four.try_into().map_err(|_| malformed())?))
    };
    while !datagram.is_empty() {
        let length = number(datagram, 0)? as usize;
        let message = datagram
            .get(..length)
            .filter(|_| length >= HEADER)
            .ok_or_else(malformed)?;
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
        if number(message, 8)? != sequence {
            continue;
        }
        if u16::from_ne_bytes([message[4], message[5]]) == NLMSG_ERROR {
            let code = number(message, HEADER)?.cast_signed();
            if code != 0 {
                return Err(io::Error::from_raw_os_error(-code));
            }
            return Ok(answer.map_or(Parsed::Acknowledged, Parsed::AnswerAndAcknowledged));
        }
        answer = Some(message.to_vec());
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
        assert_eq!(parse(&answer, 7).expect("whole"), Parsed::Answer(answer.clone()));
        assert_eq!(
            parse(&both, 7).expect("whole"),
            Parsed::AnswerAndAcknowledged(answer)
        );
    }

    #[test]
    fn a_cut_off_answer_is_an_error() {
        assert!(parse(&message(NLMSG_ERROR, 7, &[])[..12], 7).is_err());
        assert!(parse(&message(NLMSG_ERROR, 7, &[]), 7).is_err());
        assert!(parse(&[255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 7).is_err());
    }
}
