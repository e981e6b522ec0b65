//! Sandboxes for real: root, namespaces, control groups and mounts of the machine the tests run on.
//!
//! Needs root, a static busybox (Debian: busybox-static), `nft` (nftables) and `ip` (iproute2). Each test has its own
//! launcher, state directory, id block and, where it uses one, a network namespace of its own. Each attack is first
//! made without the protection, where it has to succeed.

mod confinement;
mod conformance;
mod files;
mod isolation;
mod kills;
mod leftovers;
#[path = "../src/zygote/lids.rs"]
mod lids;
mod limits;
mod names;
mod network;
mod network_matrix;
mod probes;
mod root_switch;
mod services;
mod support;
mod timing;
mod verdicts;
mod warm;
