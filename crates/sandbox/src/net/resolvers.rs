//! Which name servers the jobs' own one asks: the host's. What jobs are told besides, the host's search list and options.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Most servers a C library asks.
const MAX_SERVERS: usize = 3;

const PORT: u16 = 53;

/// Name servers, and the lines beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolvers {
    servers: Vec<SocketAddr>,
    lines: String,
}

impl Resolvers {
    pub(super) fn of_this_host() -> Self {
        Self::read(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
    }

    fn read(file: &str) -> Self {
        let (mut servers, mut lines) = (Vec::new(), String::new());
        for line in file.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    let address = words.next().and_then(|word| word.parse::<IpAddr>().ok());
                    let server = address.map(|address| SocketAddr::new(address, PORT));
                    if let Some(server) = server
                        && servers.len() < MAX_SERVERS
                        && !servers.contains(&server)
                    {
                        servers.push(server);
                    }
                }
                Some("search" | "options" | "domain") => {
                    let _ = writeln!(lines, "{}", line.trim());
                }
                Some(_) | None => {}
            }
        }
        Self { servers, lines }
    }

    pub(super) fn servers(&self) -> &[SocketAddr] {
        &self.servers
    }

    /// The file for jobs, whose server is at this address.
    pub(super) fn text(&self, server: Ipv4Addr) -> String {
        format!("nameserver {server}\n{}", self.lines)
    }
}

#[cfg(test)]
mod tests {
    use super::Resolvers;

    #[test]
    fn jobs_have_one_server_and_the_hosts_search_list() {
        let etc = "# made by dhcp\nsearch corp.example\nnameserver 127.0.0.53\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::53\noptions ndots:2\n";
        let resolvers = Resolvers::read(etc);
        assert_eq!(
            resolvers.text([10, 213, 0, 1].into()),
            "nameserver 10.213.0.1\nsearch corp.example\noptions ndots:2\n"
        );
        let servers: Vec<String> = resolvers.servers().iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["127.0.0.53:53", "[2001:db8::53]:53"]);
    }
}
