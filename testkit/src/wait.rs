//! Waiting for what other processes do.
//!
//! The only place of the project that sleeps: a real process announces most of its deeds to nobody, so the one who
//! waits has to look again.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::limits::{FIRST_PAUSE, LONGEST_PAUSE};

/// Looks until `condition` gives a value, with growing pauses; fails at the deadline, naming what was awaited.
pub fn wait_for<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> Result<T> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        if let Some(value) = condition() {
            return Ok(value);
        }
        let waited = started.elapsed();
        if waited >= deadline {
            bail!("waited {} s for {what}, in vain", deadline.as_secs());
        }
        rest(pause.min(deadline.saturating_sub(waited)));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "looking again at a process that announces nothing needs a pause"
)]
fn rest(pause: Duration) {
    std::thread::sleep(pause);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::wait_for;

    #[test]
    fn the_value_comes_as_soon_as_it_is_there() {
        let mut looks = 0;
        let found = wait_for("the third look", Duration::from_mins(1), || {
            looks += 1;
            (looks == 3).then_some(looks)
        });
        assert_eq!(found.unwrap(), 3);
    }

    #[test]
    fn the_deadline_names_what_was_awaited() {
        let error = wait_for("a blue moon", Duration::ZERO, || None::<()>).unwrap_err();
        assert_eq!(error.to_string(), "waited 0 s for a blue moon, in vain");
    }
}
