//! A server that stops lets nobody believe that something ended well, and waits for nobody.

use airlock_transport::http_client::empty;
use axum::http::Method;
use serde_json::json;

use super::world::{World, agent_id, claim};

#[tokio::test]
async fn an_unfinished_stream_breaks_off_instead_of_ending() {
    let mut world = World::new().await;
    let program = world.program().await;
    let pipeline = world.start(&program, &json!({})).await;
    let path = format!("/api/v2/airlock/pipeline/{pipeline}/events");
    let mut stream = program.open(Method::GET, &path, empty()).await;
    // Lines come while the pipeline waits for an agent.
    assert!(stream.chunk().await.expect("a line").is_some());
    world.stop.take().expect("once").send(()).expect("serving");
    let broke_off = loop {
        match stream.chunk().await {
            Ok(Some(_line)) => {}
            Ok(None) => break false,
            Err(_broken) => break true,
        }
    };
    assert!(broke_off, "a stream cut short looked like one that ended");
    world.served.await.expect("ended");
}

#[tokio::test]
async fn a_waiting_agent_is_answered_when_the_server_stops() {
    let mut world = World::new().await;
    let agent = world.agent(agent_id(1));
    // The first answer shows that the connection is there; the second claim waits on it.
    agent
        .post("/agent/v1/claim", &claim(agent_id(1)))
        .await
        .expect(200);
    let mut patient = claim(agent_id(1));
    patient["wait_ms"] = json!(25_000);
    let waiting = tokio::spawn(async move { agent.post("/agent/v1/claim", &patient).await });
    // The claim has arrived when the agent was seen once more.
    let first = world.plane.agents().await.expect("agents")[0].seen_at;
    while world.plane.agents().await.expect("agents")[0].seen_at == first {
        tokio::task::yield_now().await;
    }
    world.stop.take().expect("once").send(()).expect("serving");
    let answer = waiting.await.expect("joined").expect(200);
    assert_eq!(answer.json(), json!({ "assignment": null }));
    world.served.await.expect("ended");
}
