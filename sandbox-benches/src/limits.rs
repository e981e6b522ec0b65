//! Every number that bounds a measurement, and the targets. Other modules hold none.

use std::time::Duration;

/// Measured rounds.
pub(crate) const ROUNDS: u32 = 200;
/// Rounds before the measured ones: they meet cold caches.
pub(crate) const WARM_UP: u32 = 5;
/// Sandboxes whose memory is looked at: it hardly differs between them.
pub(crate) const MEMORY_ROUNDS: u32 = 20;

/// Size of the image that is there already and must not cost anything, in bytes.
pub(crate) const IMAGE_BYTES: usize = 200_000_000;
/// Files it has: as many as a Debian image of that size.
pub(crate) const IMAGE_FILES: usize = 8_000;

/// Memory of every contender that has a limit.
pub(crate) const MEMORY_BYTES: u64 = 256 << 20;
/// Processes of every contender that has a limit.
pub(crate) const PIDS: u32 = 100;
/// Processor time of every contender that has a limit, in thousandths of one.
pub(crate) const CPU_MILLIS: u32 = 2_000;

/// How long a container engine may take to answer for the first time.
pub(crate) const ENGINE_READY: Duration = Duration::from_secs(30);
/// Pause between two questions to it.
pub(crate) const ENGINE_POLL: Duration = Duration::from_millis(50);

/// How long it may take to make a sandbox ahead.
pub(crate) const WARM_READY: Duration = Duration::from_secs(30);
/// Pause between two looks for it; process 1 of one is ready for a command within this time.
pub(crate) const WARM_POLL: Duration = Duration::from_millis(10);

/// From a sandbox made ahead to the command's first instruction.
pub(crate) const WARM_FIRST_MS: f64 = 0.5;
/// The same to reaped.
pub(crate) const WARM_MS: f64 = 1.2;
/// Cold and complete to reaped.
pub(crate) const COLD_MS: f64 = 6.0;
/// `airlock sandbox run` as a whole process.
pub(crate) const PROCESS_MS: f64 = 15.0;
/// From the frozen upper layer to the next root.
pub(crate) const SWITCH_MS: f64 = 1.0;
/// What a large image may add.
pub(crate) const IMAGE_ADDS_MS: f64 = 2.0;
/// Private memory of a sandbox that waits for its first step.
pub(crate) const IDLE_MB: f64 = 1.0;
/// How many times as long runc and docker take, at least.
pub(crate) const RUNC_TIMES: f64 = 6.0;
/// See [`RUNC_TIMES`].
pub(crate) const DOCKER_TIMES: f64 = 50.0;
