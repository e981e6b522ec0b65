//! Jobs that need another kind of machine: handed to agents that offer it, ended with a reason where none does.

use airlock_domain::plan::Platform;
use airlock_domain::state::SliceStatus;

use crate::world::World;

const ALL_KINDS: &str = "
version: 2.1
jobs:
  plain:
    docker: [{image: airlock/base}]
    steps: [run: echo plain]
  arm:
    docker: [{image: airlock/base}]
    resource_class: arm.medium
    steps: [run: echo arm]
  gpu:
    machine: {image: \"linux-cuda-12:default\"}
    resource_class: gpu.nvidia.small
    steps: [run: echo gpu]
  windows:
    machine: {image: \"windows-server-2022-gui:current\"}
    resource_class: windows.medium
    steps: [run: echo windows]
  mac:
    macos: {xcode: 15.0.0}
    resource_class: macos.m1.medium.gen1
    steps: [run: echo mac]
workflows:
  ci:
    jobs: [plain, arm, gpu, windows, mac]
";

impl World {
    /// The name of the job that an agent with these offers gets.
    async fn claims(&self, offers: &[Platform]) -> Option<String> {
        let mut request = self.asks(0);
        request.offers = offers.to_vec();
        let reply = self.plane.agent_claim(&request).await.unwrap();
        reply.assignment.map(|work| work.spec.job_name)
    }

    async fn pass(&self, millis: i64) {
        self.clock.pass(millis);
        self.plane.refuse_unoffered().await.unwrap();
    }
}

#[tokio::test]
async fn each_job_goes_to_an_agent_that_offers_what_it_needs() {
    let world = World::new().await;
    world.pipeline(ALL_KINDS).await;
    for (platform, job) in [
        (Platform::Macos, "mac"),
        (Platform::Windows, "windows"),
        (Platform::Gpu, "gpu"),
        (Platform::Arm, "arm"),
        (Platform::Linux, "plain"),
    ] {
        assert_eq!(world.claims(&[Platform::WindowsGpu]).await, None);
        assert_eq!(world.claims(&[platform]).await.as_deref(), Some(job));
        assert_eq!(world.claims(&[platform]).await, None);
    }
}

#[tokio::test]
async fn what_nobody_offers_is_refused_with_a_reason_and_the_rest_waits() {
    let world = World::new().await;
    let pipeline = world.pipeline(ALL_KINDS).await;
    // One agent for Arm was heard; it is busy when the time comes, and its job waits for it.
    assert_eq!(world.claims(&[Platform::Arm]).await.as_deref(), Some("arm"));
    world.pass(20_000).await;
    let second = world.pipeline(ALL_KINDS).await;
    world.pass(9_000).await;
    assert_eq!(
        world.jobs(pipeline).await,
        "running plain:queued arm:running gpu:queued windows:queued mac:queued",
        "an agent may still come"
    );
    world.pass(2_000).await;
    assert_eq!(
        world.jobs(second).await,
        "running plain:queued arm:queued gpu:queued windows:queued mac:queued",
        "it has waited eleven seconds"
    );
    world.pass(20_000).await;
    assert_eq!(
        world.jobs(second).await,
        "failing plain:queued arm:queued gpu:infrastructure_fail windows:infrastructure_fail mac:infrastructure_fail"
    );
    let workflow = world.plane.pipeline(second).await.unwrap().workflows[0].id;
    let jobs = world.plane.jobs(workflow).await.unwrap();
    let windows = jobs.iter().find(|job| job.name.as_str() == "windows").unwrap();
    assert_eq!(
        windows.reason.as_deref(),
        Some(
            "this job needs a machine with Windows, and no agent of this installation offers one (platform 'windows')"
        )
    );
    assert_eq!(windows.slices[0].status, SliceStatus::InfrastructureFail);
    // Work for Linux waits for its agent, however long that is away; offers are not remembered for ever.
    world.pass(7 * 60 * 60 * 1000).await;
    assert_eq!(
        world.jobs(second).await,
        "failing plain:queued arm:infrastructure_fail gpu:infrastructure_fail windows:infrastructure_fail \
         mac:infrastructure_fail"
    );
}
