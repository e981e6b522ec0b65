//! What listeners hear: lines in order, hints of what changed, and that the server stops.

use airlock_domain::state::{SliceStatus, StepStatus};
use serde_json::{Value, json};

use super::viewer::Instance;

const CONFIG: &str = "{version: 2.1, jobs: {build: {docker: [{image: airlock/base}], steps: [{run: x}]}}}";

#[tokio::test]
async fn lines_come_in_order_and_say_where_they_stand() {
    let instance = Instance::new().await;
    let stage = &instance.stage;
    let project = stage.project("demo/hello").await;
    stage.pipeline(&project, "main", "Say hello", CONFIG).await;
    let work = stage.claim().await;
    let cookie = stage.cookie().await;
    let mut viewer = instance.viewer(&cookie).await;
    instance
        .subscribe(&mut viewer, &cookie, &format!("private-job-{}", work.lease.job))
        .await;
    stage.step(&work, 1, "make", StepStatus::Running).await;
    let (mut offset, mut whole) = (0, String::new());
    for number in 0..200 {
        let line = format!("line {number} é😀 \"quoted\"\n");
        offset = stage.log(&work, 1, offset, line.as_bytes()).await;
        whole.push_str(&line);
    }
    let mut heard = String::new();
    let mut changes = 0;
    while heard.len() < whole.len() {
        let (event, data) = viewer.next().await;
        match event.as_str() {
            "output" => {
                assert_eq!((&data["slice"], &data["step"]), (&json!(0), &json!(1)));
                assert_eq!(data["offset"], heard.len());
                heard.push_str(data["text"].as_str().expect("text"));
            }
            "changed" => changes += 1,
            other => panic!("{other}: {data}"),
        }
    }
    assert_eq!(heard, whole);
    assert!(changes >= 1, "the step's beginning was not told");
    stage.step(&work, 1, "make", StepStatus::Success).await;
    let (event, data) = viewer.next().await;
    assert_eq!(
        (event.as_str(), &data["step"], &data["status"]),
        ("changed", &json!(1), &json!("success"))
    );
}

#[tokio::test]
async fn changes_are_heard_where_they_are_shown_and_output_nowhere_else() {
    let instance = Instance::new().await;
    let stage = &instance.stage;
    let project = stage.project("demo/hello").await;
    let pipeline = stage.pipeline(&project, "main", "Say hello", CONFIG).await;
    stage.plane.tell_outbox().await.expect("told");
    let cookie = stage.cookie().await;
    let (mut all, mut one) = (instance.viewer(&cookie).await, instance.viewer(&cookie).await);
    instance.subscribe(&mut all, &cookie, "private-pipelines").await;
    instance
        .subscribe(&mut one, &cookie, &format!("private-pipeline-{pipeline}"))
        .await;
    let work = stage.claim().await;
    stage.step(&work, 1, "make", StepStatus::Running).await;
    stage.log(&work, 1, 0, b"canary\n").await;
    stage.finish(&work, SliceStatus::Success, None).await;
    stage.plane.tell_outbox().await.expect("told");
    for viewer in [&mut all, &mut one] {
        let is =
            |data: &Value, status: &str| data["status"] == status && data["job"] == json!(work.lease.job);
        let mut statuses = Vec::new();
        loop {
            let (event, data) = viewer.next().await;
            assert_eq!(event, "changed", "{data}");
            assert_eq!(data["pipeline"], json!(pipeline));
            assert!(!data.to_string().contains("canary"));
            statuses.push(data["status"].clone());
            if is(&data, "success") && data["slice"].is_null() {
                break;
            }
        }
        assert!(statuses.contains(&json!("running")), "{statuses:?}");
    }
}

#[tokio::test]
async fn who_is_too_slow_is_told_that_it_missed_something() {
    let instance = Instance::new().await;
    let stage = &instance.stage;
    let project = stage.project("demo/hello").await;
    stage.pipeline(&project, "main", "Write much", CONFIG).await;
    let work = stage.claim().await;
    let cookie = stage.cookie().await;
    let mut viewer = instance.viewer(&cookie).await;
    instance
        .subscribe(&mut viewer, &cookie, &format!("private-job-{}", work.lease.job))
        .await;
    // More than the buffers of a connection and its queue together hold, while nobody reads.
    let piece = "x".repeat(32 * 1024);
    let mut offset = 0;
    for _ in 0..800 {
        offset = stage.log(&work, 1, offset, piece.as_bytes()).await;
    }
    let (mut last, mut heard) = (0, 0);
    loop {
        let (event, data) = viewer.next().await;
        if event == "missed" {
            break;
        }
        assert_eq!(event, "output");
        let at = data["offset"].as_u64().expect("an offset");
        assert!(at >= last, "{at} after {last}");
        last = at + 1;
        heard += data["text"].as_str().expect("text").len();
    }
    assert!(heard > 0 && heard < 800 * piece.len(), "{heard}");
    // It is still there and hears what comes now.
    stage.log(&work, 1, offset, b"the end\n").await;
    loop {
        let (event, data) = viewer.next().await;
        if event == "output" && data["text"] == "the end\n" {
            assert_eq!(data["offset"], offset);
            break;
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_does_not_wait() {
    let mut instance = Instance::new().await;
    let cookie = instance.stage.cookie().await;
    let mut viewer = instance.viewer(&cookie).await;
    instance.stop.take().expect("once").send(()).expect("serving");
    let (event, data) = viewer.next().await;
    assert_eq!((event.as_str(), &data["code"]), ("pusher:error", &json!(4200)));
    assert_eq!(viewer.end().await, Some(4200));
    instance.served.await.expect("ended");
}

#[tokio::test]
async fn a_message_too_large_ends_the_connection_and_no_other() {
    let instance = Instance::new().await;
    let cookie = instance.stage.cookie().await;
    let (mut loud, mut other) = (instance.viewer(&cookie).await, instance.viewer(&cookie).await);
    let fits = json!({ "event": "pusher:ping", "data": "x".repeat(9_000) });
    loud.say(&fits).await;
    assert_eq!(loud.next().await.0, "pusher:pong");
    loud.say(&json!({ "event": "pusher:ping", "data": "x".repeat(11_000) }))
        .await;
    loud.end().await;
    other.say(&json!({ "event": "pusher:ping", "data": {} })).await;
    assert_eq!(other.next().await.0, "pusher:pong");
}
