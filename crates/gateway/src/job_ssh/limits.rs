//! Every number that bounds the door of jobs, with its reason.

use std::time::Duration;

/// Channels open in one session: an editor that works over SSH opens a dozen.
pub const CHANNELS: usize = 32;

/// Requests on a channel before what is to run; OpenSSH sends an `env` for each variable it is told to.
pub const REQUESTS_BEFORE_COMMAND: usize = 64;

/// Bytes of variables that a client may send.
pub const ENVIRONMENT_BYTES: usize = 8 * 1024;

/// Bytes of a command line; rsync and scp of many files stay far below.
pub const COMMAND_BYTES: usize = 128 * 1024;

/// Bytes of the name in a terminal request.
pub const TERM_BYTES: usize = 64;

/// An agent that was told of a channel has this long to dial and open it.
pub const OPENING: Duration = Duration::from_secs(20);

/// Channels of one slice that wait for its agent.
pub const WAITING: usize = 64;

/// Pieces on their way to an agent, per channel: enough to keep the line busy, too few to be a store.
pub const QUEUE: usize = 8;

/// An agent that is between two questions still counts as there for this long.
pub const ASKED_LATELY: Duration = Duration::from_secs(15);

/// How often an idle session looks whether its job is still there.
pub const LOOK: Duration = Duration::from_secs(2);

/// A client that says nothing for this long is asked whether it is there.
pub const KEEPALIVE: Duration = Duration::from_secs(30);

/// And taken for gone after so many questions without an answer.
pub const KEEPALIVES_UNANSWERED: usize = 4;
