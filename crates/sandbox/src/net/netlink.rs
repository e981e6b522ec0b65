//! Requests to the kernel by netlink and its answers, as bytes: one packet and its acknowledgement, a transaction of
//! several, or a list. It knows no device and no rule; `links`, `filter` and `tracked` say what is asked.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

const HEADER: usize = 16;
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

pub(crate) fn text(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

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

    /// Sends a request; returns the answer that came before the acknowledgement, if any.
    pub(super) fn execute(&mut self, request: Request) -> io::Result<Vec<u8>> {
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

pub(super) fn malformed() -> io::Error {
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
