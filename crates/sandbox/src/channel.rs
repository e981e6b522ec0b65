//! The channel between the agent and PID 1 of a sandbox: framed messages on one Unix stream socket.
//!
//! A frame is `u32` length (little endian, counting all that follows), `u8` kind, body. At most one file
//! descriptor travels with a frame, attached to its first byte. This module owns the messages, their bytes and
//! the reading and writing of whole frames; it decides nothing about what a message means, that is PID 1's and
//! the agent's. Encoding and decoding are pure; [`Reader`], [`Writer`] and [`Outbox`] move the bytes.
//!
//! The agent trusts nothing in here to be well formed: PID 1 shares a kernel with a hostile job, so every length
//! is checked before memory is taken for it and an unknown kind is an error, never a panic.

mod codec;
mod limits;
mod message;
mod outbox;
mod socket;

pub use codec::{DecodeError, EncodeError, Message, decode, encode};
pub use limits::{MAX_FRAME, MAX_OUTPUT};
pub use message::{Configure, Door, FromInit, NO_STEP, SecretBytes, StartStep, StepEnd, StepUser, ToInit};
pub use outbox::Outbox;
pub use socket::{ChannelError, Reader, Received, Writer, pair};
