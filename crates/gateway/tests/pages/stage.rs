//! An instance to look at: a control plane over real drivers with commits, jobs and output as a test says, a clock that
//! moves when told, and the HTTPS door before it. The gallery of pages is made of it too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use airlock_agent_protocol::{
    ArtifactHeader, Assignment, ClaimRequest, EgressEntry, EgressReport, EgressVerdict, FinishRequest,
    LogHeader, PROTOCOL_VERSION, ResourceReport, ResourceSample, StepReport, Usage,
};
use airlock_backends::{BlobKeyMaterial, FileBlobs, ProcessBus};
use airlock_control_plane::agents::ArtifactBody;
use airlock_control_plane::rows::{JobRow, Selection, TokenPurpose, TriggerKind};
use airlock_control_plane::{Actor, Addresses, ControlPlane, Drivers, Reference, TriggerRequest};
use airlock_domain::plan::Platform;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_domain::trust::EventTrust;
use airlock_domain::{AgentId, BranchName, CommitSha, PipelineId, ProjectSlug, Secret, Timestamp};
use airlock_driver_interfaces::forge::CommitInfo;
use airlock_driver_interfaces::{Clock, Forge, ForgeError, KeyError, NewKey, PublicKeyInfo, Remote, SshKeys};
use airlock_gateway::http::State;
use airlock_key_holder::EmbeddedVault;
use airlock_store_sql::SqliteStore;
use async_trait::async_trait;
use bytes::Bytes;

/// The user of every session.
pub(crate) const USER: &str = "ada";

/// Commits by their hash: config, subject, author.
#[derive(Default)]
struct Commits(Mutex<BTreeMap<String, (String, CommitInfo)>>);

#[async_trait]
impl Forge for Commits {
    async fn file_at(
        &self,
        _project: &ProjectSlug,
        sha: &CommitSha,
        _path: &str,
    ) -> Result<Option<Vec<u8>>, ForgeError> {
        let commits = self.0.lock().expect("not poisoned");
        Ok(commits
            .get(sha.as_str())
            .map(|(config, _)| config.clone().into_bytes()))
    }

    async fn commit(&self, project: &ProjectSlug, sha: &CommitSha) -> Result<CommitInfo, ForgeError> {
        let commits = self.0.lock().expect("not poisoned");
        let found = commits.get(sha.as_str()).map(|(_, info)| info.clone());
        found.ok_or_else(|| ForgeError::Missing {
            what: format!("commit {sha}"),
            project: project.to_string(),
        })
    }

    async fn branch_head(
        &self,
        _project: &ProjectSlug,
        branch: &BranchName,
    ) -> Result<Option<CommitSha>, ForgeError> {
        let commits = self.0.lock().expect("not poisoned");
        let newest = commits.keys().next_back().filter(|_| branch.as_str() == "main");
        Ok(newest.map(|sha| CommitSha::new(sha.clone()).expect("a hash")))
    }
}

struct NoRemote;

#[async_trait]
impl Remote for NoRemote {
    async fn create_repository(&self, _project: &ProjectSlug) -> Result<(), ForgeError> {
        Ok(())
    }

    async fn heads(&self, _project: &ProjectSlug) -> Result<Vec<(String, CommitSha)>, ForgeError> {
        Ok(Vec::new())
    }
}

/// Keys that are only texts.
struct TextKeys;

impl SshKeys for TextKeys {
    fn generate(&self, comment: &str) -> Result<NewKey, KeyError> {
        let body = "AAAAC3NzaC1lZDI1NTE5AAAAIEhlcmVJc05vS2V5QnV0QVRleHRPZkl0c0xlbmd0aA";
        let public = self.parse_public(&format!("ssh-ed25519 {body} {comment}"))?;
        Ok(NewKey {
            public,
            private: Secret::new("private"),
        })
    }

    fn parse_public(&self, text: &str) -> Result<PublicKeyInfo, KeyError> {
        if !text.starts_with("ssh-ed25519 ") {
            return Err(KeyError("this is no public key in OpenSSH form".into()));
        }
        Ok(PublicKeyInfo {
            fingerprint: format!("SHA256:{text}"),
            openssh: text.to_owned(),
            comment: text.rsplit(' ').next().unwrap_or_default().to_owned(),
        })
    }
}

/// Milliseconds that the stage is behind the day.
pub(crate) struct StageClock(AtomicI64);

impl StageClock {
    fn system(&self) -> SystemTime {
        let behind = Duration::from_millis(self.0.load(Ordering::SeqCst).unsigned_abs());
        SystemTime::now().checked_sub(behind).expect("after 1970")
    }
}

impl Clock for StageClock {
    fn now(&self) -> Timestamp {
        let since = self
            .system()
            .duration_since(SystemTime::UNIX_EPOCH)
            .expect("after 1970");
        Timestamp::from_millis(i64::try_from(since.as_millis()).expect("before the year 292000000"))
    }

    fn new_id(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

/// The stage.
pub(crate) struct Stage {
    pub(crate) plane: ControlPlane,
    clock: Arc<StageClock>,
    commits: Arc<Commits>,
    made: AtomicU64,
    agent: AgentId,
    pub(crate) dir: tempfile::TempDir,
}

struct OnePiece(Option<Bytes>);

#[async_trait]
impl ArtifactBody for OnePiece {
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        Ok(self.0.take())
    }
}

impl Stage {
    /// An instance without projects whose clock is behind by this much.
    pub(crate) async fn new(behind: Duration) -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        let behind = i64::try_from(behind.as_millis()).expect("some hours");
        let clock = Arc::new(StageClock(AtomicI64::new(behind)));
        let commits = Arc::new(Commits::default());
        let key = BlobKeyMaterial::generate().expect("key");
        let plane = ControlPlane::new(Drivers {
            store: Arc::new(SqliteStore::in_memory().await.expect("store")),
            blobs: Arc::new(FileBlobs::open(&dir.path().join("blobs"), key, Vec::new()).expect("blobs")),
            vault: Arc::new(EmbeddedVault::ephemeral(clock.clone())),
            forge: commits.clone(),
            remote: Arc::new(NoRemote),
            keys: Arc::new(TextKeys),
            bus: Arc::new(ProcessBus::new()),
            clock: clock.clone(),
        });
        Self {
            plane,
            clock,
            commits,
            made: AtomicU64::new(1),
            agent: AgentId::new(uuid::Uuid::from_u128(7)),
            dir,
        }
    }

    /// Says where it is reached.
    pub(crate) fn at(&self, web: &str) {
        self.plane.set_addresses(Addresses {
            web: web.to_owned(),
            git_host: "localhost".into(),
            git_port: 8022,
            git_host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGhvc3RrZXkgb2YgdGhpcyBpbnN0YW5jZSBvbmx5"
                .into(),
        });
    }

    /// Lets time pass, at most to now.
    pub(crate) fn pass(&self, time: Duration) {
        let millis = i64::try_from(time.as_millis()).expect("some hours");
        let left = self.clock.0.load(Ordering::SeqCst) - millis;
        self.clock.0.store(left.max(0), Ordering::SeqCst);
    }

    /// Lets time pass until only this much is left to now.
    pub(crate) fn catch_up(&self, left: Duration) {
        let left = i64::try_from(left.as_millis()).expect("some hours");
        self.clock.0.fetch_min(left, Ordering::SeqCst);
    }

    /// The gateway's state, with chance that only counts.
    pub(crate) fn state(&self) -> State {
        let count = AtomicU64::new(1);
        let clock = self.clock.clone();
        let random = move || {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&count.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            bytes
        };
        State::new(self.plane.clone(), Arc::new(random)).with_now(Arc::new(move || clock.system()))
    }

    /// The cookie of a fresh session.
    pub(crate) async fn cookie(&self) -> String {
        let mut random = [0xa5; 32];
        random[..8].copy_from_slice(&self.made.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let token = self
            .plane
            .issue_token(TokenPurpose::Session, USER, random)
            .await
            .expect("token");
        format!("__Host-airlock={}", token.expose_text().expect("text"))
    }

    pub(crate) async fn project(&self, name: &str) -> ProjectSlug {
        let slug = ProjectSlug::parse(name).expect("a name");
        self.plane
            .create_project(&slug, None, &Actor::new(USER))
            .await
            .expect("a project");
        slug
    }

    /// A commit with this config, built and planned. An empty config is none.
    pub(crate) async fn pipeline(
        &self,
        project: &ProjectSlug,
        branch: &str,
        subject: &str,
        config: &str,
    ) -> PipelineId {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let sha = format!(
            "{:08x}{number:032x}",
            number.wrapping_mul(0x9e37_79b1) % (1 << 32)
        );
        let info = CommitInfo {
            subject: subject.to_owned(),
            author: "Ada Lovelace".into(),
        };
        self.commits
            .0
            .lock()
            .expect("not poisoned")
            .insert(sha.clone(), (config.to_owned(), info));
        let request = TriggerRequest {
            project: project.clone(),
            reference: Reference::Branch(BranchName::new(branch).expect("a branch")),
            sha: Some(CommitSha::new(sha).expect("a hash")),
            parameters: Vec::new(),
            only: Selection::default(),
            again: None,
            actor: Actor::new(USER),
            kind: TriggerKind::Push,
            trust: EventTrust::Member,
            delivery: None,
        };
        let row = self.plane.trigger(request).await.expect("a pipeline");
        self.plane.plan_pending().await.expect("planned");
        row.id
    }

    /// Every job of a pipeline, in order.
    pub(crate) async fn jobs(&self, pipeline: PipelineId) -> Vec<JobRow> {
        let mut jobs = Vec::new();
        for workflow in self.plane.pipeline(pipeline).await.expect("it").workflows {
            jobs.extend(self.plane.jobs(workflow.id).await.expect("jobs"));
        }
        jobs
    }

    /// The next slice in the queue.
    pub(crate) async fn claim(&self) -> Assignment {
        let request = ClaimRequest {
            protocol: PROTOCOL_VERSION,
            agent: self.agent,
            name: "builder-1".into(),
            free: 4,
            wait_ms: 0,
            offers: vec![Platform::Linux],
        };
        let reply = self.plane.agent_claim(&request).await.expect("a reply");
        reply.assignment.expect("work")
    }

    pub(crate) async fn step(&self, work: &Assignment, step: u32, name: &str, status: StepStatus) {
        let report = StepReport {
            lease: work.lease,
            step,
            name: name.to_owned(),
            status,
            exit_code: match status {
                StepStatus::Success => Some(0),
                StepStatus::Failed => Some(101),
                StepStatus::Running
                | StepStatus::Skipped
                | StepStatus::Canceled
                | StepStatus::TimedOut
                | StepStatus::InfrastructureFail => None,
            },
            reason: None,
            at: self.clock.now(),
        };
        self.plane.agent_step(&report).await.expect("taken");
    }

    /// A step from its beginning to its end, with output.
    pub(crate) async fn whole_step(
        &self,
        work: &Assignment,
        (step, name): (u32, &str),
        output: &str,
        (status, millis): (StepStatus, u64),
    ) {
        self.step(work, step, name, StepStatus::Running).await;
        if !output.is_empty() {
            self.log(work, step, 0, output.as_bytes()).await;
        }
        self.pass(Duration::from_millis(millis));
        self.step(work, step, name, status).await;
    }

    /// Where the log goes on.
    pub(crate) async fn log(&self, work: &Assignment, step: u32, offset: u64, bytes: &[u8]) -> u64 {
        let (lease, mut offset) = (work.lease, offset);
        for piece in bytes.chunks(32 * 1024) {
            let header = LogHeader { lease, step, offset };
            let taken = self.plane.agent_log(&header, Bytes::copy_from_slice(piece)).await;
            offset = taken.expect("taken").next;
        }
        offset
    }

    pub(crate) async fn artifact(&self, work: &Assignment, path: &str, content: &str) {
        let header = ArtifactHeader {
            lease: work.lease,
            path: path.to_owned(),
            size: content.len() as u64,
        };
        let mut body = OnePiece(Some(Bytes::copy_from_slice(content.as_bytes())));
        self.plane
            .agent_artifact(&header, &mut body)
            .await
            .expect("taken");
    }

    pub(crate) async fn finish(&self, work: &Assignment, status: SliceStatus, reason: Option<&str>) {
        let request = FinishRequest {
            lease: work.lease,
            status,
            reason: reason.map(str::to_owned),
            usage: Usage {
                cpu_ns: 61_000_000_000,
                memory_peak: 1_300_000_000,
                pids_peak: 43,
                disk_peak: 2_100_000_000,
                inodes_peak: 5_200,
                ..Usage::default()
            },
            egress: spoke_to(),
            resources: used(),
        };
        self.plane.agent_finish(&request).await.expect("taken");
    }
}

/// What every slice on this stage used: three minutes of a build that waits for its downloads in the middle.
fn used() -> ResourceReport {
    let sample = |second: u64| {
        let busy = !(60..90).contains(&second);
        ResourceSample {
            at_ms: second * 1000,
            cpu_millis: if busy { 1_200 + second * 37 % 800 } else { 40 },
            memory: 200_000_000 + second * 6_000_000,
            cache: 100_000_000 + second * 3_000_000,
            disk_read: second % 7 * 100_000,
            disk_written: if busy {
                4_000_000 + second * 991 % 3_000_000
            } else {
                0
            },
            net_in: if busy {
                2_000
            } else {
                9_000_000 + second % 5 * 400_000
            },
            net_out: 1_000,
        }
    };
    ResourceReport {
        cpu_limit_millis: 2_000,
        memory_limit: 4_294_967_296,
        samples: (1..=180).map(sample).collect(),
    }
}

/// Who every slice on this stage spoke to.
fn spoke_to() -> EgressReport {
    let entry = |address: [u8; 4], port, verdict| EgressEntry {
        step: 1,
        address: address.into(),
        name: (port == 443).then(|| "registry.example.com".to_owned()),
        port,
        protocol: 6,
        verdict,
        connections: 3,
        bytes_out: 12_345,
        bytes_in: 67_890_123,
    };
    EgressReport {
        entries: vec![
            entry([203, 0, 113, 9], 443, EgressVerdict::Allowed),
            entry([169, 254, 169, 254], 80, EgressVerdict::Refused),
        ],
        beyond: 2,
        incomplete: true,
    }
}
