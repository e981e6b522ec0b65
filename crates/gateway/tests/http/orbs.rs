//! The registry over HTTP: bringing orbs in, reading them, and what is refused.

use serde_json::{Value, json};

use super::client::{Answer, Caller};
use super::schema;
use super::world::{PROJECT, World};

const HELLO: &str = "version: 2.1
description: Says hello.
jobs:
  hello:
    parameters: {to: {type: string, default: world}}
    docker: [{image: airlock/base}]
    steps: [run: echo hello << parameters.to >>]
";

async fn import(program: &Caller, orbs: &[(&str, &str, &str)]) -> Answer {
    let orbs: Vec<Value> = orbs
        .iter()
        .map(|(name, version, source)| json!({ "name": name, "version": version, "source": source }))
        .collect();
    program
        .post("/api/v2/airlock/orb", &json!({ "orbs": orbs }))
        .await
}

#[tokio::test]
async fn an_orb_is_brought_in_listed_and_read() {
    let world = World::new().await;
    let program = world.program().await;
    let answer = import(&program, &[("my-team/hello", "1.0.0", HELLO)])
        .await
        .expect(201)
        .json();
    schema::check("POST", "/airlock/orb", 201, &answer);
    assert_eq!(answer["orbs"][0]["result"], "new");
    let again = import(&program, &[("my-team/hello", "1.0.0", HELLO)])
        .await
        .expect(201)
        .json();
    assert_eq!(again["orbs"][0]["result"], "same");
    assert_eq!(again["orbs"][0]["digest"], answer["orbs"][0]["digest"]);
    import(
        &program,
        &[
            ("my-team/hello", "1.0.1", HELLO),
            ("my-team/hello", "dev:x", HELLO),
        ],
    )
    .await
    .expect(201);

    let listed = program.get("/api/v2/airlock/orb").await.expect(200).json();
    schema::check("GET", "/airlock/orb", 200, &listed);
    let versions: Vec<&str> = listed["items"][0]["versions"]
        .as_array()
        .expect("versions")
        .iter()
        .map(|version| version["version"].as_str().expect("text"))
        .collect();
    assert_eq!(versions, ["1.0.1", "1.0.0", "dev:x"]);
    assert!(listed["items"][0]["versions"][2]["expires_at"].is_string());
    assert_eq!(listed["items"][0]["versions"][0]["description"], "Says hello.");

    let one = program
        .get("/api/v2/airlock/orb/my-team/hello")
        .await
        .expect(200)
        .json();
    schema::check("GET", "/airlock/orb/{namespace}/{orb}", 200, &one);
    for (asked, found) in [
        ("1", "1.0.1"),
        ("1.0.0", "1.0.0"),
        ("volatile", "1.0.1"),
        ("dev:x", "dev:x"),
    ] {
        let path = format!("/api/v2/airlock/orb/my-team/hello/{asked}");
        let text = program.get(&path).await.expect(200).json();
        schema::check("GET", "/airlock/orb/{namespace}/{orb}/{version}", 200, &text);
        assert_eq!(
            (text["found"]["version"].as_str(), text["source"].as_str()),
            (Some(found), Some(HELLO))
        );
    }
    let audit = program.get("/api/v2/airlock/audit").await.expect(200).text();
    assert_eq!(audit.matches("orb.import").count(), 3, "{audit}");
}

#[tokio::test]
async fn a_release_with_other_content_is_refused_with_both_digests() {
    let world = World::new().await;
    let program = world.program().await;
    let first = import(&program, &[("my-team/hello", "1.0.0", HELLO)])
        .await
        .expect(201)
        .json();
    let changed = format!("{HELLO}# changed\n");
    let refused = import(
        &program,
        &[
            ("my-team/hello", "1.0.0", &changed),
            ("my-team/new", "1.0.0", HELLO),
        ],
    )
    .await
    .expect(409)
    .message();
    let digest = first["orbs"][0]["digest"].as_str().expect("text");
    assert!(refused.contains(digest), "{refused}");
    assert_eq!(refused.matches("sha256:").count(), 2, "{refused}");
    program.get("/api/v2/airlock/orb/my-team/new").await.expect(404);
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_and_says_where() {
    let world = World::new().await;
    let program = world.program().await;
    let wrong = HELLO.replace("parameters.to", "parameters.too");
    let refused = import(&program, &[("my-team/hello", "1.0.0", &wrong)])
        .await
        .expect(400)
        .message();
    assert!(refused.contains("my-team/hello@1.0.0:7:"), "{refused}");
    for (name, version) in [
        ("hello", "1.0.0"),
        ("my-team/hello", "1"),
        ("my-team/hello", "dev:"),
    ] {
        import(&program, &[(name, version, HELLO)]).await.expect(400);
    }
    import(&program, &[]).await.expect(400);
    let large = format!("{HELLO}#{}\n", "x".repeat(1024 * 1024));
    let refused = import(&program, &[("my-team/hello", "1.0.0", &large)])
        .await
        .expect(400)
        .message();
    assert!(refused.contains("1048576"), "{refused}");
    let huge = "x".repeat(17 * 1024 * 1024);
    import(&program, &[("my-team/hello", "1.0.0", &huge)])
        .await
        .expect(413);
    world.stranger().get("/api/v2/airlock/orb").await.expect(401);
    import(&world.stranger(), &[("my-team/hello", "1.0.0", HELLO)])
        .await
        .expect(401);
    for path in ["my-team/hello", "my-team/hello/1.0.0", "my-team/hello/volatile"] {
        program
            .get(&format!("/api/v2/airlock/orb/{path}"))
            .await
            .expect(404);
    }
    program
        .get("/api/v2/airlock/orb/my-team/hello/x.y")
        .await
        .expect(400);
    program.get("/api/v2/airlock/orb/My-team/hello").await.expect(400);
}

/// A mirror need not be whole, and what is missing may come later.
#[tokio::test]
async fn an_orb_whose_orbs_are_missing_is_taken_with_a_warning() {
    let world = World::new().await;
    let program = world.program().await;
    let uses = "version: 2.1\norbs: {x: other/orb@1}\n";
    let taken = import(&program, &[("my-team/hello", "1.0.0", uses)])
        .await
        .expect(201)
        .json();
    let warnings = taken["orbs"][0]["warnings"].as_str().expect("text");
    assert!(warnings.contains("other/orb@1 is not at hand"), "{warnings}");
}

#[tokio::test]
async fn orbs_of_one_import_may_use_each_other_and_stay_settled() {
    let world = World::new().await;
    let program = world.program().await;
    let outer = "version: 2.1\norbs: {h: my-team/hello@1}\njobs:\n  two:\n    docker: [{image: airlock/base}]\n    steps: [h/greet]\n";
    let inner = |text: &str| format!("version: 2.1\ncommands: {{greet: {{steps: [run: echo {text}]}}}}\n");
    import(
        &program,
        &[
            ("my-team/outer", "1.0.0", outer),
            ("my-team/hello", "1.0.0", &inner("one")),
        ],
    )
    .await
    .expect(201);
    import(&program, &[("my-team/hello", "1.1.0", &inner("two"))])
        .await
        .expect(201);
    let settled = program
        .get("/api/v2/airlock/orb/my-team/outer")
        .await
        .expect(200)
        .json();
    assert_eq!(settled["versions"][0]["uses"][0]["reference"], "my-team/hello@1");
    assert_eq!(settled["versions"][0]["uses"][0]["version"], "1.0.0");
    // The same text again changes nothing, though it would be settled otherwise now.
    import(&program, &[("my-team/outer", "1.0.0", outer)])
        .await
        .expect(201);
    let again = program
        .get("/api/v2/airlock/orb/my-team/outer")
        .await
        .expect(200)
        .json();
    assert_eq!(again, settled);
}

#[tokio::test]
async fn a_pipeline_tells_which_versions_it_took() {
    let world = World::new().await;
    let program = world.program().await;
    import(&program, &[("my-team/hello", "1.0.0", HELLO)])
        .await
        .expect(201);
    let config = "version: 2.1\norbs: {h: my-team/hello@1}\nworkflows: {w: {jobs: [h/hello]}}\n";
    config.clone_into(&mut world.forge.0.lock().expect("not poisoned"));
    let id = world.start(&program, &json!({ "branch": "main" })).await;
    let pipeline = program
        .get(&format!("/api/v2/pipeline/{id}"))
        .await
        .expect(200)
        .json();
    assert_eq!(pipeline["state"], "created", "{pipeline}");
    let orbs = program
        .get(&format!("/api/v2/airlock/pipeline/{id}/orbs"))
        .await
        .expect(200)
        .json();
    schema::check("GET", "/airlock/pipeline/{id}/orbs", 200, &orbs);
    let taken = &orbs["items"][0];
    assert_eq!(
        (taken["reference"].as_str(), taken["version"].as_str()),
        (Some("my-team/hello@1"), Some("1.0.0"))
    );
    let nowhere = "/api/v2/airlock/pipeline/00000000-0000-0000-0000-000000000000/orbs";
    program.get(nowhere).await.expect(404);
    assert!(program.get(&format!("{PROJECT}/pipeline")).await.status == 200);
}

#[tokio::test]
async fn a_pipeline_tells_why_its_parts_run() {
    let world = World::new().await;
    let program = world.program().await;
    let config = "version: 2.1\njobs: {a: {docker: [{image: x}], steps: [run: y]}}\nworkflows:\n  w:\n    jobs: [a]\n  \
                  off:\n    when: {equal: [x, << pipeline.git.branch >>]}\n    jobs: [a]\n";
    config.clone_into(&mut world.forge.0.lock().expect("not poisoned"));
    let id = world.start(&program, &json!({ "branch": "main" })).await;
    let address = format!("/api/v2/airlock/pipeline/{id}/explanation");
    let told = program.get(&address).await.expect(200).json();
    schema::check("GET", "/airlock/pipeline/{id}/explanation", 200, &told);
    assert_eq!(told["file"], ".circleci/config.yml");
    assert_eq!(told["workflows"][0]["jobs"][0]["runs"], true);
    let off = &told["workflows"][1];
    assert_eq!((&off["runs"], &off["place"]["line"]), (&json!(false), &json!(7)));
    assert_eq!(off["values"][2]["value"], "\"main\"");
    let nowhere = "/api/v2/airlock/pipeline/00000000-0000-0000-0000-000000000000/explanation";
    program.get(nowhere).await.expect(404);
}
