//! The doors of a server: what people, git and agents talk to.
//!
//! Each module owns one door, speaks its protocol and checks who is there; what they may do and what follows is decided
//! by use cases behind a trait. No module opens a socket itself: `airlock-transport` does.

pub mod http;
pub mod job_ssh;
mod live;
mod pages;
pub mod ssh;
