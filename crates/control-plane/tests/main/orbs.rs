//! Orbs from the registry to the plan: which version a pipeline takes, what it says when there is none, and what ends.

use airlock_control_plane::UseCaseError;
use airlock_control_plane::limits::DEV_ORB_MS;
use airlock_control_plane::orbs::{AddedOrb, ImportedOrb, OrbImport};
use airlock_domain::state::PipelineState;
use airlock_domain::{OrbName, PipelineId};

use crate::world::{World, ada};

fn orb(name: &str, version: &str, says: &str) -> OrbImport {
    OrbImport {
        name: OrbName::new(name).unwrap(),
        version: version.parse().unwrap(),
        source: format!(
            "version: 2.1\njobs:\n  hello:\n    docker: [{{image: airlock/base}}]\n    steps: [run: echo {says}]\n"
        ),
    }
}

fn config(reference: &str) -> String {
    format!("version: 2.1\norbs: {{h: {reference}}}\nworkflows: {{w: {{jobs: [h/hello]}}}}\n")
}

async fn taken(world: &World, pipeline: PipelineId) -> Vec<String> {
    let orbs = world.plane.pipeline_orbs(pipeline).await.unwrap();
    orbs.iter()
        .map(|orb| format!("{} {}", orb.reference, orb.version))
        .collect()
}

async fn problem(world: &World, config: &str) -> String {
    let pipeline = world.pipeline(config).await;
    let row = world.plane.pipeline(pipeline).await.unwrap().pipeline;
    assert_eq!(row.state, PipelineState::Errored);
    row.errors[0].message.clone()
}

#[tokio::test]
async fn each_kind_of_reference_takes_the_newest_that_fits() {
    let world = World::new().await;
    let orbs = ["1.0.0", "1.2.9", "1.2.10", "2.0.0", "dev:try"]
        .map(|version| orb("my-team/hello", version, version));
    world.plane.import_orbs(orbs.to_vec(), &ada()).await.unwrap();
    for (reference, version) in [
        ("1", "1.2.10"),
        ("1.0", "1.0.0"),
        ("1.2.9", "1.2.9"),
        ("volatile", "2.0.0"),
        ("dev:try", "dev:try"),
    ] {
        let reference = format!("my-team/hello@{reference}");
        let pipeline = world.pipeline(&config(&reference)).await;
        assert_eq!(taken(&world, pipeline).await, [format!("{reference} {version}")]);
        assert_eq!(world.jobs(pipeline).await, "running h/hello:queued");
        let work = world.claim().await.unwrap();
        let spec = format!("{:?}", work.spec);
        assert!(spec.contains(&format!("echo {version}")), "{spec}");
        world
            .plane
            .agent_finish(&World::finish(&work, airlock_domain::state::SliceStatus::Success))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_missing_orb_is_told_with_the_way_to_bring_it_in() {
    let world = World::new().await;
    let told = problem(&world, &config("my-team/hello@1")).await;
    assert!(
        told.contains("Cannot find my-team/hello@1 in the orb registry"),
        "{told}"
    );
    assert!(
        told.contains("airlock orb import") && told.contains("config.yml:2:11"),
        "{told}"
    );
    world
        .plane
        .import_orbs(vec![orb("my-team/hello", "1.0.0", "x")], &ada())
        .await
        .unwrap();
    let told = problem(&world, &config("my-team/helo@1")).await;
    assert!(told.contains("hello"), "{told}");
    let told = problem(&world, &config("https://orbs.example/hello.yml")).await;
    assert!(told.contains("no allowed address"), "{told}");
}

#[tokio::test]
async fn a_mistake_in_an_orb_shows_the_orb_s_line() {
    let world = World::new().await;
    let mut wrong = orb("my-team/hello", "1.0.0", "x");
    wrong.source = wrong.source.replace("echo x", "echo << parameters.none >>");
    let refused = world.plane.import_orbs(vec![wrong], &ada()).await;
    let Err(UseCaseError::Invalid(text)) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        text.contains("my-team/hello@1.0.0:5:") && text.contains("nothing was imported"),
        "{text}"
    );
    assert!(world.plane.orbs().await.unwrap().is_empty());
}

async fn renew(world: &World, says: &str) -> Vec<ImportedOrb> {
    let orbs = vec![orb("my-team/hello", "dev:try", says)];
    world.plane.import_orbs(orbs, &ada()).await.unwrap()
}

#[tokio::test]
async fn a_development_version_is_renewed_and_ends() {
    let world = World::new().await;
    let first = renew(&world, "one").await;
    assert_eq!(first[0].added, AddedOrb::New);
    world.clock.pass(DEV_ORB_MS - 1);
    let second = renew(&world, "two").await;
    assert!(matches!(second[0].added, AddedOrb::Replaced { .. }));
    world.clock.pass(DEV_ORB_MS - 1);
    world.pipeline(&config("my-team/hello@dev:try")).await;
    world.clock.pass(1);
    let told = problem(&world, &config("my-team/hello@dev:try")).await;
    assert!(told.contains("Cannot find my-team/hello@dev:try"), "{told}");
}

#[tokio::test]
async fn what_an_orb_uses_does_not_move_under_its_users() {
    let world = World::new().await;
    let mut outer = orb("my-team/outer", "1.0.0", "x");
    outer.source = "version: 2.1\norbs: {in: my-team/hello@volatile}\njobs: {hello: in/hello}\n".to_owned();
    world
        .plane
        .import_orbs(vec![outer, orb("my-team/hello", "1.0.0", "one")], &ada())
        .await
        .unwrap();
    world
        .plane
        .import_orbs(vec![orb("my-team/hello", "2.0.0", "two")], &ada())
        .await
        .unwrap();
    let pipeline = world.pipeline(&config("my-team/outer@1")).await;
    assert_eq!(
        taken(&world, pipeline).await,
        ["my-team/hello@1.0.0 1.0.0", "my-team/outer@1 1.0.0"]
    );
}
