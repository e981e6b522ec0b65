//! How long tests wait. Deadlines only catch what hangs; no test measures time with them.

use std::time::Duration;

/// The usual deadline: many times what the slowest step takes on two busy cores.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// How long a program may take to end itself before it is killed.
pub(crate) const GRACE: Duration = Duration::from_secs(20);

/// The first pause between two looks; short, because most conditions hold almost at once.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(2);

/// The longest pause between two looks, so that a slow condition costs little and is still noticed soon.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_millis(100);
