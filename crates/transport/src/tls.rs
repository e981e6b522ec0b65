//! TLS settings of both ends: TLS 1.2 and 1.3 with AEAD suites only, no resumption on the server, client certificates
//! verified against the instance's CA. Called by the listener and the HTTP client; decides nothing about what an
//! authenticated agent may do.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use airlock_domain::ids::AgentId;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::ca::{AgentKey, ServerIdentity, end_of};

/// TLS settings that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The CA certificate to trust cannot be read.
    #[error(
        "the CA certificate to trust cannot be read: {problem} (expected PEM, beginning with -----BEGIN CERTIFICATE-----)"
    )]
    Ca {
        /// What is wrong.
        problem: String,
    },
    /// A certificate and its key do not fit or cannot be used.
    #[error("the certificate of this {whose} cannot be used: {problem}")]
    Identity {
        /// `server` or `agent`.
        whose: &'static str,
        /// What is wrong.
        problem: String,
    },
}

/// What the server does about client certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Browsers and agents share the listener: a certificate is verified when there is one, and a wrong one is refused.
    Optional,
    /// Agents only.
    Required,
}

/// The agent at the other end, as its verified certificate names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentIdentity {
    /// The agent.
    pub agent: AgentId,
    /// When its certificate ends. A connection may live longer than that: who serves it looks here.
    pub not_after: SystemTime,
}

/// Settings of a TLS server.
#[derive(Clone)]
pub struct ServerTls(pub(crate) Arc<ServerConfig>);

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls(…)")
    }
}

/// Settings of a TLS client.
#[derive(Clone)]
pub struct ClientTls(pub(crate) Arc<ClientConfig>);

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientTls(…)")
    }
}

impl ClientTls {
    /// The same, speaking HTTP/1.1 only: WebSocket upgrades need it.
    #[must_use]
    pub fn http1_only(&self) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }
}

/// Settings of a server with this certificate, which verifies client certificates against `ca_pem`.
pub fn server_config(
    identity: &ServerIdentity,
    ca_pem: &str,
    clients: ClientCertificates,
) -> Result<ServerTls, TlsError> {
    crate::provider::install();
    let builder = WebPkiClientVerifier::builder(Arc::new(roots(ca_pem)?));
    let verifier = match clients {
        ClientCertificates::Optional => builder.allow_unauthenticated().build(),
        ClientCertificates::Required => builder.build(),
    }
    .map_err(|error| TlsError::Ca {
        problem: error.to_string(),
    })?;
    let mut config = ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(identity.chain.clone(), identity.key.clone_key())
        .map_err(|error| TlsError::Identity {
            whose: "server",
            problem: error.to_string(),
        })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // A resumed session is not asked for its certificate again: it would outlive the agent's day. Connections are
    // long-lived here, so full handshakes cost little.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(ServerTls(Arc::new(config)))
}

/// Settings of a client that trusts exactly this CA, and shows a certificate if it has one.
pub fn client_config(ca_pem: &str, identity: Option<(&str, &AgentKey)>) -> Result<ClientTls, TlsError> {
    crate::provider::install();
    let builder = ClientConfig::builder().with_root_certificates(roots(ca_pem)?);
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some((certificate_pem, key)) => {
            let bad = |problem: String| TlsError::Identity {
                whose: "agent",
                problem,
            };
            let chain =
                CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|e| bad(e.to_string()))?;
            let pem = key.to_pem();
            let key = PrivateKeyDer::from_pem_slice(pem.expose()).map_err(|e| bad(e.to_string()))?;
            builder
                .with_client_auth_cert(vec![chain], key)
                .map_err(|e| bad(e.to_string()))?
        }
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(ClientTls(Arc::new(config)))
}

pub(crate) fn roots(ca_pem: &str) -> Result<RootCertStore, TlsError> {
    let bad = |problem: String| TlsError::Ca { problem };
    let mut found = CertificateDer::pem_slice_iter(ca_pem.as_bytes());
    let certificate = match found.next() {
        Some(Ok(certificate)) => certificate,
        Some(Err(error)) => return Err(bad(error.to_string())),
        None => return Err(bad("it holds no certificate".into())),
    };
    if found.next().is_some() {
        return Err(bad(
            "it holds more than one certificate, but exactly one CA is trusted".into(),
        ));
    }
    let mut store = RootCertStore::empty();
    store.add(certificate).map_err(|error| bad(error.to_string()))?;
    Ok(store)
}

/// The agent named by a certificate that the handshake has verified; `None` when it names none.
pub(crate) fn agent_of(certificate: &CertificateDer<'_>) -> Option<AgentIdentity> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let mut names = parsed.subject().iter_common_name();
    let (Some(name), None) = (names.next(), names.next()) else {
        return None;
    };
    Some(AgentIdentity {
        agent: name.as_str().ok()?.parse().ok()?,
        not_after: end_of(&parsed)?,
    })
}
