//! Where the server is, as jobs must not reach it: its addresses are closed to every job of this agent, whatever a
//! project's policy says. Looked up once, when the agent starts; what cannot be looked up is an error, because an
//! agent that does not know what to close must not run jobs.

use std::net::{IpAddr, ToSocketAddrs};

use airlock_sandbox::Ipv4Block;
use http::Uri;

use crate::agent::AgentError;

/// The IPv4 addresses of servers given as `https://host:port` or `ssh://user@host:port`. Jobs have no IPv6.
pub(crate) fn blocks(servers: &[String]) -> Result<Vec<Ipv4Block>, AgentError> {
    let mut blocks = Vec::new();
    for server in servers {
        let wrong = |reason: String| AgentError::Server {
            server: server.clone(),
            reason,
        };
        let uri: Uri = server
            .parse()
            .map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
        let host = uri.host().ok_or_else(|| wrong("it names no host".to_owned()))?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let found = (host, 0)
            .to_socket_addrs()
            .map_err(|error| wrong(error.to_string()))?;
        blocks.extend(found.filter_map(|address| match address.ip() {
            IpAddr::V4(address) => Some(Ipv4Block::one(address)),
            IpAddr::V6(_) => None,
        }));
    }
    blocks.sort_unstable();
    blocks.dedup();
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::blocks;

    fn said(servers: &[&str]) -> Result<Vec<String>, String> {
        let servers: Vec<String> = servers.iter().map(|server| (*server).to_owned()).collect();
        let found = blocks(&servers).map_err(|error| error.to_string())?;
        Ok(found.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_server_is_found_by_address_or_name() {
        assert_eq!(said(&[]), Ok(vec![]));
        let both = [
            "https://203.0.113.7:8443",
            "ssh://git@203.0.113.7:8022",
            "https://127.0.0.1",
        ];
        assert_eq!(
            said(&both),
            Ok(vec!["127.0.0.1".to_owned(), "203.0.113.7".to_owned()])
        );
        assert_eq!(said(&["https://[2001:db8::1]:8443"]), Ok(vec![]));
        assert!(said(&["https://localhost:8443"]).is_ok_and(|found| found == ["127.0.0.1"]));
    }

    #[test]
    fn what_is_no_server_is_an_error() {
        assert!(said(&["/nowhere"]).is_err_and(|error| error.contains("/nowhere")));
        assert!(said(&["https://name.invalid:1"]).is_err_and(|error| error.contains("name.invalid")));
    }
}
