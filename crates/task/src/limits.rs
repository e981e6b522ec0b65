//! Every bound of the in-job program, each with its reason.

use std::time::Duration;

/// Bytes waiting for the agent above which no step is read any more: the terminals fill, the writers wait, and
/// PID 1's memory, which counts against the job, stays where it is.
pub(crate) const OUTBOX_FULL: usize = 256 << 10;

/// Bytes taken from one step in one turn of the loop, so that no step starves another or a command.
pub(crate) const READ_PER_TURN: usize = 64 << 10;

/// Bytes still read after a step's shell has exited. All the shell wrote lies in the kernel's buffer by then, which
/// holds at most 1 MiB (the largest pipe an unprivileged process can ask for), so what a process left behind
/// goes on writing cannot hold the step up.
pub(crate) const DRAIN: usize = 1 << 20;

/// Steps that may run at once. One foreground step and its background steps; nobody has 64.
pub(crate) const LIVE_STEPS: usize = 64;

/// Terminals of ended steps kept open for the processes left behind on them; beyond it the oldest is closed.
pub(crate) const LINGERING: usize = 256;

/// Commands taken from the agent in one turn of the loop.
pub(crate) const COMMANDS_PER_TURN: usize = 16;

/// Dead children collected in one turn of the loop: a fork bomb must not keep the loop from its commands.
pub(crate) const REAPS_PER_TURN: usize = 1024;

/// Connections accepted on one socket in one turn of the loop.
pub(crate) const ACCEPTS_PER_TURN: usize = 8;

/// How long the sockets rest after the process has run out of descriptors.
pub(crate) const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Open connections on the control socket; beyond it the oldest is closed.
pub(crate) const CONTROL_CLIENTS: usize = 16;

/// Longest request on the control socket; the only one there is has five bytes.
pub(crate) const CONTROL_REQUEST: usize = 64;

/// Longest reason a child can give for not becoming the step's shell.
pub(crate) const CHILD_REASON: usize = 4096;

/// Secrets of a job in bytes, all together: 100 contexts' worth; the automaton over them takes 24 times as much.
pub(crate) const MASK_BYTES: usize = 4 << 20;

/// Shortest value that is masked, in characters: shorter ones would shred every log.
pub(crate) const MASK_CHARACTERS: usize = 4;

/// Time between TERM and KILL for a step that has fallen silent.
pub(crate) const NO_OUTPUT_GRACE: Duration = Duration::from_secs(5);

/// How long the last messages may take to reach the agent before PID 1 ends without it.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(5);

/// Width of a step's terminal. 80 wraps compilers' messages; most logs are read wider.
pub(crate) const TERMINAL_COLUMNS: u16 = 120;

/// Height of a step's terminal.
pub(crate) const TERMINAL_ROWS: u16 = 40;

/// Patterns one glob may expand to by its braces.
pub(crate) const GLOB_ALTERNATIVES: usize = 1024;

/// Longest list of test names `tests split` reads: a few hundred thousand names.
pub(crate) const TEST_NAMES: u64 = 64 << 20;

/// Longest text `env subst` reads.
pub(crate) const SUBST_TEXT: u64 = 64 << 20;

/// Longest file of earlier test results: a few hundred thousand tests.
pub(crate) const TEST_RESULTS: u64 = 256 << 20;

/// One request of a file transfer: what OpenSSH's server takes.
pub(crate) const SFTP_PACKET: usize = 256 << 10;

/// Bytes of one answer to a read; a client asks again for the rest.
pub(crate) const SFTP_READ: usize = 128 << 10;

/// Files and folders open at once in one file transfer.
pub(crate) const SFTP_HANDLES: usize = 256;

/// Names in one answer about a folder.
pub(crate) const SFTP_NAMES: usize = 100;
