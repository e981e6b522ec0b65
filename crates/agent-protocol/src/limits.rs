//! Limits of the agent protocol.

/// A claim waits this long for work before it returns empty: under the idle timeout of common proxies (60 s).
pub const CLAIM_WAIT_MS: u64 = 25_000;
/// A lease lives this long without a heartbeat: a lost agent is seen within 30 s.
pub const LEASE_MS: u64 = 20_000;
/// An agent renews its leases this often: three chances before the lease ends.
pub const HEARTBEAT_MS: u64 = 5_000;
/// A control message: a job with 1,000 long steps fits.
pub const CONTROL_BYTES: usize = 32 * 1024 * 1024;
/// One log chunk.
pub const LOG_CHUNK_BYTES: usize = airlock_domain::limits::LOG_CHUNK_BYTES;
/// One artifact file: CircleCI's limit of 3 GB.
pub const ARTIFACT_BYTES: u64 = 3 * 1024 * 1024 * 1024;
/// Places in one slice's record of connections: more than a person reads.
pub const EGRESS_ENTRIES: usize = 4_096;
/// Samples in one slice's record of what it used: one a second for five hours, the longest a job may run. A record of some
/// 3 MB on the wire.
pub const RESOURCE_SAMPLES: usize = 18_000;
/// A question whether somebody is at a slice's door is held this long: under the idle timeout of common proxies (60 s).
pub const SSH_WAIT_MS: u64 = 20_000;
/// One piece of an SSH channel: what OpenSSH's client sends at most at once.
pub const SSH_FRAME_BYTES: usize = 32 * 1024;
