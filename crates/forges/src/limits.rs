//! Every number that bounds the reading of repositories, with its reason.

use std::time::Duration;

/// One file read at a commit: the largest config file that is compiled.
pub const FILE_BYTES: u64 = 5 * 1024 * 1024;

/// A path inside a repository; Linux itself takes 4,096 bytes.
pub const PATH_BYTES: usize = 4_096;

/// Reading something is a matter of milliseconds; a disk that hangs must not hold a pipeline for ever.
pub const READ: Duration = Duration::from_secs(30);

/// Packing a large repository anew.
pub const MAINTENANCE: Duration = Duration::from_mins(30);

/// Output of a git command that lists refs: 100,000 refs with names of 100 bytes.
pub const LIST_BYTES: u64 = 16 * 1024 * 1024;

/// Output of a git command that answers with one line or two.
pub const ANSWER_BYTES: u64 = 256 * 1024;

/// What of git's error output goes into an error.
pub const STDERR_BYTES: u64 = 4 * 1024;

/// A commit's subject, as pages show it.
pub const SUBJECT_CHARS: usize = 500;

/// An author's name, as pages show it.
pub const AUTHOR_CHARS: usize = 200;
