//! The engine by examples written as text, and by chance: random graphs under random events keep their invariants.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use airlock_domain::plan::{Outcome, Requirement};
use airlock_domain::state::{
    Change, Effect, Event, Job, JobKind, JobStatus, Slice, SliceEnd, SliceStatus, Workflow, WorkflowStatus,
};
use airlock_domain::{AgentId, JobId, JobName, Timestamp, WorkflowId, WorkflowName};
use proptest::prelude::*;

use crate::{Refused, decide};

fn job_id(n: u128) -> JobId {
    JobId::new(uuid::Uuid::from_u128(n))
}

/// `a; b: a; hold!: b; c*2: a=failed` — jobs with requirements; `!` an approval, `*n` slices, `-` left out by filters.
fn workflow(text: &str) -> Workflow {
    let jobs = text
        .split(';')
        .zip(1u128..)
        .map(|(entry, number)| {
            let (head, requires) = entry.split_once(':').unwrap_or((entry, ""));
            let head = head.trim();
            let (head, left_out) = head.strip_suffix('-').map_or((head, false), |rest| (rest, true));
            let (head, approval) = head.strip_suffix('!').map_or((head, false), |rest| (rest, true));
            let (name, slices) = head
                .split_once('*')
                .map_or((head, 1), |(n, s)| (n, s.parse().unwrap()));
            let requires = requires.split_whitespace().map(|word| {
                let (job, outcome) = word.split_once('=').unwrap_or((word, "success"));
                let outcome = match outcome {
                    "failed" => Outcome::Failed,
                    _ => Outcome::Success,
                };
                Requirement {
                    job: JobName::new(job).unwrap(),
                    outcomes: BTreeSet::from([outcome]),
                }
            });
            Job {
                id: job_id(number),
                name: JobName::new(name).unwrap(),
                kind: if approval {
                    JobKind::Approval
                } else {
                    JobKind::Build
                },
                requires: requires.collect(),
                left_out: left_out.then(|| "filters".to_owned()),
                status: JobStatus::Blocked,
                reason: None,
                slices: (0..if approval { 0 } else { slices })
                    .map(|index| Slice {
                        index,
                        status: SliceStatus::Waiting,
                        fence: 0,
                    })
                    .collect(),
            }
        })
        .collect();
    Workflow {
        id: WorkflowId::new(uuid::Uuid::nil()),
        name: WorkflowName::new("w").unwrap(),
        status: WorkflowStatus::Running,
        jobs,
    }
}

struct Bench {
    state: Workflow,
    effects: Vec<Effect>,
}

impl Bench {
    fn new(text: &str) -> Self {
        let mut bench = Self {
            state: workflow(text),
            effects: Vec::new(),
        };
        bench.event(&Event::Start).unwrap();
        bench
    }

    fn event(&mut self, event: &Event) -> Result<(), Refused> {
        let decision = decide(&self.state, event, Timestamp::from_millis(1))?;
        for change in &decision.changes {
            self.state.apply(change);
        }
        self.effects = decision.effects;
        Ok(())
    }

    fn id(&self, name: &str) -> JobId {
        self.state.job_named(&JobName::new(name).unwrap()).unwrap().id
    }

    fn claim(&mut self, name: &str, slice: u32, fence: u64) -> Result<(), Refused> {
        let event = Event::SliceClaimed {
            job: self.id(name),
            slice,
            fence,
            agent: AgentId::new(uuid::Uuid::from_u128(9)),
        };
        self.event(&event)
    }

    fn end(&mut self, name: &str, slice: u32, fence: u64, status: SliceStatus) -> Result<(), Refused> {
        let end = SliceEnd { status, reason: None };
        self.event(&Event::SliceEnded {
            job: self.id(name),
            slice,
            fence,
            end,
        })
    }

    fn run(&mut self, name: &str, status: SliceStatus) {
        self.claim(name, 0, 1).unwrap();
        self.end(name, 0, 1, status).unwrap();
    }

    fn text(&self) -> String {
        let mut text = self.state.status.to_string();
        for job in &self.state.jobs {
            write!(text, " {}:{}", job.name, job.status).unwrap();
            if let Some(reason) = &job.reason {
                write!(text, "({reason})").unwrap();
            }
        }
        text
    }
}

#[test]
fn a_chain_runs_to_its_end() {
    let mut bench = Bench::new("test; build: test; pack: build");
    assert_eq!(bench.text(), "running test:queued build:blocked pack:blocked");
    assert_eq!(
        bench.effects,
        [Effect::Enqueue {
            job: job_id(1),
            slice: 0
        }]
    );
    bench.claim("test", 0, 1).unwrap();
    assert_eq!(bench.text(), "running test:running build:blocked pack:blocked");
    bench.end("test", 0, 1, SliceStatus::Success).unwrap();
    assert_eq!(bench.text(), "running test:success build:queued pack:blocked");
    bench.run("build", SliceStatus::Success);
    bench.run("pack", SliceStatus::Success);
    assert_eq!(bench.text(), "success test:success build:success pack:success");
}

#[test]
fn a_failure_stops_what_needs_it_and_starts_what_waits_for_it() {
    let mut bench = Bench::new("a; b: a; c: b; d: a=failed");
    bench.run("a", SliceStatus::Failed);
    assert_eq!(
        bench.text(),
        "failing a:failed b:not_run(it requires 'a', which failed) \
         c:not_run(it requires 'b', which did not run) d:queued"
    );
    bench.run("d", SliceStatus::Success);
    assert_eq!(bench.state.status, WorkflowStatus::Failed);
}

#[test]
fn jobs_left_out_are_ignored_unless_all_were() {
    let bench = Bench::new("a-; b; c: a b; d: a");
    assert_eq!(
        bench.text(),
        "running a:not_run(filters) b:queued c:blocked d:not_run(every job it requires was left out)"
    );
    assert_eq!(Bench::new("a-").state.status, WorkflowStatus::NotRun);
}

#[test]
fn an_approval_holds_until_a_person_says_so() {
    let mut bench = Bench::new("hold!; ship: hold");
    assert_eq!(bench.text(), "on_hold hold:on_hold ship:blocked");
    let hold = bench.id("hold");
    let ship = bench.id("ship");
    assert!(matches!(
        bench.event(&Event::Approved {
            job: ship,
            by: "ada".into()
        }),
        Err(Refused::NotOnHold { .. })
    ));
    bench
        .event(&Event::Approved {
            job: hold,
            by: "ada".into(),
        })
        .unwrap();
    assert_eq!(bench.text(), "running hold:success(approved by ada) ship:queued");
    bench
        .event(&Event::Approved {
            job: hold,
            by: "ada".into(),
        })
        .unwrap();
}

#[test]
fn a_job_ends_with_its_last_slice_and_as_its_worst() {
    let mut bench = Bench::new("a*3");
    for slice in 0..3 {
        bench.claim("a", slice, 1).unwrap();
    }
    bench.end("a", 1, 1, SliceStatus::Failed).unwrap();
    bench.end("a", 0, 1, SliceStatus::Success).unwrap();
    assert_eq!(bench.text(), "running a:running");
    bench.end("a", 2, 1, SliceStatus::Success).unwrap();
    assert_eq!(bench.text(), "failed a:failed");
}

#[test]
fn a_late_agent_is_refused_by_number() {
    let mut bench = Bench::new("a");
    bench.claim("a", 0, 2).unwrap();
    assert!(matches!(
        bench.end("a", 0, 1, SliceStatus::Success),
        Err(Refused::Fenced { newest: 2, .. })
    ));
    assert!(matches!(bench.claim("a", 0, 1), Err(Refused::Fenced { .. })));
    bench.end("a", 0, 2, SliceStatus::Success).unwrap();
    // The same words again change nothing, and contradicting ones neither.
    bench.end("a", 0, 2, SliceStatus::Failed).unwrap();
    assert_eq!(bench.text(), "success a:success");
}

#[test]
fn a_lost_agent_is_an_infrastructure_failure_and_a_lost_claim_is_offered_again() {
    let mut bench = Bench::new("a*2");
    let job = bench.id("a");
    bench
        .event(&Event::LeaseExpired {
            job,
            slice: 0,
            fence: 1,
        })
        .unwrap();
    assert_eq!(bench.effects, [Effect::Enqueue { job, slice: 0 }]);
    // Heard again, it must not take the slice from whoever claims it next.
    bench
        .event(&Event::LeaseExpired {
            job,
            slice: 0,
            fence: 1,
        })
        .unwrap();
    assert_eq!(bench.effects, []);
    assert!(
        matches!(bench.claim("a", 0, 1), Err(Refused::Fenced { .. })),
        "the lost claim was confirmed late"
    );
    bench.claim("a", 0, 2).unwrap();
    bench.claim("a", 1, 1).unwrap();
    bench
        .event(&Event::LeaseExpired {
            job,
            slice: 0,
            fence: 2,
        })
        .unwrap();
    bench.end("a", 1, 1, SliceStatus::Success).unwrap();
    assert_eq!(
        bench.text(),
        "failed a:infrastructure_fail(the agent that ran it was not heard from any more)"
    );
}

#[test]
fn a_claim_that_reached_nobody_is_offered_again() {
    let mut bench = Bench::new("a*2");
    let job = bench.id("a");
    let returned = |slice, fence| Event::ClaimReturned { job, slice, fence };
    let again = [Effect::Enqueue { job, slice: 0 }];

    // Before the claim was confirmed, and after.
    bench.event(&returned(0, 1)).unwrap();
    assert_eq!(bench.effects, again);
    bench.claim("a", 0, 2).unwrap();
    bench.event(&returned(0, 2)).unwrap();
    assert_eq!(bench.effects, again);
    assert_eq!(bench.text(), "running a:queued");
    bench.event(&returned(0, 2)).unwrap();
    assert_eq!(bench.effects, [], "the second time changes nothing");
    assert!(matches!(bench.claim("a", 0, 2), Err(Refused::Fenced { .. })));

    // Beside a slice that runs; and what somebody else has by now stays theirs.
    bench.claim("a", 1, 1).unwrap();
    bench.claim("a", 0, 3).unwrap();
    bench.event(&returned(0, 2)).unwrap();
    assert_eq!(bench.effects, []);
    bench.event(&returned(0, 3)).unwrap();
    assert_eq!(bench.text(), "running a:running");

    // Nobody is there to stop it.
    bench.claim("a", 0, 4).unwrap();
    bench.event(&Event::Canceled { by: "ada".into() }).unwrap();
    bench.event(&returned(0, 4)).unwrap();
    bench.end("a", 1, 1, SliceStatus::Canceled).unwrap();
    assert_eq!(bench.text(), "canceled a:canceled(canceled by ada)");
    bench.event(&returned(0, 4)).unwrap();
    assert_eq!(bench.effects, []);
}

#[test]
fn canceling_stops_what_runs_and_withdraws_what_waits() {
    let mut bench = Bench::new("a; b; c: a; hold!");
    bench.claim("a", 0, 1).unwrap();
    bench.event(&Event::Canceled { by: "ada".into() }).unwrap();
    assert_eq!(
        bench.text(),
        "canceled a:running(canceled by ada) b:canceled(canceled by ada) c:canceled(canceled by ada) \
         hold:canceled(canceled by ada)"
    );
    assert_eq!(
        bench.effects,
        [
            Effect::Stop {
                job: bench.id("a"),
                slice: 0
            },
            Effect::Withdraw {
                job: bench.id("b"),
                slice: 0
            }
        ]
    );
    bench.end("a", 0, 1, SliceStatus::Canceled).unwrap();
    assert_eq!(
        bench.state.job(bench.id("a")).unwrap().status,
        JobStatus::Canceled
    );
    bench.event(&Event::Canceled { by: "bob".into() }).unwrap();
    assert!(matches!(
        Bench::new("x-").event(&Event::Canceled { by: "ada".into() }),
        Err(Refused::Ended(WorkflowStatus::NotRun))
    ));
}

/// Random graphs: job n may require any earlier jobs.
fn graph() -> impl Strategy<Value = String> {
    prop::collection::vec(
        (
            any::<bool>(),
            0..10u32,
            1..4u32,
            prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        ),
        1..8,
    )
    .prop_map(|jobs| {
        let mut text = String::new();
        for (n, (approval, chance, slices, requires)) in jobs.iter().enumerate() {
            if n > 0 {
                text.push(';');
            }
            write!(text, "j{n}").unwrap();
            match (approval, chance) {
                (true, 0..3) => text.push('!'),
                _ => write!(text, "*{slices}").unwrap(),
            }
            if *chance == 9 {
                text.push('-');
            }
            if n > 0 && !requires.is_empty() {
                text.push(':');
                let names: BTreeSet<_> = requires.iter().map(|index| index.index(n)).collect();
                for name in names {
                    write!(text, " j{name}{}", if chance % 4 == 0 { "=failed" } else { "" }).unwrap();
                }
            }
        }
        text
    })
}

proptest! {
    #[test]
    fn any_workflow_ends_once_and_outcomes_never_change(
        text in graph(),
        choices in prop::collection::vec((any::<usize>(), 0..8u32), 0..60),
    ) {
        let mut bench = Bench::new(&text);
        let mut queue: BTreeSet<(JobId, u32)> = BTreeSet::new();
        let mut fences = std::collections::BTreeMap::new();
        let take = |bench: &Bench, queue: &mut BTreeSet<(JobId, u32)>| {
            for effect in &bench.effects {
                match effect {
                    Effect::Enqueue { job, slice } => { queue.insert((*job, *slice)); }
                    Effect::Withdraw { job, slice } => { queue.remove(&(*job, *slice)); }
                    Effect::Stop { .. } => {}
                }
            }
        };
        take(&bench, &mut queue);
        let mut known: Vec<(JobId, JobStatus)> = Vec::new();
        let finish = (0..2_000).map(|_| (0usize, 1u32));
        for (index, kind) in choices.into_iter().chain(finish) {
            let running: Vec<(JobId, u32, u64)> = bench.state.jobs.iter()
                .flat_map(|job| job.slices.iter().filter(|s| s.status == SliceStatus::Running).map(|s| (job.id, s.index, s.fence)))
                .collect();
            let holds: Vec<JobId> = bench.state.jobs.iter().filter(|j| j.status == JobStatus::OnHold).map(|j| j.id).collect();
            let event = if !running.is_empty() && (kind > 2 || queue.is_empty()) {
                let (job, slice, fence) = running[index % running.len()];
                match kind {
                    7 => Event::LeaseExpired { job, slice, fence },
                    5 => Event::ClaimReturned { job, slice, fence },
                    6 => Event::SliceEnded { job, slice, fence, end: SliceEnd { status: SliceStatus::Failed, reason: None } },
                    _ => Event::SliceEnded { job, slice, fence, end: SliceEnd { status: SliceStatus::Success, reason: None } },
                }
            } else if let Some((job, slice)) = queue.iter().nth(index % queue.len().max(1)).copied() {
                queue.remove(&(job, slice));
                let fence = fences.entry((job, slice)).and_modify(|f| *f += 1).or_insert(1u64);
                Event::SliceClaimed { job, slice, fence: *fence, agent: AgentId::new(uuid::Uuid::nil()) }
            } else if let Some(job) = holds.first() {
                if kind == 5 && !bench.state.status.is_final() { Event::Canceled { by: "x".into() } }
                else { Event::Approved { job: *job, by: "x".into() } }
            } else {
                break;
            };
            bench.event(&event).unwrap();
            take(&bench, &mut queue);
            for (job, status) in &known {
                prop_assert_eq!(bench.state.job(*job).unwrap().status, *status, "an outcome changed in {}", text);
            }
            known = bench.state.jobs.iter().filter(|j| j.status.outcome().is_some()).map(|j| (j.id, j.status)).collect();
        }
        prop_assert!(bench.state.status.is_final(), "{} hangs: {}", text, bench.text());
        prop_assert!(bench.state.jobs.iter().all(|job| job.status.outcome().is_some()));
        prop_assert!(queue.is_empty());
    }
}

#[test]
fn replaying_the_changes_gives_the_same_state() {
    let mut bench = Bench::new("a; b: a");
    let start = workflow("a; b: a");
    let decision = decide(&start, &Event::Start, Timestamp::from_millis(1)).unwrap();
    let mut replayed = start;
    decision
        .changes
        .iter()
        .for_each(|change: &Change| replayed.apply(change));
    assert_eq!(replayed, bench.state);
    bench.run("a", SliceStatus::TimedOut);
    assert_eq!(
        bench.text(),
        "failed a:timedout b:not_run(it requires 'a', which failed)"
    );
}
