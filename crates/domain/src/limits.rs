//! Limits that several crates must agree on. Each says why it is what it is.

/// Organisation and repository names: they become folder names and URL parts.
pub const PATH_PART_BYTES: usize = 100;
/// Names of jobs, workflows, images: long matrix names occur, pages must still show them.
pub const NAME_BYTES: usize = 512;
/// Names of environment variables: CircleCI's own limit for context variables.
pub const ENV_NAME_BYTES: usize = 300;
/// Value of one environment variable: CircleCI's own limit (32 KB).
pub const ENV_VALUE_BYTES: usize = 32 * 1024;
/// A git ref: forges refuse longer ones.
pub const REF_BYTES: usize = 1024;
/// Slices of one job: CircleCI's largest plan allows no more; a typo must not fill the queue.
pub const PARALLELISM: u32 = 256;
/// Jobs of one workflow: beyond this a page and a person lose sight.
pub const JOBS_PER_WORKFLOW: usize = 1_000;
/// Steps of one job after expansion.
pub const STEPS_PER_JOB: usize = 1_000;
/// Run time of a job when nothing else is configured: five hours, CircleCI server's default.
pub const JOB_RUN_TIME_MS: u64 = 5 * 60 * 60 * 1000;
/// Silence after which a step is stopped when nothing else is configured: CircleCI's ten minutes.
pub const NO_OUTPUT_TIMEOUT_MS: u64 = 10 * 60 * 1000;
/// Between the polite and the final signal when something is stopped.
pub const STOP_GRACE_MS: u64 = 10_000;
/// Bytes of one log chunk on the wire: small enough to feel live, large enough to be cheap.
pub const LOG_CHUNK_BYTES: usize = 64 * 1024;
/// Size of one config file.
pub const CONFIG_BYTES: usize = 5 * 1024 * 1024;
/// Entries of a list of what jobs may reach: each becomes one in the packet filter or is compared with every name a job
/// looks up, and a longer list is nobody's intent.
pub const EGRESS_LIST_ENTRIES: usize = 500;
/// Text of one orb: the largest published ones have a few hundred kB, and a registry holds every version for ever.
pub const ORB_BYTES: usize = 1024 * 1024;
