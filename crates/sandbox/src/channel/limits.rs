//! The channel's limits, each with its reason.

/// Longest frame in bytes after the length field. One frame is held in memory whole on both ends, PID 1 counts
/// against the job's memory limit, and 1 MiB holds any script the config language admits.
pub const MAX_FRAME: usize = 1 << 20;

/// Most output bytes one `Output` frame carries: large enough that a flood costs few frames, small enough that a
/// command never waits long behind one.
pub const MAX_OUTPUT: usize = 64 << 10;
