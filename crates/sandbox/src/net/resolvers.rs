//! Which name servers jobs use: the host's, as far as they can be reached from a network of one's own.

use std::fmt::Write;
use std::fs;
use std::net::Ipv4Addr;

/// Where systemd-resolved keeps the servers behind its own stub on a loopback address.
const BEHIND_THE_STUB: &str = "/run/systemd/resolve/resolv.conf";

/// Most servers a C library asks.
const MAX_SERVERS: usize = 3;

/// Name servers and the file that names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolvers {
    servers: Vec<Ipv4Addr>,
    text: String,
}

impl Resolvers {
    pub(super) fn of_this_host() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::choose(&read("/etc/resolv.conf"), &read(BEHIND_THE_STUB))
    }

    /// The servers of the first file that names reachable ones. IPv6 is closed to jobs, loopback is theirs alone.
    fn choose(etc: &str, behind: &str) -> Self {
        let from = |file: &str| {
            let mut servers: Vec<Ipv4Addr> = Vec::new();
            let mut text = String::new();
            for line in file.lines() {
                let mut words = line.split_whitespace();
                match words.next() {
                    Some("nameserver") => {
                        let address = words.next().and_then(|word| word.parse::<Ipv4Addr>().ok());
                        let Some(address) = address.filter(|address| !address.is_loopback()) else {
                            continue;
                        };
                        if servers.len() < MAX_SERVERS && !servers.contains(&address) {
                            servers.push(address);
                            let _ = writeln!(text, "nameserver {address}");
                        }
                    }
                    Some("search" | "options" | "domain") => {
                        let _ = writeln!(text, "{}", line.trim());
                    }
                    Some(_) | None => {}
                }
            }
            Self { servers, text }
        };
        let first = from(etc);
        if first.servers.is_empty() {
            from(behind)
        } else {
            first
        }
    }

    pub(super) fn servers(&self) -> &[Ipv4Addr] {
        &self.servers
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use super::Resolvers;

    #[test]
    fn reachable_servers_and_search_lines_are_copied() {
        let etc = "# made by dhcp\nsearch corp.example\nnameserver 10.0.0.2\nnameserver fe80::1\nnameserver 10.0.0.3\noptions ndots:2\n";
        let resolvers = Resolvers::choose(etc, "");
        assert_eq!(
            resolvers.text(),
            "search corp.example\nnameserver 10.0.0.2\nnameserver 10.0.0.3\noptions ndots:2\n"
        );
        assert_eq!(resolvers.servers().len(), 2);
    }

    #[test]
    fn a_stub_on_loopback_is_replaced_by_what_is_behind_it() {
        let resolvers = Resolvers::choose("nameserver 127.0.0.53\n", "nameserver 192.0.2.53\n");
        assert_eq!(resolvers.text(), "nameserver 192.0.2.53\n");
        assert!(
            Resolvers::choose("nameserver ::1\n", "nameserver 127.0.0.1\n")
                .servers()
                .is_empty()
        );
    }
}
