//! One CA with a server certificate in a temporary folder, and ways to make clients of it.

use std::net::SocketAddr;
use std::time::SystemTime;

use airlock_domain::ids::AgentId;
use airlock_transport::ca::{AgentKey, InstanceCa, ServerIdentity};
use airlock_transport::http_client::HttpClient;
use airlock_transport::listener::{ListenerLimits, TlsListener};
use airlock_transport::tls::{ClientCertificates, ClientTls, client_config, server_config};

pub(crate) struct Instance {
    _dir: tempfile::TempDir,
    pub(crate) ca: InstanceCa,
    pub(crate) identity: ServerIdentity,
}

impl Instance {
    pub(crate) fn new() -> Self {
        Self::with_server_certificate_of(SystemTime::now())
    }

    pub(crate) fn with_server_certificate_of(day: SystemTime) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let ca = InstanceCa::open(dir.path(), day).expect("CA");
        let identity = ServerIdentity::open(dir.path(), &ca, &[], day).expect("server certificate");
        Self {
            _dir: dir,
            ca,
            identity,
        }
    }

    pub(crate) async fn listen(&self, clients: ClientCertificates, limits: ListenerLimits) -> TlsListener {
        let tls = server_config(&self.identity, self.ca.certificate_pem(), clients).expect("TLS settings");
        TlsListener::bind(any_port(), "--listen", &tls, limits)
            .await
            .expect("bound")
    }

    /// Trusts this instance, shows no certificate.
    pub(crate) fn anonymous(&self) -> ClientTls {
        client_config(self.ca.certificate_pem(), None).expect("TLS settings")
    }

    /// Trusts this instance and shows a certificate that `signer` made on `day`.
    pub(crate) fn agent(&self, signer: &InstanceCa, agent: AgentId, day: SystemTime) -> ClientTls {
        let key = AgentKey::generate().expect("key");
        let request = key.request_pem().expect("request");
        let certificate = signer.issue_agent(agent, &request, day).expect("certificate");
        client_config(self.ca.certificate_pem(), Some((&certificate.pem, &key))).expect("TLS settings")
    }

    pub(crate) fn client(&self) -> HttpClient {
        HttpClient::new(&self.anonymous())
    }
}

pub(crate) fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

pub(crate) fn agent_id() -> AgentId {
    "0198c2f4-0000-7000-8000-000000000001".parse().expect("id")
}
