//! The vault process and its client over a real socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use airlock_domain::Secret;
use airlock_driver_interfaces::conformance::vault::{VaultRig, row, run};
use airlock_driver_interfaces::{Sealed, Vault, VaultError};
use airlock_key_holder::{Engine, Opening, RemoteVault, VaultToken, serve};
use airlock_transport::unix_socket::UnixDoor;
use async_trait::async_trait;
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::TestClock;

/// A folder with a socket in it, and a client.
struct Place {
    dir: TempDir,
    token: VaultToken,
}

/// A vault process in a task.
struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("temporary folder");
        Self {
            dir,
            token: VaultToken::generate().expect("randomness"),
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("vault.sock")
    }

    fn client(&self) -> RemoteVault {
        RemoteVault::new(self.socket(), self.token.clone())
    }

    fn engine(&self) -> Engine {
        Engine::open_or_create(&self.dir.path().join("vault"), Arc::new(TestClock)).expect("opened")
    }

    async fn start(&self, engine: Engine) -> Running {
        let door = UnixDoor::bind(&self.socket()).await.expect("bound");
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move {
            // Dropped is as good as sent.
            let _told = stopped.await;
        };
        let task = tokio::spawn(serve(door, Arc::new(engine), self.token.clone(), shutdown));
        Running { stop, task }
    }
}

impl Running {
    async fn stop(self) {
        self.stop.send(()).expect("running");
        self.task.await.expect("ended");
    }
}

struct Remote(RemoteVault);

#[async_trait]
impl VaultRig for Remote {
    fn vault(&self) -> &dyn Vault {
        &self.0
    }

    async fn rotate(&self, key: &str) {
        self.0.rotate(key).await.expect("rotated");
    }
}

#[tokio::test]
async fn the_remote_vault_conforms() {
    let place = Place::new();
    let running = place.start(place.engine()).await;
    assert!(place.client().is_ready().await);
    run(&Remote(place.client())).await;
    running.stop().await;
    assert!(!place.client().is_ready().await);
}

#[tokio::test]
async fn a_client_waits_for_a_vault_that_restarts() {
    let place = Place::new();
    let client = place.client().with_patience(Duration::from_mins(10));
    // The socket is not there yet when the first call begins.
    let (sealed, running) = tokio::join!(biased; seal(&client), place.start(place.engine()));
    running.stop().await;
    let context = row("a");
    let (opened, running) =
        tokio::join!(biased; client.open("org", &context, &sealed), place.start(place.engine()));
    assert_eq!(opened.expect("opened").expose_text(), Some("value"));
    running.stop().await;
    let error = client
        .with_patience(Duration::ZERO)
        .open("org", &row("a"), &sealed)
        .await
        .expect_err("nobody there");
    assert!(
        matches!(&error, VaultError::Unreachable { reason } if reason.contains("vault.sock")),
        "{error}"
    );
}

async fn seal(client: &RemoteVault) -> Sealed {
    client
        .seal("org", &row("a"), &Secret::new("value"))
        .await
        .expect("sealed")
}

#[tokio::test]
async fn another_token_is_refused() {
    let place = Place::new();
    let running = place.start(place.engine()).await;
    let sealed = seal(&place.client()).await;
    let stranger = RemoteVault::new(place.socket(), VaultToken::generate().expect("randomness"));
    let error = stranger
        .open("org", &row("a"), &sealed)
        .await
        .expect_err("refused");
    assert!(
        matches!(&error, VaultError::Refused { reason } if reason == "permission denied"),
        "{error}"
    );
    running.stop().await;
}

#[tokio::test]
async fn every_opening_is_told_to_the_record() {
    let place = Place::new();
    let (sender, mut told) = tokio::sync::mpsc::unbounded_channel();
    let engine = place
        .engine()
        .with_on_open(Arc::new(move |opening: &Opening<'_>| {
            sender
                .send((opening.key.to_owned(), opening.context.to_owned(), opening.opened))
                .expect("listening");
        }));
    let running = place.start(engine).await;
    let client = place.client();
    let sealed = seal(&client).await;
    client.open("org", &row("a"), &sealed).await.expect("opened");
    client
        .open("org", &row("b"), &sealed)
        .await
        .expect_err("another row");
    client.rewrap("org", &row("a"), &sealed).await.expect("rewrapped");
    running.stop().await;
    let entry = |row: &str, opened| ("org".to_owned(), format!("environment|{row}|value"), opened);
    assert_eq!(told.recv().await, Some(entry("a", true)));
    assert_eq!(told.recv().await, Some(entry("b", false)));
    assert_eq!(
        told.recv().await,
        None,
        "sealing and rewrapping show nobody a value"
    );
}

#[tokio::test]
async fn keys_are_managed_from_afar() {
    let place = Place::new();
    let running = place.start(place.engine()).await;
    let client = place.client();
    client.create("org").await.expect("made");
    let old = seal(&client).await;
    client.rotate("org").await.expect("rotated");
    let new = client.rewrap("org", &row("a"), &old).await.expect("rewrapped");
    assert!(new.as_str().starts_with("vault:v2:"));
    client.require("org", 2).await.expect("required");
    let error = client.open("org", &row("a"), &old).await.expect_err("too old");
    assert!(
        matches!(&error, VaultError::Refused { reason } if reason.contains("too old")),
        "{error}"
    );
    assert_eq!(
        client
            .open("org", &row("a"), &new)
            .await
            .expect("opened")
            .expose_text(),
        Some("value")
    );
    let error = client.rotate("org/../x").await.expect_err("no name");
    assert!(matches!(error, VaultError::Refused { .. }));
    running.stop().await;
}

#[tokio::test]
async fn nothing_readable_reaches_the_disk_or_an_error() {
    const CANARY: &str = "canary-4b0e-through-the-socket";
    let place = Place::new();
    let running = place.start(place.engine()).await;
    let client = place.client();
    let sealed = client
        .seal("org", &row("a"), &Secret::new(CANARY))
        .await
        .expect("sealed");
    let opened = client.open("org", &row("a"), &sealed).await.expect("opened");
    let too_long = Secret::new(CANARY.repeat(20_000));
    let errors = [
        client
            .open("org", &row("b"), &sealed)
            .await
            .expect_err("another row"),
        client
            .seal("org", &row("a"), &too_long)
            .await
            .expect_err("too long"),
        client
            .seal("no/name", &row("a"), &Secret::new(CANARY))
            .await
            .expect_err("no name"),
    ];
    let said = format!("{errors:?} {opened:?} {sealed:?} {client:?}");
    let paths = ["vault/keyring", "vault/unseal.key"].map(|path| place.dir.path().join(path));
    let files: Vec<u8> = paths
        .iter()
        .flat_map(|path| std::fs::read(path).expect("read"))
        .collect();
    let holds = |bytes: &[u8], needle: &str| {
        bytes
            .windows(needle.len())
            .any(|window| window == needle.as_bytes())
    };
    assert!(
        !holds(said.as_bytes(), CANARY) && !holds(&files, CANARY),
        "{said}"
    );
    assert!(holds(opened.expose(), CANARY), "the positive control");
    running.stop().await;
}
