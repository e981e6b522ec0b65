//! A server in memory that keeps what it is told and refuses what the real one would.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use airlock_agent::link::{ArtifactBody, LinkError, ServerLink};
use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, Assignment, ClaimReply, ClaimRequest, FinishRequest, Heartbeat,
    HeartbeatReply, Lease, LogAck, LogHeader, Refusal, RefusalCode, StepReport,
};
use airlock_domain::ArtifactId;
use airlock_domain::state::{SliceStatus, StepStatus};
use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncReadExt as _;
use tokio::sync::watch;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Rows {
    queue: VecDeque<Assignment>,
    pub(crate) steps: Vec<StepReport>,
    logs: BTreeMap<u32, Vec<u8>>,
    pub(crate) artifacts: BTreeMap<String, Vec<u8>>,
    pub(crate) finished: Option<FinishRequest>,
    /// Sandboxes that had files when the finish came.
    pub(crate) left_at_finish: usize,
    /// A person wants the job stopped.
    pub(crate) stop: bool,
    /// The claim is taken away when this step begins.
    pub(crate) fence_at: Option<u32>,
    fenced: bool,
    pub(crate) after_fence: usize,
    /// Artifacts of this name are refused for now, so many times.
    pub(crate) refuse_artifacts: u32,
}

impl Rows {
    pub(crate) fn log(&self, step: u32) -> String {
        String::from_utf8_lossy(self.logs.get(&step).map_or(&[][..], |log| log)).into_owned()
    }
}

pub(crate) struct Server {
    agent: PathBuf,
    rows: Mutex<Rows>,
    changed: watch::Sender<()>,
}

impl Server {
    pub(crate) fn new(agent: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            agent,
            rows: Mutex::default(),
            changed: watch::Sender::new(()),
        })
    }

    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().expect("no test panicked in here")
    }

    pub(crate) fn offer(&self, assignment: Assignment) {
        self.rows().queue.push_back(assignment);
        self.changed.send_replace(());
    }

    /// Waits until something is so.
    pub(crate) async fn until<T>(&self, mut seen: impl FnMut(&Rows) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(found) = seen(&self.rows()) {
                return found;
            }
            changes.changed().await.expect("the server lives");
        }
    }

    /// Forgets the job before, which has ended.
    pub(crate) fn forget(&self) {
        *self.rows() = Rows::default();
    }

    /// Runs a job to its end.
    pub(crate) async fn run(&self, assignment: Assignment) -> FinishRequest {
        self.offer(assignment);
        let finished = self.until(|rows| rows.finished.clone()).await;
        assert_eq!(
            self.rows().left_at_finish,
            0,
            "the sandbox was still there at the finish"
        );
        finished
    }

    pub(crate) fn log(&self, step: u32) -> String {
        self.rows().log(step)
    }

    /// The last status of each step, and its reason.
    pub(crate) fn ends(&self) -> Vec<(String, StepStatus, Option<i32>, Option<String>)> {
        let mut last = BTreeMap::new();
        for report in &self.rows().steps {
            last.insert(report.step, report.clone());
        }
        last.into_values()
            .map(|report| (report.name, report.status, report.exit_code, report.reason))
            .collect()
    }

    fn tell(&self) {
        self.changed.send_replace(());
    }

    fn check(&self, lease: Lease) -> Result<(), LinkError> {
        assert_eq!(lease.fence, 5, "the claim's own number");
        let mut rows = self.rows();
        if rows.fenced {
            rows.after_fence += 1;
            drop(rows);
            self.tell();
            return refuse(RefusalCode::Fenced);
        }
        Ok(())
    }
}

fn refuse<T>(code: RefusalCode) -> Result<T, LinkError> {
    Err(LinkError::Refused(Refusal {
        code,
        message: format!("{code:?}"),
    }))
}

#[async_trait]
impl ServerLink for Server {
    async fn claim(&self, _: ClaimRequest) -> Result<ClaimReply, LinkError> {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(assignment) = self.rows().queue.pop_front() {
                return Ok(ClaimReply {
                    assignment: Some(assignment),
                });
            }
            changes.changed().await.expect("the server lives");
        }
    }

    async fn step(&self, report: StepReport) -> Result<(), LinkError> {
        self.check(report.lease)?;
        {
            let mut rows = self.rows();
            if rows.fence_at == Some(report.step) {
                rows.fenced = true;
            }
            rows.steps.push(report);
        }
        self.tell();
        Ok(())
    }

    async fn log(&self, header: LogHeader, bytes: Bytes) -> Result<LogAck, LinkError> {
        self.check(header.lease)?;
        let next = {
            let mut rows = self.rows();
            let log = rows.logs.entry(header.step).or_default();
            let offset = usize::try_from(header.offset).expect("small");
            assert_eq!(offset, log.len(), "nothing failed, so nothing comes twice");
            log.extend_from_slice(&bytes);
            log.len() as u64
        };
        self.tell();
        Ok(LogAck { next })
    }

    async fn artifact(
        &self,
        header: ArtifactHeader,
        mut body: ArtifactBody,
    ) -> Result<ArtifactStored, LinkError> {
        self.check(header.lease)?;
        let mut bytes = Vec::new();
        body.read_to_end(&mut bytes).await.expect("read");
        assert_eq!(bytes.len() as u64, header.size);
        let mut rows = self.rows();
        if rows.refuse_artifacts > 0 {
            rows.refuse_artifacts -= 1;
            return refuse(RefusalCode::Unavailable);
        }
        rows.artifacts.insert(header.path, bytes);
        Ok(ArtifactStored {
            id: ArtifactId::new(Uuid::from_u128(1)),
        })
    }

    async fn heartbeat(&self, beat: Heartbeat) -> Result<HeartbeatReply, LinkError> {
        assert_eq!(beat.lease.fence, 5);
        if self.rows().fenced {
            return refuse(RefusalCode::Fenced);
        }
        Ok(HeartbeatReply {
            stop: self.rows().stop,
            ssh: false,
        })
    }

    async fn finish(&self, request: FinishRequest) -> Result<(), LinkError> {
        self.check(request.lease)?;
        assert_ne!(request.status, SliceStatus::Running);
        {
            let mut rows = self.rows();
            rows.left_at_finish = crate::support::sandboxes_of_jobs(&self.agent);
            rows.finished = Some(request);
        }
        self.tell();
        Ok(())
    }
}
