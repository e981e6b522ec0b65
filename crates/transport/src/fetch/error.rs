//! Why a file was not fetched, in words for the person who wrote the address or who allowed it.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use http::StatusCode;
use rustls::CertificateError;

use crate::dial::DialError;

/// A file that was not fetched. Addresses are shown without their query, which may hold a right.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address cannot be asked.
    #[error("{url} is no address to fetch from: {problem}")]
    Address {
        /// The address.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The caller does not allow the address; mostly one that a redirect leads to.
    #[error("it leads to {url}, which is not allowed")]
    NotAllowed {
        /// The address.
        url: String,
    },
    /// Its host lies where the caller does not allow.
    #[error("the host of {url} has the address {address}, which is {what}")]
    Forbidden {
        /// The address asked for.
        url: String,
        /// The host's.
        address: IpAddr,
        /// What that is.
        what: &'static str,
        /// Whether [`super::Reach::Private`] would reach it.
        may_be_allowed: bool,
    },
    /// The host has no address.
    #[error("the host of {url} is not known to the name service")]
    Unknown {
        /// The address.
        url: String,
    },
    /// The host was not reached.
    #[error("reaching {url}: {problem}")]
    Connect {
        /// The address.
        url: String,
        /// Why not.
        problem: DialError,
    },
    /// The server's certificate was refused.
    #[error("the certificate of {url} is refused: {problem}")]
    Certificate {
        /// The address.
        url: String,
        /// Why.
        problem: String,
    },
    /// No answer in time.
    #[error("{url}: no whole answer within {after:?}")]
    TimedOut {
        /// The address.
        url: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke, or no HTTP is spoken there.
    #[error("{url}: {problem}")]
    Broken {
        /// The address.
        url: String,
        /// The cause.
        problem: String,
    },
    /// The server has something else to say.
    #[error("{url}: the server answered {status}")]
    Status {
        /// The address.
        url: String,
        /// Its answer.
        status: StatusCode,
    },
    /// A redirect to nowhere.
    #[error("{url}: the server redirects to what is no address")]
    Redirect {
        /// The address.
        url: String,
    },
    /// A redirect to a redirect, and so on.
    #[error(
        "{url}: the server redirects more than {} times",
        crate::limits::FETCH_REDIRECTS
    )]
    TooManyRedirects {
        /// The address.
        url: String,
    },
    /// The file is larger than allowed.
    #[error("{url}: it has more than {limit} bytes")]
    TooLarge {
        /// The address.
        url: String,
        /// The limit.
        limit: usize,
    },
    /// The server compressed it though nobody asked.
    #[error("{url}: the server sends it compressed, which was not asked for")]
    Encoded {
        /// The address.
        url: String,
    },
}

/// An address without what may be secret in it.
pub(super) fn shown(address: &str) -> String {
    let address = address.split(['?', '#']).next().unwrap_or_default();
    match address.split_once("://") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            let host = authority.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}/{path}")
        }
        None => address.to_owned(),
    }
}

/// A handshake that failed.
pub(super) fn tls_problem(url: &str, error: &io::Error) -> FetchError {
    use rustls::Error as Tls;
    let url = shown(url);
    let refused = |url: String, problem: &str| FetchError::Certificate {
        url,
        problem: problem.to_owned(),
    };
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>()) {
        Some(Tls::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
            refused(
                url,
                "no CA that this machine trusts has signed it (SSL_CERT_FILE names another bundle of CAs)",
            )
        }
        Some(Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => refused(url, "it is for another host name"),
        Some(Tls::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => refused(url, "it has expired (or the clock of this machine is wrong)"),
        Some(Tls::InvalidCertificate(problem)) => refused(url, &problem.to_string()),
        Some(Tls::InvalidMessage(_)) => FetchError::Broken {
            url,
            problem: "it does not speak TLS".to_owned(),
        },
        _ => FetchError::Broken {
            url,
            problem: format!("TLS handshake: {error}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_may_be_secret_in_an_address_is_not_shown() {
        assert_eq!(shown("https://h/a.yml?token=canary#x"), "https://h/a.yml");
        assert_eq!(shown("https://me:canary@h:1/a"), "https://h:1/a");
        assert_eq!(shown("https://h"), "https://h/");
        assert_eq!(shown("nonsense?canary"), "nonsense");
    }
}
