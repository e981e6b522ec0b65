//! What every answer has in common: security headers, a request id, errors as JSON where programs ask.

use airlock_transport::http_client::empty;
use axum::http::Method;
use serde_json::json;

use super::client::Answer;
use super::world::{PROJECT, World};

fn check_headers(name: &str, answer: &Answer) {
    for (header, part) in [
        ("strict-transport-security", "max-age="),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("content-security-policy", "frame-ancestors 'none'"),
        ("content-security-policy", "default-src 'none'"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert!(
            answer.header(header).contains(part),
            "{name}: {header}: {}",
            answer.header(header)
        );
    }
    assert_eq!(answer.header("airlock-request-id").len(), 16, "{name}");
    assert!(
        !answer.header("content-security-policy").contains("unsafe"),
        "{name}"
    );
}

#[tokio::test]
async fn every_answer_is_secured() {
    let world = World::new().await;
    let program = world.program().await;
    for path in [
        "/api/v2/me",
        "/api/v2/nothing",
        "/sign-in",
        "/nothing",
        "/agent/v1/claim",
        "/agent/nothing",
        "/api",
    ] {
        check_headers(path, &program.get(path).await);
        check_headers(path, &world.stranger().get(path).await);
    }
}

#[tokio::test]
async fn nothing_there_and_wrong_methods_are_told_as_json_to_programs() {
    let world = World::new().await;
    let program = world.program().await;
    for path in [
        "/api/v2/nothing",
        "/api/v1.1/me",
        "/api",
        "/agent/v1/nothing",
        "/agent/v2/claim",
    ] {
        let answer = program.get(path).await.expect(404);
        assert_eq!(answer.header("content-type"), "application/json", "{path}");
        assert_eq!(answer.message(), format!("there is nothing at GET {path}"));
        assert_eq!(answer.json()["request_id"], answer.header("airlock-request-id"));
    }
    let answer = program.get("/nothing").await.expect(404);
    assert!(answer.header("content-type").starts_with("text/plain"));
    let answer = program
        .send(Method::DELETE, "/api/v2/me", empty())
        .await
        .expect(405);
    assert_eq!(answer.message(), "/api/v2/me does not take DELETE");
}

#[tokio::test]
async fn a_panic_and_a_failure_tell_an_id_and_nothing_else() {
    let world = World::new().await;
    let program = world.program().await;
    for (branch, status) in [("panic", 500), ("broken", 503)] {
        let answer = program
            .post(&format!("{PROJECT}/pipeline"), &json!({ "branch": branch }))
            .await
            .expect(status);
        check_headers(branch, &answer);
        assert!(!answer.text().contains("canary-4711"), "{}", answer.text());
        assert_eq!(answer.json()["request_id"], answer.header("airlock-request-id"));
    }
    // The server lives.
    program
        .post(&format!("{PROJECT}/pipeline"), &json!({ "branch": "main" }))
        .await
        .expect(201);
}
