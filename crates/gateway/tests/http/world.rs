//! One instance: a control plane over real drivers, served over TLS on a free port, with people and agents to call it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use airlock_backends::{BlobKeyMaterial, FileBlobs, ProcessBus, SystemClock};
use airlock_control_plane::rows::TokenPurpose;
use airlock_control_plane::{Actor, Addresses, ControlPlane, Drivers};
use airlock_domain::{AgentId, ProjectSlug};
use airlock_gateway::http::{Now, Random, State, serve};
use airlock_key_holder::EmbeddedVault;
use airlock_store_sql::SqliteStore;
use airlock_transport::ca::{AgentKey, InstanceCa, ServerIdentity};
use airlock_transport::http_client::HttpClient;
use airlock_transport::listener::{ListenerLimits, TlsListener};
use airlock_transport::tls::{ClientCertificates, client_config, server_config};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::client::Caller;
use super::outside::{CONFIG, NoRemote, OneConfig, TextKeys};
use super::schema;

/// The user behind every token of these tests.
pub(crate) const USER: &str = "ada";
/// The project that is there from the beginning.
pub(crate) const PROJECT: &str = "/api/v2/project/git/demo/hello";

pub(crate) struct World {
    pub(crate) plane: ControlPlane,
    pub(crate) base: String,
    pub(crate) forge: Arc<OneConfig>,
    ca: InstanceCa,
    random: Random,
    _dir: tempfile::TempDir,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) served: JoinHandle<()>,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with_clock(Arc::new(SystemTime::now)).await
    }

    /// An instance whose gateway reads this clock.
    pub(crate) async fn with_clock(now: Now) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let forge = Arc::new(OneConfig(Mutex::new(CONFIG.to_owned())));
        let clock = Arc::new(SystemClock);
        let key = BlobKeyMaterial::generate().expect("key");
        let plane = ControlPlane::new(Drivers {
            store: Arc::new(SqliteStore::in_memory().await.expect("store")),
            blobs: Arc::new(FileBlobs::open(&dir.path().join("blobs"), key, Vec::new()).expect("blobs")),
            vault: Arc::new(EmbeddedVault::ephemeral(clock.clone())),
            forge: forge.clone(),
            remote: Arc::new(NoRemote),
            keys: Arc::new(TextKeys),
            bus: Arc::new(ProcessBus::new()),
            clock,
        });
        let ca = InstanceCa::open(dir.path(), SystemTime::now()).expect("CA");
        let identity = ServerIdentity::open(dir.path(), &ca, &[], SystemTime::now()).expect("certificate");
        let tls = server_config(&identity, ca.certificate_pem(), ClientCertificates::Optional).expect("TLS");
        let any_port = ([127, 0, 0, 1], 0).into();
        let listener = TlsListener::bind(any_port, "--listen", &tls, ListenerLimits::default())
            .await
            .expect("bound");
        let base = format!("https://localhost:{}", listener.local_addr().port());
        plane.set_addresses(Addresses {
            web: base.clone(),
            git_host: "localhost".into(),
            git_port: 8022,
            git_host_key: "ssh-ed25519 AAAA".into(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let random = counting_random();
        let state = State::new(plane.clone(), random.clone()).with_now(now);
        let served = tokio::spawn(serve(listener, state, async {
            let _stop_or_dropped = stopped.await;
        }));
        let slug = ProjectSlug::parse("demo/hello").expect("slug");
        plane
            .create_project(&slug, None, &Actor::new(USER))
            .await
            .expect("project");
        Self {
            plane,
            base,
            forge,
            ca,
            random,
            _dir: dir,
            stop: Some(stop),
            served,
        }
    }

    /// Somebody without any token.
    pub(crate) fn stranger(&self) -> Caller {
        let tls = client_config(self.ca.certificate_pem(), None).expect("TLS");
        Caller::new(HttpClient::new(&tls), &self.base)
    }

    pub(crate) async fn token(&self, purpose: TokenPurpose) -> String {
        let token = self
            .plane
            .issue_token(purpose, USER, (self.random)())
            .await
            .expect("token");
        token.expose_text().expect("text").to_owned()
    }

    /// A program with an API token.
    pub(crate) async fn program(&self) -> Caller {
        let token = self.token(TokenPurpose::Api).await;
        self.stranger().with("circle-token", &token)
    }

    /// A signed-in browser, which says nothing yet about where a request comes from.
    pub(crate) async fn browser(&self) -> Caller {
        let session = self.token(TokenPurpose::Session).await;
        self.stranger()
            .with("cookie", &format!("__Host-airlock={session}"))
    }

    /// An agent with a certificate.
    pub(crate) fn agent(&self, agent: AgentId) -> Caller {
        let key = AgentKey::generate().expect("key");
        let request = key.request_pem().expect("request");
        let certificate = self
            .ca
            .issue_agent(agent, &request, SystemTime::now())
            .expect("certificate");
        let tls = client_config(self.ca.certificate_pem(), Some((&certificate.pem, &key))).expect("TLS");
        Caller::new(HttpClient::new(&tls), &self.base)
    }

    /// Starts a pipeline and plans it; its id.
    pub(crate) async fn start(&self, caller: &Caller, body: &Value) -> String {
        let answer = caller
            .post(&format!("{PROJECT}/pipeline"), body)
            .await
            .expect(201)
            .json();
        schema::check("POST", "/project/{vcs}/{org}/{repo}/pipeline", 201, &answer);
        self.plane.plan_pending().await.expect("planned");
        answer["id"].as_str().expect("id").to_owned()
    }
}

pub(crate) fn agent_id(number: u128) -> AgentId {
    AgentId::new(Uuid::from_u128(number))
}

/// A claim of this agent that does not wait.
pub(crate) fn claim(agent: AgentId) -> Value {
    json!({ "protocol": 1, "agent": agent, "name": "builder", "free": 1, "wait_ms": 0 })
}

/// Bytes that differ each time, which is all that tests need of chance.
fn counting_random() -> Random {
    // Not from 0: a token of zeros is what tests take for a wrong one.
    let count = AtomicU64::new(1);
    Arc::new(move || {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        bytes
    })
}
