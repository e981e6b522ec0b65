//! How slices end before their time: limits, cancel, a claim that is taken away, a machine that cannot.

use airlock_agent_protocol::{EgressEntry, EgressVerdict, StepWork};
use airlock_domain::EgressPolicy;
use airlock_domain::plan::StepWhen;
use airlock_domain::state::{SliceStatus, StepStatus};
use airlock_testkit::{PATIENCE, wait_for};

use crate::services::{beside, script};
use crate::support::{Machine, background, job, run, when};

#[tokio::test(flavor = "multi_thread")]
async fn memory_beyond_the_class_is_named_as_the_cause() {
    let machine = Machine::start();
    // `tail` keeps what has no line in memory.
    let hog = "head -c 3000000000 /dev/zero | tail >/dev/null";
    let assignment = job(
        10,
        vec![
            run("hog", hog),
            when(StepWhen::Always, run("after", "echo alive")),
        ],
    );
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::Failed, "{}", machine.server.log(0));
    let reason = finished.reason.expect("a reason");
    assert!(
        reason.starts_with("step 'hog' was killed: the job reached its memory limit of 2 GiB (peak "),
        "{reason}"
    );
    assert!(finished.usage.oom_kills > 0);
    assert_eq!(machine.server.log(2), "alive\n");
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_and_run_time_are_limited() {
    let machine = Machine::start();
    let mut silent = run("silent", "echo first; sleep 1000");
    if let StepWork::Run {
        no_output_timeout_ms, ..
    } = &mut silent.work
    {
        *no_output_timeout_ms = 300;
    }
    let assignment = job(
        11,
        vec![silent, when(StepWhen::OnFail, run("after", "echo mending"))],
    );
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::TimedOut);
    assert_eq!(
        finished.reason.as_deref(),
        Some("step 'silent' was stopped: it wrote no output for 0.3s")
    );
    assert_eq!(machine.server.ends()[1].1, StepStatus::TimedOut);
    assert_eq!(machine.server.log(2), "mending\n");
    machine.stop().await;

    let machine = Machine::start();
    let mut assignment = job(
        12,
        vec![
            background(run("service", "exec sleep 1000")),
            run(
                "long",
                "trap 'echo asked; exit 7' TERM; echo begun; while :; do sleep 0.05; done",
            ),
            when(StepWhen::Always, run("after", "echo never")),
        ],
    );
    assignment.spec.run_time_ms = 1500;
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::TimedOut);
    assert_eq!(
        finished.reason.as_deref(),
        Some("the job ran longer than its limit of 1.5s")
    );
    assert!(
        machine.server.log(2).contains("asked\n"),
        "{}",
        machine.server.log(2)
    );
    let statuses: Vec<_> = machine.server.ends().into_iter().map(|end| end.1).collect();
    assert_eq!(
        statuses,
        [
            StepStatus::Success,
            StepStatus::TimedOut,
            StepStatus::TimedOut,
            StepStatus::Skipped
        ]
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canceled_job_is_asked_then_ended() {
    let machine = Machine::start();
    let assignment = job(
        13,
        vec![
            run(
                "long",
                "trap 'echo asked; exit 0' TERM; echo begun; while :; do sleep 0.05; done",
            ),
            when(StepWhen::Always, run("after", "echo never")),
        ],
    );
    machine.server.offer(assignment);
    let begun = |rows: &crate::server::Rows| rows.steps.iter().any(|report| report.step == 1).then_some(());
    machine.server.until(begun).await;
    machine.server.rows().stop = true;
    let finished = machine.server.until(|rows| rows.finished.clone()).await;
    assert_eq!((finished.status, finished.reason), (SliceStatus::Canceled, None));
    let ends = machine.server.ends();
    assert_eq!(ends[1].1, StepStatus::Canceled);
    assert_eq!(
        (ends[2].1, ends[2].3.as_deref()),
        (StepStatus::Skipped, Some("the job was canceled"))
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_claim_destroys_the_sandbox_and_says_nothing_more() {
    let machine = Machine::start();
    machine.server.rows().fence_at = Some(1);
    machine.server.offer(job(
        14,
        vec![run("loud", "while :; do echo line; sleep 0.01; done")],
    ));
    machine
        .server
        .until(|rows| (rows.after_fence > 0).then_some(()))
        .await;
    let dir = machine.dir.path().join("agent");
    let gone = tokio::task::spawn_blocking(move || {
        wait_for("the sandbox to go", PATIENCE, || {
            (crate::support::sandboxes_of_jobs(&dir) == 0).then_some(())
        })
    });
    gone.await.expect("joined").expect("gone");
    let server = std::sync::Arc::clone(&machine.server);
    machine.stop().await;
    let rows = server.rows();
    assert!(rows.finished.is_none());
    assert!(
        !rows
            .steps
            .iter()
            .any(|report| report.step == 1 && report.status != StepStatus::Running)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_shuts_down_says_so() {
    let machine = Machine::start();
    machine
        .server
        .offer(job(15, vec![run("long", "echo begun; exec sleep 1000")]));
    let begun = |rows: &crate::server::Rows| rows.steps.iter().any(|report| report.step == 1).then_some(());
    machine.server.until(begun).await;
    let server = std::sync::Arc::clone(&machine.server);
    machine.stop().await;
    let finished = server.rows().finished.clone().expect("finished");
    assert_eq!(finished.status, SliceStatus::InfrastructureFail);
    assert_eq!(
        finished.reason.as_deref(),
        Some("the agent was shut down while this job ran")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_machine_does_not_have_is_one_clear_error() {
    let machine = Machine::start();
    let mut assignment = job(16, vec![run("x", "true")]);
    // Nobody listens there.
    assignment.spec.image = "127.0.0.1:1/cimg/base:2024.01".into();
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::InfrastructureFail);
    let reason = finished.reason.expect("a reason");
    assert!(
        reason.starts_with("the registry 127.0.0.1:1 cannot be reached: "),
        "{reason}"
    );
    assert!(reason.contains("`airlock image import`"), "{reason}");
    assert_eq!(machine.server.ends()[1].1, StepStatus::Skipped);
    assert!(machine.server.log(0).contains(&reason));
    machine.stop().await;

    let machine = Machine::start();
    let mut assignment = job(17, vec![run("x", "true")]);
    assignment.spec.resource_class = "gpu.nvidia.small".into();
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::InfrastructureFail);
    let reason = finished.reason.expect("a reason");
    assert!(
        reason.contains("'gpu.nvidia.small' is not known to this agent; it offers small"),
        "{reason}"
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_the_job_spoke_to_ends_its_log_and_is_told() {
    let machine = Machine::with_network();
    // Nothing leaves the machine: both are closed to every job.
    let knock = |address: &str| format!("nc -w 5 {address} 80 < /dev/null || true");
    // A container beside the first takes the first number.
    let assignment = beside(
        job(
            21,
            vec![
                run("quiet", "true"),
                run("metadata", &knock("169.254.169.254")),
                run("private", &knock("192.168.254.1")),
            ],
        ),
        vec![script("sleep 1000")],
    );
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::Success, "{}", machine.server.log(0));
    let told: Vec<(u32, String, &str)> = finished
        .egress
        .entries
        .iter()
        .map(|entry| (entry.step, entry.place(), entry.verdict.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (3, "169.254.169.254:80".to_owned(), "refused"),
            (4, "192.168.254.1:80".to_owned(), "refused"),
        ]
    );
    assert!(!finished.egress.incomplete);
    let (used, samples) = (&finished.usage, &finished.resources.samples);
    assert!(finished.resources.memory_limit > 0 && finished.resources.cpu_limit_millis > 0);
    assert!(
        samples.iter().any(|sample| sample.memory > 0) && samples.is_sorted_by_key(|sample| sample.at_ms)
    );
    assert!(
        samples.iter().all(|sample| sample.memory <= used.memory_peak),
        "{samples:?}"
    );
    assert!(
        samples.iter().map(|sample| sample.net_out).sum::<u64>() > 0,
        "refused by the host, but sent"
    );
    let ends = machine.server.ends();
    let names: Vec<&str> = ends.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names.last(), Some(&"Network connections"), "{names:?}");
    assert_eq!(names.len(), 6, "{names:?}");
    let log = machine.server.log(5);
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].starts_with("STEP") && lines.len() == 3, "{log}");
    assert!(
        lines[1].starts_with("metadata  -     169.254.169.254:80  tcp"),
        "{log}"
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_jobs_policy_is_in_force() {
    let refused = async |number: u128, policy: EgressPolicy| {
        let machine = Machine::with_network();
        let connect = run("connect", "nc -w 1 203.0.113.1 80 < /dev/null || true");
        let mut assignment = job(
            number,
            vec![connect, run("look up", "nslookup a.example || true")],
        );
        assignment.spec.egress = policy;
        let finished = machine.server.run(assignment).await;
        assert_eq!(finished.status, SliceStatus::Success, "{}", machine.server.log(0));
        machine.stop().await;
        let entries = finished.egress.entries.into_iter();
        let refused = entries.filter(|entry| entry.verdict == EgressVerdict::Refused);
        refused
            .map(|entry| (entry.step, entry.name.clone().unwrap_or_else(|| entry.place())))
            // The machine's search list makes further names of the one.
            .filter(|(_, place)| !place.starts_with("a.example."))
            .collect::<Vec<_>>()
    };
    let both = [(1, "203.0.113.1:80".to_owned()), (2, "a.example".to_owned())];
    assert_eq!(refused(23, EgressPolicy::Deny).await, both);
    let list = EgressPolicy::parse_list("203.0.113.0/24").expect("a list");
    assert_eq!(refused(24, list).await, both[1..], "the address is on the list");
    let list = EgressPolicy::parse_list("a.example").expect("a list");
    assert_eq!(refused(25, list).await, both[..1], "the name is on the list");
    assert_eq!(refused(26, EgressPolicy::Allow).await, [], "the control");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_is_closed_to_jobs() {
    let connect = "for host in 7 8; do nc -w 1 203.0.113.$host 8443 < /dev/null || true; done";
    for policy in [
        EgressPolicy::Allow,
        EgressPolicy::parse_list("203.0.113.0/24").expect("a list"),
    ] {
        let machine = Machine::of_server("https://203.0.113.7:8443");
        let mut assignment = job(27, vec![run("connect", connect)]);
        assignment.spec.egress = policy;
        let finished = machine.server.run(assignment).await;
        assert_eq!(finished.status, SliceStatus::Success, "{}", machine.server.log(0));
        let entries = finished.egress.entries.iter();
        let refused = entries.filter(|entry| entry.verdict == EgressVerdict::Refused);
        let refused: Vec<String> = refused.map(EgressEntry::place).collect();
        assert_eq!(refused, ["203.0.113.7:8443"], "its neighbour is the control");
        machine.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_spoke_to_nobody_has_no_record() {
    let machine = Machine::with_network();
    let finished = machine.server.run(job(22, vec![run("quiet", "true")])).await;
    assert_eq!(finished.status, SliceStatus::Success, "{}", machine.server.log(0));
    assert!(finished.egress.is_empty());
    assert_eq!(machine.server.ends().len(), 2);
    machine.stop().await;
}
