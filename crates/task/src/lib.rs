//! Everything of Airlock that runs inside a sandbox, in one small static program.
//!
//! | door | who calls it | what it is |
//! | --- | --- | --- |
//! | `airlock-task launcher` | the agent, control socket on descriptor 3 | the zygote; each of its sandboxes gets [`pid1`] as process 1 |
//! | `airlock-task run-steps` | whoever wants steps run without a sandbox, channel on descriptor 0 | [`pid1`] alone |
//! | `airlock-task enter` | the agent, control socket on descriptor 3 | [`visit`]: a person's program, inside a running sandbox |
//! | `airlock-task sftp` | the same, inside | [`sftp`]: file transfer for that person |
//! | `airlock-task dial git` | `ssh` as its `ProxyCommand`, inside | [`dial`] |
//! | `circleci …`, `circleci-agent …` | the steps of a job | [`circleci`] |
//! | `init` | the kernel of a virtual machine | its process 1, with [`pid1`] below it |
//!
//! Where to start reading: `pid1::runner` (the loop), `pid1::step` (how a step ends), `mask` (secrets out of output).
//!
//! The program has no async runtime, no thread in process 1 and asks no name service, so that it links statically
//! and stays below a megabyte of private memory. It is built apart from the rest, for the one reason that static
//! linking is a flag for a whole target directory:
//!
//! ```text
//! RUSTFLAGS='-C target-feature=+crt-static' cargo build -p airlock-task --profile task \
//!     --target x86_64-unknown-linux-gnu --target-dir <a directory of its own>
//! # → <that directory>/x86_64-unknown-linux-gnu/task/airlock-task
//! ```

#![expect(
    unsafe_code,
    reason = "fork, execve, signal masks and user switching have no safe wrappers; every block says why it is sound"
)]

pub mod circleci;
pub mod dial;
mod door;
mod guest;
mod limits;
pub mod mask;
pub mod pid1;
mod sftp;
mod visit;

pub use door::enter;
