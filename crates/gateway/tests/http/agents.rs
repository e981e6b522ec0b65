//! The door of agents: who is let in, for what, and how a no looks.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use airlock_agent_protocol::limits::LOG_CHUNK_BYTES;
use airlock_transport::http_client::{bytes, empty};
use axum::http::Method;
use serde_json::{Value, json};

use super::flow::{artifact, finish, log, step, take};
use super::world::{World, agent_id, claim};

const CALLS: [(&str, &str); 6] = [
    ("POST", "claim"),
    ("POST", "step"),
    ("POST", "heartbeat"),
    ("POST", "finish"),
    ("POST", "log"),
    ("PUT", "artifact"),
];

#[tokio::test]
async fn only_a_certificate_opens_the_door() {
    let world = World::new().await;
    let (stranger, program, browser) = (world.stranger(), world.program().await, world.browser().await);
    for (method, name) in CALLS {
        let (method, path): (Method, _) = (method.parse().expect("a method"), format!("/agent/v1/{name}"));
        for caller in [
            &stranger,
            &program,
            &browser.with("sec-fetch-site", "same-origin"),
        ] {
            let answer = caller.send(method.clone(), &path, empty()).await.expect(401);
            assert!(
                answer.message().contains("client certificate"),
                "{name}: {}",
                answer.message()
            );
        }
        // With a certificate the same empty request is read, and found empty.
        let answer = world
            .agent(agent_id(1))
            .send(method, &path, empty())
            .await
            .expect(400);
        assert_eq!(answer.json()["code"], "invalid", "{name}");
    }
    let answer = stranger
        .post("/agent/v1/claim", &claim(agent_id(1)))
        .await
        .expect(401);
    assert!(!answer.text().contains("assignment"));
    let answer = world
        .agent(agent_id(1))
        .post("/agent/v1/claim", &claim(agent_id(1)))
        .await
        .expect(200);
    assert_eq!(answer.json(), json!({ "assignment": null }));
}

#[tokio::test]
async fn a_certificate_that_ended_on_an_open_connection_is_refused() {
    let tomorrow = SystemTime::now() + Duration::from_hours(25);
    let world = World::with_clock(Arc::new(move || tomorrow)).await;
    let answer = world
        .agent(agent_id(1))
        .post("/agent/v1/claim", &claim(agent_id(1)))
        .await
        .expect(401);
    assert!(answer.message().contains("has ended"), "{}", answer.message());
}

#[tokio::test]
async fn an_agent_speaks_for_itself_only() {
    let world = World::new().await;
    let program = world.program().await;
    world.start(&program, &json!({})).await;
    let (first, second) = (world.agent(agent_id(1)), world.agent(agent_id(2)));
    let answer = second
        .post("/agent/v1/claim", &claim(agent_id(1)))
        .await
        .expect(400);
    assert_eq!(answer.json()["code"], "invalid");
    let assignment = take(&first, 1).await;
    let lease = &assignment["lease"];
    let report = step(lease, 0, "Spin up environment", "running", None);
    let beat = json!({ "lease": lease });
    for (path, body) in [
        ("step", &report),
        ("heartbeat", &beat),
        ("finish", &finish(lease, "success")),
    ] {
        let answer = second.post(&format!("/agent/v1/{path}"), body).await.expect(409);
        assert_eq!(answer.json()["code"], "fenced", "{path}");
        assert!(
            answer.message().contains("another agent's"),
            "{path}: {}",
            answer.message()
        );
    }
    assert_eq!(
        log(&second, lease, 0, "evil").await.expect(409).json()["code"],
        "fenced"
    );
    assert_eq!(
        artifact(&second, lease, "evil", 4, "evil")
            .await
            .expect(409)
            .json()["code"],
        "fenced"
    );
    // The claim's own agent may do all of it.
    first.post("/agent/v1/step", &report).await.expect(200);
    first.post("/agent/v1/heartbeat", &beat).await.expect(200);
    log(&first, lease, 0, "good").await.expect(200);
    artifact(&first, lease, "good", 4, "good").await.expect(200);
    first
        .post("/agent/v1/finish", &finish(lease, "success"))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_late_agent_is_refused_by_number() {
    let world = World::new().await;
    let program = world.program().await;
    world.start(&program, &json!({})).await;
    let agent = world.agent(agent_id(1));
    let assignment = take(&agent, 1).await;
    let lease = &assignment["lease"];
    for (name, value) in [
        ("fence", json!(7)),
        ("slice", json!(7)),
        ("job", json!(agent_id(9))),
    ] {
        let mut wrong = lease.clone();
        wrong[name] = value;
        let answer = agent
            .post("/agent/v1/heartbeat", &json!({ "lease": wrong }))
            .await
            .expect(409);
        assert_eq!(answer.json()["code"], "fenced", "{name}");
    }
    agent
        .post("/agent/v1/finish", &finish(lease, "success"))
        .await
        .expect(200);
    let beat = json!({ "lease": lease });
    assert_eq!(
        agent.post("/agent/v1/heartbeat", &beat).await.expect(409).json()["code"],
        "fenced"
    );
}

#[tokio::test]
async fn each_no_says_whether_to_try_again() {
    let world = World::new().await;
    let program = world.program().await;
    world.start(&program, &json!({})).await;
    let agent = world.agent(agent_id(1));
    let mut newer = claim(agent_id(1));
    newer["protocol"] = json!(99);
    let answer = agent.post("/agent/v1/claim", &newer).await.expect(426);
    assert_eq!(answer.json()["code"], "protocol");
    let assignment = take(&agent, 1).await;
    let lease = &assignment["lease"];
    assert_eq!(
        log(&agent, lease, 5, "late").await.expect(409).json()["code"],
        "gap"
    );
    let chunk = "x".repeat(LOG_CHUNK_BYTES);
    log(&agent, lease, 0, &chunk).await.expect(200);
    let answer = log(&agent, lease, chunk.len() as u64, &format!("{chunk}x"))
        .await
        .expect(400);
    assert_eq!(answer.json()["code"], "invalid");
    for (path, size) in [
        ("../evil", 4),
        ("short", 3),
        ("long", 5),
        ("huge", 4 * 1024 * 1024 * 1024_usize),
    ] {
        let answer = artifact(&agent, lease, path, size, "1234").await.expect(400);
        assert_eq!(answer.json()["code"], "invalid", "{path}");
    }
    let wrong: [(&str, Value, &str); 3] = [
        ("step", json!({ "lease": lease }), "missing field"),
        ("heartbeat", json!({ "lease": { "job": "x" } }), "lease.job: "),
        ("claim", json!([]), "the message is wrong"),
    ];
    for (path, body, part) in wrong {
        let answer = agent.post(&format!("/agent/v1/{path}"), &body).await.expect(400);
        assert!(answer.message().contains(part), "{path}: {}", answer.message());
    }
    let answer = agent
        .with("airlock-log", "{")
        .send(Method::POST, "/agent/v1/log", bytes("x"))
        .await
        .expect(400);
    assert!(
        answer.message().contains("header airlock-log"),
        "{}",
        answer.message()
    );
}

#[tokio::test]
async fn repeated_words_change_nothing() {
    let world = World::new().await;
    let program = world.program().await;
    world.start(&program, &json!({})).await;
    let agent = world.agent(agent_id(1));
    let assignment = take(&agent, 1).await;
    let lease = &assignment["lease"];
    for _again in 0..2 {
        agent
            .post("/agent/v1/step", &step(lease, 1, "Say hello", "running", None))
            .await
            .expect(200);
        assert_eq!(
            log(&agent, lease, 0, "hello").await.expect(200).json(),
            json!({ "next": 5 })
        );
        artifact(&agent, lease, "a.txt", 4, "1234").await.expect(200);
    }
    let number = assignment["spec"]["number"].as_u64().expect("number");
    let kept = program
        .get(&format!("{}/{number}/artifacts", super::world::PROJECT))
        .await
        .expect(200)
        .json();
    assert_eq!(kept["items"].as_array().map(Vec::len), Some(1));
}
