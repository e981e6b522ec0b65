//! Connecting inside a sandbox, to the sandbox alone: an address is taken when it is one of the sandbox's own network
//! namespace. The job's way to the outside is the job's, not that of whoever looks into it. Runs in the namespaces of
//! the sandbox; asks no name service.

use std::io::Read as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with};

use crate::limits::HOSTS_BYTES;

/// A connection to the port; or why there is none, in words for the person who asked.
pub(super) fn dial(host: &str, port: u16) -> Result<OwnedFd, String> {
    let addresses = addresses_of(host, &hosts());
    if addresses.is_empty() {
        return Err(format!(
            "'{host}' is no name of this job: forward to localhost, to an address of the job, or to one of its containers"
        ));
    }
    let mut reason = String::new();
    for address in addresses {
        if !is_own(address) {
            reason = format!("{address} is not in this job: only ports of the job itself are forwarded");
            continue;
        }
        let place = SocketAddr::new(address, port);
        let made = socket(address, SocketType::STREAM).and_then(|socket| {
            connect(&socket, &place)?;
            Ok(socket)
        });
        match made {
            Ok(socket) => return Ok(socket),
            Err(error) => reason = format!("connecting to {place} in the job: {error}"),
        }
    }
    Err(reason)
}

/// Whether an address belongs to this network namespace: only then can something be bound to it.
fn is_own(address: IpAddr) -> bool {
    socket(address, SocketType::DGRAM)
        .and_then(|socket| bind(&socket, &SocketAddr::new(address, 0)))
        .is_ok()
}

fn socket(address: IpAddr, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let family = match address {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    socket_with(family, kind, SocketFlags::CLOEXEC, None)
}

/// The addresses a name stands for.
fn addresses_of(host: &str, hosts: &str) -> Vec<IpAddr> {
    if let Ok(address) = host.parse() {
        return vec![address];
    }
    if host.eq_ignore_ascii_case("localhost") {
        return vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    }
    let lines = hosts.lines().filter_map(|line| {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_ascii_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        words
            .any(|name| name.eq_ignore_ascii_case(host))
            .then_some(address)
    });
    lines.collect()
}

/// The sandbox's `/etc/hosts`, which is whatever the job made of it: a file of a bounded size, or nothing.
fn hosts() -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let Ok(file) = open("/etc/hosts", flags, Mode::empty()) else {
        return String::new();
    };
    let is_file = fstat(&file).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file());
    let mut bytes = Vec::new();
    if is_file {
        let read = std::fs::File::from(file)
            .take(HOSTS_BYTES)
            .read_to_end(&mut bytes);
        if read.is_err() {
            bytes.clear();
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_in_hosts_and_nowhere_else() {
        let hosts = "127.0.0.1 localhost\n10.0.0.7 job-1 # the job\n127.0.0.1 postgres db\nnonsense x\n";
        let found = |name: &str| -> Vec<String> {
            addresses_of(name, hosts)
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        assert_eq!(found("localhost"), ["127.0.0.1", "::1"]);
        assert_eq!(found("DB"), ["127.0.0.1"]);
        assert_eq!(found("job-1"), ["10.0.0.7"]);
        assert_eq!(found("192.0.2.1"), ["192.0.2.1"]);
        for none in ["x", "the", "example.com", ""] {
            assert!(found(none).is_empty(), "{none}");
        }
    }

    #[test]
    fn what_is_not_ours_is_not_dialled() {
        assert!(is_own(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(!is_own(IpAddr::from([192, 0, 2, 1])));
        let refused = dial("192.0.2.1", 80).expect_err("not ours");
        assert!(refused.contains("is not in this job"), "{refused}");
        let unknown = dial("example.com", 80).expect_err("no such name");
        assert!(unknown.contains("no name of this job"), "{unknown}");
    }
}
