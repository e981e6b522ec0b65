//! The client against a real OpenBao on a Unix socket, so that what we take for Vault's API is Vault's API.
//!
//! Run with `AIRLOCK_TEST_BAO=/path/to/bao cargo test -p airlock-key-holder --test main openbao -- --ignored`.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use airlock_domain::Secret;
use airlock_driver_interfaces::conformance::vault::{VaultRig, row, run};
use airlock_driver_interfaces::{Vault, VaultError};
use airlock_key_holder::{RemoteVault, VaultToken};
use airlock_transport::unix_http::request_unix;
use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

const LONG: Duration = Duration::from_mins(2);

/// A server that ends with the test.
struct Bao(Child);

impl Drop for Bao {
    fn drop(&mut self) {
        // Gone already is as good.
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

struct Real(RemoteVault);

#[async_trait]
impl VaultRig for Real {
    fn vault(&self) -> &dyn Vault {
        &self.0
    }

    async fn rotate(&self, key: &str) {
        self.0.rotate(key).await.expect("rotated");
    }
}

/// One call of the operator's, repeated until the server is up or gone.
async fn operate(bao: &mut Bao, socket: &Path, path: &str, token: &str, body: Value) -> Value {
    loop {
        let request = Request::put(path)
            .header("X-Vault-Token", token)
            .body(Bytes::from(body.to_string()));
        match request_unix(socket, request.expect("a request"), 1 << 20, LONG).await {
            Ok(answer) if answer.status().is_success() => {
                return serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
            }
            Ok(answer) => panic!("{path}: {answer:?}"),
            Err(error) if error.may_pass() => {
                let ended = bao.0.try_wait().expect("asked");
                assert!(ended.is_none(), "OpenBao ended: {ended:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{path}: {error}"),
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

#[tokio::test]
#[ignore = "needs a real OpenBao, named by AIRLOCK_TEST_BAO"]
async fn a_real_openbao_conforms() {
    let program = std::env::var_os("AIRLOCK_TEST_BAO").expect("AIRLOCK_TEST_BAO names the bao binary");
    let dir = tempfile::tempdir().expect("temporary folder");
    let socket = dir.path().join("bao.sock");
    let config = format!(
        "storage \"inmem\" {{}}\nlistener \"unix\" {{\n  address = {socket:?}\n  socket_mode = \"600\"\n}}\n\
         api_addr = \"http://127.0.0.1:1\"\ncluster_addr = \"http://127.0.0.1:2\"\ndisable_clustering = true\n"
    );
    let config_path = dir.path().join("config.hcl");
    std::fs::write(&config_path, config).expect("written");
    let mut command = Command::new(program);
    command
        .arg("server")
        .arg("-config")
        .arg(&config_path)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut bao = Bao(command.spawn().expect("started"));

    let init = json!({"secret_shares": 1, "secret_threshold": 1});
    let init = operate(&mut bao, &socket, "/v1/sys/init", "", init).await;
    let root = text(&init["root_token"]);
    let token = VaultToken::from_secret(Secret::new(root)).expect("a token");
    let client = RemoteVault::new(socket.clone(), token);
    assert!(!client.is_ready().await, "it is sealed still");
    let sealed = client
        .clone()
        .with_patience(Duration::ZERO)
        .seal("org", &row("a"), &Secret::new("x"))
        .await;
    assert!(
        matches!(sealed, Err(VaultError::Unreachable { .. })),
        "{sealed:?}"
    );
    operate(
        &mut bao,
        &socket,
        "/v1/sys/unseal",
        "",
        json!({"key": text(&init["keys"][0])}),
    )
    .await;
    operate(
        &mut bao,
        &socket,
        "/v1/sys/mounts/transit",
        root,
        json!({"type": "transit"}),
    )
    .await;
    assert!(client.is_ready().await);

    run(&Real(client.clone())).await;

    client.create("managed").await.expect("made");
    let old = client
        .seal("managed", &row("a"), &Secret::new("value"))
        .await
        .expect("sealed");
    client.rotate("managed").await.expect("rotated");
    let new = client
        .rewrap("managed", &row("a"), &old)
        .await
        .expect("rewrapped");
    assert!(new.as_str().starts_with("vault:v2:"));
    client.require("managed", 2).await.expect("required");
    let error = client
        .open("managed", &row("a"), &old)
        .await
        .expect_err("too old");
    assert!(
        matches!(&error, VaultError::Refused { reason } if reason.contains("too old")),
        "{error}"
    );
    assert_eq!(
        client
            .open("managed", &row("a"), &new)
            .await
            .expect("opened")
            .expose_text(),
        Some("value")
    );
}
