use airlock_domain::{Secret, Timestamp};
use airlock_driver_interfaces::Clock;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(9_500)
    }

    fn new_id(&self) -> Uuid {
        Uuid::nil()
    }
}

const TOKEN: &str = "canary-token-of-the-vault";
/// `canary-value-b7` in base64.
const CANARY: &str = "Y2FuYXJ5LXZhbHVlLWI3";
/// `row` in base64.
const ROW: &str = "cm93";

fn state() -> State {
    let token = VaultToken::from_secret(Secret::new(TOKEN)).expect("a token");
    State {
        engine: Arc::new(Engine::ephemeral(Arc::new(Epoch))),
        token,
    }
}

async fn send(state: &State, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("X-Vault-Token", token);
    }
    let request = request
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .expect("a request");
    let response = answer(state, request).await;
    assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    (
        response.status().as_u16(),
        serde_json::from_slice(response.body()).expect("JSON"),
    )
}

async fn post(state: &State, path: &str, body: Value) -> (u16, Value) {
    send(
        state,
        "POST",
        &format!("/v1/transit/{path}"),
        Some(TOKEN),
        &body.to_string(),
    )
    .await
}

async fn encrypted(state: &State) -> String {
    let (status, answer) = post(state, "encrypt/org", json!({"plaintext": CANARY, "context": ROW})).await;
    assert_eq!(status, 200, "{answer}");
    answer["data"]["ciphertext"]
        .as_str()
        .expect("a ciphertext")
        .to_owned()
}

#[tokio::test]
async fn answers_have_the_shape_of_vaults() {
    let state = state();
    let (_, answer) = post(
        &state,
        "encrypt/org",
        json!({"plaintext": CANARY, "context": ROW}),
    )
    .await;
    let ciphertext = answer["data"]["ciphertext"]
        .as_str()
        .expect("a ciphertext")
        .to_owned();
    assert!(ciphertext.starts_with("vault:v1:"));
    assert_eq!(
        answer,
        json!({
            "request_id": "00000000-0000-0000-0000-000000000000", "lease_id": "", "renewable": false,
            "lease_duration": 0, "data": {"ciphertext": ciphertext, "key_version": 1}, "warnings": null, "auth": null
        })
    );
    let (status, answer) = post(
        &state,
        "decrypt/org",
        json!({"ciphertext": ciphertext, "context": ROW}),
    )
    .await;
    assert_eq!((status, &answer["data"]), (200, &json!({"plaintext": CANARY})));
    let (status, answer) = send(&state, "GET", "/v1/sys/health", None, "").await;
    assert_eq!(
        (status, &answer["sealed"], &answer["server_time_utc"]),
        (200, &json!(false), &json!(9))
    );
}

#[tokio::test]
async fn keys_live_as_in_vault() {
    let state = state();
    let get = |path: &'static str| send(&state, "GET", path, Some(TOKEN), "");
    assert_eq!(get("/v1/transit/keys/org").await, (404, json!({"errors": []})));
    assert_eq!(
        get("/v1/transit/keys?list=true").await,
        (404, json!({"errors": []}))
    );
    let (status, answer) = post(
        &state,
        "keys/org",
        json!({"type": "aes256-gcm96", "derived": true}),
    )
    .await;
    assert_eq!(status, 200, "{answer}");
    let old = encrypted(&state).await;
    let (_, answer) = post(&state, "keys/org/rotate", json!({})).await;
    assert_eq!(answer["data"]["keys"], json!({"1": 9, "2": 9}));
    let (_, answer) = post(&state, "rewrap/org", json!({"ciphertext": old, "context": ROW})).await;
    let new = answer["data"]["ciphertext"]
        .as_str()
        .expect("a ciphertext")
        .to_owned();
    assert!(
        new.starts_with("vault:v2:") && answer["data"]["key_version"] == 2,
        "{answer}"
    );
    let (status, _) = post(&state, "keys/org/config", json!({"min_decryption_version": 2})).await;
    assert_eq!(status, 200);
    let (status, answer) = post(&state, "decrypt/org", json!({"ciphertext": old, "context": ROW})).await;
    let too_old = "ciphertext or signature version is disallowed by policy (too old)";
    assert_eq!((status, answer), (400, json!({"errors": [too_old]})));
    let (status, _) = post(&state, "keys/org/trim", json!({"min_available_version": 2})).await;
    assert_eq!(status, 200);
    let (_, answer) = get("/v1/transit/keys/org").await;
    let key = &answer["data"];
    assert_eq!(
        (&key["latest_version"], &key["min_available_version"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(
        (&key["keys"], &key["kdf"], &key["exportable"]),
        (&json!({"2": 9}), &json!("hkdf_sha256"), &json!(false))
    );
    let (_, answer) = send(&state, "LIST", "/v1/transit/keys", Some(TOKEN), "").await;
    assert_eq!(answer["data"]["keys"], json!(["org"]));
    let (_, answer) = post(&state, "decrypt/org", json!({"ciphertext": new, "context": ROW})).await;
    assert_eq!(answer["data"]["plaintext"], CANARY);
}

#[tokio::test]
async fn refusals_are_in_vaults_words() {
    let state = state();
    let sealed = encrypted(&state).await;
    for (path, body, status, error) in [
        (
            "decrypt/org",
            json!({"ciphertext": sealed, "context": "b3RoZXI="}),
            400,
            "cipher: message authentication failed",
        ),
        (
            "decrypt/none",
            json!({"ciphertext": sealed, "context": ROW}),
            400,
            "encryption key not found",
        ),
        (
            "decrypt/org",
            json!({"ciphertext": sealed.replace("v1", "v9"), "context": ROW}),
            400,
            "invalid ciphertext: version is too new",
        ),
        (
            "decrypt/org",
            json!({"ciphertext": "x", "context": ROW}),
            400,
            "invalid ciphertext: no prefix",
        ),
        (
            "decrypt/org",
            json!({"context": ROW}),
            400,
            "missing ciphertext to decrypt",
        ),
        (
            "decrypt/org",
            json!({"ciphertext": sealed, "context": "%"}),
            400,
            "failed to base64-decode context",
        ),
        (
            "encrypt/org",
            json!({"context": ROW}),
            400,
            "missing plaintext to encrypt",
        ),
        (
            "encrypt/org",
            json!({"plaintext": "%", "context": ROW}),
            400,
            "failed to base64-decode plaintext",
        ),
        (
            "encrypt/org",
            json!({"batch_input": []}),
            400,
            "batch_input is not supported here: send one value a request",
        ),
        (
            "keys/rsa",
            json!({"type": "rsa-2048"}),
            400,
            "unknown key type: only aes256-gcm96 is supported here",
        ),
        ("keys/a/b/c", json!({}), 404, "no handler for this route"),
        (
            "export/encryption-key/org",
            json!({}),
            404,
            "no handler for this route",
        ),
        ("keys", json!({}), 405, "unsupported operation"),
    ] {
        assert_eq!(
            post(&state, path, body).await,
            (status, json!({"errors": [error]})),
            "{path}"
        );
    }
    let (status, _) = send(&state, "GET", "/v1/secret/data/x", Some(TOKEN), "").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn without_the_token_nothing_is_done() {
    let state = state();
    let sealed = encrypted(&state).await;
    let body = json!({"ciphertext": sealed, "context": ROW}).to_string();
    for token in [
        None,
        Some(""),
        Some("canary-token-of-the-vaulT"),
        Some("canary-token-of-the-vault2"),
    ] {
        for (method, path) in [
            ("POST", "decrypt/org"),
            ("POST", "encrypt/new"),
            ("POST", "keys/org/rotate"),
            ("GET", "keys/org"),
            ("GET", "nowhere"),
        ] {
            let answer = send(&state, method, &format!("/v1/transit/{path}"), token, &body).await;
            assert_eq!(
                answer,
                (403, json!({"errors": ["permission denied"]})),
                "{token:?} {path}"
            );
        }
    }
    assert_eq!(
        (state.engine.opened(), state.engine.names()),
        (0, vec!["org".to_owned()])
    );
    let (status, _) = send(&state, "POST", "/v1/transit/decrypt/org", Some(TOKEN), &body).await;
    assert_eq!(status, 200, "the positive control");
}

#[tokio::test]
async fn no_refusal_quotes_the_request() {
    let state = state();
    let sealed = encrypted(&state).await;
    let mut said = String::new();
    for body in [
        format!("\"{CANARY}\""),
        format!("{{\"plaintext\": \"{CANARY}\", \"context\": 7}}"),
        format!("{{\"plaintext\": [\"{CANARY}\"]}}"),
        format!("{{\"plaintext\": \"{CANARY}\" \"{CANARY}"),
        format!("{{\"plaintext\": \"{CANARY}%\", \"context\": \"{ROW}\"}}"),
        format!("{{\"key_version\": \"{CANARY}\"}}"),
        format!("{{\"{CANARY}\": 1}}"),
        format!("{{\"ciphertext\": \"{sealed}{CANARY}\", \"context\": \"{ROW}\"}}"),
    ] {
        for path in ["encrypt", "decrypt", "rewrap"] {
            let path = format!("/v1/transit/{path}/org");
            let (status, answer) = send(&state, "POST", &path, Some(TOKEN), &body).await;
            assert_eq!(status, 400, "{answer}");
            said.push_str(&answer.to_string());
        }
    }
    for canary in [CANARY, "canary-value-b7", TOKEN, &sealed] {
        assert!(!said.contains(canary), "{said}");
    }
    // What the parser itself says would have told it.
    let quoting = serde_json::from_str::<u32>(&format!("\"{CANARY}\""))
        .expect_err("no number")
        .to_string();
    assert!(quoting.contains(CANARY), "{quoting}");
}
