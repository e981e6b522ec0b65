//! A server that fails before or after it did its work, in a seeded order, and must end with every byte exactly once.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use airlock_agent_protocol::{
    ArtifactHeader, ArtifactStored, ClaimReply, ClaimRequest, FinishRequest, Heartbeat, HeartbeatReply,
    LogAck, LogHeader,
};
use airlock_domain::JobId;
use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::link::{ArtifactBody, LinkError};

#[derive(Debug, Clone, Copy)]
enum Fault {
    Fine,
    LostBefore,
    LostAfter,
    Unavailable,
    /// The server answers as if it had less than it has.
    Gap,
    /// The server takes only a part of the chunk.
    Partly,
    /// The server does not cut off what it has already: it answers with what it has and keeps nothing new.
    Stubborn,
}

#[derive(Default)]
struct Rows {
    logs: BTreeMap<u32, Vec<u8>>,
    steps: Vec<(u32, StepStatus)>,
}

struct Server {
    faults: Mutex<std::vec::IntoIter<Fault>>,
    rows: Mutex<Rows>,
}

impl Server {
    fn new(faults: Vec<Fault>) -> Arc<Self> {
        Arc::new(Self {
            faults: Mutex::new(faults.into_iter()),
            rows: Mutex::default(),
        })
    }

    fn fault(&self) -> Fault {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        faults.next().unwrap_or(Fault::Fine)
    }

    fn rows(&self) -> std::sync::MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn away() -> LinkError {
    LinkError::Unreachable {
        doing: "asking the test's server",
        source: "connection reset".into(),
    }
}

fn refused(code: RefusalCode) -> LinkError {
    LinkError::Refused(Refusal {
        code,
        message: "not now".into(),
    })
}

#[async_trait::async_trait]
impl ServerLink for Server {
    async fn claim(&self, _: ClaimRequest) -> Result<ClaimReply, LinkError> {
        Err(away())
    }

    async fn step(&self, report: StepReport) -> Result<(), LinkError> {
        let fault = self.fault();
        match fault {
            Fault::LostBefore => return Err(away()),
            Fault::Unavailable | Fault::Gap => return Err(refused(RefusalCode::Unavailable)),
            Fault::Fine | Fault::LostAfter | Fault::Partly | Fault::Stubborn => {}
        }
        self.rows().steps.push((report.step, report.status));
        if matches!(fault, Fault::LostAfter) {
            return Err(away());
        }
        Ok(())
    }

    async fn log(&self, header: LogHeader, bytes: Bytes) -> Result<LogAck, LinkError> {
        let fault = self.fault();
        match fault {
            Fault::LostBefore => return Err(away()),
            Fault::Unavailable => return Err(refused(RefusalCode::Unavailable)),
            Fault::Gap => return Err(refused(RefusalCode::Gap)),
            Fault::Fine | Fault::LostAfter | Fault::Partly | Fault::Stubborn => {}
        }
        let mut rows = self.rows();
        let log = rows.logs.entry(header.step).or_default();
        let offset = usize::try_from(header.offset).expect("small");
        let known = log.len().checked_sub(offset).expect("no gap");
        let stubborn = matches!(fault, Fault::Stubborn) && known > 0;
        if known < bytes.len() && !stubborn {
            let fresh = &bytes[known..];
            let kept = if matches!(fault, Fault::Partly) {
                fresh.len().div_ceil(2)
            } else {
                fresh.len()
            };
            log.extend_from_slice(&fresh[..kept]);
        }
        if matches!(fault, Fault::LostAfter) {
            return Err(away());
        }
        Ok(LogAck {
            next: log.len() as u64,
        })
    }

    async fn artifact(&self, _: ArtifactHeader, _: ArtifactBody) -> Result<ArtifactStored, LinkError> {
        Err(away())
    }

    async fn heartbeat(&self, _: Heartbeat) -> Result<HeartbeatReply, LinkError> {
        Err(away())
    }

    async fn finish(&self, _: FinishRequest) -> Result<(), LinkError> {
        Err(away())
    }
}

fn reporter(server: &Arc<Server>, leash: &Leash) -> (tempfile::TempDir, Reporter) {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = SpoolDisk::new(dir.path(), limits::SPOOL_BYTES);
    let wire = Wire {
        link: Arc::clone(server) as Arc<dyn ServerLink>,
        lease: Lease {
            job: JobId::new(Uuid::from_u128(1)),
            slice: 0,
            fence: 3,
        },
        leash: leash.clone(),
    };
    (dir, Reporter::new(wire, disk))
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime")
        .block_on(test)
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        3 => Just(Fault::Fine),
        1 => Just(Fault::LostBefore),
        2 => Just(Fault::LostAfter),
        1 => Just(Fault::Unavailable),
        1 => Just(Fault::Gap),
        2 => Just(Fault::Partly),
        1 => Just(Fault::Stubborn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_byte_is_lost_or_doubled(
        faults in prop::collection::vec(fault(), 0..60),
        writes in prop::collection::vec((0..3_u32, 0..150_000_usize), 0..30),
    ) {
        let server = Server::new(faults);
        let mut expected: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        run(async {
            let (_dir, mut reporter) = reporter(&server, &Leash::new());
            // Steps 0 and 1 run in the background of step 2.
            let steps: Vec<_> = (0..3).map(|step| reporter.begin(step, "make", step < 2)).collect();
            for (step, count) in writes {
                let log = expected.entry(step).or_default();
                let bytes: Vec<u8> = (0..=252).cycle().skip(log.len() % 253).take(count).collect();
                log.extend_from_slice(&bytes);
                steps[step as usize].log().append(&bytes);
                tokio::task::yield_now().await;
            }
            for step in steps {
                step.end(StepStatus::Success, Some(0), None);
            }
            reporter.skip(3, "later", "an earlier step failed");
            reporter.drain().await
        }).expect("all reported");
        let rows = server.rows();
        for (step, log) in &expected {
            prop_assert_eq!(rows.logs.get(step).map_or(&[][..], |stored| stored), &log[..]);
        }
        // Repetitions aside, each step begins before it ends, and one that waits for its turn comes after.
        let place = |wanted| rows.steps.iter().position(|seen| *seen == wanted).expect("reported");
        let last = |wanted| rows.steps.iter().rposition(|seen| *seen == wanted).expect("reported");
        for step in 0..3 {
            prop_assert!(last((step, StepStatus::Running)) < place((step, StepStatus::Success)));
        }
        prop_assert!(last((0, StepStatus::Running)) < place((1, StepStatus::Running)));
        prop_assert!(last((2, StepStatus::Success)) < place((3, StepStatus::Skipped)));
    }
}

#[test]
fn a_log_that_the_server_refuses_for_good_is_told_and_blocks_nobody() {
    let server = Server::new([vec![Fault::Fine], vec![Fault::Gap; 50]].concat());
    let lost = run(async {
        let (_dir, mut reporter) = reporter(&server, &Leash::new());
        let step = reporter.begin(0, "make", false);
        step.log().append(b"hello");
        while !step.log().spool.level().closed {
            tokio::time::sleep(limits::RETRY_LONGEST).await;
        }
        // More than memory and disk would hold goes nowhere and waits for nothing.
        step.log().append(&vec![0; 2 * limits::SPOOL_MEMORY_BYTES]);
        step.end(StepStatus::Success, Some(0), None);
        reporter.drain().await
    });
    assert_eq!(
        lost.expect_err("refused").to_string(),
        "the server refused: not now"
    );
    assert_eq!(server.rows().steps.last(), Some(&(0, StepStatus::Success)));
}

#[test]
fn a_fenced_slice_says_nothing_more() {
    let server = Server::new(vec![Fault::LostBefore; 10_000]);
    let leash = Leash::new();
    let lost = run(async {
        let (_dir, mut reporter) = reporter(&server, &leash);
        let step = reporter.begin(0, "make", false);
        step.log().line("hello");
        tokio::time::sleep(limits::RETRY_LONGEST).await;
        leash.fence();
        step.end(StepStatus::Success, Some(0), None);
        reporter.drain().await
    });
    assert_eq!(lost, Err(Lost::Fenced));
    assert!(server.rows().steps.is_empty());
}

#[test]
fn what_exceeds_the_limit_of_a_slice_is_counted() {
    let server = Server::new(Vec::new());
    run(async {
        let (_dir, mut reporter) = reporter(&server, &Leash::new());
        reporter
            .written
            .store(limits::SLICE_LOG_BYTES - 3, Ordering::Relaxed);
        let step = reporter.begin(0, "make", false);
        step.log().append(b"hello");
        step.end(StepStatus::Success, Some(0), None);
        reporter.drain().await
    })
    .expect("reported");
    let rows = server.rows();
    let text = String::from_utf8_lossy(&rows.logs[&0]).into_owned();
    assert!(
        text.starts_with("hel\n[airlock] the log of this job reached its limit"),
        "{text}"
    );
    assert!(
        text.contains("; 2 more bytes of this step are not kept"),
        "{text}"
    );
}
