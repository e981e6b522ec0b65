//! Every number that bounds the SSH door, with its reason.

use std::time::Duration;

/// From connecting to the first command. A key on a hardware token is touched within this time; a scanner is gone.
pub const LOGIN: Duration = Duration::from_secs(20);

/// A session, or a git process, in which no byte moves for this long is ended. Git itself sends a sign of life every
/// five seconds while it works.
pub const IDLE: Duration = Duration::from_mins(10);

/// Sessions of one address that have not logged in yet: more than any fleet behind one address opens in a moment, far
/// fewer than would fill the listener.
pub const NEWCOMERS_PER_ADDRESS: usize = 32;

/// Keys tried in one session. OpenSSH offers all its agent holds, rarely more than ten.
pub const AUTH_ATTEMPTS: usize = 20;

/// How long a rejected key waits, so that guessing is slow and an agent with six keys is not.
pub const AUTH_REJECTION: Duration = Duration::from_millis(100);

/// Channels open in one session (a client may share one connection among several git processes).
pub const CHANNELS: usize = 8;

/// Requests on a channel before its command; OpenSSH sends an `env` for each variable it is told to.
pub const REQUESTS_BEFORE_COMMAND: usize = 64;

/// Git processes at a time over all sessions. Packing is heavy on memory and processor; further ones wait.
pub const GIT_PROCESSES: usize = 32;

/// Bytes of a command line: two names of 100 bytes each and the program's name, with room.
pub const COMMAND_BYTES: usize = 512;

/// One push: more than a repository that should be in git at all.
pub const PUSH_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// The list of ref updates at the beginning of a push.
pub const PUSH_COMMAND_BYTES: usize = 1024 * 1024;

/// Refs updated by one push. Mirroring a repository moves them all at once.
pub const PUSH_COMMANDS: usize = 5_000;

/// When the pusher is gone, git has this long to finish what it has received in full.
pub const PUSH_SETTLE: Duration = Duration::from_mins(1);

/// What is kept of git's own error output.
pub const STDERR_BYTES: usize = 16 * 1024;

/// After a request to stop, running git processes have this long to end.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
