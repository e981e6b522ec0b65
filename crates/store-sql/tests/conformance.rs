//! The suite every store passes, in memory and on disk.

use airlock_driver_interfaces::conformance::store::Fresh;
use airlock_store_sql::SqliteStore;

mod in_memory {
    airlock_driver_interfaces::store_conformance!(super::in_memory_store);
}

mod on_disk {
    airlock_driver_interfaces::store_conformance!(super::on_disk_store);
}

async fn in_memory_store() -> Fresh {
    Fresh::new(SqliteStore::in_memory().await.expect("a store in memory"), ())
}

async fn on_disk_store() -> Fresh {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("airlock.db"))
        .await
        .expect("a store on disk");
    Fresh::new(store, folder)
}
