//! The machine's clock and fresh ids. Refuses nothing; the only place outside tests where the control plane's time
//! comes from.

use std::time::{SystemTime, UNIX_EPOCH};

use airlock_domain::Timestamp;
use airlock_driver_interfaces::Clock;

/// Reads the system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let millis = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        };
        Timestamp::from_millis(millis)
    }

    fn new_id(&self) -> uuid::Uuid {
        uuid::Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_this_century_and_ids_sort_by_age() {
        let clock = SystemClock;
        assert!(clock.now() > Timestamp::from_millis(1_700_000_000_000));
        let ids: Vec<_> = (0..10_000).map(|_| clock.new_id()).collect();
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
        assert!(
            ids.is_sorted_by(|a, b| a < b),
            "an id is equal to or smaller than the one before"
        );
    }
}
