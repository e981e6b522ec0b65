//! Process 1 of a sandbox: runs the steps of one job slice at the agent's word and relays their output, masked.
//! Owns the steps' processes, terminals and scripts, the sockets a job finds under `/run/airlock`, and the
//! collecting of every orphan. Decides nothing about the job: which step comes next, what a failure means and
//! which variables win is the agent's. One thread, one `poll` loop, nothing in it waits for the job.
//!
//! It trusts the agent and nothing inside the sandbox. What the job can reach of it is a terminal's output, three
//! sockets and its own process table: each is read a bounded amount per turn, and not at all while the agent is
//! behind, so that a flood of output delays no command.

mod child;
mod doors;
mod environment;
mod output;
mod processes;
mod runner;
mod script;
mod signals;
mod spare;
mod step;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use airlock_sandbox::channel::{FromInit, NO_STEP, Writer};

pub(crate) use child::become_user;
pub use doors::{CONTROL_SOCKET, GIT_SOCKET, HALT_ANSWER, HALT_REQUEST, SSH_AGENT_SOCKET};
pub(crate) use environment::{JobEnvironment, for_exec};

/// What the sandbox around the step runner can do; a test has none.
pub trait Isolation {
    /// Confines the calling process, which is about to become a step's shell.
    fn confine(&self) -> io::Result<()>;
    /// Replaces the root of the sandbox.
    fn switch_root(&self, new_root: OwnedFd) -> io::Result<()>;
}

/// No sandbox: steps run as whoever started the runner.
#[derive(Debug)]
pub struct NoIsolation;

impl Isolation for NoIsolation {
    fn confine(&self) -> io::Result<()> {
        Ok(())
    }

    fn switch_root(&self, _new_root: OwnedFd) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "there is no sandbox whose root could be replaced",
        ))
    }
}

/// Where the runner keeps its own things.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Sockets, scripts and the helper's `bin`; the job cannot write there.
    pub run_dir: PathBuf,
    /// Where the file behind `BASH_ENV` goes when the agent names none.
    pub temp_dir: PathBuf,
    /// Whether a confined child waits for the first step.
    pub ahead: bool,
}

impl Settings {
    /// As in a sandbox.
    pub fn inside() -> Self {
        Self {
            run_dir: PathBuf::from("/run/airlock"),
            temp_dir: PathBuf::from("/tmp"),
            ahead: true,
        }
    }

    /// As in a sandbox, unless `AIRLOCK_RUN_DIR` and `AIRLOCK_TEMP_DIR` say otherwise. For what runs as the job or
    /// without a sandbox; process 1 of a sandbox does not ask its environment.
    pub fn from_environment() -> Self {
        let inside = Self::inside();
        let directory = |name: &str, default| std::env::var_os(name).map_or(default, PathBuf::from);
        Self {
            run_dir: directory("AIRLOCK_RUN_DIR", inside.run_dir),
            temp_dir: directory("AIRLOCK_TEMP_DIR", inside.temp_dir),
            ahead: false,
        }
    }
}

/// Runs steps until the agent says `Shutdown` (0) or is gone (1).
pub fn run(channel: OwnedFd, settings: &Settings, isolation: &dyn Isolation) -> i32 {
    let reply = channel.try_clone();
    match runner::Runner::new(channel, settings, isolation) {
        Ok(runner) => runner.serve(),
        Err(error) => {
            if let Ok(reply) = reply {
                let reason = format!("starting the step runner: {error}");
                // Whether this arrives or not, the answer is the exit code.
                let _sent = Writer::new(reply).send(&FromInit::Failed {
                    step: NO_STEP,
                    reason,
                });
            }
            1
        }
    }
}
