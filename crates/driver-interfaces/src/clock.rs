//! Time and new ids, so that tests can hold both in their hands.

use airlock_domain::Timestamp;

/// The time of day and fresh ids. Called from any task; must not block.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// A fresh UUID, version 7, so that ids sort by age.
    fn new_id(&self) -> uuid::Uuid;
}
