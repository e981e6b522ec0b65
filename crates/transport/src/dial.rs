//! The policy of outgoing plain streams. A [`Dialer`] connects to the host and port it was made for and to nothing
//! else; the agent uses one per job for the job's own git host. What travels inside is encrypted by who asked (SSH).

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::limits;

/// A host and a port, as in `git.example:22` or `[::1]:8022`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

/// A text that is no host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a host and port: expected something like git.example:22 or [::1]:8022")]
pub struct HostPortError {
    text: String,
}

impl HostPort {
    /// Checks the host (a name or an address, without brackets) and the port.
    pub fn new(host: &str, port: u16) -> Result<Self, HostPortError> {
        let wrong = || HostPortError {
            text: format!("{}:{port}", host.chars().take(80).collect::<String>()),
        };
        let name = host.strip_suffix('.').unwrap_or(host);
        let server = rustls_pki_types::ServerName::try_from(name).map_err(|_| wrong())?;
        if port == 0 {
            return Err(wrong());
        }
        // Names are compared below, so they get one form: lower case, addresses as the standard library prints them.
        let host = if let rustls_pki_types::ServerName::IpAddress(ip) = server {
            std::net::IpAddr::from(ip).to_string()
        } else {
            name.to_ascii_lowercase()
        };
        Ok(Self { host, port })
    }

    /// The host, without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for HostPort {
    type Err = HostPortError;

    fn from_str(text: &str) -> Result<Self, HostPortError> {
        let wrong = || HostPortError {
            text: text.chars().take(80).collect(),
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(wrong)?;
        let host = match host.strip_prefix('[') {
            Some(rest) => rest
                .strip_suffix(']')
                .filter(|inner| inner.contains(':'))
                .ok_or_else(wrong)?,
            None if host.contains(':') => return Err(wrong()),
            None => host,
        };
        if port.starts_with('+') {
            return Err(wrong());
        }
        Self::new(host, port.parse().map_err(|_| wrong())?).map_err(|_| wrong())
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A connection that was not made.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The policy allows another place only.
    #[error("connecting to {wanted} is refused: only {allowed} may be reached from here")]
    Refused {
        /// Where somebody wanted to go.
        wanted: HostPort,
        /// The only place allowed.
        allowed: HostPort,
    },
    /// No answer in time.
    #[error("connecting to {to}: no answer within {after:?}")]
    TimedOut {
        /// The place.
        to: HostPort,
        /// How long it was tried.
        after: Duration,
    },
    /// Name lookup or connection failed.
    #[error("connecting to {to}: {source}")]
    Failed {
        /// The place.
        to: HostPort,
        /// Why not.
        source: io::Error,
    },
}

/// Connects to one host and port and to nothing else.
#[derive(Debug, Clone)]
pub struct Dialer {
    allowed: HostPort,
}

impl Dialer {
    /// A dialer for this place only.
    pub fn only(allowed: HostPort) -> Self {
        Self { allowed }
    }

    /// The place it may reach.
    pub fn allowed(&self) -> &HostPort {
        &self.allowed
    }

    /// Connects, if `to` is the allowed place.
    pub async fn connect(&self, to: &HostPort) -> Result<TcpStream, DialError> {
        if *to != self.allowed {
            return Err(DialError::Refused {
                wanted: to.clone(),
                allowed: self.allowed.clone(),
            });
        }
        connect_tcp(to).await
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place where the product opens an outgoing connection"
)]
pub(crate) async fn connect_tcp(to: &HostPort) -> Result<TcpStream, DialError> {
    let stream = timeout(limits::CONNECT, TcpStream::connect((to.host(), to.port())))
        .await
        .map_err(|_| DialError::TimedOut {
            to: to.clone(),
            after: limits::CONNECT,
        })?
        .map_err(|source| DialError::Failed {
            to: to.clone(),
            source,
        })?;
    // Refused only on a stream that is broken already, which the first write will tell.
    let _kept_if_refused = stream.set_nodelay(true);
    Ok(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port_are_read_in_one_form() {
        for (text, shown) in [
            ("git.example:22", "git.example:22"),
            ("GIT.Example.:22", "git.example:22"),
            ("127.0.0.1:8022", "127.0.0.1:8022"),
            ("[::1]:8022", "[::1]:8022"),
            ("[0:0:0:0:0:0:0:1]:8022", "[::1]:8022"),
        ] {
            assert_eq!(text.parse::<HostPort>().expect(text).to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_host_and_port_is_refused() {
        for text in [
            "",
            "host",
            "host:",
            ":22",
            "host:0",
            "host:65536",
            "host:+22",
            "::1:22",
            "a b:22",
            "-x y:1",
            "[h]:1",
        ] {
            assert!(text.parse::<HostPort>().is_err(), "{text:?} was taken");
        }
    }

    #[tokio::test]
    async fn only_the_allowed_place_is_reached() {
        let allowed = crate::listener::bind_tcp(([127, 0, 0, 1], 0).into(), "--x")
            .await
            .expect("bound");
        let other = crate::listener::bind_tcp(([127, 0, 0, 1], 0).into(), "--x")
            .await
            .expect("bound");
        let place =
            |l: &tokio::net::TcpListener| HostPort::new("127.0.0.1", l.local_addr().expect("bound").port());
        let (allowed, other) = (place(&allowed).expect("place"), place(&other).expect("place"));
        let dialer = Dialer::only(allowed.clone());
        dialer.connect(&allowed).await.expect("the positive control");
        let error = dialer.connect(&other).await.expect_err("refused").to_string();
        assert_eq!(
            error,
            format!("connecting to {other} is refused: only {allowed} may be reached from here")
        );
    }
}
