//! The limits of these drivers, each with its reason.

/// Plaintext bytes of one frame. One frame is read and decrypted whole, so this is what reading a single byte costs.
pub const FRAME_BYTES: usize = 64 * 1024;

/// Plaintext bytes written between two syncs of a growing file. Bytes at the end of a file that do not authenticate are
/// taken for an unfinished write only within this distance of the end; further back they are damage.
pub const SYNC_BYTES: usize = 4 * 1024 * 1024;

/// Bytes of a whole file collected before they are encrypted and written, so that small pieces do not each pay for a
/// hop to a blocking thread.
pub const WRITE_BUFFER_BYTES: usize = 1024 * 1024;

/// Files kept open with their index in memory. Far below the usual limit of 1,024 descriptors; a server watches fewer
/// running steps at a time than this, and reopening one costs a scan of its frame headers.
pub const OPEN_FILES: usize = 256;

/// Messages a listener of all pipelines may fall behind before it misses some.
pub const BUS_BACKLOG_ALL: usize = 4096;

/// Messages a listener of one pipeline may fall behind before it misses some. The ring is allocated whole, about
/// 32 bytes a message.
pub const BUS_BACKLOG_PIPELINE: usize = 1024;
