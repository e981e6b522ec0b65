//! The agent for real: sandboxes, namespaces, git and ssh of the machine the tests run on, before a server in memory.
//!
//! Needs root, a static busybox (Debian: busybox-static), git and the OpenSSH client.

mod artifacts;
mod checkout;
mod ending;
mod https;
mod inventory;
mod machine;
mod pulling;
mod server;
mod services;
mod single;
mod steps;
mod support;
