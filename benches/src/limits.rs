//! Every number that bounds a measurement, and the targets. Other modules hold none.

use std::time::Duration;

/// Runs of a series: enough for a p90 that means something, few enough for a coffee.
pub(crate) const RUNS: u32 = 30;
/// A series of more runs takes an hour and says no more.
pub(crate) const MOST_RUNS: i64 = 1_000;
/// Runs before the measured ones: the first meets cold caches and an image that may have to be built.
pub(crate) const WARM_UP: u32 = 3;
/// Starts before the measured ones.
pub(crate) const START_WARM_UP: u32 = 2;
/// Runs before memory is looked at, when no other series ran on the instance.
pub(crate) const MEMORY_RUNS: u32 = 5;

/// One run, or one call. Catches what hangs; an image that has to be built first takes longer than anything else.
pub(crate) const RUN: Duration = Duration::from_mins(10);
/// Silence before memory is looked at, so that what a job needed is given back.
pub(crate) const QUIET: Duration = Duration::from_secs(3);

/// Bytes of an answer that is read whole.
pub(crate) const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of one line of the event stream.
pub(crate) const LINE_BYTES: usize = 4 * 1024 * 1024;
/// Processes of one instance.
pub(crate) const PROCESSES: usize = 256;

/// Images of this machine, as the tests use them.
pub(crate) const IMAGE_CACHE: &str = "/var/cache/airlock-images";

/// From the call that starts a pipeline to the first byte of its first step.
pub(crate) const TRIGGER_TARGET_MS: f64 = 150.0;
/// From `git push` to the first line after the checkout.
pub(crate) const PUSH_TARGET_MS: f64 = 1_500.0;
/// From the start of `airlock up` on a prepared directory to its first answer.
pub(crate) const START_TARGET_MS: f64 = 500.0;
/// Proportional memory of all processes of an idle instance.
pub(crate) const MEMORY_TARGET_MB: f64 = 90.0;
/// The binary.
pub(crate) const SIZE_TARGET_MB: f64 = 60.0;
