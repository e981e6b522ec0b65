//! The pages of the orb registry.

use std::time::Duration;

use airlock_control_plane::Actor;
use airlock_control_plane::orbs::OrbImport;
use airlock_domain::OrbName;

use super::stage::{Stage, USER};
use super::visitor::Visitor;

const HELLO: &str = "version: 2.1
description: |
  Says <b>hello</b>.
display: {home_url: 'https://hello.example', source_url: 'javascript:alert(1)'}
jobs:
  hello:
    description: Greets somebody.
    parameters:
      to: {type: string, description: \"Whom, \\\"<i>exactly</i>\\\".\"}
      tone: {type: enum, enum: [soft, loud], default: soft}
    docker: [{image: airlock/base}]
    steps: [run: echo hello << parameters.to >> << parameters.tone >>]
examples:
  simple:
    description: The least.
    usage:
      version: 2.1
      orbs: {hello: my-team/hello@1}
      workflows: {w: {jobs: [hello/hello: {to: world}]}}
";

async fn import(stage: &Stage, name: &str, version: &str, source: &str) {
    let orb = OrbImport {
        name: OrbName::new(name).expect("a name"),
        version: version.parse().expect("a version"),
        source: source.to_owned(),
    };
    let taken = stage.plane.import_orbs(vec![orb], &Actor::new(USER)).await;
    taken.expect("imported");
}

#[tokio::test]
async fn an_empty_registry_says_how_to_fill_it() {
    let stage = Stage::new(Duration::ZERO).await;
    let visitor = Visitor::signed_in(&stage).await;
    visitor.get("/orbs").await.expect(200).says("airlock orb import");
    visitor.get("/orbs/my-team/hello").await.expect(404);
    visitor.get("/orbs/My/..").await.expect(404);
    assert_eq!(
        Visitor::stranger(&stage).get("/orbs").await.leads_to(),
        "/sign-in"
    );
}

#[tokio::test]
async fn a_version_shows_what_it_offers_and_nothing_of_it_is_markup() {
    let stage = Stage::new(Duration::ZERO).await;
    for version in ["1.0.0", "1.10.0", "1.9.0", "dev:a/b&c"] {
        import(&stage, "my-team/hello", version, HELLO).await;
    }
    let visitor = Visitor::signed_in(&stage).await;
    let list = visitor.get("/orbs").await.expect(200);
    list.says("href=\"/orbs/my-team/hello\"")
        .says("1.10.0")
        .says("4 versions");
    let page = visitor.get("/orbs/my-team/hello").await.expect(200);
    let page = page
        .says("hello: my-team/hello@1.10.0")
        .says("Greets somebody.")
        .says("must be given")
        .says("soft | loud")
        .says("https://hello.example")
        .says("simple");
    for raw in ["<b>hello", "<i>exactly", "href=\"javascript:"] {
        assert!(!page.text.contains(raw), "{raw} in {}", page.text);
    }
    visitor
        .get("/orbs/my-team/hello?version=dev%3Aa%2Fb%26c")
        .await
        .expect(200)
        .says("A development version");
    visitor
        .get("/orbs/my-team/hello?version=1.9")
        .await
        .expect(200)
        .says("my-team/hello@1.9.0");
    for missing in ["2", "nonsense", "1.0.1"] {
        visitor
            .get(&format!("/orbs/my-team/hello?version={missing}"))
            .await
            .expect(404);
    }
}

#[tokio::test]
async fn a_pipeline_shows_which_versions_it_was_built_with() {
    let stage = Stage::new(Duration::ZERO).await;
    stage.at("https://ci.example:8443");
    import(&stage, "my-team/hello", "1.0.0", HELLO).await;
    let project = stage.project("demo/hello").await;
    let config = "version: 2.1\norbs: {h: my-team/hello@1}\nworkflows: {w: {jobs: [h/hello: {to: you}]}}\n";
    let first = stage.pipeline(&project, "main", "Say hello", config).await;
    import(&stage, "my-team/hello", "1.0.1", HELLO).await;
    let visitor = Visitor::signed_in(&stage).await;
    let shows = |id, version: &'static str| {
        let visitor = visitor.clone();
        async move {
            let page = visitor.get(&format!("/pipelines/{id}")).await.expect(200);
            page.says(&format!("my-team/hello@{version}"))
                .says("for my-team/hello@1");
        }
    };
    shows(first, "1.0.0").await;
    let second = stage.pipeline(&project, "main", "Say it again", config).await;
    shows(second, "1.0.1").await;
    // The same commit again is built with what it was built with.
    let to = visitor
        .submit(&format!("/pipelines/{first}/again"), &[])
        .await
        .leads_to();
    stage.plane.plan_pending().await.expect("planned");
    let again = visitor.get(&to).await.expect(200);
    again.says("my-team/hello@1.0.0");
}
