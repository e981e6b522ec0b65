//! Entering a running sandbox from outside, for the person who may: a short-lived process of the in-job program goes
//! into every namespace of the sandbox, opens terminal, pipes or connection there and hands their other ends out. This
//! side starts it, tells it what to do, and hears how that ended; `inside` is the process itself. What may be entered
//! and by whom is the caller's to decide. Called by the agent.

mod inside;
mod network;

use std::fmt;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{Shutdown, shutdown};
use serde::{Deserialize, Serialize};

use crate::channel::StepUser;
use crate::failure::{Doing as _, Failure};
use crate::limits::ENTER_SECONDS;
use crate::sandbox::Sandbox;
use crate::spec::SeccompProfile;
use crate::sys;
use crate::wire;

pub use inside::{Program, serve};

/// Descriptor the helper finds its socket at.
const CONTROL: i32 = 3;

/// What is to be done inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Errand {
    /// Run a program, confined as a step is.
    Run(RunInside),
    /// Connect to an address of the sandbox's own and to no other.
    Connect {
        /// Address, `localhost`, or a name of the sandbox's `/etc/hosts`.
        host: String,
        /// The port.
        port: u16,
    },
}

/// A program to run inside.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunInside {
    /// What it is.
    pub what: What,
    /// Its variables, beside those that every step finds.
    pub env: Vec<(String, String)>,
    /// The home directory, where it begins.
    pub home: String,
    /// Who it runs as.
    pub user: StepUser,
    /// A terminal of this size instead of three pipes.
    pub terminal: Option<TerminalSize>,
}

impl fmt::Debug for RunInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Neither variables nor the command: both hold what is nobody else's business.
        f.debug_struct("RunInside")
            .field("user", &self.user)
            .field("terminal", &self.terminal)
            .finish_non_exhaustive()
    }
}

/// Kinds of program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The image's shell, to type into.
    Shell,
    /// A command line for that shell.
    Command(String),
    /// A program of the image and its arguments.
    Program(Vec<String>),
}

/// Size of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TerminalSize {
    /// Characters in a line.
    pub columns: u16,
    /// Lines.
    pub rows: u16,
}

/// How a program inside ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum VisitEnd {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signaled(i32),
}

/// Why a sandbox was not entered.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// A step of it failed.
    #[error("entering sandbox {id}: {doing}: {source}")]
    Step {
        /// Which sandbox.
        id: String,
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was asked for is not there, or not to be had; in words for the person who asked.
    #[error("{0}")]
    Refused(String),
}

/// All of a process inside that its errand needs to know.
#[derive(Serialize, Deserialize)]
struct Orders {
    /// Files of the sandbox's control groups, which a process enters by writing to them.
    groups: Vec<PathBuf>,
    profile: SeccompProfile,
    errand: Errand,
}

/// Helper to agent.
#[derive(Debug, Serialize, Deserialize)]
enum Word {
    /// With descriptors: a terminal, or input, output and errors, or a connection.
    Ready,
    Ended(VisitEnd),
    Failed {
        doing: String,
        errno: i32,
    },
    Refused(String),
}

/// Agent to helper, after the errand.
#[derive(Debug, Serialize, Deserialize)]
enum Call {
    Signal(i32),
}

/// The way into one sandbox. Keeps nothing of it alive.
#[derive(Debug)]
pub struct Entrance {
    id: String,
    pidfd: OwnedFd,
    groups: Vec<PathBuf>,
    profile: SeccompProfile,
    helper: PathBuf,
}

impl Sandbox {
    /// The way in, for as long as the sandbox lives.
    pub fn entrance(&self) -> io::Result<Entrance> {
        let placement = &self.request.placement;
        let whole = placement
            .clone_into
            .iter()
            .map(|group| group.join("cgroup.procs"));
        Ok(Entrance {
            id: self.id().to_owned(),
            pidfd: self.pidfd().try_clone_to_owned()?,
            groups: placement.tasks.iter().cloned().chain(whole).collect(),
            profile: self.request.profile,
            helper: self.request.helper.clone(),
        })
    }
}

impl Entrance {
    /// Goes in; the program runs, or the connection stands, when this returns. Takes milliseconds.
    pub fn visit(&self, errand: &Errand) -> Result<Visit, EnterError> {
        self.begin(errand)
            .map_err(|Failure { doing, source }| self.failed(doing, source))?
            .made()
            .map_err(|no| match no {
                No::Step(doing, source) => self.failed(doing, source),
                No::Refused(reason) => EnterError::Refused(reason),
            })
    }

    fn failed(&self, doing: String, source: io::Error) -> EnterError {
        EnterError::Step {
            id: self.id.clone(),
            doing,
            source,
        }
    }

    fn begin(&self, errand: &Errand) -> Result<Beginning, Failure> {
        let orders = Orders {
            groups: self.groups.clone(),
            profile: self.profile,
            errand: errand.clone(),
        };
        // In memory that goes with its last descriptor: variables may be secret, and longer than a packet.
        let paper =
            memfd_create("airlock-errand", MemfdFlags::CLOEXEC).doing(|| "making room for the errand")?;
        let mut paper = File::from(paper);
        let text = serde_json::to_vec(&orders).doing(|| "writing the errand")?;
        paper.write_all(&text).doing(|| "writing the errand")?;
        let (control, theirs) = wire::packet_pair().doing(|| "making the helper's socket")?;
        let patience = std::time::Duration::from_secs(ENTER_SECONDS);
        set_socket_timeout(&control, Timeout::Recv, Some(patience)).doing(|| "setting a time limit")?;
        // Out of the way of the number it is copied to.
        let theirs =
            rustix::io::fcntl_dupfd_cloexec(&theirs, 64).doing(|| "duplicating the helper's socket")?;
        let mut command = Command::new(&self.helper);
        command
            .arg("enter")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0);
        let raw = theirs.as_raw_fd();
        // SAFETY: runs between fork and exec and calls dup3 only, which is async-signal-safe.
        unsafe {
            command.pre_exec(move || sys::duplicate_raw(raw, CONTROL));
        }
        let child = command
            .spawn()
            .doing(|| format!("running {} enter", self.helper.display()))?;
        // The helper's end must be the helper's alone, or its end would not be seen.
        drop(theirs);
        let beginning = Beginning {
            control: Arc::new(control),
            child: Some(child),
        };
        wire::send(&*beginning.control, b"!", &[paper.as_fd(), self.pidfd.as_fd()])
            .doing(|| "telling the helper its errand")?;
        Ok(beginning)
    }
}

enum No {
    Step(String, io::Error),
    Refused(String),
}

/// A helper that has not answered yet.
struct Beginning {
    control: Arc<OwnedFd>,
    child: Option<Child>,
}

impl Beginning {
    fn made(mut self) -> Result<Visit, No> {
        let step = |error| No::Step("waiting for the helper".into(), error);
        let (bytes, fds) = wire::receive(&*self.control)
            .map_err(step)?
            .ok_or_else(|| step(io::ErrorKind::UnexpectedEof.into()))?;
        match serde_json::from_slice(&bytes).map_err(|error| step(error.into()))? {
            Word::Ready => {}
            Word::Failed { doing, errno } => {
                return Err(No::Step(doing, io::Error::from_raw_os_error(errno)));
            }
            Word::Refused(reason) => return Err(No::Refused(reason)),
            Word::Ended(_) => return Err(step(io::ErrorKind::InvalidData.into())),
        }
        let mut fds = fds.into_iter();
        let streams = match (fds.next(), fds.next(), fds.next()) {
            (Some(both), None, None) => Streams::One(both),
            (Some(input), Some(output), Some(errors)) => Streams::Three {
                input,
                output,
                errors,
            },
            _ => return Err(step(io::ErrorKind::InvalidData.into())),
        };
        // From here on the helper is silent for as long as the person stays.
        set_socket_timeout(&*self.control, Timeout::Recv, None).map_err(|error| step(error.into()))?;
        Ok(Visit {
            streams: Some(streams),
            control: Arc::clone(&self.control),
            child: self.child.take(),
        })
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        // Without a child it has become a visit, whose socket this is.
        if let Some(child) = self.child.take() {
            end(&self.control, child);
        }
    }
}

/// The ends of what was opened inside.
#[derive(Debug)]
pub enum Streams {
    /// A terminal's other side, or a connection: to read and to write.
    One(OwnedFd),
    /// Three pipes.
    Three {
        /// To write to.
        input: OwnedFd,
        /// To read from.
        output: OwnedFd,
        /// To read from.
        errors: OwnedFd,
    },
}

/// Somebody inside. Dropping it hangs up and waits for the helper, not for what the program left behind.
#[derive(Debug)]
pub struct Visit {
    streams: Option<Streams>,
    control: Arc<OwnedFd>,
    child: Option<Child>,
}

/// The part of a visit with which it is cut short from elsewhere.
#[derive(Debug, Clone)]
pub struct Bell(Arc<OwnedFd>);

impl Bell {
    /// Sends a signal to the program's process group.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        wire::send(&*self.0, &serde_json::to_vec(&Call::Signal(signal))?, &[])
    }

    /// Hangs up: the program gets a hang-up signal, and whoever waits for its end hears that there is none.
    pub fn hang_up(&self) {
        // Fails only when it is over already.
        let _over = shutdown(&*self.0, Shutdown::Both);
    }
}

impl Visit {
    /// The ends of what was opened inside; `None` when they were taken before.
    pub fn take_streams(&mut self) -> Option<Streams> {
        self.streams.take()
    }

    /// With which it is cut short.
    pub fn bell(&self) -> Bell {
        Bell(Arc::clone(&self.control))
    }

    /// Waits for the program's end; `None` when somebody hung up or the sandbox went first.
    pub fn wait(&self) -> Option<VisitEnd> {
        let (bytes, _) = wire::receive(&*self.control).ok()??;
        match serde_json::from_slice(&bytes).ok()? {
            Word::Ended(end) => Some(end),
            Word::Ready | Word::Failed { .. } | Word::Refused(_) => None,
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(child) = self.child.take() {
            end(&self.control, child);
        }
    }
}

/// The helper ends when nobody listens, and is waited for: while it lives, it holds the sandbox's mounts.
fn end(control: &OwnedFd, mut child: Child) {
    let _over = shutdown(control, Shutdown::Both);
    let _ended = child.wait();
}
