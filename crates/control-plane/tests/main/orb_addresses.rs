//! Orbs at addresses, from a real HTTPS server to the plan: one pipeline sees one text, whatever stands there later, and
//! what cannot be had is told at the place of the config that asks for it.

use std::sync::Arc;

use airlock_control_plane::{Reference, TriggerRequest};
use airlock_domain::PipelineId;
use airlock_domain::state::PipelineState;
use airlock_domain::trust::EventTrust;
use airlock_driver_interfaces::orbs::{OrbAddresses, OrbFetchError};
use airlock_driver_interfaces::rows::{Selection, TriggerKind};
use airlock_testkit::{HttpsServer, Reply};
use airlock_transport::fetch::{Fetcher, Reach};
use async_trait::async_trait;

use crate::world::{World, ada};

/// CircleCI's five minutes.
const KEPT_MS: i64 = 5 * 60 * 1000;

/// Everything below `/orbs/` of the server.
struct Allowed {
    prefix: String,
    fetcher: Fetcher,
}

#[async_trait]
impl OrbAddresses for Allowed {
    fn prefixes(&self) -> Vec<String> {
        vec![self.prefix.clone()]
    }

    async fn fetch(&self, url: &str) -> Result<String, OrbFetchError> {
        let fetched = self.fetcher.get(url, &|_| Reach::Private, 1_000).await;
        let fetched = fetched.map_err(|error| OrbFetchError::Unavailable(error.to_string()))?;
        Ok(String::from_utf8_lossy(&fetched.bytes).into_owned())
    }
}

async fn world() -> (World, HttpsServer) {
    let server = HttpsServer::start().unwrap();
    let world = World::new().await;
    world.plane.set_orb_addresses(Arc::new(Allowed {
        prefix: server.url("/orbs/"),
        fetcher: Fetcher::trusting(server.ca_pem()).unwrap(),
    }));
    (world, server)
}

fn orb(says: &str) -> Reply {
    Reply::yaml(format!(
        "version: 2.1\njobs:\n  hello:\n    docker: [{{image: airlock/base}}]\n    steps: [run: echo {says}]\n"
    ))
}

fn config(url: &str) -> String {
    format!("version: 2.1\norbs: {{h: \"{url}\"}}\nworkflows: {{w: {{jobs: [h/hello]}}}}\n")
}

/// What the pipeline's only job says.
async fn says(world: &World, pipeline: PipelineId) -> String {
    let view = world.plane.pipeline(pipeline).await.unwrap();
    assert_eq!(
        view.pipeline.state,
        PipelineState::Created,
        "{:?}",
        view.pipeline.errors
    );
    let jobs = world.plane.jobs(view.workflows[0].id).await.unwrap();
    let body = format!("{:?}", jobs[0].body);
    let said = body.split("echo ").nth(1).unwrap();
    said.split('"').next().unwrap().to_owned()
}

async fn problem(world: &World, config: &str) -> String {
    let pipeline = world.pipeline(config).await;
    let row = world.plane.pipeline(pipeline).await.unwrap().pipeline;
    assert_eq!(row.state, PipelineState::Errored);
    row.errors[0].message.clone()
}

async fn again(world: &World, pipeline: PipelineId) -> PipelineId {
    let row = world.plane.pipeline(pipeline).await.unwrap().pipeline;
    let request = TriggerRequest {
        project: crate::world::slug(),
        reference: Reference::Branch(row.revision.branch.unwrap()),
        sha: Some(row.revision.sha),
        parameters: Vec::new(),
        only: Selection::default(),
        again: Some(pipeline),
        actor: ada(),
        kind: TriggerKind::Api,
        trust: EventTrust::Member,
        delivery: None,
    };
    let id = world.plane.trigger(request).await.unwrap().id;
    world.plane.plan_pending().await.unwrap();
    id
}

#[tokio::test]
async fn a_text_is_asked_for_again_after_five_minutes_and_never_for_the_same_pipeline() {
    let (world, server) = world().await;
    let url = server.url("/orbs/hello.yml");
    server.set("/orbs/hello.yml", orb("one"));
    let first = world.pipeline(&config(&url)).await;
    assert_eq!(says(&world, first).await, "one");
    server.set("/orbs/hello.yml", orb("two"));
    world.clock.pass(KEPT_MS - 1);
    let second = world.pipeline(&config(&url)).await;
    assert_eq!(says(&world, second).await, "one");
    assert_eq!(server.asked().len(), 1);
    world.clock.pass(1);
    let third = world.pipeline(&config(&url)).await;
    assert_eq!(says(&world, third).await, "two");
    // The first one built again is built as it was, and asks nobody.
    let repeated = again(&world, first).await;
    assert_eq!(says(&world, repeated).await, "one");
    assert_eq!(server.asked().len(), 2);

    let taken = |orbs: Vec<(String, airlock_domain::OrbDigest)>| {
        assert_eq!(orbs.len(), 1);
        assert_eq!(orbs[0].0, url);
        orbs[0].1.clone()
    };
    let one = taken(world.plane.fetched_orbs(first).await.unwrap());
    let two = taken(world.plane.fetched_orbs(third).await.unwrap());
    assert_ne!(one, two);
    assert_eq!(taken(world.plane.fetched_orbs(repeated).await.unwrap()), one);
}

#[tokio::test]
async fn an_orb_at_an_address_may_use_another_one_there() {
    let (world, server) = world().await;
    let outer = format!(
        "version: 2.1\norbs: {{in: \"{}\"}}\njobs: {{hello: in/hello}}\n",
        server.url("/orbs/inner.yml")
    );
    server.set("/orbs/outer.yml", Reply::yaml(outer));
    server.set("/orbs/inner.yml", orb("within"));
    let pipeline = world.pipeline(&config(&server.url("/orbs/outer.yml"))).await;
    assert_eq!(says(&world, pipeline).await, "within");
    assert_eq!(world.plane.fetched_orbs(pipeline).await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_cannot_be_had_is_told_at_its_place() {
    let (world, server) = world().await;
    server.set("/orbs/hello.yml", orb("fine"));
    server.set("/orbs/broken.yml", Reply::yaml("jobs: [\n"));
    server.set("/orbs/list.yml", Reply::yaml("- run: make\n"));
    server.set("/orbs/large.yml", Reply::yaml("#".repeat(1_001)));
    server.set(
        "/orbs/wrong.yml",
        Reply::yaml("jobs: {hello: {docker: [image: x], steps: [rum: x]}}\n"),
    );
    for (path, words) in [
        ("/elsewhere/hello.yml", "no allowed address begins like this one"),
        ("/elsewhere/hello.yml", "--allow-url-orb PREFIX"),
        ("/orbs/none.yml", "the server answered 404"),
        ("/orbs/large.yml", "it has more than 1000 bytes"),
        ("/orbs/broken.yml", "/orbs/broken.yml:"),
        ("/orbs/list.yml", "/orbs/list.yml:1:1"),
        ("/orbs/wrong.yml", "/orbs/wrong.yml:1:"),
    ] {
        let told = problem(&world, &config(&server.url(path))).await;
        assert!(told.contains(words), "{path}: no {words:?} in\n{told}");
        assert!(
            told.contains("config.yml:2:1") || told.contains("config.yml:3:"),
            "{path}: no place in\n{told}"
        );
    }
    assert!(!server.asked().iter().any(|path| path.contains("elsewhere")));
    let pipeline = world.pipeline(&config(&server.url("/orbs/hello.yml"))).await;
    assert_eq!(says(&world, pipeline).await, "fine");
}

#[tokio::test]
async fn without_a_setting_no_address_is_asked() {
    let server = HttpsServer::start().unwrap();
    server.set("/orbs/hello.yml", orb("fine"));
    let world = World::new().await;
    let told = problem(&world, &config(&server.url("/orbs/hello.yml"))).await;
    assert!(
        told.contains("no allowed address") && told.contains("airlock server"),
        "{told}"
    );
    assert_eq!(server.asked(), Vec::<String>::new());
}
