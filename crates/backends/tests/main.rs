//! The drivers against the conformance suites of their traits, and against being killed.

mod kill;

use airlock_backends::{BlobKeyMaterial, FileBlobs, ProcessBus};
use airlock_driver_interfaces::conformance;

#[tokio::test]
async fn file_blobs_conform() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let key = BlobKeyMaterial::generate().expect("randomness");
    let blobs = FileBlobs::open(dir.path(), key, Vec::new()).expect("opened");
    conformance::blobs::run(&blobs).await;
}

#[tokio::test]
async fn the_process_bus_conforms() {
    conformance::bus::run(&ProcessBus::new()).await;
}
