//! The zygote's process, seen from the agent: how it is started, asked and given up on. One question at a time; an
//! answer that does not come in time is the last one, since a later one could not be told from it.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::net::sockopt::{Timeout, set_socket_timeout};

use crate::failure::{Doing, Failure};
use crate::limits::{ANSWER_SECONDS, MAX_CONTROL_MESSAGE};
use crate::sys;
use crate::wire::{self, Reply, Request};

/// Descriptors the zygote finds its socket and the lock at.
const CONTROL: i32 = 3;
const LOCK: i32 = 4;

/// The running process.
#[derive(Debug)]
pub(super) struct Process {
    /// `None` once it cannot be trusted to answer any more.
    control: Mutex<Option<OwnedFd>>,
    child: Child,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum NoAnswer {
    /// The zygote tried and failed; it is fine.
    Failed(Failure),
    /// The request is longer than a message may be.
    TooLong(usize),
    /// It is gone, or must be taken for gone.
    Gone(String),
}

impl Process {
    /// Starts `task_exe launcher` and waits until it is ready to serve.
    pub(super) fn spawn(task_exe: &Path, lock: &OwnedFd, stage: Option<PathBuf>) -> Result<Self, Failure> {
        let this = Self::run(task_exe, lock)?;
        let doing = || format!("waiting for {} launcher to get ready", task_exe.display());
        match this.ask(&Request::Prepare { stage }, &[]) {
            Ok((Reply::Ready, _)) => Ok(this),
            Ok((other, _)) => Err(io::Error::other(unexpected(&other))).doing(doing),
            Err(NoAnswer::Failed(failure)) => Err(failure),
            Err(NoAnswer::Gone(reason)) => Err(io::Error::other(reason)).doing(doing),
            Err(NoAnswer::TooLong(_)) => Err(io::Error::from(io::ErrorKind::InvalidFilename)).doing(doing),
        }
    }

    fn run(task_exe: &Path, lock: &OwnedFd) -> Result<Self, Failure> {
        let (control, theirs) = wire::packet_pair().doing(|| "making the control socket")?;
        let timeout = std::time::Duration::from_secs(ANSWER_SECONDS);
        set_socket_timeout(&control, Timeout::Recv, Some(timeout))
            .doing(|| "setting a time limit on answers")?;
        // Out of the way of the numbers they are copied to.
        let high =
            |fd: &OwnedFd| rustix::io::fcntl_dupfd_cloexec(fd, 64).doing(|| "duplicating a descriptor");
        let (theirs, held) = (high(&theirs)?, high(lock)?);
        let mut command = Command::new(task_exe);
        command
            .arg("launcher")
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        // Ctrl-C in the agent's terminal is for the agent, which ends its sandboxes in order.
        command.process_group(0);
        let copies = [(theirs.as_raw_fd(), CONTROL), (held.as_raw_fd(), LOCK)];
        // SAFETY: runs between fork and exec and calls dup3 only, which is async-signal-safe.
        unsafe {
            command.pre_exec(move || {
                for (from, to) in copies {
                    sys::duplicate_raw(from, to)?;
                }
                Ok(())
            });
        }
        let child = command
            .spawn()
            .doing(|| format!("running {} launcher", task_exe.display()))?;
        Ok(Self {
            control: Mutex::new(Some(control)),
            child,
        })
    }

    /// Asks for something and waits for the answer.
    pub(super) fn ask(
        &self,
        request: &Request,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(Reply, Vec<OwnedFd>), NoAnswer> {
        let bytes = serde_json::to_vec(request).map_err(|error| NoAnswer::Gone(error.to_string()))?;
        if bytes.len() > MAX_CONTROL_MESSAGE {
            return Err(NoAnswer::TooLong(bytes.len()));
        }
        let mut control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(socket) = &*control else {
            return Err(NoAnswer::Gone("it failed earlier".into()));
        };
        let answer = wire::send(socket, &bytes, fds).and_then(|()| wire::receive(socket));
        let reply = answer.and_then(|answer| match answer {
            Some((bytes, fds)) => Ok((serde_json::from_slice(&bytes)?, fds)),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        });
        match reply {
            Ok((Reply::Failed { doing, errno }, _)) => Err(NoAnswer::Failed(Failure {
                doing,
                source: io::Error::from_raw_os_error(errno),
            })),
            Ok(answer) => Ok(answer),
            Err(error) => {
                *control = None;
                Err(NoAnswer::Gone(error.to_string()))
            }
        }
    }
}

/// What to say of an answer to some other question.
pub(super) fn unexpected(reply: &Reply) -> String {
    format!("an answer out of turn: {reply:?}")
}

impl Drop for Process {
    fn drop(&mut self) {
        // End of file ends it, and every sandbox that nobody destroyed with it.
        *self.control.get_mut().unwrap_or_else(PoisonError::into_inner) = None;
        let _ = self.child.wait();
    }
}
