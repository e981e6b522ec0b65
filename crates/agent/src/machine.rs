//! Jobs in virtual machines. A machine's monitor (QEMU behind [`monitor::Monitor`]) is itself the one program of a
//! sandbox like any other, with its limits, its network policy, its disk and its end: what leaves the machine is in a
//! sandbox, and what ends the sandbox ends the machine. The machine's first disk is the job's image, never written to;
//! what the job writes goes to an overlay in the sandbox's own disk, which nothing outlives.
//!
//! Process 1 of the guest is the in-job program. It speaks over a serial port whose other end is the sandbox's git
//! socket: a connection there is handed to the agent as a descriptor, and `airlock_sandbox::machine` makes a channel of
//! it, on which everything else is as in a sandbox.
//!
//! Where no machine can be had (`Plan::find` says why), the job runs in a sandbox and its record says so.

mod disk;
mod initramfs;
mod kernel;
mod monitor;
mod plan;
mod qemu;
mod start;

pub(crate) use plan::{Plan, Wanted, image_name};
pub(crate) use start::{Guest, start};
