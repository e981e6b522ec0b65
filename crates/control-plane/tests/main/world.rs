//! A control plane on SQLite in memory, with files that a test names, a clock it holds, and an agent it plays.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use airlock_agent_protocol::{
    Assignment, ClaimRequest, FinishRequest, LogHeader, PROTOCOL_VERSION, StepReport, Usage,
};
use airlock_backends::{BlobKeyMaterial, FileBlobs, ProcessBus};
use airlock_control_plane::{Actor, Addresses, ControlPlane, Drivers, Reference, TriggerRequest};
use airlock_domain::plan::Platform;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_domain::trust::EventTrust;
use airlock_domain::{AgentId, BranchName, CommitSha, PipelineId, ProjectSlug, Secret, Timestamp};
use airlock_driver_interfaces::forge::CommitInfo;
use airlock_driver_interfaces::rows::{Selection, TriggerKind};
use airlock_driver_interfaces::{
    Clock, Forge, ForgeError, KeyError, NewKey, PublicKeyInfo, Remote, Sealed, SealingContext, SshKeys,
    Vault, VaultError,
};
use airlock_key_holder::EmbeddedVault;
use airlock_store_sql::SqliteStore;
use async_trait::async_trait;
use bytes::Bytes;
use tempfile::TempDir;

/// One repository: commit → config.
#[derive(Default)]
pub(crate) struct Files(Mutex<BTreeMap<String, Vec<u8>>>);

#[async_trait]
impl Forge for Files {
    async fn file_at(
        &self,
        _: &ProjectSlug,
        sha: &CommitSha,
        _: &str,
    ) -> Result<Option<Vec<u8>>, ForgeError> {
        Ok(self.0.lock().unwrap().get(sha.as_str()).cloned())
    }

    async fn commit(&self, _: &ProjectSlug, _: &CommitSha) -> Result<CommitInfo, ForgeError> {
        Ok(CommitInfo {
            subject: "a commit".into(),
            author: "Ada".into(),
        })
    }

    async fn branch_head(&self, _: &ProjectSlug, _: &BranchName) -> Result<Option<CommitSha>, ForgeError> {
        Ok(None)
    }
}

struct NoRemote;

#[async_trait]
impl Remote for NoRemote {
    async fn create_repository(&self, _: &ProjectSlug) -> Result<(), ForgeError> {
        Ok(())
    }

    async fn heads(&self, _: &ProjectSlug) -> Result<Vec<(String, CommitSha)>, ForgeError> {
        Ok(vec![(
            "refs/heads/main".into(),
            CommitSha::new("f".repeat(40)).unwrap(),
        )])
    }
}

/// A key holder that can be away.
pub(crate) struct DistantVault {
    vault: EmbeddedVault,
    pub(crate) away: AtomicBool,
}

#[async_trait]
impl Vault for DistantVault {
    async fn seal(&self, key: &str, context: &SealingContext, secret: &Secret) -> Result<Sealed, VaultError> {
        self.vault.seal(key, context, secret).await
    }

    async fn open(&self, key: &str, context: &SealingContext, sealed: &Sealed) -> Result<Secret, VaultError> {
        if self.away.load(Ordering::SeqCst) {
            return Err(VaultError::Unreachable {
                reason: "it is away".into(),
            });
        }
        self.vault.open(key, context, sealed).await
    }
}

/// Keys that only look like keys.
#[derive(Default)]
struct NumberedKeys(AtomicU32);

impl SshKeys for NumberedKeys {
    fn generate(&self, comment: &str) -> Result<NewKey, KeyError> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let public = self.parse_public(&format!("ssh-ed25519 made{number} {comment}"))?;
        Ok(NewKey {
            public,
            private: Secret::new(format!("private {number} deploy-key-canary")),
        })
    }

    fn parse_public(&self, text: &str) -> Result<PublicKeyInfo, KeyError> {
        let mut words = text.split(' ');
        match (words.next(), words.next()) {
            (Some("ssh-ed25519"), Some(body)) => Ok(PublicKeyInfo {
                fingerprint: format!("SHA256:{body}"),
                openssh: text.to_owned(),
                comment: words.collect::<Vec<_>>().join(" "),
            }),
            _ => Err(KeyError(format!("'{text}' is not a public key"))),
        }
    }
}

/// A clock that moves when the test says so.
pub(crate) struct HandClock(AtomicI64);

impl HandClock {
    pub(crate) fn pass(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }

    fn new_id(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

pub(crate) struct World {
    pub(crate) plane: ControlPlane,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) vault: Arc<DistantVault>,
    files: Arc<Files>,
    agent: AgentId,
    commits: AtomicU32,
    _folder: TempDir,
}

pub(crate) fn slug() -> ProjectSlug {
    ProjectSlug::parse("demo/hello").unwrap()
}

pub(crate) fn ada() -> Actor {
    Actor::new("ada")
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(HandClock(AtomicI64::new(1_800_000_000_000)));
        let files = Arc::new(Files::default());
        let blobs = FileBlobs::open(folder.path(), BlobKeyMaterial::generate().unwrap(), Vec::new()).unwrap();
        let vault = Arc::new(DistantVault {
            vault: EmbeddedVault::ephemeral(Arc::<HandClock>::clone(&clock)),
            away: AtomicBool::new(false),
        });
        let plane = ControlPlane::new(Drivers {
            store: Arc::new(SqliteStore::in_memory().await.unwrap()),
            blobs: Arc::new(blobs),
            vault: Arc::<DistantVault>::clone(&vault),
            forge: Arc::<Files>::clone(&files),
            remote: Arc::new(NoRemote),
            keys: Arc::new(NumberedKeys::default()),
            bus: Arc::new(ProcessBus::new()),
            clock: Arc::<HandClock>::clone(&clock),
        });
        plane.set_addresses(Addresses {
            web: "https://localhost:8443".into(),
            git_host: "localhost".into(),
            git_port: 8022,
            git_host_key: "ssh-ed25519 host".into(),
        });
        plane.create_project(&slug(), None, &ada()).await.unwrap();
        let agent = AgentId::new(uuid::Uuid::now_v7());
        Self {
            plane,
            clock,
            vault,
            files,
            agent,
            commits: AtomicU32::new(1),
            _folder: folder,
        }
    }

    /// A pipeline of a config on `main`, planned.
    pub(crate) async fn pipeline(&self, config: &str) -> PipelineId {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        let sha = format!("{number:040x}");
        if !config.is_empty() {
            self.files
                .0
                .lock()
                .unwrap()
                .insert(sha.clone(), config.as_bytes().to_vec());
        }
        let request = TriggerRequest {
            project: slug(),
            reference: Reference::Branch(BranchName::new("main").unwrap()),
            sha: Some(CommitSha::new(sha).unwrap()),
            parameters: Vec::new(),
            only: Selection::default(),
            again: None,
            actor: ada(),
            kind: TriggerKind::Api,
            trust: EventTrust::Member,
            delivery: None,
        };
        let row = self.plane.trigger(request).await.unwrap();
        self.plane.plan_pending().await.unwrap();
        row.id
    }

    /// What the agent gets when it asks and does not wait.
    pub(crate) async fn claim(&self) -> Option<Assignment> {
        self.plane.agent_claim(&self.asks(0)).await.unwrap().assignment
    }

    /// The agent's question for work.
    pub(crate) fn asks(&self, wait_ms: u64) -> ClaimRequest {
        ClaimRequest {
            protocol: PROTOCOL_VERSION,
            agent: self.agent,
            name: "machine".into(),
            free: 1,
            wait_ms,
            offers: vec![Platform::Linux],
        }
    }

    pub(crate) async fn step(&self, work: &Assignment, step: u32, status: StepStatus) {
        let report = StepReport {
            lease: work.lease,
            step,
            name: format!("step {step}"),
            status,
            exit_code: (status == StepStatus::Success).then_some(0),
            reason: None,
            at: self.clock.now(),
        };
        self.plane.agent_step(&report).await.unwrap();
    }

    pub(crate) async fn log(&self, work: &Assignment, offset: u64, bytes: &[u8]) -> u64 {
        let header = LogHeader {
            lease: work.lease,
            step: 1,
            offset,
        };
        self.plane
            .agent_log(&header, Bytes::copy_from_slice(bytes))
            .await
            .unwrap()
            .next
    }

    pub(crate) fn finish(work: &Assignment, status: SliceStatus) -> FinishRequest {
        FinishRequest {
            lease: work.lease,
            status,
            reason: None,
            usage: Usage::default(),
            egress: airlock_agent_protocol::EgressReport::default(),
            resources: airlock_agent_protocol::ResourceReport::default(),
        }
    }

    /// The status of each job, as `name:status`.
    pub(crate) async fn jobs(&self, pipeline: PipelineId) -> String {
        let mut words = Vec::new();
        for workflow in self.plane.pipeline(pipeline).await.unwrap().workflows {
            words.push(workflow.status.to_string());
            for job in self.plane.jobs(workflow.id).await.unwrap() {
                words.push(format!("{}:{}", job.name, job.status));
            }
        }
        words.join(" ")
    }
}
