//! Signing a browser in and out.

use airlock_transport::http_client::{bytes, empty};
use axum::http::Method;
use serde_json::json;

use super::client::{Answer, Caller};
use super::world::World;

async fn send_form(browser: &Caller, token: &str) -> Answer {
    let browser = browser.with("content-type", "application/x-www-form-urlencoded");
    browser
        .send(Method::POST, "/sign-in", bytes(format!("token={token}")))
        .await
}

#[tokio::test]
async fn a_link_signs_in_once_and_a_preview_does_not_use_it_up() {
    let world = World::new().await;
    let program = world.program().await;
    let link = program
        .post("/api/v2/airlock/sign-in-link", &json!({}))
        .await
        .expect(201)
        .json();
    let url = link["url"].as_str().expect("url");
    let (path, token) = (
        url.strip_prefix(&world.base).expect("ours"),
        url.split('=').next_back().expect("token"),
    );
    let browser = world.stranger().with("sec-fetch-site", "same-origin");
    for _preview in 0..3 {
        let page = browser.get(path).await.expect(200);
        assert!(page.text().contains(token) && page.header("set-cookie").is_empty());
    }
    let answer = send_form(&browser, token).await.expect(303);
    assert_eq!(answer.header("location"), "/");
    let cookie = answer.header("set-cookie");
    for part in [
        "__Host-airlock=alb_",
        "HttpOnly",
        "Secure",
        "SameSite=Lax",
        "Path=/",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let signed_in = browser.with("cookie", cookie.split(';').next().expect("a pair"));
    assert_eq!(
        signed_in.get("/api/v2/me").await.expect(200).json()["login"],
        "ada"
    );

    let used = send_form(&browser, token).await.expect(403);
    assert!(used.text().contains("used already") && used.text().contains("airlock admin sign-in-link"));
    assert!(used.header("set-cookie").is_empty());

    let out = signed_in
        .send(Method::POST, "/sign-out", empty())
        .await
        .expect(303);
    assert!(
        out.header("set-cookie")
            .starts_with("__Host-airlock=; Path=/; Max-Age=0")
    );
    signed_in.get("/api/v2/me").await.expect(401);
}

#[tokio::test]
async fn a_wrong_link_and_another_site_sign_nobody_in() {
    let world = World::new().await;
    let own = world.stranger().with("sec-fetch-site", "same-origin");
    for wrong in ["als_0000", "hello", ""] {
        send_form(&own, wrong).await.expect(403);
    }
    // An API token is no sign-in link.
    let token = world.token(airlock_control_plane::rows::TokenPurpose::Api).await;
    send_form(&own, &token).await.expect(403);
    let link = world
        .token(airlock_control_plane::rows::TokenPurpose::SignIn)
        .await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
    ] {
        let answer = send_form(&world.stranger().with(name, value), &link)
            .await
            .expect(403);
        assert!(answer.header("set-cookie").is_empty());
    }
    // The link is still good: only the check stood in the way.
    send_form(&own, &link).await.expect(303);
    let page = own.get("/sign-in").await.expect(200);
    assert!(page.text().contains("airlock admin sign-in-link"));
    own.send(Method::POST, "/sign-in", bytes("nothing"))
        .await
        .expect(400);
    // No browser, but somebody who has the link.
    let link = world
        .token(airlock_control_plane::rows::TokenPurpose::SignIn)
        .await;
    send_form(&world.stranger(), &link).await.expect(303);
}
