//! Steps, their environment, their output and what `when` makes of them.

use airlock_agent_protocol::StepWork;
use airlock_domain::plan::StepWhen;
use airlock_domain::state::{SliceStatus, StepStatus};

use crate::support::{Machine, background, job, run, secret, when};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_its_steps_in_one_sandbox() {
    let machine = Machine::start();
    let mut assignment = job(
        1,
        vec![
            run(
                "greet",
                "echo hello from $CIRCLE_JOB; pwd; id -u; echo $HOME; [ -t 1 ] && echo terminal",
            ),
            run(
                "export",
                "echo 'export GREETING=carried' >> $BASH_ENV; echo $PATH; which circleci",
            ),
            // Busybox is no bash, so what bash would read is read by hand.
            run(
                "use",
                ". $BASH_ENV; echo $GREETING; touch ../left-behind; ls .. | cat",
            ),
        ],
    );
    assignment
        .spec
        .environment
        .push(("CIRCLE_JOB".into(), "build".into()));
    let finished = machine.server.run(assignment).await;
    assert_eq!(
        (finished.status, finished.reason),
        (SliceStatus::Success, None),
        "{}",
        machine.server.log(0)
    );
    assert_eq!(
        machine.server.log(1),
        "hello from build\n/root/project\n0\n/root\nterminal\n"
    );
    assert!(
        machine
            .server
            .log(2)
            .starts_with("/run/airlock/bin:/usr/local/sbin:"),
        "{}",
        machine.server.log(2)
    );
    assert!(
        machine.server.log(2).contains("/run/airlock/bin/circleci"),
        "{}",
        machine.server.log(2)
    );
    assert_eq!(machine.server.log(3), "carried\nleft-behind\nproject\n");
    let spin_up = machine.server.log(0);
    for part in [
        "Image test/busybox",
        "1 CPU, 2 GiB memory, 4096 processes",
        "Network: none",
        "Ready after",
    ] {
        assert!(spin_up.contains(part), "{spin_up}");
    }
    let reported: Vec<_> = machine
        .server
        .rows()
        .steps
        .iter()
        .map(|report| (report.step, report.status))
        .collect();
    let expected: Vec<_> = (0..4)
        .flat_map(|step| [(step, StepStatus::Running), (step, StepStatus::Success)])
        .collect();
    assert_eq!(reported, expected);
    assert!(
        finished.usage.cpu_ns > 0 && finished.usage.memory_peak > 0,
        "{:?}",
        finished.usage
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_skips_what_needs_success_and_runs_the_rest() {
    let machine = Machine::start();
    let assignment = job(
        2,
        vec![
            run("break", "echo before; exit 3; echo after"),
            run("later", "echo never"),
            when(StepWhen::OnFail, run("mend", "echo mending")),
            when(StepWhen::Always, run("tidy", "exit 4")),
        ],
    );
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::Failed);
    assert_eq!(
        finished.reason.as_deref(),
        Some("step 'break' exited with code 3")
    );
    let ends = machine.server.ends();
    let seen: Vec<_> = ends
        .iter()
        .map(|(name, status, code, reason)| (name.as_str(), *status, *code, reason.as_deref()))
        .collect();
    assert_eq!(
        seen,
        [
            ("Spin up environment", StepStatus::Success, None, None),
            (
                "break",
                StepStatus::Failed,
                Some(3),
                Some("step 'break' exited with code 3")
            ),
            ("later", StepStatus::Skipped, None, Some("an earlier step failed")),
            ("mend", StepStatus::Success, Some(0), None),
            (
                "tidy",
                StepStatus::Failed,
                Some(4),
                Some("step 'tidy' exited with code 4")
            ),
        ]
    );
    assert_eq!(
        machine.server.log(1),
        "before\n\nStep 'break' exited with code 3\n"
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_reach_the_step_and_not_the_log() {
    let machine = Machine::start();
    let mut assignment = job(3, vec![run("use", "echo ${#TOKEN} $TOKEN; echo $TOKEN | rev")]);
    assignment.spec.secrets = vec![("TOKEN".into(), secret("canary-4711"))];
    // The positive control: without a mask the value is printed.
    let finished = machine.server.run(assignment.clone()).await;
    assert_eq!(finished.status, SliceStatus::Success);
    assert!(
        machine.server.log(1).contains("11 canary-4711"),
        "{}",
        machine.server.log(1)
    );
    machine.stop().await;

    let machine = Machine::start();
    assignment.spec.masks = vec![secret("canary-4711")];
    machine.server.run(assignment).await;
    let log = machine.server.log(1);
    assert!(
        log.starts_with("11 ****") && !log.contains("canary-4711"),
        "{log}"
    );
    assert!(!format!("{:?}", machine.server.rows().steps).contains("canary-4711"));
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn background_steps_run_beside_and_do_not_fail_the_job() {
    let machine = Machine::start();
    let assignment = job(
        4,
        vec![
            background(run("service", "echo up; touch /tmp/up; exec sleep 1000")),
            background(run("broken", "echo $$ > /tmp/pid; exit 9")),
            run(
                "use",
                "while [ ! -e /tmp/up ] || [ ! -s /tmp/pid ] || kill -0 $(cat /tmp/pid) 2>/dev/null; do sleep 0.01; done; echo used",
            ),
        ],
    );
    let finished = machine.server.run(assignment).await;
    assert_eq!((finished.status, finished.reason), (SliceStatus::Success, None));
    let ends = machine.server.ends();
    assert_eq!(ends[1].1, StepStatus::Success);
    assert_eq!(
        ends[1].3.as_deref(),
        Some("background step, stopped when the job ended")
    );
    assert_eq!((ends[2].1, ends[2].2), (StepStatus::Failed, Some(9)));
    assert_eq!(machine.server.log(1), "up\n");
    assert_eq!(machine.server.log(3), "used\n");
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_ends_the_job_early_and_well() {
    let machine = Machine::start();
    let assignment = job(
        5,
        vec![
            run("halt", "circleci step halt; echo still here"),
            run("later", "exit 1"),
            when(StepWhen::Always, run("tidy", "exit 1")),
        ],
    );
    let finished = machine.server.run(assignment).await;
    assert_eq!((finished.status, finished.reason), (SliceStatus::Success, None));
    assert!(machine.server.log(1).contains("still here"));
    let statuses: Vec<_> = machine.server.ends().into_iter().map(|end| end.1).collect();
    assert_eq!(
        statuses,
        [
            StepStatus::Success,
            StepStatus::Success,
            StepStatus::Skipped,
            StepStatus::Skipped
        ]
    );
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn directories_shells_and_variables_of_a_step_are_its_own() {
    let machine = Machine::start();
    let mut step = run("own", "echo $0 $A $B; pwd");
    if let StepWork::Run {
        shell,
        environment,
        working_directory,
        ..
    } = &mut step.work
    {
        *shell = vec!["/bin/sh".into()];
        *environment = vec![("A".into(), "step".into())];
        *working_directory = Some("sub/dir".into());
    }
    let mut assignment = job(6, vec![step, run("job's", "echo $A; exit 0")]);
    assignment.spec.environment = vec![("A".into(), "job".into()), ("B".into(), "b".into())];
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::Success, "{:?}", finished.reason);
    let log = machine.server.log(1);
    assert!(log.ends_with(" step b\n/root/project/sub/dir\n"), "{log}");
    assert_eq!(machine.server.log(2), "job\n");
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_output_arrives_whole() {
    let machine = Machine::start();
    let assignment = job(7, vec![run("flood", "seq 1 400000")]);
    let finished = machine.server.run(assignment).await;
    assert_eq!(finished.status, SliceStatus::Success);
    let log = machine.server.log(1);
    assert!(
        log.lines()
            .enumerate()
            .all(|(n, line)| line == (n + 1).to_string()),
        "a line is wrong"
    );
    assert_eq!(log.lines().count(), 400_000);
    machine.stop().await;
}
