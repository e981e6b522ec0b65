//! The state machine of a workflow: [`decide`] takes a state, an event and the time, and answers with changes and
//! effects. It is pure: it reads no clock, draws no random number, does no I/O, so that replaying the events of a
//! workflow in a test must give the rows that the store holds.
//!
//! The control plane is the only caller. It loads the state, decides, and writes changes, event and effects in one
//! transaction; when somebody else was faster it loads and decides again.

mod advance;
mod decide;
#[cfg(test)]
mod tests;

pub use decide::{Decision, Refused, decide};
