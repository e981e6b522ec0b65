//! Both forms of the vault against the conformance suite of the trait.

mod hardened;
mod openbao;
mod remote;

use std::sync::Arc;

use airlock_domain::Timestamp;
use airlock_driver_interfaces::conformance::vault::{VaultRig, run};
use airlock_driver_interfaces::{Clock, Vault};
use airlock_key_holder::{EmbeddedVault, Engine};
use async_trait::async_trait;

struct TestClock;

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }

    fn new_id(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

struct Embedded(EmbeddedVault);

#[async_trait]
impl VaultRig for Embedded {
    fn vault(&self) -> &dyn Vault {
        &self.0
    }

    async fn rotate(&self, key: &str) {
        self.0.engine().rotate(key).expect("rotated");
    }
}

#[tokio::test]
async fn the_embedded_vault_in_memory_conforms() {
    run(&Embedded(EmbeddedVault::ephemeral(Arc::new(TestClock)))).await;
}

#[tokio::test]
async fn the_embedded_vault_with_files_conforms() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let engine = Engine::open_or_create(&dir.path().join("vault"), Arc::new(TestClock)).expect("opened");
    run(&Embedded(EmbeddedVault::new(Arc::new(engine)))).await;
}
