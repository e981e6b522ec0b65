//! Who may listen: browsers that show our own pages, have a session, and ask for something that exists.

use serde_json::json;

use super::viewer::Instance;

const ADDRESS: &str = "/app/airlock?protocol=7";
const JOB: &str = "private-job-0198c2f4-0000-7000-8000-000000000001";

#[tokio::test]
async fn a_page_of_another_site_gets_no_connection() {
    let instance = Instance::new().await;
    let cookie = instance.stage.cookie().await;
    let cookie = ("cookie", cookie.as_str());
    for origin in [
        "https://evil.example",
        "http://localhost",
        "null",
        "https://localhost",
        &instance.base.replace("https", "http"),
        &format!("{}.evil.example", instance.base),
    ] {
        let opened = instance.open(ADDRESS, &[cookie, ("origin", origin)]).await;
        assert_eq!(opened.err(), Some(403), "{origin}");
    }
    assert_eq!(
        instance.open(ADDRESS, &[cookie]).await.err(),
        Some(403),
        "no origin"
    );
    let own = ("origin", instance.base.as_str());
    assert_eq!(
        instance.open(ADDRESS, &[own]).await.err(),
        Some(403),
        "no session"
    );
    let liar = ("cookie", "__Host-airlock=alb_0000");
    assert_eq!(
        instance.open(ADDRESS, &[own, liar]).await.err(),
        Some(403),
        "a session that never was"
    );
    // The same with the right origin and session is let in.
    assert!(instance.open(ADDRESS, &[cookie, own]).await.is_ok());
}

#[tokio::test]
async fn a_right_is_given_to_own_pages_with_a_session_only() {
    let instance = Instance::new().await;
    let session = instance.stage.cookie().await;
    let (cookie, own) = (("cookie", session.as_str()), ("sec-fetch-site", "same-origin"));
    let channel = "private-pipelines";
    for headers in [
        vec![own],
        vec![cookie],
        vec![cookie, ("sec-fetch-site", "cross-site")],
        vec![cookie, ("origin", "https://evil.example")],
        vec![("cookie", "__Host-airlock=alb_0000"), own],
    ] {
        assert_eq!(
            instance.authorize(&headers, "1.2", channel).await.0,
            403,
            "{headers:?}"
        );
    }
    let own = [cookie, own];
    for (socket, channel, status) in [
        ("1.2", JOB, 403),
        ("1.2", "private-everything", 403),
        ("1.2", "presence-pipelines", 403),
        // Together with its channel this would be the signature of another one.
        ("1.2:private-pipelines", "private-pipelines", 400),
        ("", "private-pipelines", 400),
        ("1.2", "private-pipelines", 200),
    ] {
        assert_eq!(
            instance.authorize(&own, socket, channel).await.0,
            status,
            "{socket} {channel}"
        );
    }
}

#[tokio::test]
async fn a_right_of_another_connection_opens_nothing() {
    let instance = Instance::new().await;
    let cookie = instance.stage.cookie().await;
    let (mut one, mut other) = (instance.viewer(&cookie).await, instance.viewer(&cookie).await);
    assert_ne!(one.id, other.id);
    let headers = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let (_, granted) = instance.authorize(&headers, &one.id, "private-pipelines").await;
    let data = json!({ "channel": "private-pipelines", "auth": granted["auth"] });
    let subscribe = json!({ "event": "pusher:subscribe", "data": data });
    other.say(&subscribe).await;
    let (event, data) = other.next().await;
    assert_eq!(
        (event.as_str(), &data["status"]),
        ("pusher:subscription_error", &json!(401))
    );
    one.say(&subscribe).await;
    assert_eq!(one.next().await.0, "pusher_internal:subscription_succeeded");
}

#[tokio::test]
async fn the_wrong_address_is_told_in_the_protocols_codes() {
    let instance = Instance::new().await;
    let cookie = instance.stage.cookie().await;
    let headers = [("cookie", cookie.as_str()), ("origin", instance.base.as_str())];
    for (path, code) in [
        ("/app/other?protocol=7", 4001),
        ("/app/airlock", 4008),
        ("/app/airlock?protocol=99", 4007),
        ("/app/airlock?protocol=x", 4006),
    ] {
        let mut viewer = instance.open(path, &headers).await.expect("a WebSocket");
        let (event, data) = viewer.next().await;
        assert_eq!(
            (event.as_str(), &data["code"]),
            ("pusher:error", &json!(code)),
            "{path}"
        );
        assert_eq!(viewer.end().await, Some(code), "{path}");
    }
}

#[tokio::test]
async fn who_signs_out_hears_nothing_more() {
    let instance = Instance::new().await;
    let (leaving, staying) = (instance.stage.cookie().await, instance.stage.cookie().await);
    let (mut gone, mut there) = (instance.viewer(&leaving).await, instance.viewer(&staying).await);
    let token = leaving.strip_prefix("__Host-airlock=").expect("a cookie");
    instance.stage.plane.sign_out(token).await.expect("signed out");
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(40)).await;
    tokio::time::resume();
    let (event, data) = gone.next().await;
    assert_eq!((event.as_str(), &data["code"]), ("pusher:error", &json!(4009)));
    assert_eq!(gone.end().await, Some(4009));
    there.say(&json!({ "event": "pusher:ping", "data": {} })).await;
    assert_eq!(there.next().await.0, "pusher:pong");
}
