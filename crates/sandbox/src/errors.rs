//! One error type per operation of the agent's side. Each says what was being done to what.

use std::io;
use std::path::PathBuf;

/// Why the launcher could not be brought up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LauncherError {
    /// A step of bringing it up failed.
    #[error("cannot start the sandbox launcher: {doing}")]
    Step {
        /// What was being done, to what.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another agent uses the same state directory.
    #[error("the state directory {} is in use by another agent; give this one its own --data-dir", .0.display())]
    InUse(PathBuf),
    /// The program that loads packet filter rules is missing.
    #[error(
        "`nft` was not found, and jobs with network access need it; install it (Debian, Ubuntu: apt-get install \
         nftables; Fedora: dnf install nftables) or start the agent without network for jobs"
    )]
    NftMissing,
    /// The packet filter refused the rules.
    #[error("`nft` refused the rules for jobs: {0}")]
    NftRefused(String),
    /// Every candidate network is already routed somewhere.
    #[error(
        "no free network for jobs: every /22 within 10.213.0.0/16 and 100.64.0.0/16 is already routed on this host"
    )]
    NoFreeNetwork,
    /// The kernel is too old.
    #[error(
        "sandboxes need {what}, which Linux has since {needed}; this host runs Linux {found} (Debian 12, Ubuntu 24.04 \
         and everything newer will do)"
    )]
    KernelTooOld {
        /// The facility.
        what: &'static str,
        /// First version that has it.
        needed: String,
        /// Version that runs.
        found: String,
    },
    /// The kernel is new enough and refuses all the same.
    #[error("sandboxes need {what}, which Linux {found} on this host refuses: {why}")]
    KernelRefuses {
        /// The facility.
        what: &'static str,
        /// Version that runs.
        found: String,
        /// The likely reason and the way out.
        why: String,
    },
    /// The options make no sense.
    #[error("sandbox launcher options: {0}")]
    Options(String),
}

/// Why a sandbox could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The specification cannot be honoured.
    #[error("sandbox {id}: {reason}")]
    Spec {
        /// Which sandbox.
        id: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// Every id range is taken.
    #[error(
        "sandbox {id}: all {ranges} id ranges are in use; destroy a sandbox first or give the agent more ranges"
    )]
    NoIdRange {
        /// Which sandbox.
        id: String,
        /// How many there are.
        ranges: u32,
    },
    /// Every address of the job network is taken.
    #[error("sandbox {id}: every address of the job network is in use")]
    NoAddress {
        /// Which sandbox.
        id: String,
    },
    /// A step of the start failed.
    #[error("sandbox {id}: {doing}")]
    Step {
        /// Which sandbox.
        id: String,
        /// What was being done, to what.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The zygote is gone or does not answer; the launcher must be replaced.
    #[error("sandbox {id}: the launcher process does not answer ({reason}); a new launcher is needed")]
    LauncherGone {
        /// Which sandbox.
        id: String,
        /// How that was noticed.
        reason: String,
    },
}

/// Why a sandbox could not be taken apart completely; what is left is found by `reap_leftovers`.
#[derive(Debug, thiserror::Error)]
#[error("sandbox {id} is not completely removed: {doing}")]
pub struct DestroyError {
    /// Which sandbox.
    pub id: String,
    /// What was being done, to what.
    pub doing: String,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Why leftovers of an earlier run could not be removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReapError {
    /// A live agent owns the directory.
    #[error("the state directory {} is in use by a running agent", .0.display())]
    InUse(PathBuf),
    /// Something could not be removed.
    #[error("cannot remove what an earlier run left: {doing}")]
    Step {
        /// What was being done, to what.
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Why a path inside a sandbox could not be read from outside.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InRootError {
    /// The system refused.
    #[error("sandbox {id}: cannot {doing} {path}")]
    Step {
        /// Which sandbox.
        id: String,
        /// `open`, `list`, …
        doing: &'static str,
        /// The path inside the sandbox.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The path names something that must not be read on a job's behalf.
    #[error(
        "sandbox {id}: {path} is {what}; only files and directories of the job's own file systems can be read"
    )]
    Refused {
        /// Which sandbox.
        id: String,
        /// The path inside the sandbox.
        path: String,
        /// What it is.
        what: &'static str,
    },
}
