//! What is wrong with a request is said in words that name it.

use airlock_transport::http_client::bytes;
use axum::http::Method;
use serde_json::{Value, json};

use super::world::{PROJECT, World};

const NOBODY: &str = "0198c2f4-0000-7000-8000-000000000009";

#[tokio::test]
async fn wrong_bodies_are_refused_by_name() {
    let world = World::new().await;
    let program = world.program().await;
    let (pipeline, envvar) = (format!("{PROJECT}/pipeline"), format!("{PROJECT}/envvar"));
    let egress = format!("{}/egress", PROJECT.replace("/api/v2", "/api/v2/airlock"));
    let many: serde_json::Map<String, Value> = (0..101).map(|n| (format!("p{n}"), json!(1))).collect();
    let cases = [
        (&pipeline, json!({ "brnach": "main" }), "unknown field `brnach`"),
        (&pipeline, json!({ "branch": 5 }), "branch: invalid type"),
        (&pipeline, json!({ "branch": "a..b" }), "branch 'a..b' holds '..'"),
        (&pipeline, json!({ "branch": "a", "tag": "b" }), "not both"),
        (&pipeline, json!({ "tag": "-x" }), "tag '-x'"),
        (
            &pipeline,
            json!({ "parameters": ["x"] }),
            "parameters: invalid type",
        ),
        (
            &pipeline,
            json!({ "parameters": { "x": [1] } }),
            "parameter 'x' is a list",
        ),
        (
            &pipeline,
            json!({ "parameters": { "x": null } }),
            "parameter 'x' is null",
        ),
        (&pipeline, json!({ "parameters": many }), "101 parameters"),
        (&pipeline, json!([]), "the body is wrong"),
        (
            &egress,
            json!({ "egress": "open" }),
            "`open` is none of allow, deny",
        ),
        (&egress, json!({ "egress": "deny", "list": [] }), "there is none"),
        (&egress, json!({ "egress": "list" }), "are missing"),
        (
            &egress,
            json!({ "egress": "list", "list": [] }),
            "list: the list is empty",
        ),
        (
            &egress,
            json!({ "egress": "list", "list": ["a.example", "10.1.2.3"] }),
            "list: entry 2, `10.1.2.3`: that is a private network",
        ),
        (
            &envvar,
            json!({ "name": "1A", "value": "canary-4711" }),
            "environment variable '1A' must begin",
        ),
        (&envvar, json!({ "name": "A" }), "missing field `value`"),
        (
            &envvar,
            json!({ "name": "A", "value": 4711 }),
            "value: expected a string",
        ),
        (
            &envvar,
            json!({ "name": "A", "value": "canary-4711\u{0}" }),
            "without NUL",
        ),
        (
            &envvar,
            json!({ "name": "A", "value": "x".repeat(32 * 1024 + 1) }),
            "more than the 32768",
        ),
    ];
    for (path, body, part) in cases {
        let answer = program.post(path, &body).await.expect(400);
        assert!(answer.message().contains(part), "{body}: {}", answer.message());
        assert!(!answer.text().contains("4711"), "{}", answer.text());
    }
    let project = "/api/v2/airlock/project";
    for (body, part) in [
        (json!({}), "missing field `slug`"),
        (json!({ "slug": "hello" }), "not of the form <org>/<repo>"),
        (json!({ "slug": "demo/.." }), "begins with a dot"),
        (json!({ "slug": "demo/new", "key": "hello" }), "no public key"),
    ] {
        let answer = program.post(project, &body).await.expect(400);
        assert!(answer.message().contains(part), "{body}: {}", answer.message());
    }
    let path = &pipeline;
    let send = |kind: &str, body: &str| {
        let (program, body) = (program.with("content-type", kind), bytes(body.to_owned()));
        async move { program.send(Method::POST, path, body).await }
    };
    assert!(
        send("application/json", "{")
            .await
            .expect(400)
            .message()
            .contains("line 1")
    );
    assert!(
        send("text/plain", "{}")
            .await
            .expect(415)
            .message()
            .contains("'text/plain'")
    );
    send("application/json", &"x".repeat(300 * 1024))
        .await
        .expect(413);
    send("application/json; charset=utf-8", " ").await.expect(201);
}

#[tokio::test]
async fn wrong_paths_and_queries_are_refused_by_name() {
    let world = World::new().await;
    let program = world.program().await;
    let job = format!("/api/v2/airlock/job/{NOBODY}");
    for (path, part) in [
        (
            "/api/v2/project/gh/demo/hello/pipeline".to_owned(),
            "expected git/<org>/<repo>",
        ),
        (
            "/api/v2/project/git/-x/hello/pipeline".to_owned(),
            "organisation '-x'",
        ),
        (
            "/api/v2/project/git/demo/x.git/envvar".to_owned(),
            "repository 'x.git'",
        ),
        ("/api/v2/pipeline/hello".to_owned(), "'id' in the path: 'hello'"),
        ("/api/v2/workflow/hello".to_owned(), "'id' in the path: 'hello'"),
        (format!("{PROJECT}/job/hello"), "'number' in the path"),
        (format!("{PROJECT}/-1/artifacts"), "'number' in the path"),
        (
            format!("{PROJECT}/pipeline?page-token=x"),
            "'page-token' in the query",
        ),
        (format!("{PROJECT}/envvar?page-token=x"), "one page only"),
        ("/api/v2/pipeline?mine=perhaps".to_owned(), "'mine' in the query"),
        (
            "/api/v2/pipeline?org-slug=demo".to_owned(),
            "'org-slug' in the query",
        ),
        (
            "/api/v2/airlock/audit?page-token=x".to_owned(),
            "'page-token' in the query",
        ),
        (format!("{job}/log"), "'step' in the query is missing"),
        (format!("{job}/log?step=x"), "'step' in the query"),
        (format!("{job}/log?step=1&offset=-1"), "'offset' in the query"),
        (format!("{job}/artifact/x"), "'artifact' in the path"),
        ("/api/v2/pipeline/%FF".to_owned(), "the path is wrong"),
    ] {
        let answer = program.get(&path).await.expect(400);
        assert!(answer.message().contains(part), "{path}: {}", answer.message());
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    let program = world.program().await;
    for path in [
        format!("/api/v2/pipeline/{NOBODY}"),
        format!("/api/v2/pipeline/{NOBODY}/workflow"),
        format!("/api/v2/workflow/{NOBODY}"),
        format!("/api/v2/workflow/{NOBODY}/job"),
        "/api/v2/project/git/demo/nothing/pipeline".to_owned(),
        "/api/v2/project/git/demo/nothing/envvar".to_owned(),
        "/api/v2/airlock/project/git/demo/nothing/egress".to_owned(),
        format!("{PROJECT}/job/99"),
        format!("{PROJECT}/99/artifacts"),
        format!("{PROJECT}/envvar/NOTHING"),
        format!("/api/v2/airlock/job/{NOBODY}"),
        format!("/api/v2/airlock/job/{NOBODY}/egress"),
        format!("/api/v2/airlock/job/{NOBODY}/resources"),
        format!("/api/v2/airlock/job/{NOBODY}/log?step=1"),
        format!("/api/v2/airlock/job/{NOBODY}/artifact/{NOBODY}"),
        format!("/api/v2/airlock/pipeline/{NOBODY}/events"),
    ] {
        let answer = program.get(&path).await.expect(404);
        assert!(
            answer.message().contains("was not found"),
            "{path}: {}",
            answer.message()
        );
    }
    program
        .post(&format!("/api/v2/workflow/{NOBODY}/cancel"), &json!({}))
        .await
        .expect(404);
    program
        .post(&format!("/api/v2/workflow/{NOBODY}/approve/{NOBODY}"), &json!({}))
        .await
        .expect(404);
    program
        .delete(&format!("{PROJECT}/envvar/NOTHING"))
        .await
        .expect(404);
    let answer = program
        .post(&format!("{PROJECT}/pipeline"), &json!({ "branch": "gone" }))
        .await
        .expect(404);
    assert!(answer.message().contains("branch 'gone'"), "{}", answer.message());
}

#[tokio::test]
async fn an_approval_belongs_to_its_workflow() {
    let world = World::new().await;
    let program = world.program().await;
    let mut found = Vec::new();
    for _ in 0..2 {
        let pipeline = world.start(&program, &json!({})).await;
        let workflows = program
            .get(&format!("/api/v2/pipeline/{pipeline}/workflow"))
            .await
            .expect(200)
            .json();
        let workflow = workflows["items"][0]["id"].as_str().expect("id").to_owned();
        let jobs = program
            .get(&format!("/api/v2/workflow/{workflow}/job"))
            .await
            .expect(200)
            .json();
        let hold = jobs["items"][1]["approval_request_id"]
            .as_str()
            .expect("an approval")
            .to_owned();
        found.push((workflow, hold));
    }
    let path = |workflow: usize, hold: usize| {
        format!("/api/v2/workflow/{}/approve/{}", found[workflow].0, found[hold].1)
    };
    program.post(&path(0, 1), &json!({})).await.expect(404);
    // The right one is known, but nothing waits for it yet.
    program.post(&path(0, 0), &json!({})).await.expect(409);
}
