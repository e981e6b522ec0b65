//! Asks the host's name servers, one after the other. Every question has a number and a port that nobody can foresee:
//! an answer opens addresses, so nobody else may give it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

use super::question::Question;
use crate::limits::{LOOKUP_ROUNDS, LOOKUP_TRY_MILLIS};

/// The first answer of any server; `None` when none gives one.
pub(super) fn ask(servers: &[SocketAddr], question: &Question<'_>, by_stream: bool) -> Option<Vec<u8>> {
    for _ in 0..LOOKUP_ROUNDS {
        for server in servers {
            let id = unforeseeable().ok()?;
            let answer = if by_stream {
                by_tcp(*server, question, id)
            } else {
                by_udp(*server, question, id)
            };
            if let Ok(answer) = answer {
                return Some(answer);
            }
        }
    }
    None
}

fn by_udp(server: SocketAddr, question: &Question<'_>, id: u16) -> io::Result<Vec<u8>> {
    let socket: UdpSocket = connected(server, SocketType::DGRAM)?.into();
    socket.send(&question.numbered(id))?;
    let end = Instant::now() + Duration::from_millis(LOOKUP_TRY_MILLIS);
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(Some(left))?;
        let length = socket.recv(&mut buffer)?;
        // What answers something else is somebody's guess.
        if question.is_answered_by(&buffer[..length], id) {
            return Ok(buffer[..length].to_vec());
        }
    }
}

fn by_tcp(server: SocketAddr, question: &Question<'_>, id: u16) -> io::Result<Vec<u8>> {
    let mut stream: TcpStream = connected(server, SocketType::STREAM)?.into();
    let message = question.numbered(id);
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    stream.write_all(&[&length.to_be_bytes(), &message[..]].concat())?;
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer)?;
    if question.is_answered_by(&answer, id) {
        Ok(answer)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

/// A socket that hears of nobody but the server, and gives up in time.
fn connected(server: SocketAddr, kind: SocketType) -> io::Result<OwnedFd> {
    let (family, any) = match server {
        SocketAddr::V4(_) => (AddressFamily::INET, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        SocketAddr::V6(_) => (AddressFamily::INET6, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
    };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    let patience = Some(Duration::from_millis(LOOKUP_TRY_MILLIS));
    for which in [sockopt::Timeout::Send, sockopt::Timeout::Recv] {
        sockopt::set_socket_timeout(&socket, which, patience)?;
    }
    rustix::net::bind(&socket, &SocketAddr::new(any, 0))?;
    rustix::net::connect(&socket, &server)?;
    Ok(socket)
}

fn unforeseeable() -> io::Result<u16> {
    let mut bytes = [0; 2];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(u16::from_ne_bytes(bytes))
}
