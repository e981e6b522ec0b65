//! The drivers for everything that is not the database, the forge or the key holder.
//!
//! | trait | driver |
//! | --- | --- |
//! | `Blobs` | [`FileBlobs`]: encrypted files below one folder |
//! | `Bus` | [`ProcessBus`]: channels inside one process |
//! | `Clock` | [`SystemClock`]: the machine's clock and UUIDs of version 7 |
//!
//! Each is thin and knows only its own outside world. The application makes one of each and hands them to the control
//! plane; nobody else calls here. Every driver passes the conformance suite of its trait
//! (`airlock_driver_interfaces::conformance`) in `tests/`.

mod blobs;
mod bus;
mod clock;
pub mod limits;

pub use blobs::{BlobKeyMaterial, BlobKeyMaterialError, FileBlobs, OpenBlobsError};
pub use bus::ProcessBus;
pub use clock::SystemClock;
