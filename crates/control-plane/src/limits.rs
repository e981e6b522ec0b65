//! Limits and names of the control plane.

/// The vault's key that seals this instance's secrets.
pub const SEAL_KEY: &str = "instance";
/// How often a decision is taken again when somebody else was faster. A workflow has at most a few hundred slices,
/// whose ends could collide; each retry sees a newer state, so this is never reached in practice.
pub const DECISION_ATTEMPTS: u32 = 64;
/// How often lost leases are looked for, in milliseconds: with the lease of 20 s a lost agent is seen within 30 s.
pub const LEASE_WATCH_MS: u64 = 2_000;
/// Work that needs a kind of machine no agent has waits this long for one to come, in milliseconds: an agent that has just
/// been started says what it offers at once.
pub const UNOFFERED_MS: u64 = 30_000;
/// What an agent offered counts this long after it was last heard, in milliseconds: one whose slots are all taken asks for
/// nothing, and a job runs five hours at most.
pub const OFFER_KEPT_MS: u64 = 6 * 60 * 60 * 1000;
/// A waiting claim looks at the queue at least this often, for wake-ups that were lost.
pub const CLAIM_POLL_MS: u64 = 2_000;
/// Pending pipelines are looked for at least this often.
pub const PLAN_POLL_MS: u64 = 5_000;
/// Bytes of log returned by one read.
pub const LOG_READ_BYTES: usize = 1024 * 1024;
/// Where the config stands in a repository.
pub const CONFIG_PATH: &str = ".circleci/config.yml";
/// A sign-in link works this long.
pub const SIGN_IN_LINK_MS: i64 = 24 * 60 * 60 * 1000;
/// A browser stays signed in this long.
pub const SESSION_MS: i64 = 14 * 24 * 60 * 60 * 1000;
/// A follower that hears nothing looks at the rows this often, in milliseconds.
pub const FOLLOW_POLL_MS: u64 = 1_000;
/// Rows taken out of the outbox at once.
pub const OUTBOX_ROWS: u32 = 100;
/// The outbox is looked into at least this often, in milliseconds.
pub const OUTBOX_POLL_MS: u64 = 5_000;
/// How long a push waits to show its pusher the problems of the config, in milliseconds. Planning takes a few; a pusher
/// who would wait longer reads them on the page.
pub const PUSH_PLANNING_MS: u64 = 3_000;
/// A project's pipelines are read this many at a time when commits are looked for that were pushed but never built.
pub const RECONCILED_PIPELINES: u32 = 200;
/// Jobs whose names are kept in memory for messages about them, about 300 bytes each: far more than run at a time.
pub const REMEMBERED_JOBS: usize = 4_096;
/// Steps whose output ended within a character, at most 3 bytes each.
pub const REMEMBERED_TAILS: usize = 4_096;
/// That an agent was heard is written at most this often, in milliseconds.
pub const AGENT_SEEN_MS: u64 = 20_000;
/// Versions of orbs that one import takes: they are checked and written together, within the time a caller waits.
pub const ORBS_PER_IMPORT: usize = 500;
/// A development version of an orb ends this long after it was last brought in: CircleCI's 90 days.
pub const DEV_ORB_MS: i64 = 90 * 24 * 60 * 60 * 1000;
/// What stood at an orb's address is asked again after this time: CircleCI's five minutes.
pub const FETCHED_ORB_MS: i64 = 5 * 60 * 1000;
/// Fetched orbs kept in memory, of 1 MiB at most each; an instance uses a handful.
pub const KEPT_FETCHED_ORBS: usize = 64;
/// The addresses of one pipeline's orbs must have answered in this time: other pipelines wait behind it.
pub const FETCHING_ORBS_MS: u64 = 15_000;
/// Wrong orbs told of in one answer: who mends these sees the next ones then.
pub const SHOWN_WRONG_ORBS: usize = 10;
/// Characters of an orb's description in lists: about two lines.
pub const DESCRIPTION_CHARACTERS: usize = 200;

/// SSH keys of one person: one for each machine, and some.
pub const KEYS_PER_USER: usize = 50;
