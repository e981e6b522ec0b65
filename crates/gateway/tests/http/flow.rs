//! A pipeline from its trigger to its end, as a program and an agent see it, and what can be read of it afterwards.

use airlock_transport::http_client::{bytes, empty};
use axum::http::Method;
use serde_json::{Value, json};

use super::client::{Answer, Caller};
use super::schema;
use super::world::{PROJECT, World, agent_id, claim};

/// Asks for work, which there must be.
pub(crate) async fn take(agent: &Caller, number: u128) -> Value {
    let reply = agent
        .post("/agent/v1/claim", &claim(agent_id(number)))
        .await
        .expect(200)
        .json();
    assert!(reply["assignment"].is_object(), "no work: {reply}");
    reply["assignment"].clone()
}

pub(crate) fn step(lease: &Value, step: u32, name: &str, status: &str, exit_code: Option<i32>) -> Value {
    json!({
        "lease": lease, "step": step, "name": name, "status": status, "exit_code": exit_code, "reason": null,
        "at": 1_795_338_487_123_i64,
    })
}

pub(crate) async fn log(agent: &Caller, lease: &Value, offset: u64, text: &str) -> Answer {
    let header = json!({ "lease": lease, "step": 1, "offset": offset });
    let agent = agent.with("airlock-log", &header.to_string());
    agent
        .send(Method::POST, "/agent/v1/log", bytes(text.to_owned()))
        .await
}

pub(crate) async fn artifact(
    agent: &Caller,
    lease: &Value,
    path: &str,
    size: usize,
    content: &str,
) -> Answer {
    let header = json!({ "lease": lease, "path": path, "size": size });
    let agent = agent.with("airlock-artifact", &header.to_string());
    agent
        .send(Method::PUT, "/agent/v1/artifact", bytes(content.to_owned()))
        .await
}

pub(crate) fn finish(lease: &Value, status: &str) -> Value {
    let usage = json!({ "memory_peak": 4096, "cpu_ns": 1, "oom_kills": 0, "pids_refused": 0 });
    let sample = |second: u64, net_in: u64| {
        json!({
            "at_ms": second * 1000, "cpu_millis": 0, "memory": 4096, "cache": 0, "disk_read": 0, "disk_written": 0,
            "net_in": net_in, "net_out": 0,
        })
    };
    let resources =
        json!({ "cpu_limit_millis": 2000, "memory_limit": 8192, "samples": [sample(1, 5), sample(2, 7)] });
    json!({ "lease": lease, "status": status, "reason": null, "usage": usage, "resources": resources })
}

/// Runs one slice to a good end.
async fn run_slice(agent: &Caller, number: u128) -> Value {
    let assignment = take(agent, number).await;
    let lease = &assignment["lease"];
    for report in [
        step(lease, 0, "Spin up environment", "running", None),
        step(lease, 0, "Spin up environment", "success", Some(0)),
        step(lease, 1, "Say hello", "running", None),
    ] {
        agent.post("/agent/v1/step", &report).await.expect(200);
    }
    let heard = agent
        .post("/agent/v1/heartbeat", &json!({ "lease": lease }))
        .await
        .expect(200);
    assert_eq!(heard.json(), json!({ "stop": false, "ssh": false }));
    assert_eq!(
        log(agent, lease, 0, "hello\n").await.expect(200).json(),
        json!({ "next": 6 })
    );
    assert_eq!(
        log(agent, lease, 6, "wörld\n").await.expect(200).json(),
        json!({ "next": 13 })
    );
    artifact(agent, lease, "dist/a b.txt", 5, "12345")
        .await
        .expect(200);
    agent
        .post("/agent/v1/step", &step(lease, 1, "Say hello", "success", Some(0)))
        .await
        .expect(200);
    agent
        .post("/agent/v1/finish", &finish(lease, "success"))
        .await
        .expect(200);
    assignment
}

/// Reads the happenings of a pipeline to their end.
async fn read_events(program: Caller, pipeline: String) -> Vec<Value> {
    let path = format!("/api/v2/airlock/pipeline/{pipeline}/events");
    let answer = program.send(Method::GET, &path, empty()).await.expect(200);
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect()
}

async fn items(program: &Caller, path: &str, template: &str) -> Vec<Value> {
    let body = program.get(path).await.expect(200).json();
    schema::check("GET", template, 200, &body);
    assert_eq!(body["next_page_token"], Value::Null);
    body["items"].as_array().expect("items").clone()
}

#[tokio::test]
async fn a_pipeline_runs_from_trigger_to_success() {
    let world = World::new().await;
    let (program, agent) = (world.program().await, world.agent(agent_id(1)));
    let secret = json!({ "name": "TOKEN", "value": "canary-4711" });
    let set = program
        .post(&format!("{PROJECT}/envvar"), &secret)
        .await
        .expect(201);
    assert_eq!(set.json(), json!({ "name": "TOKEN", "value": "xxxx" }));
    let trigger = json!({ "branch": "main", "parameters": { "greeting": "hi" } });
    let pipeline = world.start(&program, &trigger).await;
    let events = tokio::spawn(read_events(program.clone(), pipeline.clone()));

    let assignment = run_slice(&agent, 1).await;
    assert_eq!(assignment["spec"]["project"], "git/demo/hello");
    assert_eq!(assignment["spec"]["secrets"], json!([["TOKEN", "canary-4711"]]));

    let body = program
        .get(&format!("/api/v2/pipeline/{pipeline}"))
        .await
        .expect(200)
        .json();
    schema::check("GET", "/pipeline/{id}", 200, &body);
    assert_eq!((&body["state"], &body["number"]), (&json!("created"), &json!(1)));
    assert_eq!(body["trigger_parameters"], json!({ "greeting": "hi" }));
    assert_eq!(body["vcs"]["branch"], "main");
    let workflows = items(
        &program,
        &format!("/api/v2/pipeline/{pipeline}/workflow"),
        "/pipeline/{id}/workflow",
    )
    .await;
    let workflow = workflows[0]["id"].as_str().expect("id");
    let path = format!("/api/v2/workflow/{workflow}");
    let jobs = items(&program, &format!("{path}/job"), "/workflow/{id}/job").await;
    let seen: Vec<_> = jobs.iter().map(|job| (&job["name"], &job["status"])).collect();
    let expected = [("build", "success"), ("hold", "on_hold"), ("ship", "blocked")];
    assert_eq!(
        format!("{seen:?}"),
        format!(
            "{:?}",
            expected.map(|(name, status)| (json!(name), json!(status)))
        )
    );
    assert_eq!(jobs[1]["dependencies"], json!([jobs[0]["id"]]));

    let hold = jobs[1]["approval_request_id"].as_str().expect("an approval");
    program
        .post(&format!("{path}/approve/{hold}"), &json!({}))
        .await
        .expect(202);
    program
        .post(&format!("{path}/approve/{hold}"), &json!({}))
        .await
        .expect(202);
    run_slice(&agent, 1).await;
    let body = program.get(&path).await.expect(200).json();
    schema::check("GET", "/workflow/{id}", 200, &body);
    assert_eq!(body["status"], "success");
    // What has ended cannot be stopped any more.
    program
        .post(&format!("{path}/cancel"), &json!({}))
        .await
        .expect(409);

    let build = jobs[0]["id"].as_str().expect("id");
    read_back(&program, build, jobs[0]["job_number"].as_u64().expect("number")).await;
    check_events(&events.await.expect("read"));
    for path in [
        format!("/api/v2/airlock/job/{build}"),
        format!("{PROJECT}/envvar"),
        "/api/v2/airlock/audit".into(),
    ] {
        assert!(
            !program
                .get(&path)
                .await
                .expect(200)
                .text()
                .contains("canary-4711"),
            "{path}"
        );
    }
}

async fn read_back(program: &Caller, build: &str, number: u64) {
    let body = program
        .get(&format!("{PROJECT}/job/{number}"))
        .await
        .expect(200)
        .json();
    schema::check("GET", "/project/{vcs}/{org}/{repo}/job/{number}", 200, &body);
    assert_eq!(
        (&body["status"], &body["parallel_runs"][0]["status"]),
        (&json!("success"), &json!("success"))
    );
    assert!(
        body["duration"].is_u64() && body["latest_workflow"]["name"] == "ci",
        "{body}"
    );
    let body = program
        .get(&format!("/api/v2/airlock/job/{build}"))
        .await
        .expect(200)
        .json();
    schema::check("GET", "/airlock/job/{id}", 200, &body);
    let egress = program
        .get(&format!("/api/v2/airlock/job/{build}/egress"))
        .await
        .expect(200)
        .json();
    schema::check("GET", "/airlock/job/{id}/egress", 200, &egress);
    assert_eq!(egress["items"], json!([]), "this one spoke to nobody");
    let path = format!("/api/v2/airlock/job/{build}/resources");
    let used = program.get(&path).await.expect(200).json();
    schema::check("GET", "/airlock/job/{id}/resources", 200, &used);
    assert_eq!(
        (&used["memory_peak"], &used["samples"][1]["net_in"]),
        (&json!(4096), &json!(7))
    );
    let fewer = program.get(&format!("{path}?points=1")).await.expect(200).json();
    assert_eq!(
        fewer["samples"],
        json!([{
            "at_ms": 2000, "cpu_millis": 0, "memory": 4096, "cache": 0, "disk_read": 0, "disk_written": 0, "net_in": 12, "net_out": 0,
        }])
    );
    let none = program.get(&format!("{path}?slice=7")).await.expect(404);
    assert!(none.message().contains("slice 7"), "{}", none.message());
    let refused = program.get(&format!("{path}?points=0")).await.expect(400);
    assert_eq!(refused.message(), "'points' in the query is at least 1");
    let steps = body["slices"][0]["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 2);
    assert_eq!(
        (&steps[1]["name"], &steps[1]["exit_code"]),
        (&json!("Say hello"), &json!(0))
    );

    let answer = program
        .get(&format!(
            "/api/v2/airlock/job/{build}/log?slice=0&step=1&offset=6"
        ))
        .await
        .expect(200);
    assert_eq!(
        (answer.text().as_str(), answer.header("airlock-log-length")),
        ("wörld\n", "13")
    );
    assert_eq!(answer.header("content-type"), "application/octet-stream");
    let answer = program
        .get(&format!("/api/v2/airlock/job/{build}/log?step=1&offset=13"))
        .await
        .expect(200);
    assert!(answer.body.is_empty());
    program
        .get(&format!("/api/v2/airlock/job/{build}/log?step=7"))
        .await
        .expect(404);

    let template = "/project/{vcs}/{org}/{repo}/{number}/artifacts";
    let kept = items(program, &format!("{PROJECT}/{number}/artifacts"), template).await;
    assert_eq!((kept.len(), &kept[0]["path"]), (1, &json!("dist/a b.txt")));
    let url = kept[0]["url"].as_str().expect("url");
    let path = &url[url.find("/api/").expect("an address of ours")..];
    let answer = program.get(path).await.expect(200);
    assert_eq!(answer.text(), "12345");
    assert_eq!(answer.header("content-length"), "5");
    assert_eq!(
        answer.header("content-disposition"),
        "attachment; filename=\"a_b.txt\"; filename*=UTF-8''a%20b.txt"
    );
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("content-type"), "application/octet-stream");
}

fn check_events(events: &[Value]) {
    let text: String = events
        .iter()
        .filter(|event| event["type"] == "output" && event["job"] == "build")
        .filter_map(|event| event["text"].as_str())
        .collect();
    assert_eq!(text, "hello\nwörld\n");
    let ends: Vec<_> = events
        .iter()
        .filter(|event| event["type"] == "step_end" && event["step"] == "Say hello")
        .map(|event| (&event["job"], &event["exit_code"]))
        .collect();
    assert_eq!(ends, [(&json!("build"), &json!(0)), (&json!("ship"), &json!(0))]);
    let last = events
        .iter()
        .rfind(|event| event["type"] == "workflow")
        .expect("a workflow's end");
    assert_eq!(last["status"], "success");
}

#[tokio::test]
async fn a_canceled_workflow_stops_its_agent() {
    let world = World::new().await;
    let (program, agent) = (world.program().await, world.agent(agent_id(1)));
    let pipeline = world.start(&program, &json!({})).await;
    let assignment = take(&agent, 1).await;
    let workflows = program
        .get(&format!("/api/v2/pipeline/{pipeline}/workflow"))
        .await
        .expect(200)
        .json();
    let workflow = workflows["items"][0]["id"].as_str().expect("id").to_owned();
    let answer = program
        .post(&format!("/api/v2/workflow/{workflow}/cancel"), &json!({}))
        .await
        .expect(202);
    schema::check("POST", "/workflow/{id}/cancel", 202, &answer.json());
    let beat = json!({ "lease": assignment["lease"] });
    let heard = agent.post("/agent/v1/heartbeat", &beat).await.expect(200);
    assert_eq!(heard.json(), json!({ "stop": true, "ssh": false }));
    agent
        .post("/agent/v1/finish", &finish(&assignment["lease"], "canceled"))
        .await
        .expect(200);
    let body = program
        .get(&format!("/api/v2/workflow/{workflow}"))
        .await
        .expect(200)
        .json();
    assert_eq!(body["status"], "canceled");
    program
        .post(&format!("/api/v2/workflow/{workflow}/cancel"), &json!({}))
        .await
        .expect(202);
}

#[tokio::test]
async fn a_config_with_errors_is_told_and_its_events_end() {
    let world = World::new().await;
    *world.forge.0.lock().expect("not poisoned") = "version: 2.1\njobs: 5\n".into();
    let program = world.program().await;
    let pipeline = world.start(&program, &json!({ "branch": "main" })).await;
    let body = program
        .get(&format!("/api/v2/pipeline/{pipeline}"))
        .await
        .expect(200)
        .json();
    schema::check("GET", "/pipeline/{id}", 200, &body);
    assert_eq!(
        (&body["state"], &body["errors"][0]["type"]),
        (&json!("errored"), &json!("config"))
    );
    let events = read_events(program, pipeline).await;
    let last = events.last().expect("an end");
    assert_eq!(last["status"], "errored");
    assert!(
        last["reason"].as_str().expect("a reason").contains("jobs"),
        "{last}"
    );
}
