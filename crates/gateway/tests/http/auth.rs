//! Every call of the API against every kind of caller.

use airlock_control_plane::rows::TokenPurpose;
use airlock_gateway::http::api::{ROUTES, Route};
use airlock_transport::http_client::empty;
use axum::http::Method;
use serde_json::json;

use super::client::Caller;
use super::world::{PROJECT, World};

fn path(route: &Route) -> String {
    let mut path = format!("/api/v2{}", route.path);
    for (name, value) in [
        ("{vcs}", "git"),
        ("{org}", "demo"),
        ("{repo}", "hello"),
        ("{number}", "1"),
        ("{name}", "TOKEN"),
        ("{id}", "0198c2f4-0000-7000-8000-000000000001"),
        ("{artifact}", "0198c2f4-0000-7000-8000-000000000002"),
        ("{approval_request_id}", "0198c2f4-0000-7000-8000-000000000003"),
    ] {
        path = path.replace(name, value);
    }
    path
}

async fn call(caller: &Caller, route: &Route) -> u16 {
    let method: Method = route.method.parse().expect("a method");
    caller.send(method, &path(route), empty()).await.status
}

#[tokio::test]
async fn each_call_knows_its_callers() {
    let world = World::new().await;
    let (program, browser) = (world.program().await, world.browser().await);
    let session = world.token(TokenPurpose::Session).await;
    let api_token = world.token(TokenPurpose::Api).await;
    let stranger = world.stranger();
    let refused = [
        ("no token", stranger.clone(), 401),
        (
            "a wrong token",
            stranger.with("circle-token", &format!("alk_{}", "0".repeat(64))),
            401,
        ),
        ("no token at all", stranger.with("circle-token", "hello"), 401),
        (
            "an unknown scheme",
            stranger.with("authorization", "Digest x"),
            401,
        ),
        ("a session as token", stranger.with("circle-token", &session), 401),
        (
            "a token as session",
            stranger.with("cookie", &format!("__Host-airlock={api_token}")),
            401,
        ),
        (
            "a session of another site",
            browser.with("sec-fetch-site", "cross-site"),
            403,
        ),
        (
            "a session of a sister site",
            browser.with("sec-fetch-site", "same-site"),
            403,
        ),
        (
            "a session of an older browser elsewhere",
            browser.with("origin", "https://evil.example"),
            403,
        ),
        (
            "a wrong token beside a good session",
            browser.with("circle-token", "alk_x"),
            401,
        ),
    ];
    for route in ROUTES {
        let name = format!("{} {}", route.method, route.path);
        for (who, caller, status) in &refused {
            // A token as session is refused for its kind only where it comes from our own pages.
            let caller = caller.with("x-test", who);
            let got = call(&caller, route).await;
            let expected = if *who == "a token as session" && route.method != "GET" {
                403
            } else {
                *status
            };
            assert_eq!(got, expected, "{name} with {who}");
        }
        let own = browser.with("sec-fetch-site", "same-origin");
        for (who, caller) in [("a token", &program), ("a session", &own)] {
            let got = call(caller, route).await;
            assert!(got != 401 && got != 403 && got < 500, "{name} with {who}: {got}");
        }
        let got = call(&browser, route).await;
        assert_eq!(
            got == 403,
            route.method != "GET",
            "{name} with a session that says nothing: {got}"
        );
    }
}

#[tokio::test]
async fn a_foreign_page_cannot_start_a_pipeline() {
    let world = World::new().await;
    let browser = world.browser().await;
    let path = format!("{PROJECT}/pipeline");
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = browser
            .with(name, value)
            .post(&path, &json!({}))
            .await
            .expect(403);
        assert!(answer.message().contains("own pages"), "{}", answer.message());
    }
    let program = world.program().await;
    let started = program.get(&path).await.expect(200).json();
    assert_eq!(started["items"], json!([]));
    // The same request from our own page starts one: only the check stood in the way.
    for (name, value) in [("sec-fetch-site", "same-origin"), ("origin", world.base.as_str())] {
        browser
            .with(name, value)
            .post(&path, &json!({}))
            .await
            .expect(201);
    }
    let started = program.get(&path).await.expect(200).json();
    assert_eq!(started["items"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_token_is_taken_from_headers_and_never_from_the_address() {
    let world = World::new().await;
    let (stranger, token) = (world.stranger(), world.token(TokenPurpose::Api).await);
    for value in [format!("Bearer {token}"), format!("Basic {}", basic(&token))] {
        let answer = stranger
            .with("authorization", &value)
            .get("/api/v2/me")
            .await
            .expect(200);
        assert_eq!(answer.json()["login"], "ada");
    }
    let answer = stranger
        .get(&format!("/api/v2/me?circle-token={token}"))
        .await
        .expect(401);
    assert!(
        answer.message().contains("Circle-Token header"),
        "{}",
        answer.message()
    );
    assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"airlock\"");
}

fn basic(token: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(format!("{token}:"))
}
