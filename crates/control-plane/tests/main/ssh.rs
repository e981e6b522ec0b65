//! Who is let into a job, and what that starts.

use airlock_agent_protocol::Heartbeat;
use airlock_control_plane::ssh::{SshAddress, SshStart};
use airlock_control_plane::{Actor, UseCaseError};
use airlock_domain::JobId;
use airlock_domain::state::SliceStatus;

use super::world::{World, ada};

const CONFIG: &str = "version: 2.1\njobs:\n  build:\n    docker: [{image: cimg/base:current}]\n    parallelism: 2\n    \
    steps: [run: make]\n  later:\n    docker: [{image: cimg/base:current}]\n    steps: [run: make]\nworkflows:\n  all:\n    jobs: \
    [build, {later: {requires: [build]}}]\n";

async fn open_world() -> World {
    let world = World::new().await;
    world.plane.set_ssh_address(SshAddress {
        host: "localhost".into(),
        port: 8023,
        host_key: "ssh-ed25519 host".into(),
    });
    world
}

async fn job(world: &World, config: &str) -> JobId {
    let pipeline = world.pipeline(config).await;
    let workflow = world.plane.pipeline(pipeline).await.unwrap().workflows[0].id;
    world.plane.jobs(workflow).await.unwrap()[0].id
}

async fn actions(world: &World) -> Vec<String> {
    let rows = world.plane.audit_log(0, 100).await.unwrap();
    rows.into_iter()
        .filter(|row| row.action.contains("ssh") || row.action.contains("key_"))
        .map(|row| format!("{} {}", row.action, row.actor))
        .collect()
}

#[tokio::test]
async fn nobody_is_let_in_without_a_door_a_key_and_knowing() {
    let world = World::new().await;
    let job = job(&world, CONFIG).await;
    let refused = |error: UseCaseError| error.to_string();
    let who = ada();
    let start = |known| world.plane.start_ssh(job, known, &who);
    let unknowing = start(false).await.unwrap_err();
    assert!(matches!(unknowing, UseCaseError::Invalid(_)));
    assert!(refused(unknowing).contains("acknowledge_secret_access"));
    assert!(refused(start(true).await.unwrap_err()).contains("--job-ssh"));
    world.plane.set_ssh_address(SshAddress {
        host: "localhost".into(),
        port: 8023,
        host_key: "ssh-ed25519 host".into(),
    });
    assert!(refused(start(true).await.unwrap_err()).contains("airlock ssh-key add"));
    world
        .plane
        .add_user_key("ssh-ed25519 A ada", &ada())
        .await
        .unwrap();
    assert_eq!(start(true).await.unwrap(), SshStart::Enabled);
    assert_eq!(actions(&world).await, ["user.key_add ada", "job.ssh_enable ada"]);
}

#[tokio::test]
async fn who_asked_may_enter_while_the_slice_runs_and_nobody_else() {
    let world = open_world().await;
    let bob = Actor::new("bob");
    world
        .plane
        .add_user_key("ssh-ed25519 A ada", &ada())
        .await
        .unwrap();
    world.plane.add_user_key("ssh-ed25519 B bob", &bob).await.unwrap();
    let one = job(&world, CONFIG).await;
    let other = job(&world, CONFIG).await;
    let may = |user: &'static str, job, slice| {
        let plane = world.plane.clone();
        async move { plane.may_enter(user, job, slice).await.unwrap() }
    };
    world.plane.start_ssh(one, true, &ada()).await.unwrap();
    world.plane.start_ssh(other, true, &bob).await.unwrap();
    assert!(!may("ada", one, 0).await, "before it runs");
    let work = world.claim().await.unwrap();
    assert_eq!((work.lease.job, work.spec.ssh), (one, true));
    let slice = work.lease.slice;
    assert!(may("ada", one, slice).await);
    assert!(!may("ada", one, 1 - slice).await, "a slice that does not run");
    assert!(!may("ada", one, 7).await && !may("bob", one, slice).await && !may("", one, slice).await);
    assert!(!may("ada", JobId::new(uuid::Uuid::nil()), 0).await, "no such job");
    let finish = World::finish(&work, SliceStatus::Success);
    world.plane.agent_finish(&finish).await.unwrap();
    assert!(!may("ada", one, slice).await, "after its end");
    // Keys: one is one person's, and taken away it is nobody's.
    let taken = world
        .plane
        .add_user_key("ssh-ed25519 A x", &bob)
        .await
        .unwrap_err();
    assert!(matches!(taken, UseCaseError::Conflict(_)), "{taken}");
    assert_eq!(
        world.plane.user_of_key("SHA256:A").await.unwrap().as_deref(),
        Some("ada")
    );
    assert!(world.plane.remove_user_key("SHA256:A", &bob).await.is_err());
    world.plane.remove_user_key("SHA256:A", &ada()).await.unwrap();
    assert_eq!(world.plane.user_of_key("SHA256:A").await.unwrap(), None);
}

#[tokio::test]
async fn an_agent_hears_of_a_wish_with_its_next_heartbeat() {
    let world = open_world().await;
    world
        .plane
        .add_user_key("ssh-ed25519 A ada", &ada())
        .await
        .unwrap();
    let job = job(&world, CONFIG).await;
    let work = world.claim().await.unwrap();
    assert!(!work.spec.ssh);
    let beat = Heartbeat { lease: work.lease };
    assert!(!world.plane.agent_heartbeat(&beat).await.unwrap().ssh);
    world.plane.start_ssh(job, true, &ada()).await.unwrap();
    assert!(world.plane.agent_heartbeat(&beat).await.unwrap().ssh);
}

#[tokio::test]
async fn a_job_that_ended_is_run_again_alone_and_waits_from_its_beginning() {
    let world = open_world().await;
    world
        .plane
        .add_user_key("ssh-ed25519 A ada", &ada())
        .await
        .unwrap();
    let ended = job(&world, CONFIG).await;
    for _ in 0..2 {
        let work = world.claim().await.unwrap();
        let finish = World::finish(&work, SliceStatus::Failed);
        world.plane.agent_finish(&finish).await.unwrap();
    }
    let started = world.plane.start_ssh(ended, true, &ada()).await.unwrap();
    let SshStart::Rerun(row) = started else {
        panic!("{started:?}");
    };
    world.plane.plan_pending().await.unwrap();
    let work = world.claim().await.unwrap();
    assert!(work.spec.ssh && work.spec.pipeline == row.id && work.lease.job != ended);
    assert_eq!(work.spec.job_name, "build");
    assert!(
        world
            .plane
            .may_enter("ada", work.lease.job, work.lease.slice)
            .await
            .unwrap()
    );
    assert!(
        !world
            .plane
            .may_enter("bob", work.lease.job, work.lease.slice)
            .await
            .unwrap()
    );
    let jobs = world.jobs(row.id).await;
    assert!(jobs.contains("later:not_run"), "{jobs}");
    assert!(actions(&world).await.contains(&"job.ssh_rerun ada".to_owned()));
}
