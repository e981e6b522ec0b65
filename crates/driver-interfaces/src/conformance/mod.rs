//! One suite per trait, run against every driver. A driver's test calls the suite with a fresh instance.

pub mod blobs;
pub mod bus;
pub mod store;
pub mod vault;
