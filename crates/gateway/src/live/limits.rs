//! Every number that bounds the live channel, with its reason. Other modules of it hold none.

use std::time::Duration;

/// A message in either direction: the protocol's own limit. Pieces of output are cut to fit.
pub(crate) const MESSAGE_BYTES: usize = 10 * 1024;

/// A piece of output as it stands in a message, escaped twice. Leaves room for the words around it.
pub(crate) const PIECE_BYTES: usize = 9 * 1024;

/// Channels of one connection: a page has three.
pub(crate) const SUBSCRIPTIONS: usize = 50;

/// Connections of one server. Each costs about 40 kB with its queue.
pub(crate) const CONNECTIONS: usize = 5_000;

/// Messages that wait for one viewer. What comes while it is full is dropped, and the viewer told to read again.
pub(crate) const QUEUE: usize = 256;

/// A viewer that takes no bytes for this long is gone.
pub(crate) const SEND: Duration = Duration::from_secs(15);

/// After this much silence a client asks whether we are there: the protocol's usual value.
pub(crate) const ACTIVITY_TIMEOUT_S: u64 = 120;

/// We ask a little later than the client would, so that mostly it is the client.
pub(crate) const SILENCE_MS: u64 = 150_000;

/// How long an answer to our question may take.
pub(crate) const PONG_MS: u64 = 30_000;

/// How often time is looked at. Twice as often as sessions must be.
pub(crate) const TICK: Duration = Duration::from_secs(5);

/// How often it is looked up whether the session behind a connection still stands.
pub(crate) const SESSION_CHECK_MS: u64 = 30_000;

/// Messages that a client may send in [`WINDOW_MS`]. A page sends a handful when it opens and then a ping in two
/// minutes.
pub(crate) const MESSAGES: u32 = 200;

/// The window of [`MESSAGES`].
pub(crate) const WINDOW_MS: u64 = 10_000;

/// The form of an authorisation: two names and an id.
pub(crate) const AUTH_BODY_BYTES: usize = 4 * 1024;
