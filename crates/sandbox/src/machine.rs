//! What a virtual machine needs of this crate: the way between its process 1 and the agent.
//!
//! Inside a sandbox the two speak over a Unix socket that carries descriptors; a virtual machine has one serial port
//! ([`PORT`]), a stream of bytes. On each side of it a relay, [`relay_in_guest`] and [`relay_on_host`], makes one end of
//! the usual [`crate::channel`] out of it: the channel's frames are stream 0, each connection that a process of the job
//! makes is a stream of its own. Each stream has a window of its own, so that one nobody reads holds up no other.
//!
//! The guest belongs to the job. The host's end checks every length and number, keeps at most [`MAX_STREAMS`] streams
//! and one window of bytes for each, and ends the conversation at the first word that breaks a rule.

mod frames;
mod network;
mod relay;
mod sides;

pub use frames::WireError;
pub use network::{GUEST_ADDRESS, GUEST_GATEWAY, GUEST_PREFIX, GUEST_RESOLVER, join_network, loopback_up};
pub use relay::{MAX_STREAMS, RelayError};
pub use sides::{relay_in_guest, relay_on_host};

/// Name of the serial port in the guest.
pub const PORT: &str = "airlock";
