//! Fetches one small file from an address that somebody wrote into a config: HTTPS only, one request at a time, nothing
//! kept, no proxy and no cookie. The caller says which addresses may be asked and whether their hosts may lie in a private
//! network; redirects are asked the same question. The host's addresses are looked at before the first packet is sent and
//! exactly those are connected to, so that a name cannot lead past the policy by changing its mind.
//!
//! Refuses what is larger or slower than its limits, and every certificate that the machine's CAs (or the one it was made
//! with) have not signed. Knows nothing of what it fetches. Called by the server and the command line for orbs.

mod address;
mod error;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::{Host, Url};

pub use error::FetchError;

use crate::dial::{HostPort, connect_tcp};
use crate::limits;
use crate::tls::{TlsError, roots};
use address::Kind;
use error::tls_problem;

/// Where an address may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nowhere: it is not asked.
    Nowhere,
    /// To hosts that everybody reaches.
    Public,
    /// Also to hosts of this machine and of its private networks.
    Private,
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The whole content.
    pub bytes: Bytes,
    /// What the server calls it, such as `text/html; charset=utf-8`; empty when it does not say.
    pub content_type: String,
}

/// Fetches files over HTTPS.
#[derive(Clone)]
pub struct Fetcher {
    tls: TlsConnector,
    time: Duration,
}

impl fmt::Debug for Fetcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fetcher")
    }
}

impl Fetcher {
    /// Trusts the CAs that this machine trusts: the usual bundle, or the one that `SSL_CERT_FILE` or `SSL_CERT_DIR` names.
    pub fn of_machine() -> Result<Self, TlsError> {
        let found = rustls_native_certs::load_native_certs();
        let mut store = RootCertStore::empty();
        // Bundles hold odd certificates now and then; what cannot be used is trusted by nobody.
        let (usable, _) = store.add_parsable_certificates(found.certs);
        if usable == 0 {
            let told = found.errors.first().map(|error| format!(" ({error})"));
            return Err(TlsError::Ca {
                problem: format!(
                    "this machine has no bundle of CA certificates{}: install its package `ca-certificates`, or name a \
                     bundle with SSL_CERT_FILE",
                    told.unwrap_or_default()
                ),
            });
        }
        Ok(Self::with_roots(store))
    }

    /// Trusts exactly this CA.
    pub fn trusting(ca_pem: &str) -> Result<Self, TlsError> {
        Ok(Self::with_roots(roots(ca_pem)?))
    }

    fn with_roots(store: RootCertStore) -> Self {
        crate::provider::install();
        let mut config = ClientConfig::builder()
            .with_root_certificates(store)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            tls: TlsConnector::from(Arc::new(config)),
            time: limits::FETCH,
        }
    }

    /// The same, with another time for one file, redirects included.
    #[must_use]
    pub fn giving_up_after(self, time: Duration) -> Self {
        Self { time, ..self }
    }

    /// Fetches what stands at `address`, at most `limit` bytes of it. `reach` is asked about the address and about each
    /// that the server redirects to, in the form in which it is asked: normalised, without user and fragment.
    pub async fn get(
        &self,
        address: &str,
        reach: &(dyn Fn(&str) -> Reach + Send + Sync),
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        timeout(self.time, self.follow(address, reach, limit))
            .await
            .unwrap_or_else(|_| {
                Err(FetchError::TimedOut {
                    url: error::shown(address),
                    after: self.time,
                })
            })
    }

    async fn follow(
        &self,
        address: &str,
        reach: &(dyn Fn(&str) -> Reach + Send + Sync),
        limit: usize,
    ) -> Result<Fetched, FetchError> {
        let mut url = parsed(address)?;
        for _ in 0..=limits::FETCH_REDIRECTS {
            let allowed = match reach(url.as_str()) {
                Reach::Nowhere => {
                    return Err(FetchError::NotAllowed {
                        url: error::shown(url.as_str()),
                    });
                }
                allowed @ (Reach::Public | Reach::Private) => allowed,
            };
            let mut answer = self.ask(&url, allowed).await?;
            let Some(location) = redirect(answer.response.status(), answer.response.headers()) else {
                return answer.read(&url, limit).await;
            };
            let next = url.join(&location).map_err(|_| FetchError::Redirect {
                url: error::shown(url.as_str()),
            })?;
            url = parsed(next.as_str())?;
            answer.connection.abort();
        }
        Err(FetchError::TooManyRedirects {
            url: error::shown(address),
        })
    }

    async fn ask(&self, url: &Url, reach: Reach) -> Result<Answer, FetchError> {
        let stream = self.connect(url, reach).await?;
        let broken = |problem: hyper::Error| FetchError::Broken {
            url: error::shown(url.as_str()),
            problem: problem.to_string(),
        };
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        let connection = Connection(tokio::spawn(async move {
            // How it ended is told by the answer, or its absence.
            let _ended = connection.await;
        }));
        let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
        let request = Request::get(&url[url::Position::BeforePath..url::Position::AfterQuery])
            .header(HOST, host)
            .header(USER_AGENT, concat!("airlock/", env!("CARGO_PKG_VERSION")))
            .header(ACCEPT, "*/*")
            .header(ACCEPT_ENCODING, "identity")
            .body(Empty::<Bytes>::new())
            .map_err(|_| FetchError::Address {
                url: error::shown(url.as_str()),
                problem: "it cannot stand in a request",
            })?;
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(Answer { response, connection })
    }

    /// A connection to one of the host's addresses that may be reached.
    async fn connect(&self, url: &Url, reach: Reach) -> Result<TlsStream<TcpStream>, FetchError> {
        let shown = || error::shown(url.as_str());
        let port = url.port_or_known_default().unwrap_or(443);
        let (found, name) = match url.host() {
            Some(Host::Domain(name)) => {
                let found = tokio::net::lookup_host((name, port)).await;
                let found: Vec<SocketAddr> =
                    found.map_err(|_| FetchError::Unknown { url: shown() })?.collect();
                (found, ServerName::try_from(name.to_owned()).ok())
            }
            Some(Host::Ipv4(ip)) => (vec![(ip, port).into()], Some(ServerName::from(IpAddr::V4(ip)))),
            Some(Host::Ipv6(ip)) => (vec![(ip, port).into()], Some(ServerName::from(IpAddr::V6(ip)))),
            None => (Vec::new(), None),
        };
        let name = name.ok_or_else(|| FetchError::Address {
            url: shown(),
            problem: "it names no host",
        })?;
        let allowed: Vec<SocketAddr> = found
            .iter()
            .filter(|address| address::kind(address.ip()).is_within(reach))
            .copied()
            .collect();
        if allowed.is_empty() {
            return Err(match found.first() {
                Some(address) => FetchError::Forbidden {
                    url: shown(),
                    address: address.ip(),
                    what: address::kind(address.ip()).words(),
                    may_be_allowed: address::kind(address.ip()) == Kind::Private,
                },
                None => FetchError::Unknown { url: shown() },
            });
        }
        let mut failed = None;
        for address in allowed {
            let place = HostPort::new(&address.ip().to_string(), address.port())
                .map_err(|_| FetchError::Unknown { url: shown() })?;
            match connect_tcp(&place).await {
                Ok(stream) => {
                    let shaken = timeout(limits::TLS_HANDSHAKE, self.tls.connect(name, stream)).await;
                    let problem = match shaken {
                        Ok(Ok(stream)) => return Ok(stream),
                        Ok(Err(problem)) => problem,
                        Err(_) => {
                            return Err(FetchError::TimedOut {
                                url: shown(),
                                after: limits::TLS_HANDSHAKE,
                            });
                        }
                    };
                    return Err(tls_problem(url.as_str(), &problem));
                }
                Err(problem) => failed = Some(problem),
            }
        }
        Err(match failed {
            Some(problem) => FetchError::Connect {
                url: shown(),
                problem,
            },
            None => FetchError::Unknown { url: shown() },
        })
    }
}

/// The task that drives a connection; it ends with whoever waits for the answer.
struct Connection(JoinHandle<()>);

impl Connection {
    fn abort(&self) {
        self.0.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.abort();
    }
}

struct Answer {
    response: Response<Incoming>,
    connection: Connection,
}

impl Answer {
    async fn read(&mut self, url: &Url, limit: usize) -> Result<Fetched, FetchError> {
        let shown = || error::shown(url.as_str());
        let too_large = || FetchError::TooLarge { url: shown(), limit };
        let (status, headers) = (self.response.status(), self.response.headers());
        if status != StatusCode::OK {
            return Err(FetchError::Status { url: shown(), status });
        }
        if header(headers, &CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(FetchError::Encoded { url: shown() });
        }
        let said: Option<usize> = header(headers, &CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if said.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let content_type = header(headers, &CONTENT_TYPE).unwrap_or_default().to_owned();
        let mut all = BytesMut::new();
        while let Some(frame) = self.response.frame().await {
            let frame = frame.map_err(|problem| FetchError::Broken {
                url: shown(),
                problem: problem.to_string(),
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if all.len() + data.len() > limit {
                return Err(too_large());
            }
            all.extend_from_slice(&data);
        }
        Ok(Fetched {
            bytes: all.freeze(),
            content_type,
        })
    }
}

fn header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// Where a redirect leads, if the answer is one.
fn redirect(status: StatusCode, headers: &HeaderMap) -> Option<String> {
    let redirects = matches!(
        status,
        StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT
    );
    let location = header(headers, &LOCATION).filter(|_| redirects)?;
    Some(location.to_owned())
}

/// An address in its one form; a fragment is the reader's own business.
fn parsed(text: &str) -> Result<Url, FetchError> {
    let wrong = |problem| FetchError::Address {
        url: error::shown(text),
        problem,
    };
    let mut url = Url::parse(text).map_err(|_| wrong("it is none"))?;
    if url.scheme() != "https" {
        return Err(wrong("only `https://` is fetched"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("it holds a name or password"));
    }
    url.set_fragment(None);
    Ok(url)
}
