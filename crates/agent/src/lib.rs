//! The agent: takes a job's slice from the server, runs its steps in a sandbox of their own and brings everything that
//! happens back.
//!
//! [`Agent`] claims slices over a [`ServerLink`] and runs each in a task of its own. `slice` is one slice from
//! claim to finish: spin up (`spin_up`), the steps in order (`steps`), destroy, finish. Around it: `inside` talks to process 1 of the sandbox, `doors` serves
//! the two sockets that lead out of it (`ssh_agent` holds the deploy key), `reporter`, `log_relay` and `spool` bring
//! reports and log bytes to the server without loss, `leash` carries cancel and fencing in, `verdict` says what an end
//! means, `visitors` are people who look into a sandbox over SSH. [`ImageStore`] keeps root file systems; [`sandbox_run()`] runs one command without a server.
//!
//! Every call to the server can be repeated, and is, until it is answered or the claim is gone. The sandbox is destroyed
//! before the finish is sent, and on a lost claim at once.

mod accounts;
mod agent;
mod artifacts;
mod checkout;
mod doors;
mod egress;
mod environment;
mod images;
mod inside;
mod leash;
mod limits;
pub mod link;
mod link_https;
mod log_relay;
mod machine;
mod paths;
mod reporter;
mod resource_class;
mod retry;
mod samples;
mod sandbox_run;
mod server_address;
mod services;
mod slice;
mod spin_up;
mod spool;
mod ssh_agent;
mod steps;
mod surroundings;
mod verdict;
mod visitors;

pub use agent::{Agent, AgentConfig, AgentError, AgentOptions};
pub use airlock_sandbox::{Network, SeccompProfile, Usage};
pub use doors::{GitDialer, GitStream, TcpGitDialer};
pub use images::{
    BASE_IMAGE, ImageConfig, ImageDir, ImageError, ImageRecord, ImageSettings, ImageStore, MACHINE_IMAGE,
    Progress, Tell,
};
pub use link::{ArtifactBody, LinkError, ServerLink, SshIncoming, SshOutgoing};
pub use link_https::HttpsLink;
pub use sandbox_run::{RunRoot, SandboxRan, SandboxRun, SandboxRunError, sandbox_run};
