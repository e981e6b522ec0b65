//! The way of the data, from trigger to green, and every place where it can be interrupted.

use airlock_agent_protocol::{ArtifactHeader, Heartbeat, LogHeader, RefusalCode};
use airlock_control_plane::agents::ArtifactBody;
use airlock_control_plane::{Heard, UseCaseError, limits};
use airlock_domain::events::HappeningKind;
use airlock_domain::state::{PipelineState, SliceStatus, StepStatus};
use airlock_domain::{EnvName, Secret};
use async_trait::async_trait;
use bytes::Bytes;

use crate::world::{World, ada, slug};

const TWO_JOBS: &str = "
version: 2.1
jobs:
  test:
    docker: [{image: airlock/base}]
    environment: {COLOUR: green}
    steps: [checkout, {run: echo hello}]
  build:
    docker: [{image: airlock/base}]
    steps: [{run: make}]
workflows:
  ci:
    jobs: [test, {build: {requires: [test]}}]
";

#[tokio::test]
async fn a_pipeline_goes_from_trigger_to_green() {
    let world = World::new().await;
    let token = EnvName::new("TOKEN").unwrap();
    world
        .plane
        .set_secret(&slug(), &token, &Secret::new("canary-4711"), &ada())
        .await
        .unwrap();
    let pipeline = world.pipeline(TWO_JOBS).await;
    assert_eq!(world.jobs(pipeline).await, "running test:queued build:blocked");

    let work = world.claim().await.expect("work");
    let spec = &work.spec;
    assert_eq!(
        (spec.job_name.as_str(), spec.image.as_str()),
        ("test", "airlock/base")
    );
    assert!(spec.environment.contains(&("COLOUR".into(), "green".into())));
    assert!(
        spec.environment
            .contains(&("CIRCLE_BRANCH".into(), "main".into()))
    );
    assert_eq!(spec.secrets.len(), 1);
    assert_eq!(spec.secrets[0].1.secret().expose(), b"canary-4711");
    let source = spec.source.as_ref().expect("a checkout needs a source");
    assert_eq!((source.host.as_str(), source.port), ("localhost", 8022));
    assert!(
        source
            .deploy_key
            .secret()
            .expose_text()
            .unwrap()
            .contains("deploy-key-canary")
    );
    assert!(!format!("{work:?}").contains("canary"));

    world.step(&work, 1, StepStatus::Running).await;
    assert_eq!(world.log(&work, 0, b"hel").await, 3);
    world.step(&work, 1, StepStatus::Success).await;
    world
        .plane
        .agent_finish(&World::finish(&work, SliceStatus::Success))
        .await
        .unwrap();
    assert_eq!(world.jobs(pipeline).await, "running test:success build:queued");
    assert!(world.claim().await.is_some_and(|work| work.spec.source.is_none()));
}

#[tokio::test]
async fn log_bytes_may_come_twice_but_never_with_a_gap() {
    let world = World::new().await;
    world.pipeline(TWO_JOBS).await;
    let work = world.claim().await.expect("work");
    assert_eq!(world.log(&work, 0, b"one two").await, 7);
    assert_eq!(world.log(&work, 3, b" two three").await, 13);
    assert_eq!(world.log(&work, 0, b"one").await, 13);
    let gap = LogHeader {
        lease: work.lease,
        step: 1,
        offset: 20,
    };
    let refusal = world
        .plane
        .agent_log(&gap, Bytes::from_static(b"x"))
        .await
        .expect_err("a gap");
    assert_eq!(refusal.code, RefusalCode::Gap);
    let (bytes, length) = world.plane.log(work.lease.job, 0, 1, 0).await.unwrap();
    assert_eq!((&bytes[..], length), (&b"one two three"[..], 13));
}

#[tokio::test]
async fn a_lost_agent_is_noticed_and_its_later_words_are_refused() {
    let world = World::new().await;
    let pipeline = world.pipeline(TWO_JOBS).await;
    let work = world.claim().await.expect("work");
    world.clock.pass(15_000);
    let beat = Heartbeat { lease: work.lease };
    assert!(!world.plane.agent_heartbeat(&beat).await.expect("alive").stop);
    world.clock.pass(15_000);
    world.plane.expire_leases().await.unwrap();
    assert_eq!(world.jobs(pipeline).await, "running test:running build:blocked");
    world.clock.pass(15_000);
    world.plane.expire_leases().await.unwrap();
    assert_eq!(
        world.jobs(pipeline).await,
        "failed test:infrastructure_fail build:not_run"
    );
    let refusal = world.plane.agent_heartbeat(&beat).await.expect_err("fenced");
    assert_eq!(refusal.code, RefusalCode::Fenced);
    let header = LogHeader {
        lease: work.lease,
        step: 1,
        offset: 0,
    };
    assert_eq!(
        world
            .plane
            .agent_log(&header, Bytes::from_static(b"x"))
            .await
            .expect_err("fenced")
            .code,
        RefusalCode::Fenced
    );
    // The outcome stays, whatever the agent says now.
    let _ = world
        .plane
        .agent_finish(&World::finish(&work, SliceStatus::Success))
        .await;
    assert_eq!(
        world.jobs(pipeline).await,
        "failed test:infrastructure_fail build:not_run"
    );
}

#[tokio::test]
async fn a_canceled_workflow_stops_its_agent() {
    let world = World::new().await;
    let pipeline = world.pipeline(TWO_JOBS).await;
    let work = world.claim().await.expect("work");
    let workflow = world.plane.pipeline(pipeline).await.unwrap().workflows[0].id;
    world.plane.cancel(workflow, &ada()).await.unwrap();
    assert!(
        world
            .plane
            .agent_heartbeat(&Heartbeat { lease: work.lease })
            .await
            .expect("alive")
            .stop
    );
    world
        .plane
        .agent_finish(&World::finish(&work, SliceStatus::Canceled))
        .await
        .unwrap();
    assert_eq!(
        world.jobs(pipeline).await,
        "canceled test:canceled build:canceled"
    );
    assert!(world.claim().await.is_none());
}

#[tokio::test]
async fn an_approval_waits_for_a_person() {
    let world = World::new().await;
    let config = "
version: 2.1
jobs: {ship: {docker: [{image: airlock/base}], steps: [{run: x}]}}
workflows: {ci: {jobs: [{hold: {type: approval}}, {ship: {requires: [hold]}}]}}
";
    let pipeline = world.pipeline(config).await;
    assert_eq!(world.jobs(pipeline).await, "on_hold hold:on_hold ship:blocked");
    let workflow = world.plane.pipeline(pipeline).await.unwrap().workflows[0].id;
    let jobs = world.plane.jobs(workflow).await.unwrap();
    assert!(matches!(
        world.plane.approve(jobs[1].id, &ada()).await,
        Err(UseCaseError::Conflict(_))
    ));
    world.plane.approve(jobs[0].id, &ada()).await.unwrap();
    assert_eq!(world.jobs(pipeline).await, "running hold:success ship:queued");
    let actions: Vec<_> = world
        .plane
        .audit_log(0, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.action)
        .collect();
    assert_eq!(actions, ["project.create", "pipeline.start", "job.approve"]);
}

#[tokio::test]
async fn a_wrong_or_missing_config_is_an_errored_pipeline_that_says_why() {
    let world = World::new().await;
    for (config, kind, words) in [
        ("", "config-fetch", "There is no .circleci/config.yml at commit"),
        ("version: 2.1\njobs: {a: [}", "config", "config.yml"),
        ("version: 2.1\nworkflows: {ci: {jobs: [nope]}}", "config", "nope"),
    ] {
        let pipeline = world.pipeline(config).await;
        let row = world.plane.pipeline(pipeline).await.unwrap().pipeline;
        assert_eq!(row.state, PipelineState::Errored, "{config}");
        assert_eq!(row.errors[0].kind, kind, "{:?}", row.errors);
        assert!(row.errors[0].message.contains(words), "{}", row.errors[0].message);
        let mut follow = world.plane.follow(pipeline);
        let happening = follow.next().await.unwrap().expect("the pipeline's end");
        assert_eq!(happening.status.as_deref(), Some("errored"));
        assert!(follow.next().await.unwrap().is_none());
    }
}

#[tokio::test]
async fn who_follows_misses_no_line() {
    let world = World::new().await;
    let config = "
version: 2.1
jobs: {build: {docker: [{image: airlock/base}], steps: [{run: x}]}}
";
    let pipeline = world.pipeline(config).await;
    let mut follow = world.plane.follow(pipeline);
    let work = world.claim().await.expect("work");
    world.step(&work, 1, StepStatus::Running).await;
    let whole = "é line 1\nline 2\n😀\n".repeat(50);
    for (offset, byte) in (0u64..).zip(whole.as_bytes()) {
        world.log(&work, offset, &[*byte]).await;
    }
    world.step(&work, 1, StepStatus::Success).await;
    world
        .plane
        .agent_finish(&World::finish(&work, SliceStatus::Success))
        .await
        .unwrap();
    let (mut text, mut kinds) = (String::new(), Vec::new());
    while let Some(happening) = follow.next().await.unwrap() {
        if happening.kind == HappeningKind::Output {
            text.push_str(&happening.text.unwrap());
        } else {
            kinds.push(happening.kind);
        }
    }
    assert_eq!(text, whole);
    assert!(kinds.contains(&HappeningKind::StepStart) && kinds.contains(&HappeningKind::StepEnd));
    assert_eq!(kinds.last(), Some(&HappeningKind::Workflow));
}

struct Pieces(Vec<&'static [u8]>);

#[async_trait]
impl ArtifactBody for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        Ok((!self.0.is_empty()).then(|| Bytes::from_static(self.0.remove(0))))
    }
}

#[tokio::test]
async fn an_artifact_appears_whole_or_not_at_all() {
    let world = World::new().await;
    world.pipeline(TWO_JOBS).await;
    let work = world.claim().await.expect("work");
    let header = |path: &str, size| ArtifactHeader {
        lease: work.lease,
        path: path.into(),
        size,
    };
    for (path, size) in [("a.txt", 4), ("a.txt", 6), ("../a.txt", 5), ("/a.txt", 5)] {
        let mut body = Pieces(vec![b"he", b"llo"]);
        let refusal = world
            .plane
            .agent_artifact(&header(path, size), &mut body)
            .await
            .expect_err(path);
        assert_eq!(refusal.code, RefusalCode::Invalid);
    }
    assert!(world.plane.artifacts(work.lease.job).await.unwrap().is_empty());
    for _ in 0..2 {
        let mut body = Pieces(vec![b"he", b"llo"]);
        world
            .plane
            .agent_artifact(&header("dist/a.txt", 5), &mut body)
            .await
            .unwrap();
    }
    let artifacts = world.plane.artifacts(work.lease.job).await.unwrap();
    assert_eq!(artifacts.len(), 1, "the same path again replaces the first");
    assert_eq!(
        &world.plane.artifact_bytes(&artifacts[0], 1, 100).await.unwrap()[..],
        b"ello"
    );
}

#[tokio::test]
async fn secrets_that_cannot_be_variables_are_refused_and_none_is_given_back() {
    let world = World::new().await;
    let name = EnvName::new("TOKEN").unwrap();
    for bad in [vec![0xff, 0xfe], b"a\0b".to_vec(), vec![b'x'; 40_000]] {
        let refused = world
            .plane
            .set_secret(&slug(), &name, &Secret::new(bad), &ada())
            .await;
        assert!(matches!(refused, Err(UseCaseError::Invalid(_))));
    }
    assert!(world.plane.secret_names(&slug()).await.unwrap().is_empty());
    assert!(matches!(
        world.plane.remove_secret(&slug(), &name, &ada()).await,
        Err(UseCaseError::NotFound(_))
    ));
}

#[tokio::test]
async fn a_push_that_nobody_heard_is_built_once() {
    let world = World::new().await;
    for _ in 0..2 {
        world.plane.reconcile_pushes().await.unwrap();
        let pipelines = world.plane.pipelines(None, None, 10).await.unwrap();
        assert_eq!(pipelines.len(), 1);
        assert_eq!(pipelines[0].pipeline.revision.sha.as_str(), "f".repeat(40));
    }
}

#[tokio::test]
async fn what_was_built_long_ago_is_not_built_again() {
    let world = World::new().await;
    world.plane.reconcile_pushes().await.unwrap();
    for _ in 0..=limits::RECONCILED_PIPELINES {
        world.pipeline("").await;
    }
    world.plane.reconcile_pushes().await.unwrap();
    let newest = world.plane.pipelines(None, None, 1).await.unwrap();
    assert_eq!(
        newest[0].pipeline.number,
        u64::from(limits::RECONCILED_PIPELINES) + 2
    );
}

#[tokio::test]
async fn news_wait_in_the_outbox_until_they_are_told() {
    let world = World::new().await;
    let pipeline = world.pipeline(TWO_JOBS).await;
    let mut heard = world.plane.listen(Some(pipeline));
    world.plane.tell_outbox().await.unwrap();
    let mut told = Vec::new();
    while told.len() < 5 {
        match heard.next().await {
            Heard::Happening(happening) => {
                told.push(format!(
                    "{} {}",
                    happening.job.unwrap_or_default(),
                    happening.status.unwrap()
                ));
            }
            Heard::Missed(_) | Heard::Closed => panic!("nothing is lost here"),
        }
    }
    for news in [" pending", " created", "test queued", "build blocked", " running"] {
        assert!(told.iter().any(|line| line == news), "no {news:?} in {told:?}");
    }
    // Told once: nothing is left.
    world.plane.tell_outbox().await.unwrap();
    world
        .plane
        .cancel(
            world.plane.pipeline(pipeline).await.unwrap().workflows[0].id,
            &ada(),
        )
        .await
        .unwrap();
    world.plane.tell_outbox().await.unwrap();
    match heard.next().await {
        Heard::Happening(happening) => assert_eq!(happening.status.as_deref(), Some("canceled")),
        Heard::Missed(_) | Heard::Closed => panic!("nothing is lost here"),
    }
}

#[tokio::test]
async fn why_each_part_runs_is_kept_with_the_pipeline() {
    let world = World::new().await;
    let config = "\
version: 2.1
jobs:
  build: {docker: [{image: airlock/base}], steps: [run: make]}
workflows:
  ci:
    jobs:
      - build
      - build: {name: release, filters: {branches: {only: stable}}}
  nightly:
    when: {equal: [nightly, << pipeline.git.branch >>]}
    jobs: [build]
";
    let pipeline = world.pipeline(config).await;
    let kept = world
        .plane
        .explanation(pipeline)
        .await
        .unwrap()
        .expect("it was planned");
    let ci = kept.workflow("ci").expect("it is there");
    let told = |name: &str| {
        let decision = &ci.job(name).expect("it is there").decision;
        let line = decision.place.as_ref().map_or(0, |place| place.line);
        (decision.runs, decision.reason.clone(), line)
    };
    assert_eq!(
        told("build"),
        (
            true,
            "it has no filters, so it runs on every branch".to_owned(),
            7
        )
    );
    assert_eq!(
        told("release"),
        (false, "filters.branches.only does not match 'main'".to_owned(), 8)
    );
    let nightly = &kept.workflow("nightly").expect("it is there").decision;
    assert_eq!(
        nightly.line.as_deref(),
        Some("    when: {equal: [nightly, << pipeline.git.branch >>]}")
    );
    assert!(
        nightly.values.iter().any(|seen| seen.told() == Some("\"main\"")),
        "{nightly:?}"
    );

    let broken = world.pipeline("version: 2.1\njobs: {}\n").await;
    assert_eq!(world.plane.explanation(broken).await.unwrap(), None);
}

#[tokio::test]
async fn who_a_slice_spoke_to_is_kept_with_its_end() {
    let world = World::new().await;
    let config = "\
version: 2.1
jobs: {build: {docker: [{image: airlock/base}], steps: [{run: x}]}}
";
    world.pipeline(config).await;
    let work = world.claim().await.expect("work");
    let (job, slice) = (work.lease.job, work.lease.slice);
    assert!(
        world.plane.egress(job, slice).await.unwrap().is_empty(),
        "while it runs"
    );
    let entry = airlock_agent_protocol::EgressEntry {
        step: 1,
        name: None,
        address: [192, 0, 2, 1].into(),
        port: 443,
        protocol: 6,
        verdict: airlock_agent_protocol::EgressVerdict::Allowed,
        connections: 1,
        bytes_out: 100,
        bytes_in: 200,
    };
    let mut request = World::finish(&work, SliceStatus::Success);
    // More than a reader wants is refused, and the end with it.
    request.egress.entries = vec![entry.clone(); airlock_agent_protocol::limits::EGRESS_ENTRIES + 1];
    assert!(world.plane.agent_finish(&request).await.is_err());
    request.egress.entries = vec![entry; 2000];
    world.plane.agent_finish(&request).await.unwrap();
    assert_eq!(world.plane.egress(job, slice).await.unwrap(), request.egress);
    assert_eq!(
        world.plane.resources(job, slice).await.unwrap(),
        None,
        "no sample, no record"
    );
}

#[tokio::test]
async fn what_a_slice_used_is_kept_with_its_end() {
    let world = World::new().await;
    let config = "\
version: 2.1
jobs: {build: {docker: [{image: airlock/base}], steps: [{run: x}]}}
";
    world.pipeline(config).await;
    let work = world.claim().await.expect("work");
    let (job, slice) = (work.lease.job, work.lease.slice);
    let sample = airlock_agent_protocol::ResourceSample {
        at_ms: 1000,
        memory: 7,
        ..airlock_agent_protocol::ResourceSample::default()
    };
    let mut request = World::finish(&work, SliceStatus::Success);
    request.usage.pids_peak = 5;
    request.resources.samples = vec![sample; airlock_agent_protocol::limits::RESOURCE_SAMPLES + 1];
    assert!(
        world.plane.agent_finish(&request).await.is_err(),
        "more than one keeps"
    );
    request.resources.samples.pop();
    world.plane.agent_finish(&request).await.unwrap();
    let kept = world
        .plane
        .resources(job, slice)
        .await
        .unwrap()
        .expect("a record");
    assert_eq!(kept.report, request.resources);
    assert_eq!(kept.usage, request.usage);
}
